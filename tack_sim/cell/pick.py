# SPDX-License-Identifier: Apache-2.0
"""A scripted pick from straight above, at a point that is known: no camera and no planner.

It is the measure of the cell itself: with true points it must hold nearly everything, and with
points that are wrong by centimetres it must not.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.executor import ExecutionCode, TrajectoryExecutor
from tack_sim.cell.judge import GraspJudge, GraspVerdict
from tack_sim.cell.path import joint_move, straight_move
from tack_sim.cell.world import CellWorld
from tack_sim.objects.model import ObjectModel, RestPose, TopGrasp
from tack_sim.planning.requests import Trajectory
from tack_sim.robots.kinematics import Kinematics

FloatArray = NDArray[np.float64]
Cause = Literal["success", "unreachable", "not_followed", "missed", "lost_lifting", "lost_holding"]

ABOVE = 0.10
"""How far above the grasp the straight way down begins and the way up ends, m."""

_LIFT = 0.14  # m
_CLEARANCE = 0.004  # of the finger tips above the table, m
_MARGIN = 0.01  # opening beyond the width that the grasp asks for, m
_TILTED = math.radians(20)


@dataclasses.dataclass(frozen=True, eq=False)
class PickPlan:
    """The motions of a pick.

    Attributes:
        base_from_gripper: (4, 4) at closing, m.
        opening: of the gripper on the way down, m.
        approach, descend, lift: motions of the arm.
    """

    base_from_gripper: FloatArray
    opening: float
    approach: Trajectory
    descend: Trajectory
    lift: Trajectory


@dataclasses.dataclass(frozen=True)
class PickResult:
    """How a pick ended.

    Attributes:
        cause: success, or what went wrong: no joint positions reach the grasp, the arm did not
            follow, the pads closed without the object between them, or it was lost later.
        pushed: how far the object moved before the fingers closed, m.
        opening: between the fingers after closing, m.
        verdict: of the judge; None where nothing was closed on.
        message: of the controller where it did not follow, and what the arm met.
    """

    cause: Cause
    pushed: float = math.nan
    opening: float = math.nan
    verdict: GraspVerdict | None = None
    message: str = ""

    @property
    def success(self) -> bool:
        """Whether the object was lifted and held."""
        return self.cause == "success"


def resting(model: ObjectModel, base_from_object: FloatArray) -> RestPose | None:
    """The rest pose that an object is in, at any place and yaw; None where it is in none."""
    up = base_from_object[2, :3]
    tilts = [float(up @ rest.table_from_object[2, :3]) for rest in model.rests]
    best = int(np.argmax(tilts))
    return model.rests[best] if tilts[best] > math.cos(_TILTED) else None


def top_grasps(
    model: ObjectModel, base_from_object: FloatArray, point: str | None = None
) -> list[TopGrasp]:
    """The object's top-down grasps in the rest pose that it is in, at one point or at all."""
    rest = resting(model, base_from_object)
    return [
        grasp
        for grasp in model.grasps
        if rest is not None and grasp.rest == rest.name and point in (None, grasp.point)
    ]


def grasp_poses(
    grasp: TopGrasp, position: FloatArray, base_from_object: FloatArray, lowest: float
) -> tuple[FloatArray, FloatArray]:
    """The two (4, 4) base_from_gripper of a grasp: half a turn about the approach apart, m.

    Args:
        grasp: of the object.
        position: (3,) of its point in the base frame, m.
        base_from_object: (4, 4), m.
        lowest: z that the finger tips may reach, m.
    """
    closing = geometry.rotate(base_from_object, grasp.closing) * (1, 1, 0)
    down = np.array([0.0, 0.0, -1.0])
    tips = np.array([*position[:2], max(lowest, position[2] - grasp.depth)])
    first, second = (
        geometry.make_transform(np.column_stack([np.cross(y, down), y, down]), tips)
        for y in (geometry.unit(closing), -geometry.unit(closing))
    )
    return first, second


