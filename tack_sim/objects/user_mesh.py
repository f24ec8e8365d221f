# SPDX-License-Identifier: Apache-2.0
"""A person's own mesh (OBJ, STL, PLY, GLB) as an object of the simulated cell.

A canonical coordinate on it is (face, weights) of the file's own faces, in the file's order.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import DependencyError, FileFormatError, InvalidInputError
from tack_sim.objects import solids
from tack_sim.objects.mesh_atlas import bake
from tack_sim.objects.mesh_grasps import STROKE, rest_poses, top_grasp, top_point
from tack_sim.objects.mesh_pieces import decompose, default_cache
from tack_sim.objects.model import Material, ObjectModel, Piece, SurfacePoint
from tack_sim.objects.surfaces import surface_point_nearest
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

_log = logging.getLogger(__name__)

SUFFIXES = (".obj", ".stl", ".ply", ".glb")
CENTER = "center"
"""The point that every mesh has: on its upper side, above the centre of mass."""

_LARGEST, _SMALLEST = 1.5, 0.004  # m, longest side
_HANDY = (0.03, 0.8)  # m, longest side that a unit must lead to, to be suggested
_UNITS = (("millimetres", 0.001), ("centimetres", 0.01), ("inches", 0.0254), ("metres", 1.0))
_MOST_FACES = 500_000
_DENSITY = 600.0  # kg/m³, a household thing of plastic, wood and air
_MASS_RANGE = (0.01, 5.0)  # kg, of guesses
_POINT_OFF = 0.15  # distance of a named point from the surface, relative to the longest side

_UP = {
    "x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1),
    "-x": (-1, 0, 0), "-y": (0, -1, 0), "-z": (0, 0, -1),
}  # fmt: skip


def load_mesh(
    path: Path | str,
    *,
    scale: float = 1.0,
    up: str = "z",
    mass: float | None = None,
    points: Mapping[str, ArrayLike] | None = None,
    cache: Path | None = None,
    stroke: float = STROKE,
) -> ObjectModel:
    """Read a mesh file as an object.

    The object's frame: z up, the origin in the middle of the bounding box's bottom.

    Args:
        path: OBJ (with its MTL and images beside it), STL, PLY or GLB.
        scale: metres in one unit of the file.
        up: axis of the file that looks up: x, y, z, -x, -y or -z. In GLB files it is mostly y.
        mass: kg; guessed from the volume if None.
        points: name → place (3,) in the file's own coordinates; the nearest surface point is taken.
        cache: folder where convex pieces are kept; None takes `mesh_pieces.default_cache()`.
        stroke: opening of the gripper that top grasps must fit, m.

    Raises:
        InvalidInputError: no such file or kind of file; it is empty, not finite, or of a size that
            no table holds (says which unit it looks like); a point is far from the surface.
        FileFormatError: the file cannot be read.
        DependencyError: trimesh or CoACD is missing; says what to install.
    """
    file = Path(path)
    if up not in _UP:
        raise InvalidInputError(f"up {up!r}: one of {', '.join(_UP)} is expected")
    if not (np.isfinite(scale) and scale > 0):
        raise InvalidInputError(f"scale {scale}: metres in one unit of the file, above 0")
    geometries = _geometries(file)
    corners = np.concatenate([np.asarray(g.vertices)[g.faces] for g in geometries])
    corners = corners.astype(np.float64)
    texture, coordinates = bake(geometries)
    _check(file, corners * scale, scale)
    object_from_file = _placing(corners, scale, _UP[up])
    corners = corners @ object_from_file[:3, :3].T + object_from_file[:3, 3]
    vertices, faces, closed = _weld(corners, file)
    flipped = _inside_out(vertices, faces) if closed else np.zeros(len(faces), bool)
    corners[flipped], coordinates[flipped] = (
        corners[flipped][:, ::-1],
        coordinates[flipped][:, ::-1],
    )
    faces[flipped] = faces[flipped][:, ::-1]
    mesh = Mesh(
        corners.reshape(-1, 3),
        coordinates.reshape(-1, 2),
        np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3),
    )
    pieces = decompose(
        vertices,
        faces[_spread(faces)],
        name=file.name,
        cache=default_cache() if cache is None else cache,
        volume=_volume(corners) if closed else None,
    )
    return _model(file, mesh, texture, pieces, mass, _named(points, object_from_file, mesh), stroke)


def _model(
    file: Path,
    mesh: Mesh,
    texture: NDArray[np.uint8],
    pieces: tuple[Piece, ...],
    mass: float | None,
    named: dict[str, SurfacePoint],
    stroke: float,
) -> ObjectModel:
    weight = _DENSITY * sum(solids.volume(piece) for piece in pieces)
    rests = rest_poses(pieces)
    named.setdefault(CENTER, top_point(mesh, rests[0], solids.centre_of_mass(pieces)))
    grasps = [top_grasp(mesh, rests[0], name, point, stroke) for name, point in named.items()]
    if not any(grasps):
        _log.warning("%s: no top grasp fits %.0f mm", file.name, stroke * 1e3)
    return ObjectModel(
        family=file.stem,
        seed=-1,
        mesh=mesh,
        part_of_face=np.zeros(len(mesh.faces), np.int32),
        part_names=("surface",),
        materials=(Material(),),
        texture=texture,
        pieces=pieces,
        mass=float(np.clip(weight, *_MASS_RANGE)) if mass is None else mass,
        friction=0.6,
        points=named,
        rests=rests,
        grasps=tuple(grasp for grasp in grasps if grasp is not None),
    )


def _geometries(file: Path) -> Sequence[Any]:
    """The file's meshes in one frame, without faces that have no area."""
    try:
        import trimesh
    except ImportError as error:
        raise DependencyError(
            f"a mesh of one's own needs trimesh ({error}): pip install 'tack[sim]'"
        ) from error
    if file.suffix.lower() not in SUFFIXES:
        raise InvalidInputError(f"{file}: a mesh file ends in {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise InvalidInputError(f"{file}: there is no such file")
    try:
        scene = trimesh.load_scene(file, process=False)
        found = [g for g in scene.dump() if isinstance(g, trimesh.Trimesh)]
    except Exception as error:  # readers of four formats raise whatever they meet
        raise FileFormatError(f"{file}: cannot be read as a mesh: {error}") from error
    found = [g for g in found if len(g.faces)]
    if not found:
        raise InvalidInputError(f"{file}: holds no triangles; export a mesh, not points or curves")
    if sum(len(g.faces) for g in found) > _MOST_FACES:
        raise InvalidInputError(f"{file}: more than {_MOST_FACES} triangles; simplify it first")
    if not all(np.isfinite(g.vertices).all() for g in found):
        raise InvalidInputError(f"{file}: holds vertices that are NaN or infinite; export it again")
    return found


def _check(file: Path, corners: FloatArray, scale: float) -> None:
    """Refuse a size that no table holds."""
    sides = np.ptp(corners.reshape(-1, 3), axis=0)
    longest = float(sides.max())
    if _SMALLEST <= longest <= _LARGEST:
        return
    size = " x ".join(f"{side:.3g}" for side in sides)
    message = f"{file}: is {size} m at scale={scale:g}; {_SMALLEST} to {_LARGEST} m are expected"
    in_file = longest / scale if longest > 0 else 0.0
    for unit, metres in _UNITS:
        if _HANDY[0] <= in_file * metres <= _HANDY[1]:
            raise InvalidInputError(f"{message}. It looks like {unit}: scale={metres:g}")
    raise InvalidInputError(f"{message}. Give the metres in one unit of the file as scale=")


def _placing(corners: FloatArray, scale: float, up: Sequence[int]) -> FloatArray:
    """(4, 4) object ← file: scaled, turned so that `up` is z, standing on the origin."""
    third = np.array(up, dtype=np.float64)
    first = np.array([0.0, 1.0, 0.0] if third[0] else [1.0, 0.0, 0.0])
    turn = np.stack([first, np.cross(third, first), third])
    places = scale * corners.reshape(-1, 3) @ turn.T
    low, high = places.min(axis=0), places.max(axis=0)
    placing = np.eye(4)
    placing[:3, :3] = scale * turn
    placing[:3, 3] = -(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]
    return placing


def _weld(corners: FloatArray, file: Path) -> tuple[FloatArray, NDArray[np.int64], bool]:
    """Vertices at the same place as one; faces, and whether they enclose a volume."""
    flat = corners.reshape(-1, 3)
    grain = max(1e-7, 1e-6 * float(np.ptp(flat, axis=0).max()))
    _, first, index = np.unique(
        np.round(flat / grain).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    faces = index.reshape(-1, 3).astype(np.int64)
    solid = faces[_spread(faces)]
    edges = np.sort(solid[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    counts = np.unique(edges, axis=0, return_counts=True)[1]
    closed = bool(len(counts)) and bool((counts % 2 == 0).all())
    if not closed:
        _log.warning(
            "%s: has %d open edges: physics takes pieces of the closed-up body, its volume and mass"
            " are guesses (give mass=); what cameras see stays as it is",
            file.name,
            int((counts % 2 == 1).sum()),
        )
    return flat[first], faces, closed


def _spread(faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(M,) which faces have three different corners."""
    distinct: NDArray[np.bool_] = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return distinct


def _inside_out(vertices: FloatArray, faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(M,) which faces of a closed surface must be turned round to look outward."""
    import trimesh

    used = np.flatnonzero(_spread(faces))
    solid = trimesh.Trimesh(vertices, faces[used], process=False)
    turned = np.zeros(len(faces), bool)
    if solid.is_winding_consistent:
        turned[:] = solid.volume < 0
    else:
        trimesh.repair.fix_normals(solid, multibody=True)  # type: ignore[no-untyped-call]
        turned[used] = (np.asarray(solid.faces) != faces[used]).any(axis=1)
    return turned


def _volume(corners: FloatArray) -> float:
    middle = corners.reshape(-1, 3).mean(axis=0)
    return abs(float(np.linalg.det(corners - middle).sum())) / 6


def _named(
    points: Mapping[str, ArrayLike] | None, object_from_file: FloatArray, mesh: Mesh
) -> dict[str, SurfacePoint]:
    named = {}
    limit = _POINT_OFF * float(np.ptp(mesh.vertices, axis=0).max())
    for name, value in (points or {}).items():
        place = np.asarray(value, dtype=np.float64)
        if place.shape != (3,) or not np.isfinite(place).all():
            raise InvalidInputError(f"point {name}: {value!r}: three finite numbers are expected")
        target = object_from_file[:3, :3] @ place + object_from_file[:3, 3]
        point = surface_point_nearest(mesh, np.arange(len(mesh.faces)), target)
        reached = np.asarray(point.weights) @ mesh.vertices[mesh.faces[point.face]]
        away = float(np.linalg.norm(reached - target))
        if away > limit:
            raise InvalidInputError(
                f"point {name}: {away:.3f} m from the surface, more than {limit:.3f} m; give it in"
                " the file's own coordinates, before scale and up"
            )
        named[name] = point
    return named
