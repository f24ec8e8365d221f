# SPDX-License-Identifier: Apache-2.0
"""Cartons: tall, flat, long and cubic boxes with printed panels.

The frame lies in the middle of the bottom, z up; -y is the front, and x runs to the right as one
reads it.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects import solids
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
from tack_sim.objects.surfaces import assemble, grid, surface_point_nearest
from tack_sim.objects.textures.atlas import Atlas, Cell
from tack_sim.objects.textures.noise import Image
from tack_sim.objects.textures.print_box import BARCODE, Design, carton, design
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

_ATLAS = Atlas(
    1024,
    1024,
    {
        "front": Cell(0, 0, 512, 576, (1.0, 1.0)),
        "back": Cell(512, 0, 1024, 576, (1.0, 1.0)),
        "left": Cell(0, 576, 256, 1024, (1.0, 1.0)),
        "right": Cell(256, 576, 512, 1024, (1.0, 1.0)),
        "top": Cell(512, 576, 1024, 800, (1.0, 1.0)),
        "bottom": Cell(512, 800, 1024, 1024, (1.0, 1.0)),
    },
)
# Panel → its outward axis, its right and its down, as one reads it: axis and sign.
_PANELS = {
    "front": ((1, -1), (0, 1), (2, -1)),
    "back": ((1, 1), (0, -1), (2, -1)),
    "left": ((0, -1), (1, -1), (2, -1)),
    "right": ((0, 1), (1, 1), (2, -1)),
    "top": ((2, 1), (0, 1), (1, -1)),
    "bottom": ((2, -1), (0, 1), (1, 1)),
}
_FINGER_ROOM = 0.010
_WIDEST = 0.070


@dataclasses.dataclass(frozen=True)
class Shape:
    """The lengths of one box, m: along x, y and z, and the radius of its edges."""

    width: float = 0.10
    depth: float = 0.05
    height: float = 0.14
    edge: float = 0.0012

    @property
    def sides(self) -> FloatArray:
        """(3,) along x, y and z."""
        return np.array([self.width, self.depth, self.height])


def make(seed: int) -> ObjectModel:
    """A box; the same seed gives the same box."""
    rng = np.random.default_rng([FAMILIES.index("box"), seed])
    shape = sample(rng)
    mesh, part_of_face, names = surface(shape)
    pieces = solid(shape)
    content = design(rng)
    gloss = 0.02 if content.layout == "cardboard" else float(rng.uniform(0.1, 0.5))
    volume = float(np.prod(shape.sides))
    return ObjectModel(
        family="box",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=(Material(gloss, 0.2 + 0.6 * gloss),),
        texture=_texture(shape, content, rng),
        pieces=pieces,
        mass=float(np.clip(rng.uniform(180, 650) * volume, 0.03, 0.5)),
        friction=float(rng.uniform(0.4, 0.65)),
        points=points(),
        rests=_rests(mesh, pieces),
        grasps=_grasps(shape),
        symmetries=_symmetries(),
    )


def sample(rng: np.random.Generator) -> Shape:
    """A shape by chance; always narrow enough in depth for a gripper."""
    kind = rng.integers(5)
    low, high = [
        ((0.095, 0.030, 0.140), (0.150, 0.060, 0.200)),  # cereal
        ((0.090, 0.045, 0.060), (0.140, 0.066, 0.095)),  # tea
        ((0.028, 0.026, 0.120), (0.048, 0.044, 0.190)),  # toothpaste, standing
        ((0.060, 0.020, 0.045), (0.110, 0.036, 0.080)),  # medicine
        ((0.050, 0.050, 0.050), (0.068, 0.066, 0.075)),  # cubic
    ][kind]
    width, depth, height = rng.uniform(low, high).tolist()
    return Shape(width, depth, height, float(rng.uniform(0.0006, 0.0022)))


def surface(shape: Shape) -> tuple[Mesh, NDArray[np.int32], tuple[str, ...]]:
    """The mesh, the part of each face and the parts' names."""
    return assemble([("carton", _panel(shape, name, _ATLAS.area(name))) for name in _PANELS])


