# SPDX-License-Identifier: Apache-2.0
"""The shape of screwdrivers: a lobed handle, a collar, a shaft, a flat or cross tip.

The object's frame: x from the handle to the tip, z up. All sections are rings about x.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.lofts import Loft, hulls, loft, sections, smooth
from tack_sim.objects.model import Piece
from tack_sim.objects.surfaces import Area

FloatArray = NDArray[np.float64]
Tip = Literal["flat", "cross", "hex"]

AREAS: dict[str, Area] = {
    "handle": (0.0, 0.0, 1.0, 0.5),
    "collar": (0.0, 0.52, 0.3, 0.74),
    "shaft": (0.32, 0.52, 1.0, 0.62),
    "tip": (0.32, 0.64, 1.0, 0.74),
    "end": (0.0, 0.76, 0.2, 0.98),
    "front": (0.21, 0.76, 0.31, 0.98),
    "steel": (0.33, 0.76, 0.43, 0.98),
}
"""Where things lie in the atlas."""

HANDLE_AROUND, SHAFT_AROUND = 48, 32
HANDLE_MIDDLE_ROW, SHAFT_MIDDLE_ROW, COLLAR_ROW = 36, 8, 6
STATIONS = (0.0, 0.012, 0.04, 0.09, 0.17, 0.30, 0.48, 0.66, 0.78, 0.88, 0.95, 1.0)
"""Where the handle's radius is given, along the handle from its end."""


@dataclasses.dataclass(frozen=True)
class ScrewdriverShape:
    """Measures of one screwdriver, m.

    Attributes:
        handle: length of the handle.
        radius: its largest radius.
        profile: radius at each of `STATIONS`, relative to `radius`.
        lobes: number of flutes around the handle.
        flute: depth of the flutes at each of `STATIONS`, relative to the radius there.
        sharpness: of the flutes; 1 is a sine, larger ones are narrow.
        collar: length and radius of the collar.
        shaft: length from the collar to the tip's end.
        shaft_radius: half size of the shaft.
        squareness: exponent of the shaft's section: 2 is round.
        tip: what it drives.
        blade: half width and half thickness of a flat tip; core and wings of a cross.
    """

    handle: float
    radius: float
    profile: tuple[float, ...]
    lobes: int
    flute: tuple[float, ...]
    sharpness: float
    collar: tuple[float, float]
    shaft: float
    shaft_radius: float
    squareness: float
    tip: Tip
    blade: tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class ScrewdriverLofts:
    """The closed bodies of a screwdriver."""

    handle: Loft
    collar: Loft
    shaft: Loft
    tip: Loft


def build(shape: ScrewdriverShape) -> ScrewdriverLofts:
    """The surfaces, centred along the axis, with their places in the atlas."""
    a = AREAS
    shift = np.array([(shape.handle - shape.shaft - shape.collar[0]) / 2, 0.0, 0.0])
    return ScrewdriverLofts(
        loft(_handle(shape) + shift, a["handle"], a["end"], a["front"]),
        loft(_collar(shape) + shift, a["collar"], a["front"], a["front"]),
        loft(_shaft(shape) + shift, a["shaft"], a["steel"], a["steel"]),
        loft(_tip(shape) + shift, a["tip"], a["steel"], a["steel"]),
    )


def pieces(lofts: ScrewdriverLofts, plastic: float, steel: float) -> tuple[Piece, ...]:
    """What physics sees, with densities of handle and shaft, kg/m³."""
    # Corners beside the lowest one: the polygon then lies on a side, as it should at rest.
    handle, collar, shaft, tip = (
        np.roll(body.rings, -1, axis=1)
        for body in (lofts.handle, lofts.collar, lofts.shaft, lofts.tip)
    )
    return (
        *hulls(handle, (0, 12, 24, 30, 36, 42, 48, 54, 60, 66), plastic),
        *hulls(collar, (0, 6, 12), plastic),
        *hulls(shaft, (0, len(shaft) - 1), steel),
        *hulls(tip, (0, 6, 12, len(tip) - 1), steel),
    )


def flutes(shape: ScrewdriverShape, angles: FloatArray) -> FloatArray:
    """How deep the flutes are around the handle, 0 to 1; one of them looks straight down."""
    wave: FloatArray = (0.5 + 0.5 * np.cos(shape.lobes * (angles + np.pi / 2))) ** shape.sharpness
    return wave


