# SPDX-License-Identifier: Apache-2.0
"""Mugs: turned walls with a belly, a flare or neither, and handles from round to angular.

The frame stands in the middle of the foot, z up; the handle is at +x, and -y is the front, so that
seen from the front the handle is on the right.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from tack_perception import geometry
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
from tack_sim.objects.surfaces import assemble, revolve, surface_point_nearest, sweep, way
from tack_sim.objects.textures.atlas import Atlas, Cell
from tack_sim.objects.textures.glaze import Glaze, glazed_wall
from tack_sim.objects.textures.noise import Color, Image, fbm, plain, to_bytes
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

_ATLAS = Atlas(
    768,
    1024,
    {
        "wall": Cell(0, 0, 1024, 448, (0.0, 3.0)),
        "inside": Cell(0, 448, 1024, 576, (0.0, 3.0)),
        "handle": Cell(0, 576, 640, 768),
        "floor": Cell(640, 576, 832, 768),
        "foot": Cell(832, 576, 1024, 768),
    },
)
_PARTS = ("wall", "inside", "foot", "handle")
_SECTORS = 16


@dataclasses.dataclass(frozen=True)
class Shape:
    """The lengths (m) and shares that make one mug.

    Attributes:
        height: from table to rim.
        radii: of the outer wall below the rim, at 30 % and 70 % of the way down, and above the
            rounding at the bottom.
        wall: thickness.
        rounding: radius between wall and bottom.
        foot: height of the foot ring.
        handle_span: shares of the height at which the handle's middle line leaves and meets the
            wall, upper one first.
        reach: how far the handle's middle line stands off the wall.
        bend: exponent of the handle's curve: 2 is round, 4 angular.
        droop: how much further the handle's upper half reaches than its lower, as a share.
        handle_half: half width and half thickness of the handle.
        section: exponent of the handle's section.
    """

    height: float = 0.095
    radii: tuple[float, float, float, float] = (0.041, 0.0405, 0.040, 0.039)
    wall: float = 0.004
    rounding: float = 0.007
    foot: float = 0.0015
    handle_span: tuple[float, float] = (0.80, 0.26)
    reach: float = 0.028
    bend: float = 2.3
    droop: float = 0.05
    handle_half: tuple[float, float] = (0.0065, 0.0045)
    section: float = 2.4

    def radius(self, z: FloatArray) -> FloatArray:
        """Of the outer wall at heights, m."""
        top, bottom = self.height - self.wall / 2, self.foot + self.rounding
        knots = top + (bottom - top) * np.array([0.0, 0.3, 0.7, 1.0])
        curve = PchipInterpolator(knots[::-1], self.radii[::-1])
        return np.asarray(curve(np.clip(z, bottom, top)), dtype=np.float64)

    @property
    def floor(self) -> float:
        """Height of the inner bottom, m."""
        return self.foot + 1.2 * self.wall


def make(seed: int) -> ObjectModel:
    """A mug; the same seed gives the same mug."""
    rng = np.random.default_rng([FAMILIES.index("mug"), seed])
    shape = sample(rng)
    mesh, part_of_face, names = surface(shape)
    around = 2 * np.pi * float(np.mean(shape.radii))
    height, width = _ATLAS.cells["wall"].size
    aspect = (height / shape.height) / (width / around)
    glaze = glazed_wall(height, width, aspect, rng)
    pieces = solid(shape)
    material = Material(specular=0.25 + 0.45 * glaze.gloss, shininess=0.35 + 0.5 * glaze.gloss)
    return ObjectModel(
        family="mug",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=(material, material, Material(0.1, 0.2), material),
        texture=_texture(glaze, rng),
        pieces=pieces,
        mass=float(rng.uniform(2000, 2500)) * solids.enclosed_volume(mesh),
        friction=float(rng.uniform(0.45, 0.7)),
        points=points(),
        rests=_rests(mesh, pieces),
        grasps=_grasps(shape),
        symmetries=(Symmetry((0, 0, 1), 0, ("handle", "handle_top", "handle_bottom")),),
    )


def sample(rng: np.random.Generator) -> Shape:
    """A shape by chance: espresso cups are left out, pint mugs are in."""
    middle = rng.uniform(0.034, 0.044)
    height = float(np.clip(middle * rng.uniform(1.75, 3.0), 0.072, 0.122))
    wall = rng.uniform(0.0032, 0.0052)
    style = rng.integers(4)
    if style == 0:  # straight
        change = rng.uniform(-0.02, 0.02, 4)
    elif style == 1:  # belly
        belly = rng.uniform(0.06, 0.16)
        change = np.array([-0.5 * belly, 0.3 * belly, 0.6 * belly, -0.8 * belly])
    elif style == 2:  # flared
        flare = rng.uniform(0.06, 0.15)
        change = np.array([flare, 0.25 * flare, -0.5 * flare, -1.1 * flare])
    else:  # waisted
        waist = rng.uniform(0.04, 0.10)
        change = np.array([0.6 * waist, -0.6 * waist, -0.3 * waist, 0.7 * waist])
    radii = middle * (1 + change)
    rounding, foot = rng.uniform(0.003, 0.012), rng.uniform(0.0010, 0.003)
    lowest = (rounding + foot + 0.006) / height
    upper, lower = rng.uniform(0.74, 0.86), max(rng.uniform(0.18, 0.38), lowest)
    return Shape(
        height=height,
        radii=(float(radii[0]), float(radii[1]), float(radii[2]), float(radii[3])),
        wall=wall,
        rounding=rounding,
        foot=foot,
        handle_span=(upper, lower),
        reach=float(
            np.clip(0.55 * (upper - lower) * height * rng.uniform(0.8, 1.25), 0.022, 0.036)
        ),
        bend=rng.uniform(1.9, 4.2),
        droop=rng.uniform(-0.18, 0.3),
        handle_half=(rng.uniform(0.0050, 0.0095), rng.uniform(0.0034, 0.0056)),
        section=rng.uniform(2.0, 4.0),
    )


def surface(shape: Shape) -> tuple[Mesh, NDArray[np.int32], tuple[str, ...]]:
    """The mesh, the part of each face and the parts' names."""
    crest = _rim(shape, np.radians([90]))
    wall_z = np.linspace(shape.height - shape.wall / 2, shape.foot + shape.rounding, 26)
    outer = np.stack([shape.radius(wall_z), wall_z], axis=1)
    bend = np.radians(np.linspace(0, 90, 7))[1:, None]
    corner = outer[-1] - (shape.rounding, 0)
    rounding = corner + shape.rounding * np.concatenate([np.cos(bend), -np.sin(bend)], axis=1)
    wall = np.concatenate([crest, _rim(shape, np.radians([68, 45, 22])), outer, rounding])
    edge = wall[-1, 0]
    foot = np.array(
        [
            wall[-1],
            (edge - 0.0004, 0.0006),
            (edge - 0.0010, 0),
            (edge - 0.0040, 0),
            (edge - 0.0052, 0.6 * shape.foot),
            (0, 0.6 * shape.foot),
        ]
    )
    inner_radius, floor = edge - 0.001, shape.floor
    inner_z = np.linspace(floor + 0.6 * shape.rounding, shape.height - shape.wall / 2, 22)
    inner = np.stack([shape.radius(inner_z) - shape.wall, inner_z], axis=1)
    inner_radius = min(inner_radius, float(inner[0, 0]) - 0.004)
    ground = np.array([(0, floor), (0.55 * inner_radius, floor), (inner_radius, floor)])
    lift = np.linspace(0, np.pi / 2, 6)[1:-1, None]
    rise = ground[-1] + (inner[0] - ground[-1]) * np.concatenate(
        [np.sin(lift), 1 - np.cos(lift)], axis=1
    )
    inside = np.concatenate(
        [ground[-1:], rise, inner, _rim(shape, np.radians([158, 135, 112])), crest]
    )
    path, radii, power = handle_line(shape)
    return assemble(
        [
            ("wall", revolve(wall, _ATLAS.area("wall"))),
            ("inside", revolve(inside, _ATLAS.area("inside"))),
            ("inside", revolve(ground, _ATLAS.area("floor"), planar=True)),
            ("foot", revolve(foot, _ATLAS.area("foot"), planar=True)),
            ("handle", sweep(path, radii, _ATLAS.area("handle"), exponent=power)),
        ]
    )


