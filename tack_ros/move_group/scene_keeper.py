# SPDX-License-Identifier: Apache-2.0
"""The planning scene in force, and where the robot is."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from moveit_msgs.msg import PlanningScene as SceneMessage
from sensor_msgs.msg import JointState

from tack_perception.errors import InvalidInputError
from tack_ros import qos
from tack_ros.conversions.stamps import to_ns
from tack_ros.move_group import scenes
from tack_ros.node import TackNode
from tack_ros.stamp_check import RESTART_NS
from tack_sim.planning.change import apply_change
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.planner import MotionPlanner
from tack_sim.planning.scene import PlanningScene

_STALE_S = 1.0
_WAIT_S = 1.0  # for a joint state of the moment of a request
_FIRST_S = 10.0  # for the first one since this node came up: its publisher has yet to be found


class SceneKeeper:
    """The planning scene in force, with the robot where the joint states say it is. Thread-safe.

    Args:
        node: its subscriptions are made here.
        planner: knows the robot.
    """

    def __init__(self, node: TackNode, planner: MotionPlanner) -> None:
        self._node = node
        self._joints = frozenset(planner.robot.profile.joints)
        self._scene = PlanningScene.empty(planner.robot)
        self._stamp_ns: int | None = None
        self._came_up = time.monotonic()
        self._changed = threading.Condition()
        node.create_subscription(JointState, "/joint_states", self._on_joints, qos.RESULT)
        node.create_subscription(SceneMessage, "planning_scene", self._on_scene, qos.RESULT)
        node.when_time_jumps_back(self._forget)

    def _forget(self) -> None:
        with self._changed:
            self._stamp_ns = None

    def _on_joints(self, message: JointState) -> None:
        self._node.monitor.received()
        stamp_ns = to_ns(message.header.stamp)
        try:
            named = dict(zip(message.name, message.position, strict=True))
            with self._changed:
                # Some grippers send messages of their own, which say nothing of the arm.
                if self._joints <= named.keys():
                    newest_ns = self._stamp_ns
                    if newest_ns is not None and newest_ns - RESTART_NS < stamp_ns < newest_ns:
                        self._node.drops.add("joint states older than those before")
                        return
                    self._stamp_ns = stamp_ns
                self._scene = self._scene.with_positions(named)
                self._changed.notify_all()
        except ValueError as error:  # InvalidInputError is one too
            self._node.drops.add(f"joint states: {error}")
            return
        self._node.monitor.handled(stamp_ns)

    def _on_scene(self, message: SceneMessage) -> None:
        self.apply(message)

    def positions(self) -> Mapping[str, float]:
        """Joint → position now.

        Raises:
            MoveItError: as in `now`.
        """
        return self.now().positions

    def now(self) -> PlanningScene:
        """The scene with the robot where it is now.

        Waits, as move_group does, for a joint state of this moment: the newest may be of the time
        before the end of the last motion. Right after its start the node waits longer, until it has
        found who publishes them.

        Raises:
            MoveItError: ROBOT_STATE_STALE no joint state has come lately.
        """
        clock = self._node.get_clock()
        asked_ns = clock.now().nanoseconds
        with self._changed:
            self._changed.wait_for(
                lambda: self._stamp_ns is not None,
                self._came_up + _FIRST_S - time.monotonic(),
            )
            self._changed.wait_for(
                lambda: self._stamp_ns is not None and self._stamp_ns >= asked_ns,
                _WAIT_S,
            )
            stamp_ns, scene = self._stamp_ns, self._scene
        if stamp_ns is None:
            raise MoveItError(
                MoveItErrorCode.ROBOT_STATE_STALE, "no joint state has come on /joint_states yet"
            )
        age_s = (clock.now().nanoseconds - stamp_ns) * 1e-9
        if age_s > _STALE_S:
            raise MoveItError(
                MoveItErrorCode.ROBOT_STATE_STALE,
                f"the newest joint state is {age_s:.1f} s old: does the robot's driver run, and"
                " does this node have its clock (use_sim_time)?",
            )
        return scene

    def apply(self, message: SceneMessage) -> tuple[str, ...]:
        """Change the scene; returns a sentence for each part that could not be applied."""
        try:
            change = scenes.from_scene(message)
            with self._changed:
                changed = apply_change(self._scene, change)
                self._scene = changed.scene
        except InvalidInputError as error:
            problems: tuple[str, ...] = (str(error),)
        else:
            problems = changed.problems
        for problem in problems:
            self._node.get_logger().error(f"planning scene: {problem}")
        return problems

    def anything(self) -> PlanningScene:
        """The scene, however old the joint states are."""
        with self._changed:
            return self._scene
