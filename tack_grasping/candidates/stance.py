# SPDX-License-Identifier: Apache-2.0
"""Where a specification puts the gripper, and which turns it leaves open.

A stance is the gripper's frame on the surface: z approach, y closing. Candidates are the stance
turned about its open axis, and then moved along z until the tips are deep enough.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from tack_grasping.candidates.local_cloud import closing_directions, turn_between
from tack_grasping.candidates.settings import GraspConfig
from tack_grasping.candidates.spec import (
    AcrossPoints,
    AlongPoints,
    AtPoint,
    GraspSpec,
    InFrame,
    line_problem,
)
from tack_grasping.candidates.taught_frame import fitted, misfits, weights_of
from tack_grasping.candidates.uncertainty import carried
from tack_grasping.points import NamedPoint
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

_PARALLEL = math.sin(math.radians(10))  # directions nearer than this to an axis give no turn
_SAME_TURN = math.radians(3)  # a proposal this near to another one is no further candidate
_ROUND = 1.1  # ratio of standard deviations, below which no direction is less certain
_NEAR = 0.04  # m, about the middle of two points: the cloud there is the thing itself


class RefusedError(Exception):
    """There is no stance; says why."""


@dataclasses.dataclass(frozen=True)
class Turn:
    """One turn of the gripper about the axis that a stance leaves open.

    Attributes:
        axis: "z", the approach, or "y", the closing direction.
        angle: rad.
        reason: why this one is proposed, "" for the evenly spaced ones.
        lean: of the palm to the side, about the closing direction that comes of it, rad.
    """

    axis: str
    angle: float
    reason: str = ""
    lean: float = 0.0

    def transform(self) -> FloatArray:
        """(4, 4) stance_from_turned."""
        turned = geometry.from_axis_angle((0, self.axis == "y", self.axis == "z"), self.angle)
        return turned @ geometry.from_axis_angle((0, 1, 0), self.lean)

    def leaning(self, lean: float) -> Turn:
        """The same with the palm to the side: rad."""
        words = [self.reason] if self.reason else []
        words.append(
            f"leaning by {abs(math.degrees(lean)):.0f}°, upright the arm touches something"
        )
        return dataclasses.replace(self, lean=lean, reason=", ".join(words))


@dataclasses.dataclass(frozen=True, eq=False)
class Stance:
    """Where a specification puts the gripper.

    Attributes:
        frame_from_stance: (4, 4), m.
        covariance: (6, 6) of its pose, in its axes.
        turns: to try, at least one.
        words: how it comes about, for a person.
        width: distance that the fingers have to span, m; NaN where the points do not say.
        fit: how well the points fit a taught frame, 0 to 1; None without one.
        searches: whether the cloud decides where exactly and how deep the fingers close.
        deepens: whether the tips go below the stance.
        leans: whether the palm may lean to the side.
    """

    frame_from_stance: FloatArray
    covariance: FloatArray
    turns: tuple[Turn, ...]
    words: str
    width: float = math.nan
    fit: float | None = None
    searches: bool = True
    deepens: bool = True
    leans: bool = False


def stance_of(
    spec: GraspSpec,
    points: Mapping[str, NamedPoint],
    up: FloatArray | None,
    cloud: FloatArray | None,
    config: GraspConfig,
) -> Stance:
    """The stance of a specification.

    Args:
        spec: how to grasp.
        points: all that the specification names, or three of them for `InFrame`; in the frame.
        up: (3,) unit vector against gravity; None where it is unknown.
        cloud: (N, 3) of the scene, m; None where it is unknown.
        config: settings.

    Raises:
        InvalidInputError: "down" is asked for and `up` is unknown.
        RefusedError: the points do not allow the grasp.
    """
    if up is None and getattr(spec, "approach", "") == "down":
        raise InvalidInputError("approach 'down' needs a frame in which up is known (a base frame)")
    if isinstance(spec, AtPoint):
        return _at_point(spec, points[spec.point], up, cloud, config)
    if isinstance(spec, AlongPoints):
        return _along(spec, points, up, cloud, config)
    if isinstance(spec, AcrossPoints):
        return _across(spec, points, up, cloud, config)
    return _in_frame(spec, points, config)


def _at_point(
    spec: AtPoint,
    point: NamedPoint,
    up: FloatArray | None,
    cloud: FloatArray | None,
    config: GraspConfig,
) -> Stance:
    if spec.approach == "down" and up is not None:
        approach, tilt_sigma = -up, 0.0
    elif point.normal is not None:
        approach, tilt_sigma = -point.normal, math.radians(config.normal_sigma)
    else:
        raise RefusedError("no surface normal at the point")
    closing, turns = _turns(approach, point.position, point.covariance, up, cloud, config)
    pose = geometry.frame_from_axes(approach, np.cross(closing, approach), point.position)
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = geometry.rotate_covariance(geometry.inverse(pose), point.covariance)
    covariance[3:5, 3:5] = np.eye(2) * tilt_sigma**2
    return Stance(pose, covariance, turns, f"{spec.approach} approach", leans=True)


def _along(
    spec: AlongPoints,
    points: Mapping[str, NamedPoint],
    up: FloatArray | None,
    cloud: FloatArray | None,
    config: GraspConfig,
) -> Stance:
    ends = (points[spec.start], points[spec.end])
    positions = np.stack([point.position for point in ends])
    approach = _between(ends)
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[spec.at]
    at = (1 - share) * positions[0] + share * positions[1]
    spread = (1 - share) * ends[0].covariance + share * ends[1].covariance
    closing, turns = _turns(approach, at, spread, up, cloud, config)
    side = np.cross(closing, approach)

    def construct(places: FloatArray) -> FloatArray:
        where = (1 - share) * places[0] + share * places[1]
        return geometry.frame_from_axes(places[1] - places[0], side, where)

    covariance = carried(construct, positions, [point.covariance for point in ends])
    words = f"from {spec.start} towards {spec.end}"
    return Stance(construct(positions), covariance, turns, words)


def _across(
    spec: AcrossPoints,
    points: Mapping[str, NamedPoint],
    up: FloatArray | None,
    cloud: FloatArray | None,
    config: GraspConfig,
) -> Stance:
    ends = (points[spec.first], points[spec.second])
    positions = np.stack([point.position for point in ends])
    closing = _between(ends)
    hint = _approach_across(spec, ends, closing, up, cloud)

    def construct(places: FloatArray) -> FloatArray:
        along = geometry.unit(places[1] - places[0])
        approach = hint - along * (along @ hint)
        return geometry.frame_from_axes(approach, np.cross(along, approach), places.mean(axis=0))

    count = config.turns if spec.approach == "around" else 1
    return Stance(
        construct(positions),
        carried(construct, positions, [point.covariance for point in ends]),
        tuple(Turn("y", 2 * math.pi * number / count) for number in range(count)),
        f"{spec.approach} approach across {spec.first} and {spec.second}",
        width=float(np.linalg.norm(positions[1] - positions[0])),
        searches=False,
    )


def _approach_across(
    spec: AcrossPoints,
    ends: tuple[NamedPoint, NamedPoint],
    closing: FloatArray,
    up: FloatArray | None,
    cloud: FloatArray | None,
) -> FloatArray:
    """(3,) the approach before it is made perpendicular to the closing direction."""
    down = None if up is None else -up
    first, second = (point.normal for point in ends)
    inwards = None if first is None or second is None else -(first + second)
    if spec.approach != "around":
        wanted = down if spec.approach == "down" else inwards
        if wanted is None:
            raise RefusedError("no surface normals at both points")
        found = _first_across([wanted], closing)
        if found is None:
            raise RefusedError(
                f"the line from {spec.first} to {spec.second} lies along the approach"
                f" ({spec.approach}): the gripper cannot close across it"
            )
        return found
    middle = np.mean([point.position for point in ends], axis=0)
    inside = None if cloud is None else _middle_of(cloud, middle)
    found = _first_across([down, inwards, inside], closing)
    return np.eye(3)[int(np.abs(closing).argmin())] if found is None else found


def _in_frame(spec: InFrame, points: Mapping[str, NamedPoint], config: GraspConfig) -> Stance:
    if problem := line_problem({label: point.position for label, point in points.items()}):
        raise RefusedError(problem)
    taught = np.stack([spec.points[label] for label in points])
    seen = np.stack([point.position for point in points.values()])
    weights = weights_of(list(points.values()))
    if problem := line_problem({label: spec.points[label] for label in points}):
        raise RefusedError(problem)
    off = misfits(spec.points, points, fitted(taught, seen, weights))
    rms = math.sqrt(sum(distance**2 for distance in off.values()) / len(off))
    if rms > config.max_misfit:
        worst = max(off, key=lambda label: off[label])
        raise RefusedError(
            f"the points miss the taught frame by {rms * 1e3:.1f} mm (RMS), most {worst} with"
            f" {off[worst] * 1e3:.1f} mm; {config.max_misfit * 1e3:g} mm is allowed"
        )

    def construct(places: FloatArray) -> FloatArray:
        pose: FloatArray = fitted(taught, places, weights) @ spec.taught_from_gripper
        return pose

    missing = len(spec.points) - len(points)
    return Stance(
        construct(seen),
        carried(construct, seen, [point.covariance for point in points.values()]),
        (Turn("z", 0.0),),
        f"taught grasp by {', '.join(points)}" + (f" ({missing} not known)" if missing else ""),
        fit=1 - (rms / config.max_misfit) ** 2,
        searches=False,
        deepens=False,
    )


def _turns(
    approach: FloatArray,
    at: FloatArray,
    spread: FloatArray,
    up: FloatArray | None,
    cloud: FloatArray | None,
    config: GraspConfig,
) -> tuple[FloatArray, tuple[Turn, ...]]:
    """The closing direction that turns are counted from, and the turns about the approach.

    Half a turn is covered: a parallel gripper is symmetric. Turns begin at what the scene itself
    gives: the shape of the cloud, the horizontal, or the direction that is known best. Only where
    it gives nothing do the frame's own axes come in, and then all turns are alike.
    """
    hints: list[FloatArray | None]
    shaped = [] if cloud is None else closing_directions(cloud, at, approach, config.insertion)
    hints = [direction for direction, _ in shaped]
    if up is not None:
        hints.append(_level(up, approach))
    hints.append(_best_known(spread, approach))
    closing = _first_across(hints, approach)
    if closing is None:
        closing = geometry.frame_from_axes(approach, (1, 0, 0), at)[:3, 1]
    wanted = [(turn_between(closing, hint, approach), reason) for hint, reason in shaped]
    wanted += [(math.pi * number / config.turns, "") for number in range(config.turns)]
    turns: list[Turn] = []
    for angle, reason in wanted:
        if all(abs(_wrapped(angle - turn.angle)) > _SAME_TURN for turn in turns):
            turns.append(Turn("z", angle, reason))
    return closing, tuple(turns)


def _level(up: FloatArray, approach: FloatArray) -> FloatArray | None:
    """(3,) the horizontal direction across an approach; None where that comes from above."""
    level = np.cross(up, approach)
    return level if np.linalg.norm(level) > _PARALLEL else None


def _best_known(spread: FloatArray, approach: FloatArray) -> FloatArray | None:
    """(3,) the direction across an approach in which a position is known best, if there is one."""
    variances, directions = np.linalg.eigh(spread)
    if variances[2] <= variances[0] * _ROUND**2:
        return None
    # Where two directions are known alike, the third one is the one that stands out.
    if variances[1] ** 2 > variances[0] * variances[2]:
        return np.asarray(directions[:, 0])
    return _level(directions[:, 2], approach)


def _first_across(hints: Iterable[FloatArray | None], axis: FloatArray) -> FloatArray | None:
    """The first direction that is not along an axis, made perpendicular to it, of unit length."""
    for hint in hints:
        if hint is None:
            continue
        across = hint - axis * (axis @ hint)
        if np.linalg.norm(across) > _PARALLEL * np.linalg.norm(hint) > 0:
            return geometry.unit(across)
    return None


def _between(ends: tuple[NamedPoint, NamedPoint]) -> FloatArray:
    """(3,) unit direction from the first point to the second."""
    difference = ends[1].position - ends[0].position
    if np.linalg.norm(difference) < 1e-3:
        raise RefusedError(
            f"{ends[0].label} and {ends[1].label} are {np.linalg.norm(difference) * 1e3:.1f} mm"
            " apart: they give no direction"
        )
    return geometry.unit(difference)


def _middle_of(cloud: FloatArray, at: FloatArray) -> FloatArray | None:
    """(3,) from a point into the thing around it, m; None where nothing is seen there."""
    near = cloud[np.linalg.norm(cloud - at, axis=1) < _NEAR]
    return at - near.mean(axis=0) if len(near) else None


def _wrapped(angle: float) -> float:
    """An angle between closing directions, which are the same after half a turn, -π/2 to π/2."""
    return (angle + math.pi / 2) % math.pi - math.pi / 2
