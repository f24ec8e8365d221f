# SPDX-License-Identifier: Apache-2.0
"""What a client of an action hears while its job is done."""

from __future__ import annotations

from typing import Any

from rclpy.action.server import ServerGoalHandle
from rclpy.publisher import Publisher

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.cycle import StageRecord
from tack_grasping.goal import PickPlaceGoal
from tack_ros.actions import finish
from tack_ros.conversions.markers import goal_markers
from tack_ros.node import TackNode
from tack_ros.pick_place.jobs import Wanted, Witnesses

Handle = ServerGoalHandle[Any, Any, Any]


class Told(Witnesses):
    """The client hears of the stages; what is tried is kept, and whether it is still wanted."""

    def __init__(
        self,
        node: TackNode,
        handle: Handle,
        kind: Any,
        plan: Publisher[Any],
        other: Witness,
        wanted: Wanted,
    ) -> None:
        super().__init__((other,))
        self.wanted, self._plan = wanted, plan
        self._node, self._handle, self._kind = node, handle, kind
        self.goal: PickPlaceGoal | None = None

    def began(self, stage: str) -> None:
        """A stage begins."""
        super().began(stage)
        feedback = self._kind.Feedback(state=stage)
        finish(self._node, lambda: self._handle.publish_feedback(feedback))

    def planned(self, goal: PickPlaceGoal) -> None:
        """This is tried next."""
        super().planned(goal)
        self.goal = goal
        finish(self._node, lambda: self._plan.publish(goal_markers([goal])))

    def ended(self, record: StageRecord) -> None:
        """A stage is over; what went wrong is told."""
        super().ended(record)
        if not record.success:
            self._node.get_logger().warning(f"{record.name}: {record.reason}")
