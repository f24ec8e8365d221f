# SPDX-License-Identifier: Apache-2.0
"""Inverse kinematics as MoveIt's GetPositionIK answers it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tack_sim.planning.codes import MoveItErrorCode
from tack_sim.planning.collision import CollisionChecker
from tack_sim.planning.constraints import ResolvedConstraints
from tack_sim.planning.goals import GoalStates
from tack_sim.planning.query import Query
from tack_sim.planning.requests import (
    Constraints,
    IKRequest,
    IKResult,
    OrientationConstraint,
    PositionConstraint,
)
from tack_sim.planning.scene import PlanningScene
from tack_sim.planning.shapes import Primitive

_DEFAULT_TIMEOUT = 0.1  # s
_EXACT = 1e-4  # m and rad


def inverse_kinematics(
    request: IKRequest,
    scene: PlanningScene,
    checkers: Callable[[PlanningScene], CollisionChecker] | None,
) -> IKResult:
    """Joint positions that bring a link to a pose, the seed's branch preferred.

    Args:
        request: the query.
        scene: the snapshot.
        checkers: gives the checker of a scene; None to accept solutions that collide.

    Raises:
        MoveItError: NO_IK_SOLUTION, GOAL_IN_COLLISION, GOAL_CONSTRAINTS_VIOLATED, TIMED_OUT, or
            what is wrong with the query.
    """
    timeout = request.timeout
    if not (math.isfinite(timeout) and timeout > 0):
        timeout = _DEFAULT_TIMEOUT
    query = Query(
        scene,
        request.group,
        request.seed_state,
        checkers,
        request.constraints,
        timeout,
        lambda: False,
    )
    pose = pose_constraints(request.link, request.frame, request.frame_from_link)
    goal = ResolvedConstraints(pose, query.scene)
    rng = np.random.default_rng(request.seed)
    search = GoalStates(query.robot, query.checker, query.start, rng)
    [q] = search.find(goal, query.path, enough=1, stop=query.stop)
    positions = query.robot.with_arm(query.positions, q)
    return IKResult(MoveItErrorCode.SUCCESS, "", positions)


def pose_constraints(link: str, frame: str, frame_from_link: object) -> Constraints:
    """Constraints of a link to one pose (4, 4), m, within 0.1 mm and 0.1 mrad."""
    matrix = np.asarray(frame_from_link, dtype=np.float64)
    center = np.eye(4)
    if matrix.shape == (4, 4):
        center[:3, 3] = matrix[:3, 3]
    return Constraints(
        positions=(PositionConstraint(link, frame, ((Primitive("sphere", (_EXACT,)), center),)),),
        orientations=(
            OrientationConstraint(link, frame, matrix, np.full(3, _EXACT), rotation_vector=True),
        ),
    )