def plan_pick(
    profile: RobotProfile,
    start: FloatArray,
    grasp: TopGrasp,
    position: FloatArray,
    base_from_object: FloatArray,
) -> PickPlan | None:
    """The motions of a pick; None where no joint positions reach them.

    Args:
        profile: the robot.
        start: (n,) joint positions now, rad.
        grasp: of the object.
        position: (3,) where its point is taken to be, in the base frame, m.
        base_from_object: (4, 4), m.
    """
    kinematics = Kinematics(profile)
    lowest = profile.table_height + _CLEARANCE
    plans = []
    for pose in grasp_poses(grasp, position, base_from_object, lowest):
        above = _raised(pose, ABOVE)
        first = kinematics.inverse(kinematics.tip_pose(above), profile.home)
        if first is None:
            continue
        down = straight_move(kinematics, profile, first, above, pose)
        if down is None:
            continue
        up = straight_move(kinematics, profile, down.positions[-1], pose, _raised(pose, _LIFT))
        if up is None:
            continue
        opening = min(profile.gripper.stroke, grasp.width + _MARGIN)
        approach = joint_move(profile, start, first)
        plans.append((approach.duration, PickPlan(pose, opening, approach, down, up)))
    return min(plans, key=lambda plan: plan[0])[1] if plans else None


def scripted_pick(
    world: CellWorld,
    point: str,
    *,
    name: str | None = None,
    displacement: ArrayLike = (0.0, 0.0, 0.0),
    executor: TrajectoryExecutor | None = None,
) -> PickResult:
    """Pick an object at a named point, with its true position, and judge.

    Args:
        world: the cell; its time passes.
        point: name of the point; the object must have a top-down grasp there in its rest pose.
        name: of the object; the target where None.
        displacement: (3,) error that is added to the point's true position, m in the base frame.
        executor: of the world, where there is one already.

    Raises:
        InvalidInputError: no such point, or no grasp there; names those that exist.
    """
    placed = world.layout.target if name is None else world.layout.placed(name)
    model, pose = placed.model, world.object_pose(placed.name)
    grasps = top_grasps(model, pose, point)
    if not grasps:
        known = {grasp.point for grasp in top_grasps(model, pose)}
        raise InvalidInputError(
            f"{model.name} has no top-down grasp at {point!r} as it lies;"
            f" there are {', '.join(sorted(known)) or 'none'}"
        )
    position = geometry.apply(pose, model.position(point)) + np.asarray(displacement)
    start = world.arm_motion()[0]
    plans = (plan_pick(world.profile, start, grasp, position, pose) for grasp in grasps)
    plan = next((plan for plan in plans if plan is not None), None)
    if plan is None:
        return PickResult("unreachable")
    return execute_pick(world, placed.name, plan, executor or TrajectoryExecutor(world))


def execute_pick(
    world: CellWorld, name: str, plan: PickPlan, executor: TrajectoryExecutor
) -> PickResult:
    """Run the motions of a pick, close, lift, and judge.

    Args:
        world: the cell; its time passes.
        name: of the object that is to be held.
        plan: the motions.
        executor: of the world.
    """
    judge, centre = GraspJudge(world, name), world.object_centre(name)
    world.command_gripper(plan.opening)
    for motion in (plan.approach, plan.descend):
        done = executor.run(motion)
        if done.code is not ExecutionCode.SUCCESSFUL:
            return PickResult("not_followed", message=_told(world, name, done.message))
    pushed = float(np.linalg.norm(world.object_centre(name) - centre))
    world.command_gripper(0.0)
    _await_gripper(world)
    opening = world.gripper_state().opening
    held = all(world.pads_on(name))
    done = executor.run(plan.lift)
    if done.code is not ExecutionCode.SUCCESSFUL:
        return PickResult("not_followed", pushed, opening, message=_told(world, name, done.message))
    lifted = all(world.pads_on(name))
    verdict = judge.hold()
    cause: Cause = "success"
    if not verdict.success:
        cause = "lost_holding" if lifted else "lost_lifting" if held else "missed"
    return PickResult(cause, pushed, opening, verdict)


def _await_gripper(world: CellWorld, longest: float = 2.0) -> None:
    """Let time pass until the fingers have closed, and a moment for the force to build up."""
    end = world.time + longest
    while world.time < end:
        world.step(0.05)
        state = world.gripper_state()
        if state.stalled or state.reached:
            break
    world.step(0.2)


def _told(world: CellWorld, name: str, message: str) -> str:
    touched = f"{name} touches {', '.join(sorted(world.touching(name))) or 'nothing'}"
    return "; ".join([message, touched, *(str(collision) for collision in world.collisions)])


def _raised(pose: FloatArray, height: float) -> FloatArray:
    raised: FloatArray = pose.copy()
    raised[2, 3] += height
    return raised
