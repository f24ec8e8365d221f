# SPDX-License-Identifier: Apache-2.0
"""Shoes: trainers, canvas shoes, suede shoes and boots, left and right.

The frame: x from heel to toe with its origin in the middle of the sole, y to the left, z up from
the ground. Points named left lie at +y on left and on right shoes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.model import Material, ObjectModel, RestPose, SurfacePoint, TopGrasp
from tack_sim.objects.shoe_looks import shoe_texture
from tack_sim.objects.shoe_parts import RIM, TONGUE_AROUND, shoe_grids, shoe_meshes
from tack_sim.objects.shoe_shape import COLUMNS, Last, ShoeShape
from tack_sim.objects.shoe_solid import shoe_pieces
from tack_sim.objects.shoe_styles import shoe_style
from tack_sim.objects.surfaces import assemble
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

_FAMILY = 3
_MIDDLE = COLUMNS // 2
_ANKLE, _BALL, _EYELET = 19, 42, 35  # columns from the heel
_LACES_BEFORE_KNOT = 11
# name: mesh in the order of shoe_meshes, row and column of its grid.
_PLACES = {
    "toe": (0, RIM - 1 + 13, _MIDDLE),
    "vamp": (0, RIM - 1 + 2, _MIDDLE),
    "heel": (0, RIM - 1 + 11, 0),
    "collar_back": (0, 0, 0),
    "ankle_left": (0, 0, COLUMNS - _ANKLE),
    "ankle_right": (0, 0, _ANKLE),
    "eyelet_left": (0, RIM - 1 + 2, COLUMNS - _EYELET),
    "eyelet_right": (0, RIM - 1 + 2, _EYELET),
    "sole_front": (2, 4, _MIDDLE),
    "sole_back": (2, 4, 0),
    "sole_left": (2, 4, COLUMNS - _BALL),
    "sole_right": (2, 4, _BALL),
    "tongue": (5, 1, TONGUE_AROUND // 4),
    "lace_top": (6 + _LACES_BEFORE_KNOT, 5, 7),
}


def make(seed: int) -> ObjectModel:
    """A shoe; the same seed gives the same shoe."""
    rng = np.random.default_rng([_FAMILY, seed])
    shape, looks, heavy = shoe_style(rng)
    last = Last(shape)
    grids = shoe_grids(last)
    parts = shoe_meshes(last, grids)
    mesh, part_of_face, names = assemble(parts)
    pieces = shoe_pieces(grids)
    shiny = looks.body == "leather"
    upper = Material(0.30, 0.35) if shiny else Material(0.04, 0.10)
    materials = {
        "upper": upper,
        "sole": Material(0.12, 0.2),
        "tongue": upper,
        "laces": Material(0.03, 0.1),
    }
    return ObjectModel(
        family="shoe",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=tuple(materials[name] for name in names),
        texture=shoe_texture(looks, last, grids, rng),
        pieces=pieces,
        mass=_mass(shape, heavy, rng),
        friction=float(rng.uniform(0.6, 0.9)),
        points=_points([part for _, part in parts], mesh),
        rests=(RestPose("standing", np.eye(4)),),
        grasps=_grasps(shape),
    )


def _mass(shape: ShoeShape, heavy: float, rng: np.random.Generator) -> float:
    """kg: as the square of the length, since walls and soles do not grow much thicker."""
    tall = 1 + 1.2 * max(0.0, shape.ankle - 0.06) / 0.06
    mass = 0.29 * (shape.length / 0.268) ** 2 * heavy * tall**0.3 * rng.uniform(0.9, 1.1)
    return float(np.clip(mass, 0.20, 0.45))


def _points(meshes: list[Mesh], mesh: Mesh) -> dict[str, SurfacePoint]:
    """Corners of the grids, which are the same on all shoes."""
    starts = np.cumsum([0, *(len(part.vertices) for part in meshes)])
    columns = {5: TONGUE_AROUND + 1, 6 + _LACES_BEFORE_KNOT: 11}
    points = {}
    for name, (part, row, column) in _PLACES.items():
        vertex = starts[part] + row * columns.get(part, COLUMNS + 1) + column
        face, corner = np.argwhere(mesh.faces == vertex)[0]
        weights = np.eye(3)[corner]
        points[name] = SurfacePoint(int(face), tuple(weights.tolist()))
    return points


def _grasps(shape: ShoeShape) -> tuple[TopGrasp, ...]:
    """One finger in the shoe, one outside, at the collar's wall."""
    across, along = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    width = shape.wall + 0.014  # of a small shoe's opening there is not much more
    return (
        TopGrasp("ankle_left", "standing", across, width, 0.022),
        TopGrasp("ankle_right", "standing", across, width, 0.022),
        TopGrasp("collar_back", "standing", along, width + 0.010, 0.022),
    )
