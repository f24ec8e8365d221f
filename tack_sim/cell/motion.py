# SPDX-License-Identifier: Apache-2.0
"""The cell's arm without ROS: what move_group and the controllers do, in one process.

Plans are those of the `move_group` node, and physics is that of the `cell` node, but nobody waits
for a clock: hundreds of picks an hour can be tried, and the same seed gives the same pick.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.motion import GripperState, MotionConfig, MotionError
from tack_grasping.reach import TOUCHING, Joints, posture_onwards, posture_score
from tack_grasping.scene import Obstacle, SceneModel, diff
from tack_grasping.scene.touching import Touching, touchable
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.executor import ExecutionCode, TrajectoryExecutor
from tack_sim.cell.faults import Fault, FaultKind, is_active
from tack_sim.cell.world import CellWorld
from tack_sim.planning.allowed import AllowedCollisions
from tack_sim.planning.change import Operation, RobotStateChange, SceneChange, apply_change
from tack_sim.planning.execution import allowed_duration, check_start
from tack_sim.planning.planner import MotionPlanner
from tack_sim.planning.requests import (
    CartesianRequest,
    Constraints,
    IKRequest,
    JointConstraint,
    OrientationConstraint,
    PlanRequest,
    PositionConstraint,
    Trajectory,
)
from tack_sim.planning.scene import AttachedObject, CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive, TriangleMesh

FloatArray = NDArray[np.float64]

_STEP_S = 0.01
_GRIPPER_S = 3.0
_IK_S = 5.0
_SETTLE_S = 0.2  # for the force to build up
_MOVING_M = 1e-4  # in one step: the fingers still move
_HELD = "held"
_PARTS = ("world", "attached", "allowed")  # of a scene, that say who may touch what


class CellMotion:
    """The `Motion` of a cell in this process; its time passes only while something moves.

    Args:
        world: the cell.
        config: speeds, tolerances, patience.
        planner: of the same robot, to share it between cells; None for one of its own.
        faults: of planning (`plan_refused`, `plan_aborted`); those of the arm are the world's.

    Attributes:
        scene: what the planner knows of.
    """

    def __init__(
        self,
        world: CellWorld,
        config: MotionConfig | None = None,
        planner: MotionPlanner | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        self._world, self._profile = world, world.profile
        self.config = config or MotionConfig()
        self._planner = planner or MotionPlanner(world.profile)
        self._executor = TrajectoryExecutor(world)
        self._faults = list(faults)
        self._stopped = threading.Event()
        self._opened: dict[Touching, tuple[PlanningScene, AllowedCollisions]] = {}
        self._passed_s = 0.0  # of the wall clock, while the cell's time passed
        self._shown: SceneModel | None = None
        self.scene = PlanningScene.empty(self._planner.robot)

    def clock(self) -> float:
        """s; runs as on a robot: thinking takes the computer's time, motions take their own."""
        return time.perf_counter() - self._passed_s + self._world.time

    def wait(self, seconds: float) -> None:
        """Let the cell's time pass."""
        began = time.perf_counter()
        self._world.step(seconds)
        self._passed_s += time.perf_counter() - began

    def move_to(self, base_from_gripper: FloatArray, *, onwards: FloatArray | None = None) -> None:
        """Plan around obstacles and go. Raises MotionError, InvalidInputError for no pose."""
        if onwards is not None:
            self.move_joints(self._posture(base_from_gripper, onwards))
            return
        tip, config = self._tip(base_from_gripper), self.config
        ball = Primitive("sphere", (config.position_tolerance,))
        center = geometry.make_transform(np.eye(3), tip[:3, 3])
        link = self._profile.tip_frame
        self._plan_and_go(
            Constraints(
                positions=(PositionConstraint(link, "", ((ball, center),)),),
                orientations=(
                    OrientationConstraint(link, "", tip, np.full(3, config.angle_tolerance)),
                ),
            )
        )

    def move_home(self) -> None:
        """Go to the home position. Raises MotionError."""
        self.move_joints(self._profile.home)

    def move_joints(self, positions: FloatArray) -> None:
        """Plan to joint positions (n,), rad, and go.

        Raises:
            MotionError: it cannot be planned or carried out, or it was stopped.
            InvalidInputError: not one finite position for each joint.
        """
        wanted, names = np.asarray(positions, dtype=np.float64), tuple(self._profile.joints)
        if wanted.shape != (len(names),) or not np.isfinite(wanted).all():
            raise InvalidInputError(
                f"joint positions {wanted.tolist()}: {len(names)} finite values are needed, rad"
            )
        tolerance = self.config.joint_tolerance
        named = zip(names, wanted.tolist(), strict=True)
        joints = (JointConstraint(name, value, tolerance, tolerance) for name, value in named)
        self._plan_and_go(Constraints(joints=tuple(joints)))

    def move_straight(
        self, base_from_gripper: FloatArray, *, touching: Touching = Touching.NOTHING
    ) -> None:
        """Go in a straight line. Raises MotionError, InvalidInputError for no pose."""
        self._check_stopped()
        scene = self._now()
        try:
            trajectory = self._straight(base_from_gripper, scene)
        except MotionError as error:
            if touching is Touching.NOTHING or error.code is MoveItErrorCode.PREEMPTED:
                raise
            trajectory = self._straight(base_from_gripper, self._touched(scene, touching))
        self._execute(trajectory, "straight way")

    def _touched(self, scene: PlanningScene, touching: Touching) -> PlanningScene:
        """The scene in which the fingers may touch some things."""
        # The same as long as nothing changes: a planner makes its checker anew for another matrix.
        if touching in self._opened:
            before, allowed = self._opened[touching]
            if all(getattr(before, part) is getattr(scene, part) for part in _PARTS):
                return dataclasses.replace(scene, allowed=allowed)
        free = touchable(self._profile, scene.world, touching)
        every = touching is Touching.OUT
        links = scene.robot.link_names if every else self._profile.gripper.finger_links
        mine = (*links, *scene.attached)
        allowed = scene.allowed.with_pairs(itertools.product(mine, free), True)
        self._opened[touching] = scene, allowed
        return dataclasses.replace(scene, allowed=allowed)

    def _posture(self, base_from_gripper: FloatArray, onwards: FloatArray) -> FloatArray:
        scene, far = self._touched(self._now(), Touching.THINGS), self._tip(onwards)

        def there(start: Joints) -> Joints:
            found = self._planner.inverse_kinematics(
                IKRequest(
                    self._profile.group, far, avoid_collisions=True, timeout=_IK_S,
                    seed_state=start,
                ),
                scene,
            )  # fmt: skip
            if not found.positions:
                raise MotionError(found.code, found.message)
            return found.positions

        def back(start: Joints) -> Joints:
            way = self._straight(base_from_gripper, scene, start)
            return dict(zip(way.joints, way.positions[-1].tolist(), strict=True))

        return posture_onwards(self._profile, there, back)

    def _straight(
        self,
        base_from_gripper: FloatArray,
        scene: PlanningScene,
        start: Joints | None = None,
    ) -> Trajectory:
        config = self.config
        answer = self._planner.cartesian_path(
            CartesianRequest(
                self._profile.group, (self._tip(base_from_gripper),), start=start or {},
                max_step=config.straight_step, avoid_collisions=True,
                velocity_scaling=config.straight_speed, acceleration_scaling=config.straight_speed,
            ),
            scene,
            self._stopped.is_set,
        )  # fmt: skip
        if answer.trajectory is None:
            raise MotionError(answer.code, f"straight way: {answer.message}")
        if answer.fraction < config.straight_fraction:
            raise MotionError(
                MoveItErrorCode.PLANNING_FAILED,
                f"only {answer.fraction:.0%} of the straight way is possible,"
                f" {config.straight_fraction:.0%} is needed: {answer.message}",
            )
        return answer.trajectory

    def move_gripper(self, opening: float, force: float) -> GripperState:
        """Open or close to an opening, m, with at most a force, N.

        Returns:
            Where the fingers are once they are there, stand still, or 3 s have passed.

        Raises:
            MotionError: it was stopped.
            InvalidInputError: an opening or a force that the gripper does not have.
        """
        self._check_stopped()
        self._world.command_gripper(opening, force)
        end = self._world.time + _GRIPPER_S
        before = now = self._world.gripper_state()
        try:
            while self._world.time < end and not (now.stalled or now.reached):
                self.wait(_STEP_S)
                before, now = now, self._world.gripper_state()
                self._check_stopped()
            self._pass(_SETTLE_S)
        except MotionError:
            # Fingers that stand still may hold something, and go on holding it.
            if abs(now.opening - before.opening) > _MOVING_M:
                here = min(max(now.opening, 0.0), self._profile.gripper.stroke)
                self._world.command_gripper(here, force)
            raise
        return self._world.gripper_state()

    def reach(self, base_from_gripper: FloatArray) -> float:
        """How well the arm gets to a pose (4, 4), m: 0 (not at all), badly touching, to 1."""
        free = self._touched(self._now(), Touching.THINGS)
        for avoid, share in ((True, 1.0), (False, TOUCHING)):
            # Ended by the number of its tries, and not by how fast this machine is.
            request = IKRequest(
                self._profile.group, self._tip(base_from_gripper), avoid_collisions=avoid,
                timeout=_IK_S,
            )  # fmt: skip
            found = self._planner.inverse_kinematics(request, free).positions
            if found:
                positions = [found[name] for name in self._profile.joints]
                return share * posture_score(self._profile, positions)
        return 0.0

    def gripper_state(self) -> GripperState:
        """Where the fingers are now; moves nothing."""
        return self._world.gripper_state()

    def hold(self, gripper_from_box: FloatArray, size: FloatArray) -> None:
        """From now on a box moves with the gripper: (4, 4) and (3,) full side lengths, m."""
        tip_from_box = self._profile.gripper.tip_from_gripper @ gripper_from_box
        shape = Primitive("box", tuple(np.asarray(size).tolist()))
        link = self._profile.tip_frame
        box = CollisionObject(_HELD, link, tip_from_box, ((shape, np.eye(4)),))
        held = AttachedObject(link, box, (link, *self._profile.gripper.held_by))
        self.change(SceneChange(robot_state=RobotStateChange(attached=((held, Operation.ADD),))))

    def let_go(self) -> None:
        """Nothing is held any more."""
        if _HELD not in self.scene.attached:
            return
        held = AttachedObject("", CollisionObject(_HELD))
        self.change(
            SceneChange(
                robot_state=RobotStateChange(attached=((held, Operation.REMOVE),)),
                objects=((CollisionObject(_HELD), Operation.REMOVE),),
            )
        )

    def add_box(self, name: str, base_from_box: FloatArray, size: FloatArray) -> None:
        """Put a box into the planning scene: (4, 4) pose and (3,) full side lengths, m."""
        shape = Primitive("box", tuple(np.asarray(size).tolist()))
        box = CollisionObject(name, "", np.asarray(base_from_box), ((shape, np.eye(4)),))
        self.change(SceneChange(objects=((box, Operation.ADD),)))

    def remove(self, name: str) -> None:
        """Take an object out of the planning scene. Raises MotionError."""
        self.change(SceneChange(objects=((CollisionObject(name), Operation.REMOVE),)))

    def show(self, model: SceneModel) -> None:
        """Bring the planning scene from the last model to this one. Raises MotionError."""
        changes = diff(self._shown, model)
        objects = [(CollisionObject(name), Operation.REMOVE) for name in changes.removed]
        objects += [(_solid(one), Operation.ADD) for one in (*changes.changed, *changes.added)]
        self.change(SceneChange(objects=tuple(objects)))
        self._shown = model

    def change(self, change: SceneChange) -> None:
        """Change the planning scene.

        Raises:
            MotionError: a part of it cannot be applied.
        """
        changed = apply_change(self._now(), change)
        if not changed.success:
            raise MotionError(MoveItErrorCode.FAILURE, "; ".join(changed.problems))
        self.scene = changed.scene

    def stop(self) -> None:
        """Stop what moves and refuse all that follows until `resume`. From any thread."""
        self._stopped.set()
        self._executor.stop()

    def resume(self) -> None:
        """Allow motions again after `stop`."""
        self._stopped.clear()

    def _tip(self, base_from_gripper: FloatArray) -> FloatArray:
        pose = geometry.check_transform(base_from_gripper, "base_from_gripper")
        tip: FloatArray = pose @ geometry.inverse(self._profile.gripper.tip_from_gripper)
        return tip

    def _now(self) -> PlanningScene:
        state = self._world.joint_state()
        named = dict(zip(state.names, state.positions.tolist(), strict=True))
        self.scene = self.scene.with_positions(named)
        return self.scene

    def _plan_and_go(self, goal: Constraints) -> None:
        self._check_stopped()
        for kind, code in (
            (FaultKind.PLAN_REFUSED, MoveItErrorCode.PLANNING_FAILED),
            (FaultKind.PLAN_ABORTED, MoveItErrorCode.ABORT),
        ):
            if is_active(self._faults, kind, self._world.time):
                raise MotionError(code, f"motion: {kind.value}, as the fault demands")
        config = self.config
        planned = self._planner.plan(
            PlanRequest(
                self._profile.group, (goal,), velocity_scaling=config.speed,
                acceleration_scaling=config.acceleration, allowed_time=config.planning_time,
                attempts=config.attempts,
            ),
            self._now(),
            self._stopped.is_set,
        )  # fmt: skip
        if planned.trajectory is None:
            raise MotionError(planned.code, f"motion: {planned.message}")
        self._execute(planned.trajectory, "motion")

    def _execute(self, trajectory: Trajectory, what: str) -> None:
        """Follow it to its end.

        Raises:
            MotionError: it was stopped, or the arm did not follow.
        """
        self._check_stopped()
        state = self._world.joint_state()
        try:
            check_start(trajectory, dict(zip(state.names, state.positions, strict=True)))
        except InvalidInputError as error:
            code = getattr(error, "code", MoveItErrorCode.FAILURE)
            raise MotionError(code, f"{what}: {error}") from error
        refused = self._executor.start(trajectory)
        end = self._world.time + allowed_duration(trajectory)
        try:
            while refused is None and self._executor.active and self._world.time < end:
                self._pass(_STEP_S)
            self._check_stopped()
            if self._executor.active:
                raise MotionError(MoveItErrorCode.TIMED_OUT, f"{what}: it took too long")
        finally:
            # A stop that came just before the start has found nothing to stop; and whoever waits no
            # longer must not leave the arm moving.
            self._executor.stop()
        result = refused or self._executor.result
        assert result is not None
        if result.code is not ExecutionCode.SUCCESSFUL:
            raise MotionError(MoveItErrorCode.CONTROL_FAILED, f"{what}: {result.message}")

    def _pass(self, seconds: float) -> None:
        self._check_stopped()
        self.wait(seconds)

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise MotionError(MoveItErrorCode.PREEMPTED, "stopped; `resume` allows motions again")


def _solid(obstacle: Obstacle) -> CollisionObject:
    shape: Primitive | TriangleMesh
    if obstacle.size is not None:
        shape = Primitive("box", tuple(obstacle.size.tolist()))
    else:
        assert obstacle.vertices is not None
        assert obstacle.triangles is not None
        shape = TriangleMesh(obstacle.vertices, obstacle.triangles)
    return CollisionObject(obstacle.name, "", obstacle.base_from_shape, ((shape, np.eye(4)),))
