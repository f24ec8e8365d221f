# SPDX-License-Identifier: Apache-2.0
"""The form of a shoe: outline of the sole, collar line and the surface between them.

The frame: x from heel to toe with its origin in the middle, y to the left, z up from the ground.
All lines run around the shoe by `s`: 0 at the heel, 0.25 about half way along the left side (+y),
0.5 at the toe, and back along the right side. Lengths in the tables are shares of the shoe's
length; `f` is the share of the length from the heel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

FloatArray = NDArray[np.float64]
HeightOver = Callable[[FloatArray], FloatArray]

COLUMNS = 112
"""Steps once around the shoe."""
ROWS = 22
"""Steps from the sole to the collar."""

# Where the sole's outline passes: s, f, half width on the outer and on the inner side.
_OUTLINE = np.array(
    [
        (0.00, 0.000, 0.000, 0.000),
        (0.035, 0.018, 0.078, 0.078),
        (0.080, 0.090, 0.122, 0.119),
        (0.150, 0.240, 0.131, 0.124),
        (0.230, 0.440, 0.144, 0.113),
        (0.310, 0.620, 0.172, 0.146),
        (0.370, 0.755, 0.176, 0.166),
        (0.420, 0.870, 0.148, 0.150),
        (0.465, 0.965, 0.081, 0.092),
        (0.500, 1.000, 0.000, 0.000),
    ]
)
# Where the collar passes: s, f, half width, height between that of the ankle (0) and the heel (1).
_COLLAR = np.array(
    [
        (0.00, 0.040, 0.000, 1.00),
        (0.045, 0.058, 0.070, 0.90),
        (0.105, 0.140, 0.109, 0.35),
        (0.170, 0.240, 0.119, 0.00),
        (0.240, 0.330, 0.110, 0.05),
    ]
)
# The throat, from the top eyelet to the vamp: s, way along the instep, half width.
_THROAT = np.array(
    [
        (0.30, 0.00, 0.084),
        (0.355, 0.30, 0.070),
        (0.415, 0.66, 0.057),
        (0.465, 0.93, 0.034),
        (0.50, 1.00, 0.000),
    ]
)


@dataclasses.dataclass(frozen=True)
class ShoeShape:
    """What makes one shoe differ from another; lengths in m.

    Attributes:
        length: of the sole.
        foot: +1 is a left shoe, whose inner side is at -y; -1 a right one.
        width: factor on all widths.
        toe_square: 0 is a pointed toe, 1 a broad one.
        toe_height: of the upper over the sole at the front of the toe.
        vamp: height over the sole where the throat begins.
        eyelet: height over the sole of the top eyelets.
        ankle, heel: height over the sole of the collar at the ankle and at the heel.
        sole_heel, sole_fore: thickness of the sole.
        spring: how far the tip is off the ground.
        heel_block: depth of the hollow before the heel.
        flange: how far the sole stands out.
        bumper: how far the sole climbs the toe.
        wall: thickness of the collar.
        tongue: how far it stands over the top eyelets.
        lace: half the width of the laces.
        loop: reach of the bow's loops.
    """

    length: float = 0.268
    foot: int = 1
    width: float = 1.0
    toe_square: float = 0.5
    toe_height: float = 0.036
    vamp: float = 0.052
    eyelet: float = 0.080
    ankle: float = 0.052
    heel: float = 0.072
    sole_heel: float = 0.028
    sole_fore: float = 0.020
    spring: float = 0.010
    heel_block: float = 0.0
    flange: float = 0.004
    bumper: float = 0.0
    wall: float = 0.0085
    tongue: float = 0.022
    lace: float = 0.0035
    loop: float = 0.036


class Last:
    """The surface of a shoe's upper and the sole's outline, as functions of s.

    Args:
        shape: of the shoe.
    """

    def __init__(self, shape: ShoeShape) -> None:
        self.shape = shape
        self._outline = _ring(_OUTLINE[:, 0], *self._sides(_outline_points(shape)))
        self._topline = _ring(*_topline_knots(shape, self.sole_top))

    def _sides(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The left and the right side of a line given as x, y of the outer and y of the inner."""
        outer, inner = points[:, [0, 1]], points[:, [0, 2]]
        left, right = (outer, inner) if self.shape.foot > 0 else (inner, outer)
        turn = self._turn(points[:, 0])
        left = np.stack([left[:, 0], turn + left[:, 1]], axis=1)
        right = np.stack([right[:, 0], turn - right[:, 1]], axis=1)
        return left, right

    def _turn(self, x: FloatArray) -> FloatArray:
        """How far the toe is turned inwards at x, in y."""
        return _turned(self.shape, x)

    def share(self, x: FloatArray) -> FloatArray:
        """The share of the length at x."""
        return np.asarray(x) / self.shape.length + 0.5

    def outline(self, s: FloatArray, out: float | FloatArray = 0.0) -> FloatArray:
        """(N, 2) of the upper's lower edge, moved out by some distance, m."""
        normal = self.outward(s)
        return np.asarray(self._outline(s % 1.0)) + np.asarray(out)[..., None] * normal

    def outward(self, s: FloatArray) -> FloatArray:
        """(N, 2) unit normals of the outline."""
        along = np.asarray(self._outline(s % 1.0, 1))
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
        return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))

    def topline(self, s: FloatArray) -> FloatArray:
        """(N, 3) of the collar and the throat."""
        return np.asarray(self._topline(s % 1.0))

    def ground(self, x: FloatArray) -> FloatArray:
        """Height of the sole's underside."""
        shape, f = self.shape, self.share(x)
        hollow = smooth(f, 0.26, 0.34) * (1 - smooth(f, 0.40, 0.66))
        return _lift(shape, f) + shape.heel_block * hollow

    def sole_top(self, x: FloatArray) -> FloatArray:
        """Height of the sole's top, on which the upper stands."""
        shape, f = self.shape, self.share(x)
        taper = smooth(f, 0.30, 0.68)
        return _lift(shape, f) + shape.sole_heel + (shape.sole_fore - shape.sole_heel) * taper

    def outer(self, s: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The upper's outside.

        Args:
            s: (C,) around.
            t: (R,) 0 at the sole to 1 at the collar.

        Returns:
            (R, C, 3) points and (R, C, 3) unit normals to the inside, m.
        """
        points, upwards = self._columns(s, t)
        step = 2e-3
        along = self._columns(s + step, t)[0] - self._columns(s - step, t)[0]
        inside = np.cross(along, upwards)
        return points, inside / np.linalg.norm(inside, axis=2, keepdims=True)

    def _columns(self, s: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Points of the outside, and directions up along its columns."""
        shape = self.shape
        base = self.outline(s)
        low = np.concatenate([base, (self.sole_top(base[:, 0]) - 0.003)[:, None]], axis=1)
        top = self.topline(s)
        inward = top[:, :2] - low[:, :2]
        reach = np.linalg.norm(inward, axis=1)
        inward = np.concatenate([inward / reach[:, None], np.zeros((len(s), 1))], axis=1)
        up = np.array([0.0, 0.0, 1.0])
        rise = top[:, 2] - low[:, 2]
        around = np.abs((s + 0.5) % 1.0 - 0.5)  # the same on both sides
        slope = np.interp(around, [0, 0.2, 0.3, 0.36, 0.43, 0.5], [1.5, 1.42, 1.2, 0.95, 0.6, 0.36])
        toe = smooth(around, 0.33, 0.46)
        first = 0.42 * rise * (1 - toe) + (shape.toe_height + 0.008) * toe
        bulge = 0.004 + 0.003 * toe - 0.002 * smooth(around, 0.1, 0.0)
        last = 0.38 * rise * (1 - toe) + 0.52 * reach * toe
        into = np.cos(slope)[:, None] * inward + np.sin(slope)[:, None] * up
        # A cubic Bézier curve in each column: from the sole straight up, over the foot.
        b = low + first[:, None] * up - bulge[:, None] * inward
        c, d = top - last[:, None] * into, top
        v = np.asarray(t)[:, None, None]
        points = (1 - v) ** 3 * low + 3 * v * (1 - v) ** 2 * b + 3 * v**2 * (1 - v) * c + v**3 * d
        along = (1 - v) ** 2 * (b - low) + 2 * v * (1 - v) * (c - b) + v**2 * (d - c)
        return points, along

    def wall(self, s: FloatArray) -> FloatArray:
        """Thickness of the upper at its edge: padded around the ankle, thin along the throat."""
        around = np.abs((s + 0.5) % 1.0 - 0.5)
        return self.shape.wall + (0.003 - self.shape.wall) * smooth(around, 0.24, 0.32)

    def instep(self, q: FloatArray) -> FloatArray:
        """(N, 3) of the throat's middle line, q from 0 at the top eyelets to 1 at the vamp."""
        line = _instep(self.shape, q, self.sole_top)
        return np.stack([line[:, 0], self._turn(line[:, 0]), line[:, 1]], axis=1)


def smooth(x: FloatArray, start: float, end: float) -> FloatArray:
    """A smooth step from 0 at `start` to 1 at `end`."""
    share = np.clip((np.asarray(x, dtype=np.float64) - start) / (end - start), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _lift(shape: ShoeShape, f: FloatArray) -> FloatArray:
    return shape.spring * np.clip((f - 0.66) / 0.34, 0, None) ** 2


def _turned(shape: ShoeShape, x: FloatArray) -> FloatArray:
    f = np.asarray(x) / shape.length + 0.5
    return np.asarray(-shape.foot * 0.022 * shape.length * smooth(f, 0.3, 1.0))


def _outline_points(shape: ShoeShape) -> FloatArray:
    """x, y on the outer and y on the inner side at the knots of the outline."""
    _, f, outer, inner = _OUTLINE.T
    broad = 1 + 0.16 * (shape.toe_square - 0.5) * smooth(f, 0.75, 0.97)
    scale = shape.length * shape.width * broad
    return np.stack([(f - 0.5) * shape.length, outer * scale, inner * scale], axis=1)


def _instep(shape: ShoeShape, q: FloatArray, sole_top: HeightOver) -> FloatArray:
    """(N, 2) x and z of the throat's middle line."""
    v = np.asarray(q)[:, None]
    tall = np.clip((shape.eyelet - 0.08) / 0.06, 0, 1)
    length = shape.length
    top = np.array([(0.415 - 0.045 * tall) * length, shape.eyelet])
    bend = np.array([0.475 * length, min(shape.eyelet - 0.010, 0.27 * length)])
    vamp = np.array([0.675 * length, shape.vamp])
    line = (1 - v) ** 2 * top + 2 * v * (1 - v) * bend + v**2 * vamp
    line[:, 0] -= length / 2
    line[:, 1] += sole_top(line[:, 0])
    return np.asarray(line)


def _topline_knots(
    shape: ShoeShape, sole_top: HeightOver
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """s, and the left and right points, of the collar and the throat."""
    s, f, half, high = _COLLAR.T
    x = (f - 0.5) * shape.length
    z = shape.ankle + (shape.heel - shape.ankle) * high
    z[-1] += 0.35 * (shape.eyelet - z[-1])
    z = z + sole_top(x)
    line = _instep(shape, _THROAT[:, 1], sole_top)
    x, z = np.concatenate([x, line[:, 0]]), np.concatenate([z, line[:, 1]])
    half = np.concatenate([half, _THROAT[:, 2]]) * shape.length * shape.width
    turn = _turned(shape, x)
    left, right = (np.stack([x, turn + side * half, z], axis=1) for side in (1, -1))
    return np.concatenate([s, _THROAT[:, 0]]), left, right


def _ring(s: FloatArray, left: FloatArray, right: FloatArray) -> CubicSpline:
    """A closed curve through the left points from heel to toe and the right ones back."""
    knots = np.concatenate([s, 1 - s[-2::-1]])
    points = np.concatenate([left, right[-2::-1]])
    points[-1] = points[0]
    return CubicSpline(knots, points, bc_type="periodic")
