# SPDX-License-Identifier: Apache-2.0
"""Paths around obstacles by OMPL's RRTConnect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import DependencyError

FloatArray = NDArray[np.float64]

RESOLUTION = 0.0025
"""Distance between validity checks as a share of the joint space's extent (0.03 rad on a Panda)."""

_SIMPLIFY_CHECKS = 20_000  # a bound in checks, not in seconds, keeps the path reproducible

# OMPL draws the seeds of all its generators from one of the whole process.
_ompl_lock = threading.Lock()


def import_ompl() -> tuple[Any, Any, Any]:
    """The modules ompl.base, ompl.geometric and ompl.util.

    Raises:
        DependencyError: OMPL is missing; says what to install.
    """
    try:
        from ompl import base, geometric, util
    except ImportError as error:
        raise DependencyError(
            f"motion planning needs OMPL ({error}): pip install 'tack[sim]'"
        ) from error
    # OMPL writes to the console, among others that seeding twice is no good: it is, as the
    # generator of its seeds starts anew.
    util.setLogLevel(util.LOG_NONE)
    return base, geometric, util


def rrt_connect(
    start: FloatArray,
    goals: Sequence[FloatArray],
    limits: tuple[FloatArray, FloatArray],
    is_valid: Callable[[list[float]], bool],
    *,
    seed: int,
    stop: Callable[[], bool],
    resolution: float = RESOLUTION,
) -> FloatArray | None:
    """A path from the start to one of the goals, shortened.

    Args:
        start: (n,) rad, valid.
        goals: (n,) each, rad, valid.
        limits: (n,) lowest and highest positions, rad.
        is_valid: asked for joint positions.
        seed: of OMPL's random numbers.
        stop: asked at every check; ends the search.
        resolution: see `RESOLUTION`.

    Returns:
        (N, n) way-points, rad; None if the search was stopped.

    Raises:
        DependencyError: OMPL is missing.
    """
    base, geometric, util = import_ompl()
    size = len(start)
    checks = 0

    def valid(state: Any) -> bool:
        nonlocal checks
        checks += 1
        return is_valid([state[index] for index in range(size)])

    with _ompl_lock:
        util.RNG.setSeed(seed % 2**31 + 1)
        space = base.RealVectorStateSpace(size)
        bounds = base.RealVectorBounds(size)
        for index in range(size):
            bounds.setLow(index, float(limits[0][index]))
            bounds.setHigh(index, float(limits[1][index]))
        space.setBounds(bounds)
        info = base.SpaceInformation(space)
        info.setStateValidityChecker(valid)
        info.setStateValidityCheckingResolution(resolution)
        info.setup()
        problem = base.ProblemDefinition(info)
        problem.addStartState(_state(space, start))
        targets = base.GoalStates(info)
        for goal in goals:
            targets.addState(_state(space, goal))
        problem.setGoal(targets)
        planner = geometric.RRTConnect(info)
        planner.setProblemDefinition(problem)
        planner.setup()
        planner.solve(base.PlannerTerminationCondition(stop))
        if not problem.hasExactSolution():
            return None
        path = problem.getSolutionPath()
        budget = checks + _SIMPLIFY_CHECKS
        geometric.PathSimplifier(info).simplify(
            path, base.PlannerTerminationCondition(lambda: checks > budget or stop())
        )
        return np.array([[state[index] for index in range(size)] for state in path.getStates()])


def _state(space: Any, q: FloatArray) -> Any:
    state = space.allocState()
    for index, value in enumerate(q):
        state[index] = float(value)
    return state