def _handle(shape: ScrewdriverShape) -> FloatArray:
    """(67, 48, 3) sections from the end to the front, x = 0."""
    u, scale, flute = smooth(np.column_stack([STATIONS, shape.profile, shape.flute]), 6).T
    angles = -np.pi / 2 + 2 * np.pi * np.arange(HANDLE_AROUND) / HANDLE_AROUND
    deep = 1 - flute[:, None] * flutes(shape, angles)
    radius = shape.radius * scale[:, None] * deep
    x = np.broadcast_to((-shape.handle * (1 - u))[:, None], radius.shape)
    rings: FloatArray = np.stack([x, radius * np.cos(angles), radius * np.sin(angles)], axis=-1)
    return rings


def _collar(shape: ScrewdriverShape) -> FloatArray:
    length, radius = shape.collar
    rows = smooth(
        [
            (-0.004, 0.96 * radius),
            (0.1 * length, radius),
            (0.55 * length, 0.9 * radius),
            (0.9 * length, 0.55 * radius + 0.45 * shape.shaft_radius),
            (length, 0.25 * radius + 0.8 * shape.shaft_radius),
        ],
        3,
    )
    return _about_x(rows[:, 0], rows[:, 1:] * (1.0, 1.0), 2.0)


def _shaft(shape: ScrewdriverShape) -> FloatArray:
    seen = np.linspace(shape.collar[0], shape.collar[0] + shape.shaft - _tip_length(shape), 15)
    x = np.concatenate([[-0.3 * shape.handle], seen])
    sizes = np.full((len(x), 2), shape.shaft_radius)
    return _about_x(x, sizes, shape.squareness)


def _tip_length(shape: ScrewdriverShape) -> float:
    return shape.shaft_radius * (5.0 if shape.tip == "flat" else 3.6)


def _tip(shape: ScrewdriverShape) -> FloatArray:
    """(19, 32, 3) sections from the shaft to the very end."""
    length, r = _tip_length(shape), 0.995 * shape.shaft_radius
    first = shape.collar[0] + shape.shaft - length
    at = first + length * np.array([-0.08, 0.0, 0.25, 0.55, 0.85, 0.97, 1.0])
    wide, thin = shape.blade
    if shape.tip == "flat":
        rows = [
            (r, r, shape.squareness),
            (r, r, shape.squareness),
            (0.5 * r + 0.5 * wide, 0.72 * r, 3.0),
            (wide, 0.30 * r + 0.7 * thin, 5.0),
            (0.97 * wide, 1.1 * thin, 8.0),
            (0.95 * wide, thin, 8.0),
            (0.93 * wide, 0.9 * thin, 8.0),
        ]
        x, y, z, power = smooth(np.column_stack([at, rows]), 3).T
        return _about_x(x, np.column_stack([y, z]), power)
    lobes = 4 if shape.tip == "cross" else 6
    taper = 0.3 if shape.tip == "cross" else 0.86
    cuts = [
        (r, 0.0), (r, 0.0), (0.95 * r, 0.12), (0.86 * r, wide),
        (0.5 * (0.86 + taper) * r, wide), (1.15 * taper * r, wide), (taper * r, 0.8 * wide),
    ]  # fmt: skip
    if lobes == 6:
        cuts = [(max(a, taper * r), b) for a, b in cuts]
    x, size, cut = smooth(np.column_stack([at, cuts]), 3).T
    angles = -np.pi / 2 + 2 * np.pi * np.arange(SHAFT_AROUND) / SHAFT_AROUND
    notch = np.abs(np.sin(lobes / 2 * (angles + np.pi / 2))) ** 1.5
    rings = _about_x(x, np.column_stack([size, size]), 2.0)
    rings[..., 1:] *= (1 - cut[:, None] * notch)[..., None]
    return rings


def _about_x(x: FloatArray, sizes: FloatArray, exponent: float | FloatArray) -> FloatArray:
    centres = np.column_stack([x, np.zeros((len(x), 2))])
    return sections(centres, (0, 1, 0), (0, 0, 1), sizes, exponent, around=SHAFT_AROUND)
