# SPDX-License-Identifier: Apache-2.0
"""Bottles: drinks, wine, sauce, shampoo, medicine, flasks, all of one run from base to cap.

The frame stands in the middle of the base, z up; -y is the front, where the label is.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects import solids
from tack_sim.objects.bottle_shape import Shape, sample
from tack_sim.objects.families import FAMILIES
from tack_sim.objects.model import (
    Material,
    ObjectModel,
    Piece,
    RestPose,
    SurfacePoint,
    Symmetry,
    TopGrasp,
)
from tack_sim.objects.surfaces import assemble, grid, superellipse, surface_point_nearest, way
from tack_sim.objects.textures.atlas import Atlas, Cell
from tack_sim.objects.textures.label import (
    Ware,
    body_picture,
    cap_picture,
    label_picture,
    ware,
)
from tack_sim.objects.textures.noise import Image, fbm, plain, to_bytes
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

_ATLAS = Atlas(
    1024,
    1024,
    {
        "label": Cell(0, 0, 1024, 448, (0.0, 2.0)),
        "body": Cell(0, 448, 1024, 736, (0.0, 3.0)),
        "cap": Cell(0, 736, 1024, 864, (0.0, 3.0)),
        "lid": Cell(0, 864, 160, 1024),
        "base": Cell(160, 864, 320, 1024),
        "hidden": Cell(320, 864, 480, 1024),
    },
)
_AROUND = 64
_START = np.pi / 2  # the texture's seam is at the back
_FINGER_ROOM = 0.010


def make(seed: int) -> ObjectModel:
    """A bottle; the same seed gives the same bottle."""
    rng = np.random.default_rng([FAMILIES.index("bottle"), seed])
    shape = sample(rng)
    mesh, part_of_face, names = surface(shape)
    pieces = solid(shape)
    content = ware(shape.kind, rng)
    body = Material(0.2 + 0.7 * content.gloss, 0.4 + 0.5 * content.gloss, content.depth_loss)
    paper = Material(0.15, 0.3) if content.wrapped else body
    full = float(rng.uniform(0.25, 0.95))
    return ObjectModel(
        family="bottle",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=(body, paper, Material(0.3, 0.4)),
        texture=_texture(shape, content, rng),
        pieces=pieces,
        mass=float(np.clip(0.03 + 1000 * full * solids.enclosed_volume(mesh), 0.04, 0.6)),
        friction=float(rng.uniform(0.45, 0.7)),
        points=points(),
        rests=_rests(mesh, pieces),
        grasps=_grasps(shape),
        symmetries=_symmetries(shape),
    )


def surface(shape: Shape) -> tuple[Mesh, NDArray[np.int32], tuple[str, ...]]:
    """The mesh, the part of each face and the parts' names."""
    (low, high), (label_low, label_high), (_, end) = shape.levels()
    base = _base_rings(shape)
    lower = _rings(shape, np.linspace(label_low, low, 7))
    middle = _rings(shape, np.linspace(label_high, label_low, 19))
    shoulder = np.concatenate([np.linspace(end, high, 22), np.linspace(high, label_high, 6)[1:]])
    upper = np.concatenate([_neck_rings(shape), _rings(shape, shoulder)])
    wall, lid, under = _cap_rings(shape)
    stop = _ring(shape.rim + 0.4 * shape.cap_height, 0.0, 1.0, 2.0)
    return assemble(
        [
            ("body", _sheet(upper, "body", shape.rim)),
            ("label", grid(middle, _ATLAS.area("label"))),
            ("body", _sheet(np.concatenate([lower, base[1:-1]]), "body", shape.rim)),
            ("body", _flat(base[-2:], "base", -1)),
            ("body", _flat(np.stack([stop, upper[0]]), "hidden", 1)),
            ("cap", grid(wall, _ATLAS.area("cap"), t=way(wall[:, 0]))),
            ("cap", _flat(lid, "lid", 1)),
            ("cap", _flat(under, "hidden", -1)),
        ]
    )


def _ring(z: float, half: float, flat: float, power: float) -> FloatArray:
    """(65, 3) one section at a height."""
    curve = superellipse(power, _AROUND, _START) * (half, half * flat)
    return np.concatenate([curve, np.full((len(curve), 1), z)], axis=1)


