# SPDX-License-Identifier: Apache-2.0
"""The planner: everything that a move_group plans, behind one object."""

from __future__ import annotations

from collections.abc import Callable

from tack_grasping.robot import RobotProfile
from tack_sim.planning.requests import (
    CartesianRequest,
    CartesianResult,
    IKRequest,
    IKResult,
    PlanRequest,
    PlanResult,
)
from tack_sim.planning.robot import RobotModel
from tack_sim.planning.scene import PlanningScene


def never() -> bool:
    """Not cancelled."""
    return False


class MotionPlanner:
    """Plans for one robot; safe to call from any thread, one query at a time.

    Attributes:
        robot: names, limits and kinematics; `PlanningScene.empty(planner.robot)` is a first scene.

    Args:
        profile: the robot.

    Raises:
        InvalidInputError: its arm or its gripper cannot be simulated.
        DependencyError: MuJoCo, OMPL or toppra is missing.
    """

    def __init__(self, profile: RobotProfile) -> None:
        self.robot = RobotModel(profile)

    def plan(
        self, request: PlanRequest, scene: PlanningScene, cancelled: Callable[[], bool] = never
    ) -> PlanResult:
        """A collision-free, timed motion to one of the goals; never raises for a bad query.

        Args:
            request: the query.
            scene: where the robot is and what stands around it.
            cancelled: asked often; once it says True the answer is PREEMPTED.
        """
        raise NotImplementedError

    def cartesian_path(
        self,
        request: CartesianRequest,
        scene: PlanningScene,
        cancelled: Callable[[], bool] = never,
    ) -> CartesianResult:
        """A straight path of a link through poses, as far as it goes; never raises, as `plan`."""
        raise NotImplementedError

    def inverse_kinematics(self, request: IKRequest, scene: PlanningScene) -> IKResult:
        """Joint positions for a pose of a link; never raises, as `plan`."""
        raise NotImplementedError
