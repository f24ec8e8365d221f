# SPDX-License-Identifier: Apache-2.0
"""The shape of hammers: claw, ball peen, cross peen and mallet on one topology.

The object's frame: x along the handle towards the head, y along the head towards its face, z out of
the side that usually looks up. The head has two mirrored prongs behind it. On a claw hammer they
part; on all others they meet and make a ball, a wedge or the back of a mallet.
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
Kind = Literal["claw", "ball", "cross", "mallet"]
Grip = Literal["wood", "painted", "rubber"]

AREAS: dict[str, Area] = {
    "handle": (0.0, 0.0, 1.0, 0.22),
    "grip": (0.0, 0.23, 1.0, 0.53),
    "head": (0.0, 0.54, 0.6, 0.84),
    "left": (0.61, 0.54, 0.80, 0.84),
    "right": (0.81, 0.54, 1.0, 0.84),
    "top": (0.0, 0.85, 0.07, 0.99),
    "end": (0.08, 0.85, 0.15, 0.99),
    "face": (0.16, 0.85, 0.23, 0.99),
    "tips": (0.24, 0.85, 0.31, 0.99),
    "collar": (0.32, 0.85, 0.39, 0.99),
}
"""Where things lie in the atlas: skins, and the flat ends of skins."""

HANDLE_AROUND, HEAD_AROUND = 24, 32
NECK_ROW = 24
"""The ring of the handle at the named point `neck`."""
GRIP_MIDDLE_ROW = 42
"""The ring of the grip at the named point `handle_center`."""
_PRONG_ROWS = 28
_ARC, _INNER = 13, 3  # corners of a prong's section on its outside and between the prongs
_OVERLAP = 2e-4  # m that meeting prongs reach into each other, so that no gap shows


@dataclasses.dataclass(frozen=True)
class HammerShape:
    """Measures of one hammer, m, rad.

    Attributes:
        kind: of the head.
        grip: what the lower part of the handle is.
        length: from the handle's end to the head's top.
        face: radius of the striking face.
        cheek: half sizes of the head's middle along the handle and across.
        squareness: exponent of the middle's section.
        front, back: from the handle's axis to the face and to the other end.
        bend: of the claw.
        spread: half width of the claw's end, and of its slot there.
        neck, shoulder, hold: half sizes (across, up) of the handle in the head, below it, in the
            grip.
        swell: of the handle's end, relative to the grip.
        sleeve: thickness of a rubber sleeve; 0 for wood.
        grooves: number of rings cut into the sleeve.
        clearance: from the head's side to the named point `neck`.
    """

    kind: Kind
    grip: Grip
    length: float
    face: float
    cheek: tuple[float, float]
    squareness: float
    front: float
    back: float
    bend: float
    spread: tuple[float, float]
    neck: tuple[float, float]
    shoulder: tuple[float, float]
    hold: tuple[float, float]
    swell: float
    sleeve: float
    grooves: int
    clearance: float


@dataclasses.dataclass(frozen=True, eq=False)
class HammerLofts:
    """The closed bodies of a hammer."""

    handle: Loft
    grip: Loft
    head: Loft
    left: Loft
    right: Loft


def build(shape: HammerShape) -> HammerLofts:
    """The surfaces, centred along the handle, with their places in the atlas."""
    shift = np.array([shape.length / 2 - shape.cheek[0], 0.0, 0.0])
    handle, grip = _handle(shape), _grip(shape)
    left, right = _prong(shape, 1.0), _prong(shape, -1.0)
    a = AREAS
    return HammerLofts(
        loft(handle + shift, a["handle"], a["collar"], a["top"]),
        loft(grip + shift, a["grip"], a["end"], a["collar"]),
        loft(_head(shape) + shift, a["head"], a["tips"], a["face"]),
        loft(left + shift, a["left"], a["tips"], a["tips"]),
        loft(right + shift, a["right"], a["tips"], a["tips"]),
    )


def pieces(shape: HammerShape, lofts: HammerLofts, steel: float, stick: float) -> tuple[Piece, ...]:
    """What physics sees.

    Args:
        shape, lofts: the hammer.
        steel, stick: densities of head and handle, kg/m³.
    """
    found = hulls(lofts.handle.rings, (0, 16, NECK_ROW, 40, 64), stick)
    found += hulls(lofts.grip.rings, (0, 12, 24, 36, 48, 60), stick)
    found += hulls(lofts.head.rings, (0, 9, 12, 18, 21, 30), steel)
    last = _PRONG_ROWS - 1
    if shape.kind == "claw":
        for prong in (lofts.left, lofts.right):
            found += hulls(prong.rings, (0, 6, 11, 16, 21, last), steel, step=1)
    else:
        both = np.concatenate([lofts.left.rings, lofts.right.rings], axis=1)
        found += hulls(both, (0, 9, last), steel)
    return found


def _handle(shape: HammerShape) -> FloatArray:
    """From inside the grip to the head's top: 65 rings."""
    top = shape.cheek[0]
    front = _grip_front(shape)
    below, neck = -top, -top - shape.clearance
    inner = tuple(0.995 * half for half in shape.hold)
    x = [front - 0.02, front, (front + neck) / 2, neck, below - 0.006, below + 0.004]
    x += [0.0, 0.7 * top, top + 0.0008]
    between = tuple(0.35 * a + 0.65 * b for a, b in zip(inner, shape.shoulder, strict=True))
    sizes = [inner, inner, between, shape.shoulder, shape.shoulder, *([shape.neck] * 4)]
    rows = smooth(np.column_stack([x, sizes]), 8)
    return _along_x(rows[:, 0], rows[:, 1:], 2.4)


