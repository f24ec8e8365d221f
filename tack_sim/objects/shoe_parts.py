# SPDX-License-Identifier: Apache-2.0
"""The parts of a shoe as grids of points of fixed size, and as a mesh.

Columns run from the heel along the right side to the toe and back along the left side, so that
they run to the right seen from outside.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from tack_sim.objects.shoe_shape import COLUMNS, ROWS, Last, smooth
from tack_sim.objects.surfaces import Area, grid, sweep
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

ATLAS = (816, 1024)
"""Height and width of the texture, px."""


def _area(v0: int, v1: int, u0: int = 0, u1: int = 1024) -> Area:
    return u0 / ATLAS[1], v0 / ATLAS[0], u1 / ATLAS[1], v1 / ATLAS[0]


UPPER, LINING, SIDE = _area(0, 384), _area(392, 480), _area(488, 576)
TREAD, TONGUE, LACES = _area(584, 672), _area(680, 808, 0, 614), _area(680, 808, 634, 1018)
"""Rectangles of the atlas."""

RIM = 5
"""Rows of points over the rounded edge of the collar, its middle the last row of either side."""
TIP_ROWS = 7
"""Rows of the tongue that stand over the top eyelets."""
TONGUE_AROUND = 24
_LEVELS = 6
_LEVEL_WAYS = (0.05, 0.22, 0.40, 0.56, 0.72, 0.84)  # of the instep
EYELETS = np.array([0.312, 0.338, 0.364, 0.390, 0.416, 0.440])


@dataclasses.dataclass(frozen=True, eq=False)
class ShoeGrids:
    """Grids of points (R, C, 3), m.

    Attributes:
        outer: rows from the middle of the collar's edge down the outside, then under the foot.
        lining: rows from the middle of the collar's edge down the inside, then over the insole.
        side: rows from under the upper over the sole's edge and down to the ground.
        tread: rows from the sole's lower edge to its middle.
        cover: rows from the sole's upper edge, under the upper, to its middle.
        tongue: rows from the tip down into the shoe.
    """

    outer: FloatArray
    lining: FloatArray
    side: FloatArray
    tread: FloatArray
    cover: FloatArray
    tongue: FloatArray


def shoe_grids(last: Last) -> ShoeGrids:
    """The grids of a shoe's upper, sole and tongue."""
    s = np.linspace(1, 0, COLUMNS + 1)
    outer, lining = _upper(last, s)
    side, tread, cover = _sole(last, s)
    return ShoeGrids(outer, lining, side, tread, cover, tongue_points(last))


def shoe_meshes(last: Last, grids: ShoeGrids) -> list[tuple[str, Mesh]]:
    """The parts by name; equal names belong together."""
    inside = np.linspace(1, 0, COLUMNS + 1)
    parts = [
        ("upper", grid(grids.outer, UPPER)),
        ("upper", grid(grids.lining, LINING, s=inside, flip=True)),
        ("sole", grid(grids.side, SIDE)),
        ("sole", grid(grids.tread, TREAD)),
        ("sole", grid(grids.cover, TREAD, flip=True)),
        ("tongue", grid(grids.tongue, TONGUE)),
    ]
    return parts + [("laces", mesh) for mesh in _laces(last)]


def to_middle(ring: FloatArray) -> FloatArray:
    """(C, 3) halfway between each point of a ring and the one across; both get the same point."""
    return np.asarray((ring + ring[::-1]) / 2)


def _upper(last: Last, s: FloatArray) -> tuple[FloatArray, FloatArray]:
    down = np.linspace(1, 0, ROWS + 1)
    outer, inside = last.outer(s, down)
    wall = last.wall(s)[:, None]
    turn = np.linspace(0, np.pi, 2 * RIM - 1)[1:-1, None, None]
    middle = outer[0] + 0.5 * wall * inside[0]
    up = np.cross(inside[0], _along(outer[0]))
    up *= np.sign(up[:, 2:])
    rim = middle + 0.5 * wall * (np.sin(turn) * up - np.cos(turn) * inside[0])
    inner, inward = last.outer(s, np.linspace(1, 0.04, ROWS - 2))
    inner = inner + wall * inward
    floor = last.sole_top(inner[..., 0]) + 0.004
    inner[..., 2] = np.maximum(inner[..., 2], floor)
    half = len(rim) // 2
    first = np.concatenate([rim[half::-1], outer, to_middle(outer[-1])[None]])
    second = np.concatenate([rim[half:], inner, to_middle(inner[-1])[None]])
    return _closed(first), _closed(second)