def handle_line(shape: Shape) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The handle's middle line (N, 3), its half sizes (N, 2) and the exponents of its sections."""
    upper, lower = np.array(shape.handle_span) * shape.height
    middle, half = (upper + lower) / 2, (upper - lower) / 2
    turn = np.linspace(np.pi / 2, -np.pi / 2, 181)
    c, s = np.cos(turn), np.sin(turn)
    size = (np.abs(c) ** shape.bend + np.abs(s) ** shape.bend) ** (-1 / shape.bend)
    z = middle + half * size * s
    # Both ends lie within the wall's thickness, so that handle and wall are one solid.
    base = np.interp(z, [lower, upper], shape.radius(np.array([lower, upper]))) - 0.6 * shape.wall
    x = base + (shape.reach + 0.6 * shape.wall) * size * c * (1 + shape.droop * s)
    fine = np.stack([x, np.zeros_like(x), z], axis=1)
    even = np.linspace(0, 1, 41)
    share = way(fine)
    path = np.stack([np.interp(even, share, fine[:, i]) for i in range(3)], axis=1)
    joint = 1 + 0.35 * np.exp(-((np.minimum(even, 1 - even) / 0.07) ** 2))
    radii = np.array(shape.handle_half) * joint[:, None]
    return path, radii, np.full(len(path), shape.section)