def _rings(shape: Shape, heights: FloatArray, inset: FloatArray | float = 0.0) -> FloatArray:
    """(N, 65, 3) sections of the wall at heights, drawn in by `inset`, m."""
    share = shape.roundness(heights)
    power = shape.square + (2 - shape.square) * share
    rings = superellipse(power[:, None], _AROUND, _START)
    half = np.stack([shape.half_width(heights), shape.half_depth(heights)], axis=1)
    size = (half - np.reshape(inset, (-1, 1)))[:, None]
    level = np.broadcast_to(heights[:, None, None], (*rings.shape[:2], 1))
    return np.concatenate([rings * size, level], axis=2)


def _base_rings(shape: Shape) -> FloatArray:
    """The rounded edge at the base, from the wall inwards, and the base's middle."""
    turn = np.radians(np.linspace(0, 90, 6))
    at_edge = np.full(len(turn), shape.rounding)
    rings = _rings(shape, at_edge, shape.rounding * (1 - np.cos(turn)))
    rings[..., 2] = (shape.rounding * (1 - np.sin(turn)))[:, None]
    rings[-1, :, 2] = 0.0
    middle = np.zeros_like(rings[:1])
    return np.concatenate([rings, middle])


def _neck_rings(shape: Shape) -> FloatArray:
    """From within the cap down over the collar to the shoulder's end."""
    end = shape.shoulder[1] * shape.rim
    free = shape.rim - end
    top = shape.rim + 0.4 * shape.cap_height
    collar = min(0.0016, 0.08 * shape.neck)
    heights = [top, shape.rim - 0.1 * free, shape.rim - 0.2 * free, shape.rim - 0.35 * free,
               shape.rim - 0.45 * free, shape.rim - 0.6 * free]  # fmt: skip
    reach = [0.92 * shape.neck, shape.neck, shape.neck + collar, shape.neck + collar, shape.neck,
             shape.neck]  # fmt: skip
    return np.stack([_ring(z, half, 1.0, 2.0) for z, half in zip(heights, reach, strict=True)])


def _cap_rings(shape: Shape) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The cap's side from the top down, its lid from the middle out, its underside inwards."""
    half = shape.cap_half
    flat = 1 + (shape.flat - 1) * shape.cap_like_body
    power = 2 + (shape.square - 2) * shape.cap_like_body
    bend = min(shape.dome * half * min(flat, 1.0), 0.7 * shape.cap_height)
    bow = 0.25 * bend
    turn = np.radians(np.linspace(90, 0, 8))
    wall = [
        _inset_ring(shape.height - bow - bend * (1 - np.sin(a)), half, flat, power,
                    bend * (1 - np.cos(a)))
        for a in turn
    ]  # fmt: skip
    lower = np.linspace(shape.height - bow - bend, shape.rim + 0.0006, 4)[1:]
    wall += [_inset_ring(z, half * (1 + 0.002 * i), flat, power, 0.0) for i, z in enumerate(lower)]
    wall.append(_inset_ring(shape.rim, half, flat, power, 0.0006))
    top = wall[0]
    middle = np.array([0.0, 0.0, shape.height])
    lid = [middle + (top - middle) * (r, r, r * r) for r in (0.0, 0.35, 0.7)]
    under = np.broadcast_to(np.array([0.0, 0.0, shape.rim]), top.shape)
    return np.stack(wall), np.stack([*lid, top]), np.stack([wall[-1], under])


def _inset_ring(z: float, half: float, flat: float, power: float, inset: float) -> FloatArray:
    curve = superellipse(power, _AROUND, _START) * (half - inset, half * flat - inset)
    return np.concatenate([curve, np.full((len(curve), 1), z)], axis=1)


def _sheet(rings: FloatArray, cell: str, top: float) -> Mesh:
    """A wall whose place in the texture is its height."""
    heights = rings[:, 0, 2]
    return grid(rings, _ATLAS.area(cell), t=np.clip(1 - heights / top, 0, 1))


def _flat(rings: FloatArray, cell: str, side: int) -> Mesh:
    """A level surface, its texture laid on flat as seen from outside."""
    places = rings[..., :2] / (2.02 * np.abs(rings[..., :2]).max())
    return grid(rings, _ATLAS.area(cell), s=0.5 + side * places[..., 0], t=0.5 - places[..., 1])