def _grip(shape: HammerShape) -> FloatArray:
    """From the handle's end to the grip's front: 61 rings."""
    end, front = shape.cheek[0] - shape.length, _grip_front(shape)
    u = np.array([0.0, 0.008, 0.03, 0.09, 0.2, 0.4, 0.62, 0.8, 0.97, 0.99, 1.0])
    lift = shape.swell
    scale = np.array([0.8, 0.93, 1.0, 1.0, 1 - 0.5 * lift, 1 - lift, 1 - 0.7 * lift, 1, 1, 1, 0.99])
    rows = smooth(np.column_stack([u, scale]), 6)
    u, scale = rows.T
    hold = np.array(shape.hold) + shape.sleeve
    sizes = scale[:, None] * hold
    if shape.grooves:
        inside = (u > 0.12) & (u < 0.88)
        phase = 2 * np.pi * shape.grooves * (u - 0.12) / 0.76
        sizes -= (0.0011 * inside * np.clip(-np.cos(phase), 0, 1))[:, None]
    return _along_x(end + u * (front - end), sizes, 2.6)


def _along_x(x: FloatArray, sizes: FloatArray, exponent: float) -> FloatArray:
    centres = np.column_stack([x, np.zeros((len(x), 2))])
    return sections(centres, (0, 1, 0), (0, 0, 1), sizes, exponent, around=HANDLE_AROUND)


def _grip_front(shape: HammerShape) -> float:
    return shape.cheek[0] - shape.length * 0.52


def _head(shape: HammerShape) -> FloatArray:
    """From behind the eye to the face, along y: 31 rings."""
    (high, wide), face = shape.cheek, shape.face
    n, front = shape.squareness, shape.front
    if shape.kind == "mallet":
        slim, square, root = 0.0, n, 0.99
    else:
        slim, square, root = 0.24 * face, 2.0, 0.86
    rows = [
        (-0.016, root * high, root * wide, n),
        (-0.0145, high, wide, n),
        (0.0, high, wide, n),
        (0.0145, high, wide, n),
        (0.35 * front + 0.011, face - 0.8 * slim, face - 0.8 * slim, square),
        (0.6 * front, face - slim, face - slim, square),
        (front - 0.016, face - slim, face - slim, square),
        (front - 0.0135, face, face, square),
        (front - 0.0016, face, face, square),
        (front, face - 0.0016, face - 0.0016, square),
        (front + 0.0005, 0.55 * face, 0.55 * face, square),
    ]
    if shape.kind == "mallet":
        rows = [
            (y, high * a / face if i > 3 else a, wide * b / face if i > 3 else b, m)
            for i, (y, a, b, m) in enumerate(rows)
        ]
    y, x_size, z_size, power = smooth(rows, 3).T
    centres = np.column_stack([np.zeros_like(y), y, np.zeros_like(y)])
    sizes = np.column_stack([z_size, x_size])
    return sections(centres, (0, 0, 1), (1, 0, 0), sizes, power, around=HEAD_AROUND)


