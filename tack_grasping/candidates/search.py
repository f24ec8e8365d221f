# SPDX-License-Identifier: Apache-2.0
"""How deep and how wide one turn of the gripper closes best, by the cloud where it is to go."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_grasping.candidates.contacts import Contacts, contacts, width_needed
from tack_grasping.candidates.local_cloud import LocalCloud
from tack_grasping.fingers import ROOM, SKIN, FingerFit, fit_seen
from tack_grasping.robot import Gripper
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_OPENINGS = (1.0, 0.7, 0.45, 0.3)  # of the widest: inside a shoe there is no room for more
_INSERTIONS = (1.0, 0.6, 0.35)  # of the deepest: a button stands out by a few millimetres only
_DUST = 1e-6  # mm
_LEAST_HOLD = 0.05  # so that of those that all would slip, the best is still told
_LEAST_STEEP = 0.1  # sine; a flatter approach comes no nearer to the floor
_LEAST_QUALITY = 0.05  # clearance times room, below which the fingers would hit something


@dataclasses.dataclass(frozen=True, eq=False)
class Attempt:
    """A gripper pose with the opening that it comes with.

    Attributes:
        stance_from_gripper: (4, 4), m.
        insertion: of the tips below the stance, m.
        opening: before closing, m.
        fit: how the fingers fit; None where no cloud is known.
        contacts: what they meet; None where nothing is seen between them.
        problem: why it is no grasp, "" where it is one.
    """

    stance_from_gripper: FloatArray
    insertion: float
    opening: float
    fit: FingerFit | None = None
    contacts: Contacts | None = None
    problem: str = ""

    @property
    def least_opening(self) -> float | None:
        """Opening that leaves `ROOM` on both sides of what is between, m; None where unknown."""
        if self.fit is None or not self.fit.holds:
            return None
        return min(self.opening, self.fit.width + 2 * ROOM)


def insertions(deepest: float, room_below: float, steepness: float) -> list[float]:
    """How deep the tips may go below a stance without touching the floor, the deepest first, m.

    Args:
        deepest: that is wanted, m.
        room_below: between the fingers at the stance and the floor, m; infinite where unknown.
        steepness: sine of the angle between the approach and the floor.
    """
    most = room_below / steepness if steepness >= _LEAST_STEEP else math.inf
    return list(dict.fromkeys(min(deepest * share, most) for share in _INSERTIONS))


def lowest(
    frame_from_gripper: FloatArray, opening: float, gripper: Gripper, up: FloatArray
) -> float:
    """Height of the lowest corner of the open fingers along `up` in the frame, m."""
    x, y, z = (float(up @ axis) for axis in frame_from_gripper[:3, :3].T)
    aside = abs(x) * gripper.finger_width / 2
    aside += abs(y) * (opening / 2 + gripper.finger_thickness)
    return float(up @ frame_from_gripper[:3, 3]) - aside - max(z, 0.0) * gripper.finger_depth


def openings(widest: float) -> list[float]:
    """Openings to try, the widest first, m."""
    return [widest * share for share in _OPENINGS]


def depth_term(insertion: float, deepest: float) -> float:
    """Deeper is firmer."""
    if deepest <= 0:
        return 1.0
    return math.pow(min(max(insertion / deepest, 0.05), 1.0), 0.3)


def best_attempt(
    cloud: LocalCloud,
    gripper: Gripper,
    stance_from_turned: FloatArray,
    depths: Sequence[float],
    widths: Sequence[float],
    *,
    stroke: float,
    cone: float,
    searches: bool,
) -> Attempt:
    """The depth and the opening at which a turn closes best.

    Args:
        cloud: in the axes of the stance.
        gripper: its fingers.
        stance_from_turned: (4, 4) the turn, m.
        depths: to try, of the tips below the stance, m; the deepest first.
        widths: openings to try, m; the widest first.
        stroke: largest opening that may be used, m.
        cone: half the friction cone, rad.
        searches: whether to centre the gripper on what it closes on, and to want something there.

    Returns:
        The best attempt, or the best of the bad ones with its problem.
    """
    turned = geometry.apply(geometry.inverse(stance_from_turned), cloud.points)
    near = np.abs(turned[:, 0]) <= gripper.finger_width / 2
    near |= turned[:, 2] < max(depths) - gripper.finger_depth
    seen = turned[near]
    turn = stance_from_turned[:3, :3]
    best: tuple[tuple[bool, float], Attempt] | None = None
    for depth in depths:
        quality, shift, fit = _best_opening(seen, depth, widths, gripper, searches=searches)
        problem = _problem(fit, seen - shift, gripper, stroke, searches)
        met = None
        if not problem:
            met = contacts(
                turned - shift, lambda which: cloud.normals(which) @ turn, fit.opening, gripper
            )
        holds = 1.0 if met is None else met.antipodality(cone)
        value = not problem, quality * depth_term(depth, depths[0]) * (_LEAST_HOLD + holds)
        if best is None or value > best[0]:
            pose = stance_from_turned @ geometry.make_transform(np.eye(3), shift)
            best = value, Attempt(pose, depth, fit.opening, fit, met, problem)
    assert best is not None
    return best[1]


def _best_opening(
    seen: FloatArray, depth: float, widths: Sequence[float], gripper: Gripper, *, searches: bool
) -> tuple[float, tuple[float, float, float], FingerFit]:
    """The quality of the best opening at a depth, how the gripper moves for it, m, and its fit."""
    best: tuple[float, tuple[float, float, float], FingerFit] | None = None
    for width in widths:
        shift = (0.0, 0.0, depth)
        fit = fit_seen(seen - shift, width, gripper)
        if searches and fit.holds:
            # Centred, both fingers come to bear at the same time and push nothing aside.
            shift = (0.0, fit.offset, depth)
            fit = fit_seen(seen - shift, width, gripper)
        quality = fit.clearance() * (fit.room() if fit.holds else float(not searches))
        if best is None or quality > best[0]:
            best = quality, shift, fit
        if quality >= 1:
            break
    assert best is not None
    return best


def _problem(
    fit: FingerFit, seen: FloatArray, gripper: Gripper, stroke: float, searches: bool
) -> str:
    quality = fit.clearance() * (fit.room() if fit.holds else 1.0)
    if fit.holds or not searches:
        if quality >= _LEAST_QUALITY:
            return ""
        needed = width_needed(seen, gripper) + 2 * SKIN
        if needed > stroke:
            return too_wide(needed, stroke)
    elif fit.blocked == 0 or fit.between == 0:
        return f"nothing to close on between the fingers ({fit.between} cells of the cloud)"
    fingers = fit.blocked - fit.palm
    parts = [
        f"{name} would hit {count} cells of the cloud"
        for name, count in (("fingers", fingers), ("palm", fit.palm))
        if count
    ]
    if parts:
        return " and ".join(parts)
    return f"fingers would scrape past {fit.width * 1e3:.0f} mm with {fit.opening * 1e3:.0f} open"


def too_wide(needed: float, stroke: float) -> str:
    """That the gripper does not open far enough; both in m."""
    return (
        f"opening {math.ceil(needed * 1e3 - _DUST)} mm needed, the gripper has {stroke * 1e3:.0f}"
    )
