# SPDX-License-Identifier: Apache-2.0
"""What move_group is asked without moving: inverses, straight ways, and who may touch whom."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from moveit_msgs.msg import PlanningScene
from moveit_msgs.srv import ApplyPlanningScene, GetCartesianPath, GetPlanningScene, GetPositionIK
from numpy.typing import NDArray

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.motion import MotionConfig, MotionError
from tack_grasping.reach import Joints, posture_onwards
from tack_grasping.robot import RobotProfile
from tack_grasping.scene.touching import Touching, touchable
from tack_ros.moveit import requests

_CARTESIAN, _IK = "compute_cartesian_path", "compute_ik"
_APPLY_SCENE, _GET_SCENE = "apply_planning_scene", "get_planning_scene"
_MOST_SWING = 2.5  # rad; of a joint on a straight way, which is short: more is another branch


Call = Callable[[Any, str, Any, float], Any]
"""Kind, name, request and time-out, s, of a service → its answer, or MotionError."""


class Queries:
    """Asks move_group. All methods raise MotionError where it does not answer.

    Args:
        profile: the robot.
        config: speeds, patience.
        prefix: of move_group's names, with its slash.
        call: calls services.
    """

    def __init__(
        self, profile: RobotProfile, config: MotionConfig, prefix: str, call: Call
    ) -> None:
        self._profile, self._config, self._prefix, self._call = profile, config, prefix, call
        self._touching = threading.Lock()

    def free(self, base_from_tip: NDArray[Any], start: Joints | None = None) -> Joints:
        """Joint positions that bring the tip to a pose, free of collisions.

        Args:
            base_from_tip: (4, 4), m.
            start: joint positions to begin at; where the robot is for joints that it leaves out.

        Raises:
            MotionError: there are none.
        """
        return self._inverse(base_from_tip, start, avoid_collisions=True)

    def free_among_things(self, base_from_tip: NDArray[Any]) -> Joints:
        """As `free`, but the fingers may touch `Touching.THINGS`."""
        with self.may_touch(Touching.THINGS):
            return self.free(base_from_tip)

    def anyhow(self, base_from_tip: NDArray[Any]) -> Joints:
        """As `free`, whatever the arm touches there."""
        return self._inverse(base_from_tip, None, avoid_collisions=False)

    def _inverse(
        self, base_from_tip: NDArray[Any], start: Joints | None, *, avoid_collisions: bool
    ) -> Joints:
        request = requests.ik_request(
            self._profile, base_from_tip, avoid_collisions=avoid_collisions, start=start
        )
        answer = self._ask(GetPositionIK, _IK, request)
        check(answer.error_code, "inverse kinematics")
        return requests.joints_of(answer.solution)

    def straight(self, base_from_tip: NDArray[Any], start: Joints | None = None) -> Any:
        """The whole straight way to a pose (4, 4), m; a moveit_msgs/RobotTrajectory.

        Args:
            base_from_tip: where to.
            start: as for `free`.

        Raises:
            MotionError: only a part of it is possible, or the arm would swing.
        """
        config = self._config
        request = requests.straight_request(self._profile, [base_from_tip], config, start)
        answer = self._ask(GetCartesianPath, _CARTESIAN, request, config.planning_time)
        check(answer.error_code, "straight way")
        if answer.fraction < config.straight_fraction:
            raise MotionError(
                MoveItErrorCode.PLANNING_FAILED,
                f"only {answer.fraction:.0%} of the straight way is possible,"
                f" {config.straight_fraction:.0%} is needed",
            )
        swing = requests.swing(answer.solution.joint_trajectory)
        if swing > _MOST_SWING:
            raise MotionError(
                MoveItErrorCode.PLANNING_FAILED,
                f"on the straight way a joint would turn by {swing:.1f} rad: the arm would swing"
                " to another configuration",
            )
        return answer.solution

    def posture(self, base_from_tip: NDArray[Any], onwards: NDArray[Any]) -> NDArray[Any]:
        """(n,) rad at a pose, from which the straight way to another, (4, 4) m, is free.

        The fingers may touch `Touching.THINGS`.

        Raises:
            MotionError: none was found.
        """

        def there(start: Joints) -> Joints:
            return self.free(onwards, start)

        def back(start: Joints) -> Joints:
            way = self.straight(base_from_tip, start).joint_trajectory
            if not way.points:
                return start
            return dict(zip(way.joint_names, way.points[-1].positions, strict=True))

        with self.may_touch(Touching.THINGS):
            return posture_onwards(self._profile, there, back)

    @contextlib.contextmanager
    def may_touch(self, touching: Touching) -> Iterator[None]:
        """While the block lasts the fingers may touch some of what stands around.

        Blocks of several threads wait for each other: each puts back what it has found.
        """
        with self._touching:
            yield from self._touched(touching)

    def _touched(self, touching: Touching) -> Iterator[None]:
        asked = GetPlanningScene.Request(components=requests.WHO_MAY_TOUCH)
        known = self._ask(GetPlanningScene, _GET_SCENE, asked).scene
        before = known.allowed_collision_matrix
        names = [item.id for item in known.world.collision_objects]
        free = touchable(self._profile, names, touching)
        held = [item.object.id for item in known.robot_state.attached_collision_objects]
        mine = (*self._profile.gripper.finger_links, *held)
        if touching is Touching.OUT:
            mine = (*mine, *before.entry_names)
        self.change_scene(requests.allowing(requests.opened(before, mine, free)))
        try:
            yield
        finally:
            self.change_scene(requests.allowing(before))

    def change_scene(self, scene: PlanningScene) -> None:
        """Apply a change of the planning scene.

        Raises:
            MotionError: move_group does not take it.
        """
        request = ApplyPlanningScene.Request(scene=scene)
        if not self._ask(ApplyPlanningScene, _APPLY_SCENE, request).success:
            raise MotionError(
                MoveItErrorCode.FAILURE, "move_group refused the change of its planning scene"
            )

    def _ask(self, kind: Any, name: str, request: Any, more_s: float = 0.0) -> Any:
        patience = self._config.server_patience + more_s
        return self._call(kind, self._prefix + name, request, patience)


def check(code: Any, what: str) -> None:
    """Raise MotionError unless a moveit_msgs/MoveItErrorCodes is that of success."""
    known = MoveItErrorCode.of(code.val)
    if known is not MoveItErrorCode.SUCCESS:
        detail = getattr(code, "message", "")
        raise MotionError(known, f"{what}: {detail or known.sentence}")