def solid(shape: Shape) -> tuple[Piece, ...]:
    """Rings of boxes for the wall, two discs for the bottom, hulls along the handle."""
    low = shape.foot + shape.rounding
    heights = np.linspace(shape.height, low, 4)
    radii = shape.radius(heights)
    rings = [*zip(radii, heights, strict=True)]
    diagonal = np.sqrt(0.5)
    rings.append((radii[-1] - (1 - diagonal) * shape.rounding, low - diagonal * shape.rounding))
    pieces = [
        box
        for upper, lower in itertools.pairwise(rings)
        for box in _ring(np.array(upper), np.array(lower), shape.wall)
    ]
    edge = float(radii[-1]) - shape.rounding
    pieces.append(solids.cylinder((0, 0, 0), (0, 0, shape.floor), edge))
    under = shape.foot + 0.15 * shape.rounding
    pieces.append(solids.cylinder((0, 0, under), (0, 0, shape.floor), edge + 0.55 * shape.rounding))
    path, sizes, power = handle_line(shape)
    mesh = sweep(path, sizes, (0, 0, 1, 1), exponent=power, around=12, caps=False)
    sections = mesh.vertices.reshape(len(path), -1, 3)
    pieces += [solids.hull(sections[i : i + 6].reshape(-1, 3)) for i in range(0, len(path) - 1, 5)]
    return tuple(pieces)


def _ring(upper: FloatArray, lower: FloatArray, wall: float) -> list[Piece]:
    """Boxes around z whose outer faces lie between two circles (radius, z) of the wall."""
    length = float(np.linalg.norm(upper - lower))
    lean = np.arctan2(upper[0] - lower[0], upper[1] - lower[1])
    # Faces cut into the circle in their middle as far as their corners stand out of it.
    radius = (upper[0] + lower[0]) / 2 * (1 + np.cos(np.pi / _SECTORS)) / 2
    middle = radius - wall / 2 * np.cos(lean), (upper[1] + lower[1]) / 2 + wall / 2 * np.sin(lean)
    half = (wall / 2, radius * np.tan(np.pi / _SECTORS), length / 2)
    tilt = geometry.from_axis_angle((0, 1, 0), float(lean), (middle[0], 0, middle[1]))
    return [
        Piece("box", geometry.from_axis_angle((0, 0, 1), 2 * np.pi * i / _SECTORS) @ tilt, half)
        for i in range(_SECTORS)
    ]


