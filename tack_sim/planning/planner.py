# SPDX-License-Identifier: Apache-2.0
"""The planner: everything that a move_group plans, behind one object."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_perception.errors import InvalidInputError
from tack_sim.planning.cartesian import cartesian_path
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.collision import MARGIN, CollisionChecker
from tack_sim.planning.constraints import ResolvedConstraints
from tack_sim.planning.goals import GoalStates
from tack_sim.planning.inverse import inverse_kinematics
from tack_sim.planning.path_check import STEP, fine_states, first_bad
from tack_sim.planning.query import Query
from tack_sim.planning.requests import (
    CartesianRequest,
    CartesianResult,
    IKRequest,
    IKResult,
    PlanRequest,
    PlanResult,
    Trajectory,
)
from tack_sim.planning.robot import RobotModel
from tack_sim.planning.sampling import RESOLUTION, import_ompl, rrt_connect
from tack_sim.planning.scene import PlanningScene
from tack_sim.planning.timing import import_toppra

FloatArray = NDArray[np.float64]

_DEFAULT_TIME = 1.0  # s, where none is allowed, as MoveIt does
# The last check keeps half of its own step, so that nothing fits between two of its states.
_FINAL_MARGIN = STEP / 2
_REPAIRS = 3  # searches at twice the resolution each, should a path not stand the fine check


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
        DependencyError: OMPL or toppra is missing; says what to install.
    """

    def __init__(self, profile: RobotProfile) -> None:
        self.robot = RobotModel(profile)
        # A second or more to import, which no query should have to wait for.
        import_ompl()
        import_toppra()
        self._lock = threading.RLock()
        self._checker: CollisionChecker | None = None

    def checker(self, scene: PlanningScene) -> CollisionChecker:
        """The collision checker of a scene, kept from query to query while the scene stays."""
        if self._checker is None or not self._checker.fits(scene):
            self._checker = CollisionChecker(scene)
        self._checker.set_gripper(scene.positions)
        return self._checker

    def plan(
        self, request: PlanRequest, scene: PlanningScene, cancelled: Callable[[], bool] = never
    ) -> PlanResult:
        """A collision-free, timed motion to one of the goals; never raises for a bad query.

        Args:
            request: the query.
            scene: where the robot is and what stands around it.
            cancelled: asked often; once it says True the answer is PREEMPTED.
        """
        started = time.monotonic()
        start: Mapping[str, float] = scene.positions
        trajectory: Trajectory | None = None
        try:
            with self._lock:
                query = self._query(request, scene, cancelled)
                start = query.positions
                trajectory, message = self._search(query, request)
            code = MoveItErrorCode.SUCCESS
        except MoveItError as error:
            code, message = error.code, str(error)
        except InvalidInputError as error:
            code, message = MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, str(error)
        length = 0.0
        if trajectory is not None:
            steps = np.diff(trajectory.positions, axis=0)
            length = float(np.linalg.norm(steps, axis=1).sum())
        return PlanResult(code, message, start, trajectory, time.monotonic() - started, length)

    def cartesian_path(
        self,
        request: CartesianRequest,
        scene: PlanningScene,
        cancelled: Callable[[], bool] = never,
    ) -> CartesianResult:
        """A straight path of a link through poses, as far as it goes; never raises, as `plan`."""
        try:
            with self._lock:
                checkers = self.checker if request.avoid_collisions else None
                return cartesian_path(request, scene, checkers, cancelled)
        except MoveItError as error:
            return CartesianResult(error.code, str(error), 0.0, scene.positions, None)
        except InvalidInputError as error:
            code = MoveItErrorCode.INVALID_GOAL_CONSTRAINTS
            return CartesianResult(code, str(error), 0.0, scene.positions, None)

    def inverse_kinematics(self, request: IKRequest, scene: PlanningScene) -> IKResult:
        """Joint positions for a pose of a link; never raises, as `plan`."""
        try:
            with self._lock:
                checkers = self.checker if request.avoid_collisions else None
                return inverse_kinematics(request, scene, checkers)
        except MoveItError as error:
            return IKResult(error.code, str(error), {})
        except InvalidInputError as error:
            return IKResult(MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, str(error), {})

    def _query(
        self, request: PlanRequest, scene: PlanningScene, cancelled: Callable[[], bool]
    ) -> Query:
        allowed = request.allowed_time
        if not (math.isfinite(allowed) and allowed > 0):
            allowed = _DEFAULT_TIME
        query = Query(
            scene,
            request.group,
            request.start,
            self.checker,
            request.path_constraints,
            allowed,
            cancelled,
        )
        query.check_start()
        return query

    def _search(self, query: Query, request: PlanRequest) -> tuple[Trajectory, str]:
        rng = np.random.default_rng(request.seed)
        goals = _goal_states(query, request, rng)
        scalings = (request.velocity_scaling, request.acceleration_scaling)
        trajectory = _straight(query, goals, scalings)
        if trajectory is not None:
            return trajectory, "straight to the goal"
        fault = ""
        for attempt in range(max(1, request.attempts) + _REPAIRS):
            query.keep_margin(MARGIN, *goals)
            path = rrt_connect(
                query.start,
                goals,
                (self.robot.kinematics.lower, self.robot.kinematics.upper),
                query.is_valid,
                seed=int(rng.integers(2**31)),
                stop=query.stop,
                resolution=RESOLUTION / 2**attempt,
            )
            query.check_time()
            if path is None:
                continue
            query.keep_margin(_FINAL_MARGIN, *goals)
            trajectory, fault = query.motion(path, *scalings)
            if trajectory is not None:
                return trajectory, f"around obstacles, over {len(path)} way-points"
        raise MoveItError(
            MoveItErrorCode.PLANNING_FAILED,
            f"paths were found, but none stands the fine check: {fault}"
            if fault
            else "no path was found",
        )


def _goal_states(query: Query, request: PlanRequest, rng: np.random.Generator) -> list[FloatArray]:
    """States of all goals that have any, the nearest first; the first refusal if none has."""
    if not request.goals:
        raise MoveItError(MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, "the query has no goal")
    search = GoalStates(query.robot, query.checker, query.start, rng)
    states: list[FloatArray] = []
    refusals: list[MoveItError] = []
    for constraints in request.goals:
        goal = ResolvedConstraints(constraints, query.scene)
        if not goal:
            raise MoveItError(
                MoveItErrorCode.INVALID_GOAL_CONSTRAINTS,
                "a goal has no constraints: give joint positions or a pose",
            )
        try:
            states += search.find(goal, query.path, stop=query.stop)
        except MoveItError as error:
            refusals.append(error)
    query.check_time()
    if not states:
        raise refusals[0]
    return sorted(states, key=lambda state: float(np.linalg.norm(state - query.start)))


def _straight(
    query: Query, goals: list[FloatArray], scalings: tuple[float, float]
) -> Trajectory | None:
    """The motion straight to the first goal that can be had so."""
    assert query.checker is not None
    for goal in goals:
        path = np.array([query.start, goal])
        query.keep_margin(MARGIN, *goals)
        # With this spacing the margin alone rules out nearly all collisions between two states.
        states = fine_states(path, query.checker.reaches, 2 * MARGIN, 0.05)
        if first_bad(states, query.is_valid, query.stop) is not None:
            continue
        query.check_time()
        query.keep_margin(_FINAL_MARGIN, *goals)
        trajectory, _ = query.motion(path, *scalings)
        if trajectory is not None:
            return trajectory
    return None
