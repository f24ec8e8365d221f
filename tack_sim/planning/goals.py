# SPDX-License-Identifier: Apache-2.0
"""Joint positions that meet a goal: read from it, or found by inverse kinematics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.collision import CollisionChecker
from tack_sim.planning.constraints import ResolvedConstraints, rotation_of
from tack_sim.planning.robot import RobotModel
from tack_sim.planning.shapes import sample

FloatArray = NDArray[np.float64]

_ENOUGH = 6  # goal states; a few branches of the inverse kinematics leave the planner a choice
_TRIES = 40  # of inverse kinematics before a pose counts as out of reach
_MORE_TRIES = 80  # where it can be reached, but only by states that will not do
_SAME = 0.05  # rad; solutions nearer to each other are one


class GoalStates:
    """Searches for states that meet constraints and are free of collision.

    Args:
        robot: the arm.
        checker: of the scene; None to leave collisions out.
        start: (n,) where the query starts, rad.
        rng: for everything random.
    """

    def __init__(
        self,
        robot: RobotModel,
        checker: CollisionChecker | None,
        start: FloatArray,
        rng: np.random.Generator,
    ) -> None:
        self._robot, self._checker, self._start, self._rng = robot, checker, start, rng

    def find(
        self,
        goal: ResolvedConstraints,
        also: ResolvedConstraints | None = None,
        *,
        enough: int = _ENOUGH,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[FloatArray]:
        """States that meet a goal, the one nearest to the start first.

        Args:
            goal: what to meet.
            also: path constraints, which have to hold at the goal too.
            enough: number of states to stop at.
            stop: asked before each try.

        Returns:
            At least one (n,) array, rad.

        Raises:
            MoveItError: none was found: GOAL_STATE_INVALID outside the limits, NO_IK_SOLUTION,
                GOAL_IN_COLLISION, GOAL_VIOLATES_PATH_CONSTRAINTS, GOAL_CONSTRAINTS_VIOLATED, or
                TIMED_OUT.
        """
        found: list[FloatArray] = []
        failure = MoveItError(MoveItErrorCode.TIMED_OUT, "no time to look for a goal state")
        rank = -1
        for tries, state in enumerate(self._candidates(goal)):
            if stop() or (found and tries >= _TRIES):
                break
            refusal = self._refusal(state, goal, also)
            if refusal is None and state is not None:
                if all(np.abs(state - other).max() > _SAME for other in found):
                    found.append(state)
                if len(found) >= enough:
                    break
            elif refusal is not None and refusal[0] > rank:
                rank, failure = refusal
        if not found:
            raise failure
        return sorted(found, key=lambda state: float(np.linalg.norm(state - self._start)))

    def _refusal(
        self,
        state: FloatArray | None,
        goal: ResolvedConstraints,
        also: ResolvedConstraints | None,
    ) -> tuple[int, MoveItError] | None:
        """Why a state will not do, with how near it came to being accepted."""
        if state is None:
            return 0, MoveItError(MoveItErrorCode.NO_IK_SOLUTION, self._out_of_reach(goal))
        broken = goal.violation(state)
        if broken:
            code = MoveItErrorCode.GOAL_CONSTRAINTS_VIOLATED
            return 1, MoveItError(
                code, f"the pose can be reached, but not with all goals: {broken}"
            )
        broken = also.violation(state) if also is not None else ""
        if broken:
            code = MoveItErrorCode.GOAL_VIOLATES_PATH_CONSTRAINTS
            return 2, MoveItError(code, f"the goal breaks the path constraints: {broken}")
        contacts = self._checker.contacts(state) if self._checker is not None else []
        if contacts:
            code = MoveItErrorCode.GOAL_IN_COLLISION
            return 3, MoveItError(code, f"at the goal {contacts[0]}")
        return None

    def _out_of_reach(self, goal: ResolvedConstraints) -> str:
        where = ""
        if goal.positions:
            center = goal.positions[0][1][0][1][:3, 3]
            where = (
                f" at {np.round(center, 4).tolist()} m ({np.linalg.norm(center):.3f} m from the"
                f" base)"
            )
        return (
            f"no joint positions within the limits were found for the pose{where}"
            f" in {_TRIES} tries: move it nearer, or allow other orientations"
        )

    def _candidates(self, goal: ResolvedConstraints) -> Iterator[FloatArray | None]:
        if goal.positions or goal.orientations:
            yield from self._from_pose(goal)
        else:
            yield from self._from_joints(goal)

    def _from_joints(self, goal: ResolvedConstraints) -> Iterator[FloatArray]:
        """The middle of the tolerances, joints that are not constrained left in place; then any."""
        lower, upper = self._robot.kinematics.lower.copy(), self._robot.kinematics.upper.copy()
        middle = self._start.copy()
        for index, (low, high) in goal.joints.items():
            if low > high:
                raise MoveItError(
                    MoveItErrorCode.INVALID_GOAL_CONSTRAINTS,
                    f"the constraints of {self._robot.joints[index]} contradict each other",
                )
            if high < lower[index] or low > upper[index]:
                raise MoveItError(
                    MoveItErrorCode.GOAL_STATE_INVALID,
                    f"{self._robot.joints[index]} = {(low + high) / 2:.4f} rad is outside its"
                    f" limits {lower[index]:.4f} to {upper[index]:.4f} rad",
                )
            lower[index], upper[index] = max(low, lower[index]), min(high, upper[index])
            middle[index] = min(max((low + high) / 2, lower[index]), upper[index])
        yield middle
        for _ in range(_TRIES):
            yield self._rng.uniform(lower, upper)

    def _from_pose(self, goal: ResolvedConstraints) -> Iterator[FloatArray | None]:
        """Inverse kinematics of the goal's middle, then of poses drawn from its tolerances."""
        kinematics = self._robot.kinematics
        reached = False
        for attempt in range(_MORE_TRIES):
            if attempt == _TRIES and not reached:
                return
            pose = self._tip_pose(goal, exact=attempt < _TRIES // 2 or attempt % 2 == 0)
            seed = self._start
            if attempt:
                seed = self._rng.uniform(kinematics.lower, kinematics.upper)
            q = kinematics.inverse(pose, seed, rng=self._rng, attempts=1 if attempt else 4)
            reached = reached or q is not None
            yield q

    def _tip_pose(self, goal: ResolvedConstraints, *, exact: bool) -> FloatArray:
        """(4, 4) base_from_tip, in the middle of the tolerances or anywhere in them."""
        if goal.orientations:
            tip_from_link, wanted, one = goal.orientations[0]
            turn = np.zeros(3)
            tolerances = np.minimum(np.asarray(one.tolerances, dtype=np.float64), math.pi)
            free = tolerances >= math.pi
            turn[free] = self._rng.uniform(-math.pi, math.pi, int(free.sum())) * (not exact)
            if not exact:
                turn[~free] = self._rng.uniform(-tolerances[~free], tolerances[~free])
            actual = wanted[:3, :3] @ rotation_of(turn, one.rotation_vector)
            rotation = actual @ tip_from_link[:3, :3].T
        else:
            rotation = self._any_rotation(exact)
        pose = np.eye(4)
        pose[:3, :3] = rotation
        if not goal.positions:
            q = (
                self._start
                if exact
                else self._rng.uniform(self._robot.kinematics.lower, self._robot.kinematics.upper)
            )
            pose[:3, 3] = self._robot.kinematics.forward(q)[:3, 3]
            return pose
        point, regions = goal.positions[0]
        primitive, base_from_region = regions[0 if exact else self._rng.integers(len(regions))]
        inside = np.zeros(3) if exact else sample(primitive, self._rng)
        at = base_from_region[:3, :3] @ inside + base_from_region[:3, 3]
        pose[:3, 3] = at - rotation @ point
        return pose

    def _any_rotation(self, exact: bool) -> FloatArray:
        if exact and self._rng.random() < 0.5:
            return self._robot.kinematics.forward(self._start)[:3, :3]
        quaternion = self._rng.normal(size=4)
        return geometry.from_quaternion(quaternion / np.linalg.norm(quaternion))[:3, :3]
