# SPDX-License-Identifier: Apache-2.0
"""What several looks show together: a place that is seen from several sides is better known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import Sight, Thing, View
from tack_grasping.points import NamedPoint

FloatArray = NDArray[np.float64]

_SAME_M = 0.02
_ELSEWHERE_M = 0.05  # of the camera: from nearly the same place it errs in the same way


@dataclasses.dataclass(frozen=True, eq=False)
class _Look:
    camera: FloatArray
    things: tuple[Thing, ...]
    touched: bool = False

    def at(self, point: NamedPoint) -> NamedPoint | None:
        """The surest of what it has shown where this point is."""
        shown = (thing.points.get(point.label) for thing in self.things)
        here = [
            seen
            for seen in shown
            if seen is not None and np.linalg.norm(seen.position - point.position) < _SAME_M
        ]
        return max(here, key=lambda seen: seen.confidence, default=None)


@dataclasses.dataclass(frozen=True, eq=False)
class Sighting:
    """A point as one look has shown it.

    Attributes:
        point: with the confidence that this look by itself gave.
        view: the look.
    """

    point: NamedPoint
    view: View

    def is_from(self, view: View) -> bool:
        """Whether the look was from about there."""
        away = self.view.base_from_camera[:3, 3] - view.base_from_camera[:3, 3]
        return float(np.linalg.norm(away)) < _ELSEWHERE_M


class Sightings:
    """Remembers looks. Make a new one for each cycle."""

    def __init__(self) -> None:
        self._looks: list[_Look] = []
        self._likeliest: dict[str, Sighting] = {}

    def add(self, sight: Sight) -> Sight:
        """The sight with what earlier looks from elsewhere have shown at the same places.

        Where looks agree on a place they are wrong together only if each of them is: 1 - Π(1 - c);
        the place is their mean, weighed by their confidences, until something is touched. A thing
        that has moved since is not where it was, so that nothing is added to it.
        """
        look = _Look(sight.base_from_camera[:3, 3].copy(), sight.things)
        apart: list[_Look] = []
        for earlier in reversed(self._looks):  # of several from one place the newest counts
            places = [look, *apart]
            if all(np.linalg.norm(earlier.camera - o.camera) > _ELSEWHERE_M for o in places):
                apart.append(earlier)
        self._looks.append(look)
        things = tuple(
            dataclasses.replace(
                thing, points={label: _surer(p, apart) for label, p in thing.points.items()}
            )
            for thing in sight.things
        )
        for point in (p for thing in sight.things for p in thing.points.values()):
            known = self._likeliest.get(point.label)
            if known is None or point.confidence > known.point.confidence:
                self._likeliest[point.label] = Sighting(point, sight)
        return dataclasses.replace(sight, things=things)

    def touch(self) -> None:
        """Things may lie a little elsewhere from now on: places seen so far are not averaged."""
        self._looks = [dataclasses.replace(look, touched=True) for look in self._looks]

    def likeliest(self, label: str) -> Sighting | None:
        """Where a label was seen with the highest confidence by one look; None for nowhere.

        Not by all of them: what was looked at most often would seem the likeliest.
        """
        return self._likeliest.get(label)


def _surer(point: NamedPoint, looks: list[_Look]) -> NamedPoint:
    shown = [(look, seen) for look in looks if (seen := look.at(point)) is not None]
    right = 1 - (1 - point.confidence) * math.prod(1 - seen.confidence for _, seen in shown)
    same = [point, *(seen for look, seen in shown if not look.touched)]
    # Errors of looks are partly the same: the mean is nearer, and no surer than one by itself.
    total = sum(one.confidence for one in same) or 1.0
    away = sum(one.confidence * (one.position - point.position) for one in same)
    return dataclasses.replace(point, confidence=right, position=point.position + away / total)