def _sole(last: Last, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    shape = last.shape
    x = last.outline(s)[:, 0]
    toe = smooth(last.share(x), 0.84, 1.0)
    top = last.sole_top(x) + shape.bumper * toe
    out = shape.flange + 0.3 * shape.bumper * toe
    low = last.ground(x)
    # Each row: share of the flange, offset (m), share of the height (1 at the top), offset (m).
    rows = (
        (0.0, -0.0050, 1.0, 0.0), (0.9, -0.0012, 1.0, 0.0), (1.0, 0.0, 1.0, -0.0015),
        (0.95, -0.0003, 0.75, 0.0), (0.85, -0.0006, 0.5, 0.0), (1.0, 0.0, 0.25, 0.0),
        (1.1, 0.0, 0.0, 0.0025), (1.0, -0.0020, 0.0, 0.0),
    )  # fmt: skip
    side = np.stack(
        [
            np.column_stack([last.outline(s, a * out + b), low + c * (top - low) + d])
            for a, b, c, d in rows
        ]
    )
    side = _closed(side)
    tread = np.stack([side[-1], 0.35 * side[-1] + 0.65 * to_middle(side[-1]), to_middle(side[-1])])
    tread[1:, :, 2] = last.ground(tread[1:, :, 0])
    cover = np.stack([side[0], to_middle(side[0])])
    return side, _closed(tread), cover


def tongue_middle(last: Last) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The tongue's middle line from its tip down.

    Returns:
        (R, 3) points, (R, 3) normals to its upper side, and (R,) half widths, m.
    """
    shape = last.shape
    under = np.linspace(0.0, 1.12, 12)
    line = last.instep(np.concatenate([[-0.02], under]))
    rise = line[0] - line[1]
    rise /= np.linalg.norm(rise)
    beyond = shape.tongue * np.linspace(1, 0, TIP_ROWS, endpoint=False)[:, None]
    upright = np.array([0.05, 0.0, 1.0])
    bent = 0.45 * beyond / max(shape.tongue, 1e-6)
    tip = line[1] + beyond * ((1 - bent) * rise + bent * upright)
    path = np.concatenate([tip, line[1:]])
    along = np.gradient(path, axis=0)
    normal = np.cross(along, (0.0, 1.0, 0.0))
    normal *= np.sign(normal[:, 2:]) / np.linalg.norm(normal, axis=1, keepdims=True)
    q = np.concatenate([np.zeros(TIP_ROWS), under])
    lift = 0.0035 - 0.010 * smooth(q, 0.75, 1.05)
    edge = np.interp(q, [0, 0.3, 0.66, 0.93, 1.12], [0.084, 0.070, 0.057, 0.040, 0.034])
    half = edge * shape.length * shape.width + 0.004
    half[:TIP_ROWS] *= 1 - 0.22 * np.linspace(1, 0, TIP_ROWS) ** 2
    return path + lift[:, None] * normal, normal, half


def tongue_points(last: Last) -> FloatArray:
    """(R, C, 3) around the tongue, closed at both ends."""
    path, normal, half = tongue_middle(last)
    turn = np.pi - np.linspace(0, 2 * np.pi, TONGUE_AROUND + 1)
    turn[-1] = -np.pi
    u, lift = np.cos(turn), np.sin(turn)
    thick = 0.5 * np.linspace(0.0085, 0.0055, len(path))
    thick[0] *= 0.7
    across = np.sign(u) * np.abs(u) ** 0.7
    arch = 0.14 * half[:, None] * across**2 * 2.0
    ring = path[:, None].repeat(len(turn), axis=1)
    ring[..., 1] += half[:, None] * across
    height = thick[:, None] * np.sign(lift) * np.abs(lift) ** 0.6 - arch
    height[:TIP_ROWS] += arch[:TIP_ROWS] * np.linspace(0.5, 0, TIP_ROWS)[:, None]
    ring = ring + height[..., None] * normal[:, None]
    rounded = 0.5 * half[0] * np.linspace(1, 0, TIP_ROWS)[:, None] * np.abs(across) ** 3
    ring[:TIP_ROWS] += rounded[..., None] * _unit(path[1] - path[0])
    ring = _closed(ring)
    return np.concatenate([to_middle(ring[0])[None], ring, to_middle(ring[-1])[None]])


def knot(last: Last) -> FloatArray:
    """(3,) the middle of the bow's knot, m."""
    place, normal = _tongue_top(last, 0.0)
    return np.asarray(place + 0.003 * normal)


def _tongue_top(last: Last, q: float) -> tuple[FloatArray, FloatArray]:
    path, normal, _ = tongue_middle(last)
    row = np.interp(q, np.linspace(0.0, 1.12, 12), np.arange(12)) + TIP_ROWS
    low = int(row)
    share = row - low
    place = (1 - share) * path[low] + share * path[min(low + 1, len(path) - 1)]
    return place + 0.0035 * normal[low], normal[low]


def _laces(last: Last) -> list[Mesh]:
    """Crossed laces, the bar of the lowest eyelets, and a bow."""
    lace = last.shape.lace
    pairs = [(_LEVELS - 1, _LEVELS - 1, 0.0)]
    for level in range(_LEVELS - 1):
        pairs += [(level, level + 1, 0.0), (level + 1, level, 0.0016)]
    meshes = []
    for number, (left, right, over) in enumerate(pairs):
        path, along = _bar(last, left, right, over)
        radii = np.column_stack([np.full(len(path), lace), np.full(len(path), 0.0014)])
        radii[[0, -1]] *= 0.6
        meshes.append(sweep(path, radii, _lace_area(number), across=along, around=10, exponent=2.5))
    return meshes + _bow(last)


def _bar(last: Last, left: int, right: int, over: float) -> tuple[FloatArray, FloatArray]:
    """The middle line of a lace from a left eyelet over the tongue to a right one."""
    s = np.array([EYELETS[left], 1 - EYELETS[right]])
    holes, inside = last.outer(s, np.array([0.90]))
    edges, into = last.outer(s, np.array([1.0]))
    holes, edges = holes[0] + 0.001 * inside[0], edges[0] - (0.0028 + over) * into[0]
    q = float(np.interp((left + right) / 2, np.arange(_LEVELS), _LEVEL_WAYS))
    middle, normal = _tongue_top(last, q)
    middle = middle + (0.0022 + over) * normal
    knots = np.stack([holes[0], edges[0], middle, edges[1], holes[1]])
    path = CubicSpline([0, 0.2, 0.5, 0.8, 1.0], knots)(np.linspace(0, 1, 13))
    along = np.cross(normal, (0.0, 1.0, 0.0))
    return np.asarray(path), along


def _bow(last: Last) -> list[Mesh]:
    """A knot, two loops and two hanging ends."""
    shape, centre = last.shape, knot(last)
    _, normal = _tongue_top(last, 0.0)
    forward = np.cross((0.0, 1.0, 0.0), normal)
    side, down = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0])
    thick = np.full(9, 0.0042) * np.sqrt(1 - np.linspace(-0.97, 0.97, 9) ** 2)
    path = centre + np.linspace(-0.008, 0.008, 9)[:, None] * side
    meshes = [sweep(path, thick, _lace_area(11), across=forward, around=10)]
    for number, sign in enumerate((1.0, -1.0)):
        turn = np.linspace(0.12, 2 * np.pi - 0.12, 19)[:, None]
        out = 0.5 * (1 - np.cos(turn)) * shape.loop
        wide = np.sin(turn) * shape.loop * 0.34
        drop = 11.0 * out**2
        loop = centre + sign * out * side + (wide + 0.35 * out) * forward + drop * down
        meshes.append(_string(loop, shape.lace, _lace_area(12 + number)))
        reach = np.linspace(0, 1, 13)[:, None] * shape.loop * 1.15
        end = centre + sign * (0.62 * reach) * side + (0.95 * reach) * forward
        end = end + (0.003 + 0.45 * reach + 9.0 * reach**2 * (0.62**2)) * down
        meshes.append(_string(end, shape.lace, _lace_area(14 + number)))
    return meshes


def _string(path: FloatArray, lace: float, area: Area) -> Mesh:
    radii = np.column_stack([np.full(len(path), 0.75 * lace), np.full(len(path), 0.0013)])
    return sweep(path, radii, area, across=(0.1, 0.05, 1.0), around=8, exponent=2.5)


def _lace_area(number: int) -> Area:
    """The strip of the atlas for one of the sixteen laces."""
    s0, t0, s1, t1 = LACES
    step = (s1 - s0) / 16
    return s0 + step * (number + 0.08), t0, s0 + step * (number + 0.92), t1


def _along(ring: FloatArray) -> FloatArray:
    """(C, 3) directions along a closed ring, the last point repeating the first."""
    wrapped = np.concatenate([ring[-2:-1], ring, ring[1:2]])
    step = wrapped[2:] - wrapped[:-2]
    return np.asarray(step / np.linalg.norm(step, axis=1, keepdims=True))


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector))


def _closed(points: FloatArray) -> FloatArray:
    """The last column made exactly the first."""
    points = points.copy()
    points[:, -1] = points[:, 0]
    return points
