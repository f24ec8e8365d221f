# SPDX-License-Identifier: Apache-2.0
"""An object of a family as a body of a MuJoCo model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.geometry import check_transform
from tack_sim.objects import solids
from tack_sim.objects.model import ObjectModel, Piece
from tack_sim.objects.shading import corner_normals
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]

VISUAL_GROUP = 2
COLLISION_GROUP = 3
_SOLREF = (0.005, 1.0)
_SOLIMP = (0.95, 0.99, 0.001, 0.5, 2.0)


def add_object(
    spec: Any,
    model: ObjectModel,
    name: str,
    world_from_object: FloatArray,
    *,
    free: bool,
    visual: bool = True,
    collision: bool = True,
) -> Any:
    """Add an object to a MuJoCo model under construction.

    The body `name` gets one visual geom `name/part` for each part, and one geom for each convex
    piece. Its mass is the object's, spread over the pieces by volume and relative density.

    Args:
        spec: mujoco.MjSpec.
        model: the object.
        name: of the body, its free joint, its texture; and the start of all other names.
        world_from_object: (4, 4), m.
        free: the body can move, with a free joint `name`.
        visual: add the surface, in group 2, without contacts.
        collision: the pieces, in group 3, make contacts. Without, they only give a free body its
            mass.

    Returns:
        The new mujoco.MjsBody.

    Raises:
        InvalidInputError: `world_from_object` is not a rigid pose.
        DependencyError: MuJoCo is missing; says what to install.
    """
    mujoco = import_mujoco()
    check_transform(world_from_object, f"pose of {name}")
    x, y, z, w = geometry.to_quaternion(world_from_object)
    body = spec.worldbody.add_body(
        name=name, pos=world_from_object[:3, 3].tolist(), quat=[w, x, y, z]
    )
    if free:
        body.add_freejoint(name=name)
    if visual:
        _add_surface(mujoco, spec, body, model, name)
    if collision or free:
        _add_pieces(mujoco, spec, body, model, name, contacts=collision)
    return body


def _add_surface(mujoco: Any, spec: Any, body: Any, model: ObjectModel, name: str) -> None:
    """One mesh geom and material for each part, all with the object's texture."""
    image = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
    image.height, image.width = model.texture.shape[:2]
    image.data = np.ascontiguousarray(model.texture).tobytes()
    normals = corner_normals(model.mesh)
    for index, part in enumerate(model.part_names):
        label = f"{name}/{part}"
        looks = model.materials[index]
        material = spec.add_material(name=label, specular=looks.specular, shininess=looks.shininess)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        chosen = model.part_of_face == index
        vertices, corner_normal, faces = _split(model.mesh.faces[chosen], normals[chosen])
        # Raw texture coordinates have t running down here, unlike in OBJ files.
        spec.add_mesh(
            name=label,
            uservert=model.mesh.vertices[vertices].ravel().tolist(),
            usertexcoord=model.mesh.texture[vertices].ravel().tolist(),
            usernormal=corner_normal.ravel().tolist(),
            userface=faces.ravel().tolist(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
        body.add_geom(
            name=label,
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=label,
            material=label,
            group=VISUAL_GROUP,
            contype=0,
            conaffinity=0,
            mass=0.0,
        )


def _split(
    faces: NDArray[np.int32], normals: FloatArray
) -> tuple[NDArray[np.integer], FloatArray, NDArray[np.integer]]:
    """Vertices with one normal each: MuJoCo does not keep to separate indices of normals.

    Args:
        faces: (M, 3) indices of vertices.
        normals: (M, 3, 3) of the faces' corners.

    Returns:
        (K,) old index of each new vertex, (K, 3) its normal, (M, 3) the faces over new vertices.
    """
    keys = np.column_stack([faces.ravel(), np.rint(normals.reshape(-1, 3) * 1000)])
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    split = np.asarray(index).reshape(faces.shape)
    return faces.ravel()[first], normals.reshape(-1, 3)[first], split


def _add_pieces(
    mujoco: Any, spec: Any, body: Any, model: ObjectModel, name: str, *, contacts: bool
) -> None:
    weights = [solids.volume(piece) * piece.density_scale for piece in model.pieces]
    density = model.mass / sum(weights)
    for index, piece in enumerate(model.pieces):
        x, y, z, w = geometry.to_quaternion(piece.object_from_piece)
        geom = body.add_geom(
            name=f"{name}/piece_{index}",
            pos=piece.object_from_piece[:3, 3].tolist(),
            quat=[w, x, y, z],
            group=COLLISION_GROUP,
            density=density * piece.density_scale,
            friction=[model.friction, 0.005, 0.0001],
            condim=4,
            solref=list(_SOLREF),
            solimp=list(_SOLIMP),
            contype=int(contacts),
            conaffinity=int(contacts),
        )
        _shape(mujoco, spec, geom, piece, f"{name}/piece_{index}")


def _shape(mujoco: Any, spec: Any, geom: Any, piece: Piece, name: str) -> None:
    kinds = mujoco.mjtGeom
    if piece.vertices is not None:
        spec.add_mesh(
            name=name,
            uservert=piece.vertices.ravel().tolist(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
        )
        geom.type, geom.meshname = kinds.mjGEOM_MESH, name
        return
    geom.type = {
        "box": kinds.mjGEOM_BOX,
        "cylinder": kinds.mjGEOM_CYLINDER,
        "capsule": kinds.mjGEOM_CAPSULE,
        "sphere": kinds.mjGEOM_SPHERE,
    }[piece.kind]
    geom.size = [*piece.size, *(0.0,) * (3 - len(piece.size))]