def _prong(shape: HammerShape, side: float) -> FloatArray:
    """One half of what is behind the head, on the side z > 0 or z < 0."""
    centres, tangents, thick, inner, outer, roundness = _prong_rows(shape)
    normals = side * np.cross(tangents, (0.0, 0.0, 1.0))
    turns = np.linspace(-np.pi / 2, np.pi / 2, _ARC)
    cosine, sine = np.maximum(np.cos(turns), 0), np.sin(turns)
    cosine[[0, -1]] = 0
    out = cosine**roundness
    up = np.sign(sine) * np.abs(sine) ** roundness
    flat = np.linspace(1, -1, _INNER + 2)[1:-1]
    out = np.concatenate([out, np.zeros(_INNER)])
    up = np.concatenate([up, flat])
    z = side * (inner[:, None] + (outer - inner)[:, None] * out)
    rings: FloatArray = (
        centres[:, None] + thick[:, None, None] * up[None, :, None] * normals[:, None]
    )
    rings[..., 2] += z
    return rings


def _prong_rows(shape: HammerShape) -> tuple[FloatArray, ...]:
    """Middle, tangent, half thickness, inner and outer z of each ring; the section's shape."""
    t = np.linspace(0, 1, _PRONG_ROWS)
    high, wide = shape.cheek
    meet = np.full(_PRONG_ROWS, -_OVERLAP)
    start, end = -0.008, -shape.back
    if shape.kind == "claw":
        return _claw_rows(shape, t)
    if shape.kind == "cross":
        y = start + (end - start) * t
        blunt = np.where(t > 0.97, 0.75, 1.0)
        fall = np.clip((t - 0.12) / 0.88, 0, 1)
        thick = (0.86 * high * (1 - fall) ** 0.9 + 0.0022) * blunt
        outer = wide * (0.86 + 0.06 * fall) * np.where(t > 0.97, 0.95, 1.0)
        return *_straight(y), thick, meet, outer, np.float64(0.5)
    if shape.kind == "mallet":
        ease = np.array([1.0] * (_PRONG_ROWS - 3) + [0.985, 0.94, 0.86])
        y = start + (end - start) * np.concatenate([0.985 * t[:-3] / t[-4], [0.992, 0.998, 1.0]])
        power = np.float64(2 / shape.squareness)
        return *_straight(y), 0.965 * high * ease, meet, 0.965 * wide * ease, power
    ball = shape.face * 0.86
    turn = np.linspace(0.25 * np.pi, 0.965 * np.pi, 18)
    sphere_y = end + ball + ball * np.cos(turn)
    join = ball * np.sin(turn[0])
    necking = smooth([(start, 0.8 * high), (-0.017, 0.8 * high), (sphere_y[0], join)], 5)[:-1]
    y = np.concatenate([necking[:, 0], sphere_y])
    radius = np.concatenate([necking[:, 1], ball * np.sin(turn)])
    return *_straight(y), radius, meet, radius, np.float64(1.0)


def _straight(y: FloatArray) -> tuple[FloatArray, FloatArray]:
    zero = np.zeros_like(y)
    return np.column_stack([zero, y, zero]), np.tile((0.0, -1.0, 0.0), (len(y), 1))


def _claw_rows(shape: HammerShape, t: FloatArray) -> tuple[FloatArray, ...]:
    high, wide = shape.cheek
    angle = 0.04 + shape.bend * t**1.3
    tangents = np.column_stack([-np.sin(angle), -np.cos(angle), np.zeros_like(t)])
    reach = shape.back / np.trapezoid(np.cos(angle), t)
    steps = reach / (len(t) - 1) * (tangents[1:] + tangents[:-1]) / 2
    root = 0.62 * high
    first = np.array([high - root - 0.0012, -0.004, 0.0])
    centres = first + np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    thick = root * (1 - t) ** 0.8 + 0.0012
    centres = centres + np.outer(root - thick, (0.35, 0.0, 0.0))
    outer = wide * 0.9 + (shape.spread[0] - wide * 0.9) * np.clip((t - 0.15) / 0.7, 0, 1)
    outer = outer * np.where(t > 0.98, 0.93, 1.0)
    inner = -_OVERLAP + (shape.spread[1] + _OVERLAP) * np.clip((t - 0.42) / 0.5, 0, 1) ** 0.8
    return centres, tangents, thick, inner, outer, np.float64(0.42)
