# SPDX-License-Identifier: Apache-2.0
"""The shape of combination wrenches: an open jaw, a shaft and a ring.

The object's frame: x from the ring to the jaw, z up. Jaw and ring are strips around their middles
with the same stations on every instance; the shaft is a bar with a panel on either side.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.lofts import Loft, hulls, loft, smooth
from tack_sim.objects.model import Piece
from tack_sim.objects.surfaces import Area

FloatArray = NDArray[np.float64]

AREAS: dict[str, Area] = {
    "shaft": (0.0, 0.0, 1.0, 0.40),
    "jaw": (0.0, 0.42, 1.0, 0.62),
    "ring": (0.0, 0.64, 1.0, 0.84),
    "tips": (0.0, 0.86, 0.1, 0.98),
}
"""Where things lie in the atlas."""

PANEL = (0.40, 0.60)
"""Share of the shaft's t that its upper panel takes."""

JAW_STATIONS, RING_STATIONS = 49, 73
JAW_NECK_ROW, SHAFT_MIDDLE_ROW, RING_NECK_ROW = 36, 24, 12
SHAFT_TOP = 9
"""Corner of a shaft's ring that looks up."""
INNER_TOP, OUTER_TOP = 4, 5
"""Corners of a strip's section on its upper face."""

_BEVEL = 0.0007


@dataclasses.dataclass(frozen=True)
class WrenchShape:
    """Measures of one wrench, m, rad.

    Attributes:
        size: width across the flats of the nut.
        length: overall.
        jaw_radius: outer radius of the jaw, relative to `size`.
        jaw_reach: how far the prongs reach beyond the nut's middle, relative to `size`.
        jaw_tip: half angle of the mouth on the outer curve.
        throat: depth of the throat behind the nut's middle, relative to `size`.
        offset: angle between jaw and shaft.
        jaw_height, ring_height: thickness of the two heads.
        ring_radius: outer radius of the ring, relative to `size`.
        points: corners of the ring's hole: 6 or 12.
        width, waist: of the shaft near the heads, and in the middle.
        height: thickness of the shaft.
        panel: depth of the panels in the shaft's sides; negative ones stand out.
    """

    size: float
    length: float
    jaw_radius: float
    jaw_reach: float
    jaw_tip: float
    throat: float
    offset: float
    jaw_height: float
    ring_height: float
    ring_radius: float
    points: int
    width: float
    waist: float
    height: float
    panel: float


@dataclasses.dataclass(frozen=True, eq=False)
class WrenchLofts:
    """The closed bodies of a wrench."""

    shaft: Loft
    jaw: Loft
    ring: Loft


def build(shape: WrenchShape) -> WrenchLofts:
    """The surfaces, centred along the shaft, with their places in the atlas."""
    a = AREAS
    section = np.array([0.0, 0.30, 0.33, 0.47, 0.50, 0.80, 0.83, 0.97, 1.0])
    return WrenchLofts(
        loft(_shaft(shape), a["shaft"], a["tips"], a["tips"], columns=_shaft_columns()),
        loft(_jaw(shape), a["jaw"], a["tips"], a["tips"], columns=section),
        loft(_ring(shape), a["ring"], None, None, columns=section),
    )


def pieces(lofts: WrenchLofts) -> tuple[Piece, ...]:
    """What physics sees."""
    return (
        *hulls(lofts.shaft.rings, (0, 8, 24, 40, 48), step=1),
        *hulls(lofts.jaw.rings, (0, 14, 19, 24, 29, 34, 48), step=1),
        *hulls(lofts.ring.rings, range(0, RING_STATIONS, 6), step=1),
    )


def jaw_middle(shape: WrenchShape) -> float:
    """X of the middle of the nut in the jaw."""
    return shape.length / 2 - shape.jaw_reach * shape.size


def ring_middle(shape: WrenchShape) -> float:
    """X of the middle of the ring."""
    return -shape.length / 2 + shape.ring_radius * shape.size


def _strip(inner: FloatArray, outer: FloatArray, half: float) -> FloatArray:
    """(K, 8, 3) bevelled sections between two curves (K, 2) that run counter-clockwise."""
    across = outer - inner
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    edge, top = across * _BEVEL, half - _BEVEL
    corners = (
        (outer - edge, -half),
        (inner + edge, -half),
        (inner, -top),
        (inner, top),
        (inner + edge, half),
        (outer - edge, half),
        (outer, top),
        (outer, -top),
    )
    rings: FloatArray = np.stack(
        [np.column_stack([place, np.full(len(place), z)]) for place, z in corners], axis=1
    )
    return rings