def solid(shape: Shape) -> tuple[Piece, ...]:
    """Hulls of bands of the body, the shoulder and the neck, and of the cap."""
    (low, high), _, (start, end) = shape.levels()
    base = _base_rings(shape)[:-1]
    heights = np.concatenate(
        [np.linspace(low, high, 5), np.linspace(start, end, 9)[1:], [shape.rim]]
    )
    rings = _rings(shape, heights)
    bands = [rings[i : i + 2] for i in range(len(heights) - 1)]
    bands[0] = np.concatenate([base, bands[0]])
    wall, lid, _ = _cap_rings(shape)
    bands.append(np.concatenate([wall, lid]))
    return tuple(solids.hull(band[:, :-1:2].reshape(-1, 3)) for band in bands)


@functools.lru_cache(maxsize=1)
def points() -> dict[str, SurfacePoint]:
    """The named points: chosen on the middle shape, the same faces on every bottle."""
    shape = Shape()
    mesh, part_of_face, names = surface(shape)
    _, label, (start, end) = shape.levels()
    middle = float(np.mean(label))
    neck_z = (end + shape.rim) / 2 - 0.25 * (shape.rim - end)
    half, side = shape.half, float(shape.half_width(np.array([(start + end) / 2]))[0])
    wanted = {
        "cap": ("cap", (0, 0, shape.height)),
        "cap_front": ("cap", (0, -shape.cap_half, shape.height - 0.6 * shape.cap_height)),
        "neck": ("body", (0, -shape.neck, neck_z)),
        "shoulder": ("body", (0, -side, (start + end) / 2)),
        "label_center": ("label", (0, -half, middle)),
        "label_back": ("label", (0, half, middle)),
        "side_left": ("label", (-half, 0, middle)),
        "side_right": ("label", (half, 0, middle)),
        "base": ("body", (0, 0, 0)),
        "base_front": ("body", (0, -half, shape.rounding)),
    }
    return {
        name: surface_point_nearest(mesh, np.flatnonzero(part_of_face == names.index(part)), place)
        for name, (part, place) in wanted.items()
    }


def _rests(mesh: Mesh, pieces: tuple[Piece, ...]) -> tuple[RestPose, ...]:
    front_up = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    rotations = {"standing": np.eye(3), "lying": front_up}
    return solids.all_settled(rotations, mesh.vertices, pieces)


def _grasps(shape: Shape) -> tuple[TopGrasp, ...]:
    """Standing, across the cap; lying on its back, across the body."""
    along, across = np.eye(3)[[0, 1]]
    _, _, (start, _) = shape.levels()
    heights = np.linspace(start, shape.rim, 60)
    widths = shape.half_width(heights)
    too_wide = heights[widths > shape.cap_half + 0.001]
    room = shape.height - (float(too_wide.max()) if len(too_wide) else start) - 0.003
    depth = min(0.032, room, max(0.020, shape.cap_height + 0.006))
    flat = 1 + (shape.flat - 1) * shape.cap_like_body
    thick = 2 * shape.half * shape.flat
    widest = 2 * shape.half * max(1.0, shape.taper)
    return (
        TopGrasp("cap", "standing", across, 2 * shape.cap_half * flat + _FINGER_ROOM, depth),
        TopGrasp("cap", "standing", along, 2 * shape.cap_half + _FINGER_ROOM, depth),
        TopGrasp("label_center", "lying", along, min(widest + _FINGER_ROOM, 0.08),
                 min(0.035, 0.6 * thick)),
    )  # fmt: skip


def _symmetries(shape: Shape) -> tuple[Symmetry, ...]:
    """Round bottles turn freely, flat ones by half a turn; square ones by a quarter."""
    order = 2 if shape.flat < 1 else 4 if shape.square > 2 else 0
    label = ("label_center", "label_back")
    return (Symmetry((0, 0, 1), order, label),)


def _texture(shape: Shape, content: Ware, rng: np.random.Generator) -> Image:
    _, label, _ = shape.levels()
    around = 2 * np.pi * shape.half * (1 + shape.flat) / 2 * (1 + 0.1 * (shape.square > 2))
    lid = plain(160, 160, content.cap) * (1 + 0.02 * fbm(160, 160, rng, 3))[..., None]
    base = plain(160, 160, content.body) * np.float32(0.9)
    cells = _ATLAS.cells
    size = (float(label[1] - label[0]), around)
    return _ATLAS.texture(
        {
            "label": label_picture(*cells["label"].size, size, content, rng),
            "body": body_picture(*cells["body"].size, content, rng),
            "cap": cap_picture(*cells["cap"].size, content, rng),
            "lid": to_bytes(lid),
            "base": to_bytes(base),
            "hidden": to_bytes(base),
        }
    )
