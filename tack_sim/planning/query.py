# SPDX-License-Identifier: Apache-2.0
"""What every query needs first: a start state, a collision checker and a watch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.collision import MARGIN, CollisionChecker
from tack_sim.planning.constraints import ResolvedConstraints
from tack_sim.planning.path_check import fine_states
from tack_sim.planning.requests import Constraints, Trajectory
from tack_sim.planning.scene import PlanningScene
from tack_sim.planning.timing import timed

FloatArray = NDArray[np.float64]


class Query:
    """One query under way.

    Attributes:
        scene: with the robot at the start.
        robot: of the scene.
        positions: joint → position at the start.
        start: (n,) of the arm, rad.
        checker: None where collisions do not matter.
        path: the path constraints.

    Args:
        scene: the snapshot.
        group: planning group that was asked for.
        start: joint → position where it differs from the scene's.
        checkers: gives the checker of a scene; None to leave collisions out.
        path: constraints all along.
        allowed_time: s.
        cancelled: whether the client gave up.

    Raises:
        MoveItError: the group, the start or the path constraints cannot be used, or the start
            collides.
    """

    def __init__(
        self,
        scene: PlanningScene,
        group: str,
        start: Mapping[str, float],
        checkers: Callable[[PlanningScene], CollisionChecker] | None,
        path: Constraints,
        allowed_time: float,
        cancelled: Callable[[], bool],
    ) -> None:
        self._allowed, self._cancelled = allowed_time, cancelled
        self.robot = robot = scene.robot
        if group != robot.profile.group:
            raise MoveItError(
                MoveItErrorCode.INVALID_GROUP_NAME,
                f"group {group!r} is unknown; {robot.profile.name} has {robot.profile.group!r}",
            )
        self.positions = robot.start(scene.positions, start)
        self.scene = scene.with_positions(self.positions)
        self.start = robot.arm_positions(self.positions)
        self.checker = checkers(self.scene) if checkers else None
        self.path = ResolvedConstraints(path, self.scene)
        # The first query of a scene also builds its collision model: that is not planning.
        self._deadline = time.monotonic() + allowed_time

    def check_start(self) -> None:
        """Refuse a start that collides or breaks the path constraints.

        Raises:
            MoveItError: START_STATE_IN_COLLISION, START_STATE_VIOLATES_PATH_CONSTRAINTS.
        """
        contacts = self.checker.contacts(self.start) if self.checker else []
        if contacts:
            more = f", and {len(contacts) - 1} other pairs" if len(contacts) > 1 else ""
            raise MoveItError(
                MoveItErrorCode.START_STATE_IN_COLLISION, f"at the start {contacts[0]}{more}"
            )
        broken = self.path.violation(self.start)
        if broken:
            raise MoveItError(
                MoveItErrorCode.START_STATE_VIOLATES_PATH_CONSTRAINTS, f"at the start {broken}"
            )

    def keep_margin(self, margin: float, *goals: FloatArray) -> None:
        """Set the margin of `is_valid`, m, except where the start or a goal is nearer."""
        if self.checker is not None:
            self.checker.keep_margin(margin, self.start, *goals)

    def stop(self) -> bool:
        """Whether time is up or the client gave up."""
        return self._cancelled() or time.monotonic() > self._deadline

    def check_time(self) -> None:
        """Stop here if the client gave up or time is up.

        Raises:
            MoveItError: PREEMPTED or TIMED_OUT.
        """
        if self._cancelled():
            raise MoveItError(MoveItErrorCode.PREEMPTED, "planning was cancelled")
        if time.monotonic() > self._deadline:
            raise MoveItError(
                MoveItErrorCode.TIMED_OUT,
                f"no path within {self._allowed:g} s: allow more time or clear the way",
            )

    def is_valid(self, q: ArrayLike) -> bool:
        """Free of collision with the checker's margin, and within the path constraints."""
        if self.checker is not None and not self.checker.is_free(q):
            return False
        return not self.path or not self.path.violation(q)

    def fault(self, path: ArrayLike) -> str:
        """What is wrong anywhere along straight lines between way-points, in words; "" if nothing.

        Looks at steps of 1 mm and 0.2°, with the margin that the checker keeps.

        Args:
            path: (N, n) rad.

        Raises:
            MoveItError: PREEMPTED or TIMED_OUT.
        """
        reaches = np.ones(len(self.start)) if self.checker is None else self.checker.reaches
        for index, q in enumerate(fine_states(path, reaches)):
            if index % 64 == 0:
                self.check_time()
                outside = self.robot.outside_limits(q)
                if outside:
                    return outside
            if not self.is_valid(q):
                contacts = self.checker.contacts(q, MARGIN) if self.checker else []
                return str(contacts[0]) if contacts else self.path.violation(q)
        return ""

    def motion(
        self, path: FloatArray, velocity_scaling: float, acceleration_scaling: float
    ) -> tuple[Trajectory | None, str]:
        """The first timed motion along a path that has no fault, and what was wrong otherwise.

        The spline through the way-points cuts corners or swings out; the denser the way-points,
        the less. The last resort stops at each of them.

        Args:
            path: (N, n) way-points of straight lines, rad.
            velocity_scaling, acceleration_scaling: shares of the limits.

        Raises:
            MoveItError: PREEMPTED, TIMED_OUT or INVALID_MOTION_PLAN.
        """
        fault = ""
        spacings = (0.2, 0.05, 0.015, None) if len(path) > 2 else (None,)
        for spacing in spacings:
            pieces = (
                [path]
                if spacing or len(path) < 3
                else [np.array(pair) for pair in itertools.pairwise(path)]
            )
            parts = [
                timed(
                    self.robot.profile,
                    _densified(piece, spacing),
                    velocity_scaling,
                    acceleration_scaling,
                )
                for piece in pieces
            ]
            trajectory = _joined(parts)
            fault = self.fault(trajectory.positions)
            if not fault:
                return trajectory, ""
        return None, fault


def _densified(path: FloatArray, spacing: float | None) -> FloatArray:
    """The path with way-points at most `spacing` rad apart in joint space."""
    if spacing is None:
        return path
    parts = [path[:1]]
    for first, second in itertools.pairwise(path):
        count = max(1, int(np.ceil(np.linalg.norm(second - first) / spacing)))
        parts.append(first + (second - first) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)


def _joined(parts: list[Trajectory]) -> Trajectory:
    """Motions one after the other, with a stop between."""
    if len(parts) == 1:
        return parts[0]
    times, offset = [parts[0].times], parts[0].duration
    for part in parts[1:]:
        times.append(part.times[1:] + offset)
        offset += part.duration
    columns = [
        np.concatenate([getattr(part, name)[min(index, 1) :] for index, part in enumerate(parts)])
        for name in ("positions", "velocities", "accelerations")
    ]
    return Trajectory(parts[0].joints, np.concatenate(times), *columns)
