# SPDX-License-Identifier: Apache-2.0
"""The form of a baseball cap: crown with its opening at the back, brim, button and strap.

The frame: x from the middle of the head to the brim, y to the left, z up, the crown's lower edge
at z = 0 but where it rises over the brim and over the opening. Angles run around z from +x.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.surfaces import Area, grid, revolve, sweep
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

BACK, SIDES = 20, 80
"""Columns of the crown over the opening, and on the rest of it."""
COLUMNS = BACK + SIDES
FRONT = COLUMNS // 2
"""The column in the middle of the forehead."""
ROWS = 26
"""Steps from the crown's top to its lower edge."""
BRIM_COLUMNS, BRIM_ROWS = 40, 12
ATLAS = (880, 1024)
"""Height and width of the texture, px."""


def _area(v0: int, v1: int, u0: int = 0, u1: int = 1024) -> Area:
    return u0 / ATLAS[1], v0 / ATLAS[0], u1 / ATLAS[1], v1 / ATLAS[0]


OUTER, INNER = _area(0, 400), _area(408, 536)
BRIM_TOP, BRIM_UNDER = _area(544, 800, 0, 508), _area(544, 800, 516, 1024)
STRAP, BUTTON, BUCKLE = (
    _area(808, 872, 0, 508),
    _area(808, 872, 516, 580),
    _area(808, 872, 588, 652),
)
"""Rectangles of the atlas."""


@dataclasses.dataclass(frozen=True)
class CapShape:
    """What makes one cap differ from another; lengths in m, angles in rad.

    Attributes:
        half_length, half_width: of the head's opening.
        height: of the crown.
        front, back: squareness of the profile, 2 is round.
        seams: angles of the seams between the panels.
        quilt: how far the panels bulge between the seams, as a share of the radius.
        folds: (K, 4) soft folds: depth (m), waves around, phase (rad), height of the strongest
            (share of the crown).
        brim: length of the brim.
        spread: angle to either side at which the brim ends.
        flare: how far the brim stands out at its ends.
        square: of the brim's outline, 2 is round.
        arch: height of the brim's middle over its ends.
        tilt: how much the brim falls towards its tip.
        opening: half angle of the opening at the back.
        opening_height: of it; nearly 0 for a closed cap.
        wall: thickness of the crown at its lower edge.
        button_radius, button_height: of the button on top.
        strap: half height of the strap.
        buckle: half width of the buckle; nearly 0 for none.
    """

    half_length: float = 0.101
    half_width: float = 0.084
    height: float = 0.118
    front: float = 2.5
    back: float = 2.15
    seams: tuple[float, ...] = (0.0, 1.05, 2.1, -1.05, -2.1)
    quilt: float = 0.012
    folds: tuple[tuple[float, float, float, float], ...] = ()
    brim: float = 0.070
    spread: float = 1.15
    flare: float = 0.006
    square: float = 2.3
    arch: float = 0.018
    tilt: float = 0.10
    opening: float = 0.46
    opening_height: float = 0.040
    wall: float = 0.0034
    button_radius: float = 0.0085
    button_height: float = 0.0085
    strap: float = 0.008
    buckle: float = 0.010


@dataclasses.dataclass(frozen=True, eq=False)
class CapGrids:
    """Grids of points (R, C, 3), m.

    Attributes:
        angle: (C,) of the crown's columns, from the back over the right side, the front and the
            left side to the back.
        outer: the crown's outside, rows from its top to its lower edge.
        inner: the same inside, rows from the lower edge up.
        brim: rows from the crown over the top to the edge and back underneath; the first and the
            last column close it.
    """

    angle: FloatArray
    outer: FloatArray
    inner: FloatArray
    brim: FloatArray


def cap_grids(shape: CapShape) -> CapGrids:
    """The grids of a cap's crown and brim."""
    angle = _angles(shape)
    outside = _crown(shape, angle)
    inside = outside - _wall(shape)[:, None, None] * _normals(outside)
    inside[0] = inside[0].mean(axis=0)
    edge = 0.5 * (outside[-1] + inside[-1])
    edge[:, 2] -= 0.35 * shape.wall
    outer = np.concatenate([outside, edge[None]])
    inner = np.concatenate([edge[None], inside[::-1]])
    for rows in (outer, inner):
        rows[:, -1] = rows[:, 0]
    return CapGrids(angle, outer, inner, _brim(shape))


