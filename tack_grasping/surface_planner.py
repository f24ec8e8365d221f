# SPDX-License-Identifier: Apache-2.0
"""Grasp candidates from one point and the surface normal there.

The gripper comes in against the surface normal (or straight down), at several turns about that
direction. Which of them are good depends on the shape around the point: where the cloud is given,
turns are judged by how the fingers fit around it, and the gripper is centred on what it closes on.
Without it the closing direction is a choice, not a measurement.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.fingers import FingerFit, Surroundings, finger_fit
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint

FloatArray = NDArray[np.float64]

_OPENINGS = (1.0, 0.7, 0.45, 0.3)  # of the widest: inside a shoe there is no room for more
_INSERTIONS = (1.0, 0.6, 0.35)  # of the deepest: a button stands out by a few millimetres only
_LEAST_QUALITY = 0.05  # clearance times room, below which the fingers would hit something


@dataclasses.dataclass(frozen=True)
class SurfacePlannerConfig(Configuration):
    """Settings of the one-point planner."""

    approach: str = setting(
        "normal",
        "come in against the surface normal, or straight down",
        choices=("normal", "down"),
    )
    turns: int = setting(8, "candidates about the approach direction", low=1, high=36)
    insertion: float = setting(
        0.010, "how far the finger tips go below the surface", unit="m", low=-0.05, high=0.10
    )
    standoff: float = setting(
        0.10, "distance of pregrasp and preplace from the surface", unit="m", low=0.01, high=0.5
    )
    lift: float = setting(0.10, "height of the lift", unit="m", low=0.01, high=0.5)
    width: float = setting(0.08, "opening before closing", unit="m", low=0.001, high=0.5)
    max_tilt: float = setting(
        100.0, "largest angle between approach and straight down", unit="deg", low=0.0, high=180.0
    )
    min_confidence: float = setting(0.3, "refuse detections below this", low=0.0, high=1.0)
    max_sigma: float = setting(
        0.02, "refuse points whose position is less certain than this", unit="m", low=1e-4, high=1.0
    )


@dataclasses.dataclass(frozen=True)
class GraspPlan:
    """The outcome of planning for one keypoint.

    Attributes:
        goals: candidates, best first; empty when refused.
        rejected: why candidates were rejected, a sentence each.
        refusal: why there is no goal at all, "" when there is one.
    """

    goals: tuple[PickPlaceGoal, ...] = ()
    rejected: tuple[str, ...] = ()
    refusal: str = ""


def plan_surface_grasps(
    keypoint: Keypoint,
    frame_from_camera: FloatArray,
    frame_id: str,
    stamp_ns: int,
    *,
    up: ArrayLike | None = None,
    place_at: ArrayLike | None = None,
    surroundings: Surroundings | None = None,
    config: SurfacePlannerConfig | None = None,
) -> GraspPlan:
    """Candidates for grasping at one lifted keypoint.

    Args:
        keypoint: with `xyz` and `normal` in the camera's optical frame.
        frame_from_camera: (4, 4), takes the camera's optical frame to the frame of the goals, m.
        frame_id: the frame of the goals.
        stamp_ns: stamp of the image, ns.
        up: (3,) direction against gravity in the frame of the goals; None where it is unknown:
            then the lift goes back along the approach and the tilt is not judged.
        place_at: (3,) where the grasped point shall come to rest, in the frame of the goals, m;
            the gripper keeps the orientation of the grasp. None: a pick without a place.
        surroundings: the cloud around the point and the gripper that has to fit; None where they
            are not known.
        config: settings.

    Returns:
        Goals, best first, or the reason why there are none.

    Raises:
        InvalidInputError: the transform or a vector is not valid, or `approach` is "down" and
            `up` is unknown.
    """
    config = config or SurfacePlannerConfig()
    geometry.check_transform(frame_from_camera, f"{frame_id} ← camera")
    up_axis = None if up is None else geometry.unit(up, "up direction")
    target = None if place_at is None else _point(place_at, "place target")
    if config.approach == "down" and up_axis is None:
        raise InvalidInputError("approach 'down' needs a frame in which up is known (a base frame)")

    refusal = _refusal(keypoint, config)
    if refusal or keypoint.xyz is None or keypoint.xyz_covariance is None:
        return GraspPlan(refusal=refusal)
    point = geometry.apply(frame_from_camera, keypoint.xyz)
    covariance = geometry.rotate_covariance(frame_from_camera, keypoint.xyz_covariance)
    if config.approach == "down" and up_axis is not None:
        approach = -up_axis
    elif keypoint.normal is not None:
        approach = -geometry.rotate(frame_from_camera, keypoint.normal)
    else:
        return GraspPlan(refusal=f"{keypoint.label}: no surface normal at the point")

    tilt = 0.0 if up_axis is None else math.degrees(math.acos(np.clip(-up_axis @ approach, -1, 1)))
    if tilt > config.max_tilt:
        return GraspPlan(
            refusal=f"{keypoint.label}: the surface asks for an approach {tilt:.0f}° from straight"
            f" down; {config.max_tilt:g}° is allowed"
        )
    sigma = _largest_sigma(covariance)
    common = {
        "confidence": keypoint.confidence,
        "certainty": max(0.0, 1 - sigma / config.max_sigma) ** 0.5,
        "tilt": 1.0 if up_axis is None else (1 + math.cos(math.radians(tilt))) / 2,
    }
    candidates = _candidates(point, approach, up_axis, surroundings, config)
    if not candidates:
        return GraspPlan(
            refusal=f"{keypoint.label}: the gripper finds nothing to close on, or its fingers would"
            " hit something, whichever way it turns"
        )
    narrowest = min((c.fit.width for c in candidates if c.fit), default=0.0)
    goals = []
    for turn, candidate in enumerate(candidates):
        grasp, fit = candidate.grasp, candidate.fit
        # The less the wrist turns away from the frame's own x axis, the better.
        terms = {**common, "turn": 0.9 + 0.1 * abs(float(grasp[0, 0]))}
        words = ""
        if fit is not None:
            terms |= {
                "clearance": fit.clearance(),
                "room": fit.room(),
                "narrowness": fit.narrowness(narrowest),
                "depth": _depth_term(candidate.insertion, config),
            }
            words = f"; closes from {fit.opening * 1e3:.0f} on {fit.width * 1e3:.0f} mm"
        goals.append(
            PickPlaceGoal(
                label=keypoint.label,
                frame_id=frame_id,
                stamp_ns=stamp_ns,
                **_poses(grasp, point, target, up_axis, config),
                position_covariance=covariance,
                width=config.width if fit is None else fit.opening,
                score=math.prod(terms.values()),
                terms=terms,
                why=f"{config.approach} approach, {tilt:.0f}° from straight down,"
                f" turn {turn + 1} of {len(candidates)}{words};"
                f" position known to {sigma * 1e3:.1f} mm (1σ)",
            )
        )
    return GraspPlan(goals=tuple(sorted(goals, key=lambda goal: -goal.score)))


def _refusal(keypoint: Keypoint, config: SurfacePlannerConfig) -> str:
    label = keypoint.label
    if not keypoint.visible:
        return f"{label}: the detector believes that it is hidden or absent"
    if keypoint.confidence < config.min_confidence:
        return f"{label}: confidence {keypoint.confidence:.2f} is below {config.min_confidence:g}"
    if keypoint.xyz is None or keypoint.xyz_covariance is None:
        return keypoint.refusal or f"{label}: has no 3D position"
    sigma = _largest_sigma(keypoint.xyz_covariance)
    if sigma > config.max_sigma:
        return (
            f"{label}: position is known to {sigma * 1e3:.1f} mm (1σ) only;"
            f" {config.max_sigma * 1e3:g} mm is allowed"
        )
    return ""


@dataclasses.dataclass(frozen=True, eq=False)
class _Candidate:
    """A gripper pose, (4, 4) m, how deep its tips go below the point, m, and how it fits."""

    grasp: FloatArray
    insertion: float
    fit: FingerFit | None = None

    @property
    def quality(self) -> float:
        fit = self.fit
        return 0.0 if fit is None else fit.clearance() * fit.room()


def _candidates(
    point: FloatArray,
    approach: FloatArray,
    up_axis: FloatArray | None,
    surroundings: Surroundings | None,
    config: SurfacePlannerConfig,
) -> list[_Candidate]:
    """The best opening and depth of each turn that closes on something and hits nothing."""
    if surroundings is None:
        tips = point + approach * config.insertion
        return [
            _Candidate(_gripper_at(tips, approach, turn, config), config.insertion)
            for turn in range(config.turns)
        ]
    stroke = min(config.width, surroundings.gripper.stroke)
    found = []
    for turn in range(config.turns):
        fits = [
            candidate
            for insertion in dict.fromkeys(
                _above_floor(point, approach, config.insertion * share, up_axis, surroundings)
                for share in _INSERTIONS
            )
            for opening in (stroke * share for share in _OPENINGS)
            if (
                candidate := _fitted(
                    _gripper_at(point + approach * insertion, approach, turn, config),
                    insertion, opening, surroundings,
                )
            )
        ]  # fmt: skip
        if fits:
            found.append(max(fits, key=lambda c: c.quality * _depth_term(c.insertion, config)))
    return found


def _fitted(
    grasp: FloatArray, insertion: float, opening: float, surroundings: Surroundings
) -> _Candidate | None:
    """The candidate centred on what it closes on; None where that is nothing, or it hits things."""
    points, gripper = surroundings.points, surroundings.gripper
    fit = finger_fit(points, grasp, opening, gripper)
    if fit.holds:
        # Centred, both fingers come to bear at the same time and push nothing aside.
        grasp = _moved(grasp, grasp[:3, 1] * fit.offset)
        fit = finger_fit(points, grasp, opening, gripper)
    if not fit.holds or fit.clearance() * fit.room() < _LEAST_QUALITY:
        return None
    return _Candidate(grasp, insertion, fit)


def _above_floor(
    point: FloatArray,
    approach: FloatArray,
    insertion: float,
    up_axis: FloatArray | None,
    surroundings: Surroundings,
) -> float:
    """How deep the tips may go without touching the floor, at most `insertion`, m."""
    if surroundings.floor is None or up_axis is None:
        return insertion
    steepness = float(-approach @ up_axis)
    if steepness < 0.1:
        return insertion
    return min(insertion, (float(point @ up_axis) - surroundings.floor) / steepness)


def _depth_term(insertion: float, config: SurfacePlannerConfig) -> float:
    """Deeper is firmer."""
    if config.insertion <= 0:
        return 1.0
    return math.pow(min(max(insertion / config.insertion, 0.05), 1.0), 0.3)


def _gripper_at(
    tips: FloatArray, approach: FloatArray, turn: int, config: SurfacePlannerConfig
) -> FloatArray:
    """frame_from_gripper of one turn. Half a turn suffices: a parallel gripper is symmetric."""
    upright = geometry.frame_from_axes(approach, (1, 0, 0), tips)
    about_z = geometry.from_axis_angle((0, 0, 1), math.pi * turn / config.turns)
    turned: FloatArray = upright @ about_z
    return turned


def _poses(
    grasp: FloatArray,
    point: FloatArray,
    target: FloatArray | None,
    up_axis: FloatArray | None,
    config: SurfacePlannerConfig,
) -> dict[str, FloatArray]:
    approach = grasp[:3, 2]
    upwards = -approach if up_axis is None else up_axis
    # From the surface, wherever the tips are below or above it.
    back_off = -approach * (config.standoff + float((grasp[:3, 3] - point) @ approach))
    poses = {
        "pregrasp": _moved(grasp, back_off),
        "grasp": grasp,
        "lift": _moved(grasp, upwards * config.lift),
    }
    if target is not None:
        place = _moved(grasp, target - point)
        poses["preplace"] = _moved(place, upwards * config.standoff)
        poses["place"] = place
        poses["retreat"] = _moved(place, back_off)
    return poses


def _moved(pose: FloatArray, by: FloatArray) -> FloatArray:
    moved: FloatArray = pose.copy()
    moved[:3, 3] += by
    return moved


def _largest_sigma(covariance: FloatArray) -> float:
    return math.sqrt(max(float(np.linalg.eigvalsh(covariance)[-1]), 0.0))


def _point(value: ArrayLike, what: str) -> FloatArray:
    point = np.asarray(value, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InvalidInputError(f"{what} {point.tolist()}: three finite numbers (m) are expected")
    return point
