# SPDX-License-Identifier: Apache-2.0
"""Baseball caps: structured and soft, flat and curved brims, mesh backs.

The frame: x from the middle of the head to the brim, y to the left, z up, the crown's lower edge
at z = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim.objects.cap_looks import cap_texture
from tack_sim.objects.cap_shape import (
    BRIM_COLUMNS,
    BRIM_ROWS,
    COLUMNS,
    FRONT,
    ROWS,
    CapShape,
    cap_grids,
    cap_meshes,
)
from tack_sim.objects.cap_solid import cap_pieces
from tack_sim.objects.cap_styles import cap_style
from tack_sim.objects.model import Material, ObjectModel, Piece, RestPose, SurfacePoint, TopGrasp
from tack_sim.objects.solids import centre_of_mass, settled
from tack_sim.objects.surfaces import assemble
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

_FAMILY = 2
_SIDE = 24  # columns from the forehead to the temple
_MIDDLE = BRIM_COLUMNS // 2 + 1
# name: mesh in the order of cap_meshes, row and column of its grid.
_PLACES = {
    "button": (4, 0, 1),
    "front": (0, 17, FRONT),
    "panel_left": (0, 15, FRONT + _SIDE),
    "panel_right": (0, 15, FRONT - _SIDE),
    "crown_back": (0, 12, 0),
    "rim_left": (0, ROWS + 1, FRONT + _SIDE),
    "rim_right": (0, ROWS + 1, FRONT - _SIDE),
    "brim_tip": (2, BRIM_ROWS + 2, _MIDDLE),
    "brim_middle": (2, 1 + BRIM_ROWS // 2, _MIDDLE),
    "brim_left": (2, BRIM_ROWS + 2, _MIDDLE + 16),
    "brim_right": (2, BRIM_ROWS + 2, _MIDDLE - 16),
    "back": (5, 11, 12),
}
_WIDTHS = {0: COLUMNS + 1, 2: BRIM_COLUMNS + 3, 4: 25, 5: 17}


def make(seed: int) -> ObjectModel:
    """A cap; the same seed gives the same cap."""
    rng = np.random.default_rng([_FAMILY, seed])
    shape, looks = cap_style(rng)
    grids = cap_grids(shape)
    parts = cap_meshes(shape, grids)
    meshes = [part for _, part in parts]
    mesh, part_of_face, names = assemble(parts)
    pieces = cap_pieces(grids, meshes[4], meshes[5])
    cloud = np.concatenate(
        [grid.reshape(-1, 3) for grid in (grids.outer[::2, ::2], grids.brim, grids.outer[-1:])]
    )
    cloud = np.concatenate([cloud, meshes[4].vertices])
    middle = Piece(
        "sphere", geometry.from_axis_angle((0, 0, 1), 0.0, centre_of_mass(pieces)), (0.01,)
    )
    upright = settled("crown_up", np.eye(3), cloud, [middle])
    turned = settled("crown_down", np.diag([1.0, -1.0, -1.0]), cloud, [middle])
    metal = Material(0.6, 0.6) if looks.metal else Material(0.2, 0.3)
    materials = {"buckle": metal, "button": Material(0.06, 0.1)}
    return ObjectModel(
        family="cap",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=tuple(materials.get(name, Material(0.03, 0.08)) for name in names),
        texture=cap_texture(looks, shape, grids, rng),
        pieces=pieces,
        mass=float(rng.uniform(0.070, 0.110)),
        friction=float(rng.uniform(0.7, 1.0)),
        points=_points(meshes, mesh),
        rests=(upright, turned),
        grasps=_grasps(shape, (upright, turned)),
    )


def _points(meshes: list[Mesh], mesh: Mesh) -> dict[str, SurfacePoint]:
    """Corners of the grids, which are the same on all caps."""
    starts = np.cumsum([0, *(len(part.vertices) for part in meshes)])
    points = {}
    for name, (part, row, column) in _PLACES.items():
        vertex = starts[part] + row * _WIDTHS[part] + column
        face, corner = np.argwhere(mesh.faces == vertex)[0]
        points[name] = SurfacePoint(int(face), tuple(np.eye(3)[corner].tolist()))
    return points


def _grasps(shape: CapShape, rests: tuple[RestPose, RestPose]) -> tuple[TopGrasp, ...]:
    """The button from either side; the crown's wall when the cap lies on its crown."""
    upright, turned = rests
    across, along = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    button = 2 * shape.button_radius + 0.020
    deep = shape.button_height - 0.0010
    wall = shape.wall + 0.026
    return (
        TopGrasp("button", "crown_up", _level(upright, across), button, deep),
        TopGrasp("button", "crown_up", _level(upright, along), button, deep),
        TopGrasp("rim_left", "crown_down", _level(turned, across), wall, 0.022),
        TopGrasp("rim_right", "crown_down", _level(turned, across), wall, 0.022),
    )


def _level(rest: RestPose, direction: FloatArray) -> FloatArray:
    """The direction in the object's frame, turned as little as makes it level on the table."""
    up = rest.table_from_object[2, :3]
    flat = direction - (direction @ up) * up
    return np.asarray(flat / np.linalg.norm(flat))