def cap_meshes(shape: CapShape, grids: CapGrids) -> list[tuple[str, Mesh]]:
    """The parts by name; equal names belong together."""
    half = BRIM_ROWS + 3
    return [
        ("crown", grid(grids.outer, OUTER)),
        ("crown", grid(grids.inner, INNER)),
        ("brim", grid(grids.brim[:half], BRIM_TOP)),
        ("brim", grid(grids.brim[half - 1 :], BRIM_UNDER)),
        ("button", _button(shape)),
        ("strap", _strap(shape)),
        ("buckle", _buckle(shape)),
    ]


def rise(shape: CapShape, y: FloatArray) -> FloatArray:
    """Height of the brim's inner edge."""
    end = shape.half_width * np.sin(shape.spread)
    share = np.asarray(y) / end
    return np.asarray(shape.arch * (1 - share**2 * (1 - 0.12 * (share**2 - 1))))


def _angles(shape: CapShape) -> FloatArray:
    """Columns are dense at the ends of the opening, where the crown's edge is steep."""
    half = BACK // 2
    turn = np.linspace(np.pi / 2, 0, half + 1)
    right = -np.pi + shape.opening * np.cos(turn)
    sides = np.linspace(right[-1], -right[-1], SIDES + 1)[1:-1]
    return np.concatenate([right, sides, -right[::-1]])


def _low_edge(shape: CapShape, angle: FloatArray) -> FloatArray:
    """Height of the crown's lower edge."""
    behind = np.clip((np.pi - np.abs(angle)) / shape.opening, 0, 1)
    opening = shape.opening_height * np.sqrt(1 - behind**2)
    front = np.clip(rise(shape, shape.half_width * np.sin(angle)), 0, None)
    return opening + np.where(np.abs(angle) < shape.spread, front, 0.0)


def _crown(shape: CapShape, angle: FloatArray) -> FloatArray:
    """(ROWS + 1, C, 3) the outside from the top down."""
    forward = 0.5 + 0.5 * np.cos(angle)
    power = shape.back + (shape.front - shape.back) * forward**2
    low = (_low_edge(shape, angle) / shape.height) ** power
    start = np.arctan((low / (1 - low)) ** (1 / power))
    turn = start + (np.pi / 2 - start) * np.linspace(1, 0, ROWS + 1)[:, None]
    cosine, sine = np.cos(turn), np.sin(turn)
    scale = (cosine**power + sine**power) ** (-1 / power)
    radius, high = cosine * scale, sine * scale
    nearest = np.abs((angle[:, None] - np.array(shape.seams) + np.pi) % (2 * np.pi) - np.pi)
    bulge = 1 - np.exp(-((nearest.min(axis=1) / 0.16) ** 2))
    radius = radius * (1 + shape.quilt * (bulge - 0.6) * np.sin(2 * turn) ** 2)
    x, y = shape.half_length * np.cos(angle), shape.half_width * np.sin(angle)
    z = shape.height * high
    for depth, waves, phase, strongest in shape.folds:
        near = np.exp(-(((high - strongest) / 0.22) ** 2)) * radius
        radius = radius + depth / shape.half_width * near * np.sin(waves * angle + phase)
    points = np.stack([radius * x, radius * y, z], axis=-1)
    points[0] = (0.0, 0.0, shape.height)
    return points


def _wall(shape: CapShape) -> FloatArray:
    """Thickness of the crown by row: the sweatband doubles it at the lower edge."""
    return (
        np.interp(np.arange(ROWS + 1), [0, ROWS - 6, ROWS - 3, ROWS], [0.6, 0.65, 1.0, 1.0])
        * shape.wall
    )


def _normals(points: FloatArray) -> FloatArray:
    """(R, C, 3) outward unit normals of the crown; up at its top."""
    ring = np.concatenate([points[:, -2:-1], points, points[:, 1:2]], axis=1)
    normals = np.cross(np.gradient(points, axis=0), ring[:, 2:] - ring[:, :-2])
    normals[0] = (0.0, 0.0, 1.0)
    return np.asarray(normals / np.linalg.norm(normals, axis=2, keepdims=True))


