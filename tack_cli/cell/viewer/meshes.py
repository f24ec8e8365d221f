# SPDX-License-Identifier: Apache-2.0
"""What a MuJoCo model looks like, body by body, as binary glTF for a browser."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim.objects.body import COLLISION_GROUP
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]

_JPEG_QUALITY = 88
_SEGMENTS = 32  # around a cylinder


def body_glb(model: Any, body: int) -> bytes | None:
    """All visible geoms of a body in its frame; None where there are none.

    Args:
        model: mujoco.MjModel.
        body: its id.
    """
    import trimesh

    scene: Any = trimesh.Scene()
    for geom in np.flatnonzero(model.geom_bodyid == body):
        if model.geom_group[geom] != COLLISION_GROUP:
            scene.add_geometry(_geom(model, int(geom)), transform=_pose(model, int(geom)))
    if not scene.geometry:
        return None
    return bytes(scene.export(file_type="glb", include_normals=True))


def _geom(model: Any, geom: int) -> Any:
    """One geom in its own frame, as trimesh.Trimesh."""
    from trimesh import creation

    kinds = import_mujoco().mjtGeom
    size = model.geom_size[geom]
    kind = kinds(int(model.geom_type[geom]))
    if kind == kinds.mjGEOM_MESH:
        return _mesh(model, geom)
    if kind == kinds.mjGEOM_BOX:
        shape = creation.box(2 * size)
    elif kind == kinds.mjGEOM_CYLINDER:
        shape = creation.cylinder(size[0], 2 * size[1], sections=_SEGMENTS)
    elif kind == kinds.mjGEOM_CAPSULE:
        shape = creation.capsule(2 * size[1], size[0], count=(_SEGMENTS, _SEGMENTS // 2))
    else:  # a sphere has one size, an ellipsoid three
        shape = creation.icosphere(subdivisions=3)
        shape.apply_scale(np.where(size > 0, size, size[0]))
    flat = kind in (kinds.mjGEOM_BOX, kinds.mjGEOM_CYLINDER)
    if flat:
        shape.unmerge_vertices()  # otherwise normals are averaged over the edges
    shape.visual = _visual(model, geom, np.zeros((len(shape.vertices), 2)))
    return shape


def _mesh(model: Any, geom: int) -> Any:
    """A mesh with the normals and texture coordinates that MuJoCo renders it with."""
    import trimesh

    index = int(model.geom_dataid[geom])
    first = int(model.mesh_faceadr[index])
    faces = slice(first, first + int(model.mesh_facenum[index]))
    textured = int(model.mesh_texcoordadr[index]) >= 0
    corners = [model.mesh_face[faces], model.mesh_facenormal[faces]]
    if textured:
        corners.append(model.mesh_facetexcoord[faces])
    # glTF has one index for everything, MuJoCo one for each of place, normal and texture.
    keys = np.stack([corner.ravel() for corner in corners], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    vertices = model.mesh_vert[int(model.mesh_vertadr[index]) + unique[:, 0]]
    normals = model.mesh_normal[int(model.mesh_normaladr[index]) + unique[:, 1]]
    texture = np.zeros((len(unique), 2))
    if textured:
        texture = model.mesh_texcoord[int(model.mesh_texcoordadr[index]) + unique[:, 2]]
    return trimesh.Trimesh(
        vertices=vertices,
        faces=np.asarray(inverse).reshape(-1, 3),
        vertex_normals=normals,
        visual=_visual(model, geom, texture),
        process=False,
    )


def _visual(model: Any, geom: int, texture: FloatArray) -> Any:
    """Colour, texture and gloss of a geom; texture coordinates (N, 2) with t down."""
    from trimesh import visual

    material = int(model.geom_matid[geom])
    rgba = np.array(model.geom_rgba[geom] if material < 0 else model.mat_rgba[material], float)
    rgba[:3] **= 2.2  # glTF wants linear light, MuJoCo shows the numbers as they are
    shininess = 0.3 if material < 0 else float(model.mat_shininess[material])
    make: Any = visual.material.PBRMaterial  # without type hints
    looks = make(
        baseColorFactor=np.rint(rgba * 255).astype(np.uint8),
        baseColorTexture=None if material < 0 else _image(model, material),
        metallicFactor=0.0,
        roughnessFactor=float(np.clip(0.95 - 0.6 * shininess, 0.25, 0.95)),
    )
    # trimesh counts t upwards, as OBJ files do, and turns it round for glTF.
    textured: Any = visual.TextureVisuals
    return textured(uv=texture * (1, -1) + (0, 1), material=looks)


def _image(model: Any, material: int) -> Any:
    """The texture of a material as a PIL image that is stored as JPEG; None without one."""
    from PIL import Image

    role = int(import_mujoco().mjtTextureRole.mjTEXROLE_RGB)
    index = int(model.mat_texid[material][role])
    if index < 0:
        return None
    shape = tuple(int(n[index]) for n in (model.tex_height, model.tex_width, model.tex_nchannel))
    first = int(model.tex_adr[index])
    pixels = model.tex_data[first : first + int(np.prod(shape))].reshape(shape)
    stream = io.BytesIO()
    Image.fromarray(pixels[..., :3]).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return Image.open(stream)


def _pose(model: Any, geom: int) -> FloatArray:
    w, x, y, z = model.geom_quat[geom]
    rotation = geometry.from_quaternion((x, y, z, w))[:3, :3]
    pose: FloatArray = geometry.make_transform(rotation, model.geom_pos[geom])
    return pose