def _jaw(shape: WrenchShape) -> FloatArray:
    w = shape.size
    flats, around = 14, JAW_STATIONS - 2 * 14
    reach = np.linspace(shape.jaw_reach * w, 0.0, flats, endpoint=False)
    turn = np.linspace(np.pi / 2, 1.5 * np.pi, around)
    # Nearly a half hexagon, as the bottom of a forged jaw is.
    sharp = (np.abs(np.cos(turn)) ** 2.6 + np.abs(np.sin(turn)) ** 2.6) ** (-1 / 2.6)
    throat = np.column_stack(
        [shape.throat * w * sharp * np.cos(turn), w / 2 * sharp * np.sin(turn)]
    )
    upper = np.column_stack([reach, np.full(flats, w / 2)])
    inner = np.concatenate([upper, throat, (upper * (1, -1))[::-1]])
    angles = np.linspace(shape.jaw_tip, 2 * np.pi - shape.jaw_tip, JAW_STATIONS)
    outer = shape.jaw_radius * w * np.column_stack([np.cos(angles), np.sin(angles)])
    outer *= 1 + 0.05 * np.cos(2 * angles)[:, None]
    rings = _strip(inner, outer, shape.jaw_height / 2)
    c, s = np.cos(shape.offset), np.sin(shape.offset)
    rings[..., :2] = rings[..., :2] @ np.array([[c, s], [-s, c]])
    rings[..., 0] += jaw_middle(shape)
    return rings


def _ring(shape: WrenchShape) -> FloatArray:
    angles = np.linspace(0, 2 * np.pi, RING_STATIONS)
    # A corner of the hole sticks out where the nut's corner goes; 12 points are two hexagons.
    step = 2 * np.pi / shape.points
    away = np.abs(np.mod(angles + step / 2, step) - step / 2)
    apothem = shape.size / 2
    corner = apothem / np.cos(np.pi / 6)
    inner_radius = np.maximum(apothem / np.cos(np.pi / 6 - away), 0.93 * corner)
    if shape.points == 6:
        inner_radius = np.minimum(inner_radius, 0.985 * corner)
    direction = np.column_stack([np.cos(angles), np.sin(angles)])
    rings = _strip(
        inner_radius[:, None] * direction,
        shape.ring_radius * shape.size * direction,
        shape.ring_height / 2,
    )
    rings[..., 0] += ring_middle(shape)
    rings[-1] = rings[0]  # to the last bit, so that the ring is closed
    return rings


def _shaft(shape: WrenchShape) -> FloatArray:
    """(49, 18, 3) sections from inside the ring's wall to inside the jaw's back."""
    w = shape.size
    wall = (shape.ring_radius - 0.5 / np.cos(np.pi / 6)) * w
    start = ring_middle(shape) + shape.ring_radius * w - 0.55 * wall
    back = shape.jaw_radius - shape.throat
    end = jaw_middle(shape) - (shape.throat + 0.4 * back) * w
    wide, slim, high, panel = shape.width / 2, shape.waist / 2, shape.height / 2, shape.panel
    span = end - start
    rows = smooth(
        [
            (start, 0.95 * wide, high, 0.0),
            (start + 0.10 * span, wide, high, 0.0),
            (start + 0.20 * span, 0.5 * (wide + slim), high, panel),
            ((start + end) / 2, slim, high, panel),
            (end - 0.20 * span, 0.5 * (wide + slim), high, panel),
            (end - 0.10 * span, 1.05 * wide, high, 0.0),
            (end, 1.25 * wide, high, 0.0),
        ],
        8,
    )
    x, y, z, p = rows.T
    c, flat, slope = 0.0014, 0.62 * y, 0.0012
    half = (
        (0 * y, -z + p), (flat, -z + p), (flat + slope, -z), (y - c, -z), (y, -z + c),
        (y, z - c), (y - c, z), (flat + slope, z), (flat, z - p), (0 * y, z - p),
    )  # fmt: skip
    outline = [*half, *((-a, b) for a, b in half[-2:0:-1])]
    rings: FloatArray = np.stack([np.column_stack([x, a, b]) for a, b in outline], axis=1)
    return rings


def _shaft_columns() -> FloatArray:
    low = np.array([0.0, 0.10, 0.115, 0.16, 0.175, 0.325, 0.34, 0.385, 0.40, 0.5])
    return np.concatenate([low, 1 - low[-2::-1]])