def _brim(shape: CapShape) -> FloatArray:
    """The brim, a bent sheet that starts within the crown's wall."""
    u = np.linspace(-1, 1, BRIM_COLUMNS + 1)
    v = np.linspace(0, 1, BRIM_ROWS + 1)[:, None]
    inner = u * shape.spread
    begin = np.stack(
        [0.985 * shape.half_length * np.cos(inner), 0.985 * shape.half_width * np.sin(inner)], -1
    )
    turn = u * np.pi / 2
    scale = (np.abs(np.cos(turn)) ** shape.square + np.abs(np.sin(turn)) ** shape.square) ** (
        -1 / shape.square
    )
    base = 0.985 * shape.half_length * np.cos(shape.spread)
    reach = shape.half_length + shape.brim - base
    wide = shape.half_width * np.sin(shape.spread) + shape.flare
    end = np.stack([base + reach * np.cos(turn) * scale, wide * np.sin(turn) * scale], -1)
    flat = begin + v[..., None] * (end - begin)
    away = flat[..., 0] - base
    z = rise(shape, flat[..., 1]) - shape.tilt * np.clip(away - (begin[:, 0] - base), 0, None)
    top = np.concatenate([flat, z[..., None] + 0.0008], axis=-1)
    slope = np.gradient(z[0], begin[:, 1])
    down = np.stack([np.full_like(u, -shape.tilt), slope, np.full_like(u, -1.0)], -1)
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    under = top + 0.0032 * down
    middle = 0.5 * (top + under)
    edge = middle[-1] + 0.0012 * _out(end)
    rows = np.concatenate([middle[:1], top, edge[None], under[::-1], middle[:1]])
    close = 0.5 * (rows + rows[::-1])
    return np.concatenate([close[:, :1], rows, close[:, -1:]], axis=1)


def _out(line: FloatArray) -> FloatArray:
    """(N, 3) level unit normals of the brim's outline."""
    along = np.gradient(line, axis=0)
    normal = np.stack([along[:, 1], -along[:, 0], np.zeros(len(line))], axis=1)
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def _button(shape: CapShape) -> Mesh:
    """Rounded on top, with a foot inside the crown."""
    radius, top = shape.button_radius, shape.height + shape.button_height
    turn = np.linspace(np.pi / 2, 0, 7)
    dome = np.stack(
        [radius * np.cos(turn) ** 0.6, top - 0.28 * shape.button_height * (1 - np.sin(turn))], 1
    )
    dome[0, 0] = 0.0
    low = shape.height - 0.0025
    profile = np.concatenate(
        [dome, [[0.97 * radius, shape.height], [0.8 * radius, low], [0.0, low]]]
    )
    return revolve(profile, BUTTON, around=24, planar=True)


def _arc(shape: CapShape, half: float, count: int, high: float) -> FloatArray:
    """(count, 3) on the crown's wall behind, from its right to its left; m."""
    angle = np.pi + np.linspace(half, -half, count)
    shrink = 1 - (0.5 * shape.wall + 0.0008) / shape.half_width
    return np.stack(
        [
            shrink * shape.half_length * np.cos(angle),
            shrink * shape.half_width * np.sin(angle),
            np.full(count, high),
        ],
        1,
    )


def _strap(shape: CapShape) -> Mesh:
    path = _arc(shape, shape.opening + 0.10, 21, shape.strap + 0.002)
    radii = np.tile([shape.strap, 0.0011], (len(path), 1))
    return sweep(path, radii, STRAP, across=(0, 0, 1), exponent=5.0, around=16)


def _buckle(shape: CapShape) -> Mesh:
    path = _arc(shape, shape.buckle / shape.half_length, 5, shape.strap + 0.002)
    grown = min(1.0, shape.buckle / 0.004)
    radii = np.tile([(shape.strap + 0.0015) * grown, 0.0022 * grown], (len(path), 1))
    return sweep(path, radii, BUCKLE, across=(0, 0, 1), exponent=6.0, around=16)
