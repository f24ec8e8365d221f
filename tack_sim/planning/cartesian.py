# SPDX-License-Identifier: Apache-2.0
"""Straight paths of a link, as MoveIt's GetCartesianPath answers them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.collision import CollisionChecker
from tack_sim.planning.constraints import tip_from
from tack_sim.planning.query import Query
from tack_sim.planning.requests import CartesianRequest, CartesianResult
from tack_sim.planning.scene import PlanningScene

FloatArray = NDArray[np.float64]

_LONGEST = 30.0  # s, a bound for a query that has none of its own
_ROTATION_STEP = math.radians(5)  # between two solutions; MoveIt bounds only the translation
_BRANCH_STEP = 0.6  # rad; a joint that turns farther in one step went to another branch
_MOST_STEPS = 20_000


def cartesian_path(
    request: CartesianRequest,
    scene: PlanningScene,
    checkers: Callable[[PlanningScene], CollisionChecker] | None,
    cancelled: Callable[[], bool],
) -> CartesianResult:
    """The motion of a link straight from way-point to way-point, as far as it goes.

    Each way-point counts the same in the fraction, as in MoveIt.

    Args:
        request: the query.
        scene: the snapshot.
        checkers: gives the checker of a scene; None to leave collisions out.
        cancelled: whether the client gave up.

    Raises:
        MoveItError: what is wrong with the query, START_STATE_IN_COLLISION, PREEMPTED.
    """
    query = Query(
        scene,
        request.group,
        request.start,
        checkers,
        request.path_constraints,
        _LONGEST,
        cancelled,
    )
    query.check_start()
    targets = _targets(query, request)
    states, fraction, ended = _follow(query, request, targets)
    trajectory, fault = query.motion(
        np.array(states), request.velocity_scaling, request.acceleration_scaling
    )
    if trajectory is None:
        raise MoveItError(
            MoveItErrorCode.INVALID_MOTION_PLAN, f"the timed path does not stay free: {fault}"
        )
    return CartesianResult(MoveItErrorCode.SUCCESS, ended, fraction, query.positions, trajectory)


def _targets(query: Query, request: CartesianRequest) -> list[FloatArray]:
    """(4, 4) base_from_tip at each way-point."""
    if not request.waypoints:
        raise _invalid("a Cartesian path needs at least one way-point")
    if not (math.isfinite(request.max_step) and request.max_step > 0):
        raise _invalid(f"max_step = {request.max_step} m: above 0 is needed")
    thresholds = (request.jump_threshold, request.revolute_jump_threshold)
    if not all(math.isfinite(value) and value >= 0 for value in thresholds):
        raise _invalid(f"jump thresholds {thresholds}: 0 (no check) or above are needed")
    link_from_tip = geometry.inverse(tip_from(request.link, query.scene))
    base_from_frame = query.scene.base_from_frame(request.frame)
    targets = []
    for index, waypoint in enumerate(request.waypoints):
        try:
            pose = geometry.check_transform(waypoint, f"way-point {index}")
        except InvalidInputError as error:
            raise _invalid(str(error)) from error
        targets.append(base_from_frame @ pose @ link_from_tip)
    return targets


def _follow(
    query: Query, request: CartesianRequest, targets: list[FloatArray]
) -> tuple[list[FloatArray], float, str]:
    """States along the way, the share of it that they cover, and what ended it."""
    tip_from_link = tip_from(request.link, query.scene)
    query.keep_margin(0.0)  # the end of a straight way is often the contact that is wanted
    states, shares = [query.start], [0.0]
    pose = query.robot.kinematics.forward(query.start)
    ended = ""
    for index, target in enumerate(targets):
        count = _step_count(pose @ tip_from_link, target @ tip_from_link, request.max_step)
        for step in range(1, count + 1):
            query.check_time()
            # The link goes straight, wherever the tip goes.
            link = geometry.interpolate(pose @ tip_from_link, target @ tip_from_link, step / count)
            q, ended = _next(query, states[-1], link @ geometry.inverse(tip_from_link), request)
            if q is None:
                break
            states.append(q)
            shares.append((index + step / count) / len(targets))
        if ended:
            break
        pose = target
    kept = _before_jump(np.array(states), request.jump_threshold)
    if kept < len(states):
        ended = f"the joints jump by more than {request.jump_threshold:g} times the mean step"
    if ended:
        ended = f"after {shares[kept - 1]:.1%} of the way: {ended}"
    return states[:kept], shares[kept - 1], ended


def _step_count(first: FloatArray, second: FloatArray, max_step: float) -> int:
    distance = float(np.linalg.norm(second[:3, 3] - first[:3, 3]))
    angle = geometry.rotation_angle(geometry.inverse(first) @ second)
    count = max(1, math.ceil(distance / max_step), math.ceil(angle / _ROTATION_STEP))
    if count > _MOST_STEPS:
        raise _invalid(
            f"{distance:.3f} m in steps of {max_step:g} m are {count} steps;"
            f" at most {_MOST_STEPS} between two way-points: use a larger max_step"
        )
    return count


def _next(
    query: Query, before: FloatArray, base_from_tip: FloatArray, request: CartesianRequest
) -> tuple[FloatArray | None, str]:
    """The next state, near to the one before; or what keeps the arm from it."""
    q = query.robot.kinematics.inverse(base_from_tip, before, attempts=1)
    if q is None:
        return None, f"{np.round(base_from_tip[:3, 3], 4).tolist()} m cannot be reached"
    largest = float(np.abs(q - before).max())
    limit = min(request.revolute_jump_threshold or math.inf, _BRANCH_STEP)
    if largest > limit:
        return None, f"a joint would jump by {largest:.2f} rad, more than {limit:g} rad"
    fault = query.fault(np.array([before, q]))
    return (None, fault) if fault else (q, "")


def _before_jump(states: FloatArray, threshold: float) -> int:
    """How many states come before a step that is longer than so many times the mean one."""
    steps = np.linalg.norm(np.diff(states, axis=0), axis=1)
    if not threshold or len(steps) < 2:
        return len(states)
    jumps = np.flatnonzero(steps > threshold * steps.mean())
    return int(jumps[0]) + 1 if len(jumps) else len(states)


def _invalid(message: str) -> MoveItError:
    return MoveItError(MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, message)
