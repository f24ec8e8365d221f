# SPDX-License-Identifier: Apache-2.0
"""Grasp candidates from named points: goals with a score of named terms, or why there are none."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.candidates.plan import GraspPlan, Rejected, counted
from tack_grasping.candidates.proposals import Draft, Proposer, Reachable, is_free
from tack_grasping.candidates.settings import GraspConfig
from tack_grasping.candidates.spec import GraspSpec, InFrame, title
from tack_grasping.candidates.stance import RefusedError, Turn, stance_of
from tack_grasping.candidates.uncertainty import largest_sigma
from tack_grasping.fingers import Surroundings
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.points import NamedPoint
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_EQUAL = 9  # digits, beyond which two scores are the same: rounding must not order candidates
_LEANING = 3  # turns that are tried leaning


def plan_grasps(
    points: Mapping[str, NamedPoint],
    spec: GraspSpec,
    frame_id: str,
    stamp_ns: int,
    *,
    up: ArrayLike | None = None,
    surroundings: Surroundings | None = None,
    reachable: Reachable | None = None,
    config: GraspConfig | None = None,
) -> GraspPlan:
    """Candidates for grasping a thing by its named points.

    The same scene expressed in another frame gives the same candidates in the same order: no term
    depends on the frame's own axes (that of `reachable` is the caller's).

    Args:
        points: label → point, those that are known, in the frame of the goals.
        spec: how to grasp.
        frame_id: the frame of the goals.
        stamp_ns: stamp of the image that they come from, ns.
        up: (3,) direction against gravity in the frame; None where it is unknown: then the lift
            goes back along the approach and the tilt is not judged.
        surroundings: the cloud and the gripper that has to fit; None where they are not known.
        reachable: takes a (4, 4) frame_from_gripper, m, and says how well the arm gets there, 0
            (not at all) to 1. It is asked for those candidates that are good otherwise, for both
            half turns: they are the same grasp with another posture of the arm.
        config: settings.

    Returns:
        Goals without places, best first; all that was rejected, with reasons; or a refusal.

    Raises:
        InvalidInputError: a vector is not valid, an approach from above is asked for and `up` is
            unknown, or `reachable` gives something else than 0 to 1.
    """
    config = config or GraspConfig()
    up_axis = None if up is None else geometry.unit(up, "up direction")
    label = title(spec)
    try:
        used = _usable(points, spec, config)
        cloud = None if surroundings is None else surroundings.points
        stance = stance_of(spec, used, up_axis, cloud, config)
    except RefusedError as refused:
        return GraspPlan(refusal=f"{label}: {refused}")
    proposer = Proposer(stance, spec, up_axis, surroundings, reachable, config)
    confidence = min(point.confidence for point in used.values())
    drafts: list[Draft] = []
    rejected: list[Rejected] = []

    def draft(turn: Turn, number: int) -> None:
        made = proposer.draft(turn, {"confidence": confidence})
        which = f"turn {number} of {len(stance.turns)}" if len(stance.turns) > 1 else ""
        if made.problem:
            words = f"{which}: {made.problem}" if which else made.problem
            rejected.append(Rejected(words, made.grasp))
        else:
            words = f", {which}" if which else ""
            drafts.append(dataclasses.replace(made, turn=turn, number=number, turn_words=words))

    for number, turn in enumerate(stance.turns, 1):
        draft(turn, number)
    if stance.leans and config.lean > 0 and not any(map(is_free, drafts)):
        best = sorted(drafts, key=lambda one: -round(one.worth, _EQUAL))[:_LEANING]
        for one, side in itertools.product(best, (1, -1)):
            assert one.turn is not None
            draft(one.turn.leaning(side * math.radians(config.lean)), one.number)
    if not drafts:
        reasons = counted(candidate.reason for candidate in rejected)
        return GraspPlan(
            rejected=tuple(rejected),
            refusal=f"{label}: none of {len(rejected)} candidates is left: {reasons}",
        )
    goals = _goals(drafts, proposer, label, frame_id, stamp_ns)
    return GraspPlan(goals=tuple(goals), rejected=tuple(rejected))


def _usable(
    points: Mapping[str, NamedPoint], spec: GraspSpec, config: GraspConfig
) -> dict[str, NamedPoint]:
    """The points that the specification speaks of and that are good enough.

    Raises:
        RefusedError: there are too few of them.
    """
    used, problems = {}, []
    for label in spec.labels:
        point = points.get(label)
        whose = f"{label}: " if len(spec.labels) > 1 else ""
        if point is None:
            known = ", ".join(sorted(points)) or "none"
            problems.append(f"the point {label!r} is not known (known: {known})")
        elif point.confidence < config.min_confidence:
            problems.append(
                f"{whose}confidence {point.confidence:.2f} is below {config.min_confidence:g}"
            )
        elif (sigma := largest_sigma(point.covariance)) > config.max_sigma:
            problems.append(
                f"{whose}position is known to {sigma * 1e3:.1f} mm (1σ) only;"
                f" {config.max_sigma * 1e3:g} mm is allowed"
            )
        else:
            used[label] = point
    needed = 3 if isinstance(spec, InFrame) else len(spec.labels)
    if len(used) < needed:
        raise RefusedError("; ".join(problems))
    return used


def _goals(
    drafts: list[Draft], proposer: Proposer, label: str, frame_id: str, stamp_ns: int
) -> list[PickPlaceGoal]:
    """Goals from drafts, best first."""
    stance = proposer.stance
    spread = geometry.rotate_covariance(stance.frame_from_stance, stance.covariance[:3, :3])
    fits = [draft.attempt.fit for draft in drafts]
    narrowest = min((fit.width for fit in fits if fit is not None and fit.holds), default=0.0)
    goals = []
    for draft in drafts:
        fit, terms = draft.attempt.fit, dict(draft.terms)
        if fit is not None and fit.holds and stance.searches:
            terms["narrowness"] = fit.narrowness(narrowest)
        goals.append(
            PickPlaceGoal(
                label=label,
                frame_id=frame_id,
                stamp_ns=stamp_ns,
                **_poses(draft, proposer),
                position_covariance=spread,
                pose_covariance=draft.covariance,
                width=draft.attempt.opening,
                least_width=draft.attempt.least_opening,
                score=math.prod(terms.values()),
                terms=terms,
                why=_why(draft, proposer, largest_sigma(spread)),
            )
        )
    return sorted(goals, key=lambda goal: -round(goal.score, _EQUAL))


def _why(draft: Draft, proposer: Proposer, sigma: float) -> str:
    parts = [proposer.stance.words]
    if proposer.up is not None:
        parts[0] += f", {draft.tilt:.0f}° from straight down"
    parts[0] += draft.turn_words + (f" ({draft.reason})" if draft.reason else "")
    fit, met = draft.attempt.fit, draft.attempt.contacts
    if fit is not None and fit.holds:
        parts.append(f"closes from {fit.opening * 1e3:.0f} on {fit.width * 1e3:.0f} mm")
    if fit is not None:
        parts.append("nothing is seen between the fingers" if met is None else met.words())
    parts.append(f"position known to {sigma * 1e3:.1f} mm (1σ)")
    return "; ".join(parts)


def _poses(draft: Draft, proposer: Proposer) -> dict[str, FloatArray]:
    grasp, config = draft.grasp, proposer.config
    approach = grasp[:3, 2]
    upwards = -approach if proposer.up is None else proposer.up
    # From the surface, wherever the tips are below or above it.
    back_off = -approach * (config.standoff + draft.attempt.insertion)
    return {
        "pregrasp": moved(grasp, back_off),
        "grasp": grasp,
        "lift": moved(grasp, upwards * config.lift),
    }


def moved(pose: FloatArray, by: FloatArray) -> FloatArray:
    """A pose (4, 4) moved by a vector (3,) of the frame, m."""
    result: FloatArray = pose.copy()
    result[:3, 3] += by
    return result