def _panel(shape: Shape, name: str, area: tuple[float, float, float, float]) -> Mesh:
    """One side, and its half of the rounded edges around it."""
    (axis, side), (right, right_sign), (down, down_sign) = _PANELS[name]
    core, rounding = _lines(shape)
    rows = len(core[0])
    inner, outer = np.empty((rows, rows, 3)), np.empty((rows, rows, 3))
    for along, sign, view in (
        (right, right_sign, np.s_[None, :]),
        (down, down_sign, np.s_[:, None]),
    ):
        inner[..., along] = (sign * core[along])[view]
        outer[..., along] = (sign * rounding)[view]
    inner[..., axis], outer[..., axis] = side * core[axis][-1], side * rounding[-1]
    # Neighbouring sides compute their common edge from the same numbers, so that it is one.
    points = inner + shape.edge * outer / np.sqrt(np.sum(outer**2, axis=-1, keepdims=True))
    points[..., 2] += shape.height / 2
    flat = (inner + shape.edge * outer) / shape.sides
    s = 0.5 + right_sign * flat[0, :, right]
    t = 0.5 + down_sign * flat[:, 0, down]
    return grid(points, area, s=s, t=t)


def _lines(shape: Shape) -> tuple[FloatArray, FloatArray]:
    """Where the grids' lines lie: (3, N) on the box without its rounding, and (N,) in it, -1..1."""
    steps = np.concatenate([np.tan(np.radians([15.0, 30.0])), [1.0]])
    middle = np.linspace(-1, 1, 9)
    core = np.concatenate([[-1] * len(steps), middle, [1] * len(steps)])
    rounding = np.concatenate([-steps[::-1], np.zeros(len(middle)), steps])
    return (shape.sides / 2 - shape.edge)[:, None] * core, rounding


def solid(shape: Shape) -> tuple[Piece, ...]:
    """The box itself."""
    return (solids.block(shape.sides / 2, (0, 0, shape.height / 2)),)


@functools.lru_cache(maxsize=1)
def points() -> dict[str, SurfacePoint]:
    """The named points: chosen on the middle shape, the same faces on every box."""
    shape = Shape()
    mesh, part_of_face, _ = surface(shape)
    x, y, z = shape.width / 2, shape.depth / 2, shape.height
    wanted = {
        "top_center": (0, 0, z),
        "bottom_center": (0, 0, 0),
        "front_center": (0, -y, z / 2),
        "back_center": (0, y, z / 2),
        "left_center": (-x, 0, z / 2),
        "right_center": (x, 0, z / 2),
        "barcode": (
            x - shape.width * (BARCODE[0] + BARCODE[2]) / 2,
            y,
            z * (1 - (BARCODE[1] + BARCODE[3]) / 2),
        ),
    }
    for height, level in (("top", z), ("bottom", 0.0)):
        for face, depth in (("front", -y), ("back", y)):
            for end, across in (("left", -x), ("right", x)):
                wanted[f"corner_{height}_{face}_{end}"] = (across, depth, level)
    every = np.arange(len(part_of_face))
    return {name: surface_point_nearest(mesh, every, place) for name, place in wanted.items()}


def _rests(mesh: Mesh, pieces: tuple[Piece, ...]) -> tuple[RestPose, ...]:
    front_up = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    right_up = np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0]])
    rotations = {"standing": np.eye(3), "on_side": right_up, "on_back": front_up}
    return solids.all_settled(rotations, mesh.vertices, pieces)


def _grasps(shape: Shape) -> tuple[TopGrasp, ...]:
    """Across the narrow side; lying on its back, across whichever side is narrow enough."""
    across, along, up = np.eye(3)[[1, 0, 2]]
    candidates = [
        ("top_center", "standing", across, shape.depth, shape.height),
        ("top_center", "standing", along, shape.width, shape.height),
        ("right_center", "on_side", across, shape.depth, shape.width),
        ("right_center", "on_side", up, shape.height, shape.width),
        ("front_center", "on_back", along, shape.width, shape.depth),
        ("front_center", "on_back", up, shape.height, shape.depth),
    ]
    return tuple(
        TopGrasp(point, rest, closing, width + _FINGER_ROOM, float(min(0.035, 0.6 * height)))
        for point, rest, closing, width, height in candidates
        if width <= _WIDEST
    )


def _symmetries() -> tuple[Symmetry, ...]:
    """Half turns about each axis; only the middles of the sides that they turn about stay."""
    kept = {0: ("left_", "right_"), 1: ("front_", "back_"), 2: ("top_", "bottom_")}
    return tuple(
        Symmetry(
            (float(axis == 0), float(axis == 1), float(axis == 2)),
            2,
            tuple(name for name in points() if not name.startswith(kept[axis])),
        )
        for axis in (2, 0, 1)
    )


def _texture(shape: Shape, content: Design, rng: np.random.Generator) -> Image:
    sizes = {}
    for name, (_, (right, _), (down, _)) in _PANELS.items():
        height, width = _ATLAS.cells[name].size
        scale = np.sqrt(height * width / (shape.sides[right] * shape.sides[down]))
        sizes[name] = (round(scale * shape.sides[down]), round(scale * shape.sides[right]))
    return _ATLAS.texture(carton(sizes, content, rng))