@functools.lru_cache(maxsize=1)
def points() -> dict[str, SurfacePoint]:
    """The named points: chosen on the middle shape, the same faces on every mug."""
    shape = Shape()
    mesh, part_of_face, names = surface(shape)
    rim, middle = shape.radii[0] - shape.wall / 2, shape.height / 2
    wall = float(shape.radius(np.array([middle]))[0])
    path, sizes, _ = handle_line(shape)
    upper, outer, lower = path[[9, 20, 31]]
    lift = np.array([0, 0, float(sizes[9, 1])])
    wanted = {
        "handle": ("handle", outer + np.array([sizes[20, 1], 0, 0])),
        "handle_top": ("handle", upper + lift),
        "handle_bottom": ("handle", lower - lift),
        "rim_front": ("wall", (0, -rim, shape.height)),
        "rim_back": ("wall", (0, rim, shape.height)),
        "rim_left": ("wall", (-rim, 0, shape.height)),
        "rim_right": ("wall", (rim, 0, shape.height)),
        "wall_front": ("wall", (0, -wall, middle)),
        "wall_back": ("wall", (0, wall, middle)),
        "wall_left": ("wall", (-wall, 0, middle)),
        "inside_center": ("inside", (0, 0, shape.floor)),
        "bottom_center": ("foot", (0, 0, 0)),
    }
    return {
        name: surface_point_nearest(mesh, np.flatnonzero(part_of_face == names.index(part)), place)
        for name, (part, place) in wanted.items()
    }


def _rests(mesh: Mesh, pieces: tuple[Piece, ...]) -> tuple[RestPose, ...]:
    flipped = np.diag([1.0, -1.0, -1.0])
    lying = np.array([[0.0, 0.0, 1.0], [0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])
    rotations = {"standing": np.eye(3), "upside_down": flipped, "lying": lying}
    return solids.all_settled(rotations, mesh.vertices, pieces)


def _grasps(shape: Shape) -> tuple[TopGrasp, ...]:
    """The rim's wall between the fingers, and across the handle's upper arm."""
    across, along = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    opening = shape.wall + 0.024
    depth = 0.018
    grasps = [
        TopGrasp("rim_front", "standing", across, opening, depth),
        TopGrasp("rim_back", "standing", across, opening, depth),
        TopGrasp("rim_left", "standing", along, opening, depth),
        TopGrasp("handle_top", "standing", across, 2 * shape.handle_half[0] + 0.02, 0.012),
    ]
    widest = 2 * max(shape.radii)
    if widest < 0.072:
        grasps.append(TopGrasp("bottom_center", "upside_down", across, widest + 0.006, 0.035))
    return tuple(grasps)


def _rim(shape: Shape, angles: FloatArray) -> FloatArray:
    """(N, 2) radius and z on the rim's rounding; 0 is its outside, a right angle its crest."""
    middle = shape.radii[0] - shape.wall / 2, shape.height - shape.wall / 2
    places: FloatArray = np.array(middle) + shape.wall / 2 * np.stack(
        [np.cos(angles), np.sin(angles)], axis=1
    )
    return places


def _texture(glaze: Glaze, rng: np.random.Generator) -> Image:
    def toned(name: str, color: Color, depth: float = 0.03) -> Image:
        height, width = _ATLAS.cells[name].size
        cloud = fbm(height, width, rng, 3, cells=(3, 6))
        return to_bytes(plain(height, width, color) * (1 + depth * cloud[..., None]))

    return _ATLAS.texture(
        {
            "wall": glaze.wall,
            "inside": toned("inside", glaze.inside, 0.015),
            "floor": toned("floor", glaze.inside, 0.015),
            "handle": toned("handle", glaze.handle),
            "foot": toned("foot", glaze.foot, 0.06),
        }
    )
