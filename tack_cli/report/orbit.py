# SPDX-License-Identifier: Apache-2.0
"""A scene of points and lines that can be turned in the report: one piece of HTML, no library."""

from __future__ import annotations

import base64
import dataclasses
import importlib.resources
import json
from collections.abc import Sequence
from string import Template

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
Color = tuple[int, int, int]

MOST_POINTS = 40_000
"""More are thinned: the page stays small, and turning it smooth."""

_STEP = 1e-4  # m, to which positions are rounded


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """A polyline in space.

    Attributes:
        points: (N, 3), m.
        color: RGB.
        width: px.
        label: written at its last point.
    """

    points: FloatArray
    color: Color
    width: float = 2.5
    label: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Solid:
    """A box that is drawn as glass.

    Attributes:
        pose: (4, 4) of its middle, m.
        size: (3,) full side lengths, m.
        color: RGB.
    """

    pose: FloatArray
    size: FloatArray
    color: Color


def orbit(
    identity: str,
    points: ArrayLike,
    colors: ArrayLike,
    *,
    lines: Sequence[Line] = (),
    solids: Sequence[Solid] = (),
    grain: float = 0.002,
    middle: ArrayLike,
    view: tuple[float, float, float],
) -> str:
    """The scene as HTML; a person turns it with the mouse, or a finger, and zooms with the wheel.

    Args:
        identity: of the element; letters only, one of its kind on the page.
        points: (N, 3) m, z up; those that are not finite are left out.
        colors: (N, 3) uint8 RGB.
        lines, solids: drawn over the points.
        grain: side of the square that stands for a point, m.
        middle: (3,) that the view turns about, m.
        view: azimuth and elevation of the eye, degrees, and its distance, m.

    Raises:
        InvalidInputError: no such identity, or points and colours that do not go together.
    """
    if not identity.isalpha():
        raise InvalidInputError(f"identity {identity!r}: letters are needed")
    cloud, paint = np.asarray(points, dtype=np.float64), np.asarray(colors, dtype=np.uint8)
    if cloud.ndim != 2 or cloud.shape != paint.shape or cloud.shape[1] != 3:
        raise InvalidInputError(f"points {cloud.shape} and colours {paint.shape}: (N, 3) both")
    centre = np.asarray(middle, dtype=np.float64)
    far = np.iinfo(np.int16).max * _STEP
    near = (np.abs(cloud - centre) < far).all(axis=1)  # false for NaN
    cloud, paint = _thinned(cloud[near], paint[near])
    scene = {
        "step": _STEP,
        "grain": grain,
        "points": _packed(np.rint((cloud - centre) / _STEP), "<i2"),
        "colors": _packed(paint, "u1"),
        "lines": [
            {
                "points": _rounded(line.points - centre),
                "color": _css(line.color),
                "width": line.width,
                "label": line.label,
            }
            for line in lines
        ],
        "solids": [
            {"corners": _rounded(_corners(solid) - centre), "color": _css(solid.color)}
            for solid in solids
        ],
        "view": list(view),
    }
    # `<` cannot end the script that the scene is in.
    text = json.dumps(scene, separators=(",", ":")).replace("<", "\\u003c")
    fragment = importlib.resources.files(__package__).joinpath("orbit.html")
    return Template(fragment.read_text(encoding="utf-8")).substitute(identity=identity, scene=text)


def _thinned(cloud: FloatArray, colors: NDArray[np.uint8]) -> tuple[FloatArray, NDArray[np.uint8]]:
    if len(cloud) <= MOST_POINTS:
        return cloud, colors
    chosen = np.linspace(0, len(cloud) - 1, MOST_POINTS).astype(np.intp)
    return cloud[chosen], colors[chosen]


def _corners(solid: Solid) -> FloatArray:
    """(8, 3): bit 0, 1, 2 of the index are the sides of x, y, z."""
    signs = np.array([[(index >> axis & 1) - 0.5 for axis in range(3)] for index in range(8)])
    corners: FloatArray = (signs * solid.size) @ solid.pose[:3, :3].T + solid.pose[:3, 3]
    return corners


def _packed(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode("ascii")


def _rounded(points: FloatArray) -> list[list[float]]:
    rounded: list[list[float]] = np.round(points, 5).tolist()
    return rounded


def _css(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
