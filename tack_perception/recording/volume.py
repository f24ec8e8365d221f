# SPDX-License-Identifier: Apache-2.0
"""The depth of many views, fused into one surface, and that surface as each view sees it.

Truncated signed distances in a hashed grid (Curless and Levoy, 1996; Nießner et al., 2013), by
Open3D's voxel blocks; rays through its ray-casting scene.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import DependencyError, InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]
_BLOCK = 8  # voxels along the side of a block
_TRUNCATION = 4.0  # voxels
_BLOCKS = 20_000  # to begin with; the grid grows
_SEEN_BY = 2.0  # views that must have seen a surface, where there are that many


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """A fused surface.

    Attributes:
        vertices: (N, 3) float32, world frame, m.
        faces: (M, 3) int32.
        colors: (N, 3) float32, RGB, 0 to 1.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.float32]


def import_open3d() -> Any:
    """Open3D.

    Raises:
        DependencyError: it is not installed; says how.
    """
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise DependencyError(
            f"Open3D cannot be imported ({error}): pip install 'tack[record]'; on Debian and Ubuntu"
            " it needs the packages libgl1, libegl1, libgomp1 and libusb-1.0-0"
        ) from error
    return open3d


def fuse(
    frames: Sequence[RGBDFrame],
    world_from_camera: Sequence[FloatArray],
    voxel_m: float,
    reach_m: float,
    ignore: NDArray[np.bool_] | None = None,
) -> Surface:
    """Fuse the depth of frames.

    Args:
        frames: of any cameras without lens distortion.
        world_from_camera: the pose of each, (4, 4), m.
        voxel_m: side of a voxel.
        reach_m: larger depths are not used.
        ignore: (H, W) pixels that are not used: what moves with the camera.

    Raises:
        InvalidInputError: there is no surface that the views agree on.
        DependencyError: Open3D is not installed.
    """
    o3d = import_open3d()
    core = o3d.core
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"), (core.float32,) * 3, ((1), (1), (3)), voxel_m, _BLOCK, _BLOCKS
    )
    empty = True  # Open3D raises where nothing was ever put into the grid
    for frame, pose in zip(frames, world_from_camera, strict=True):
        depth = usable_depth(frame, reach_m, ignore)
        if not depth.any():
            continue
        empty = False
        image = o3d.t.geometry.Image(core.Tensor(depth))
        color = o3d.t.geometry.Image(core.Tensor(frame.color.astype(np.float32) / 255))
        camera, moved = _camera(core, frame.intrinsics), core.Tensor(geometry.inverse(pose))
        limits = (1.0, reach_m, _TRUNCATION)  # depth is in m already
        blocks = grid.compute_unique_block_coordinates(image, camera, moved, *limits)
        grid.integrate(blocks, image, color, camera, camera, moved, *limits)
    nothing = InvalidInputError(
        "the views have no surface in common: is their depth right, and are their poses?"
    )
    if empty:
        raise nothing
    mesh = grid.extract_triangle_mesh(weight_threshold=min(_SEEN_BY, len(frames)) - 0.5)
    if "indices" not in mesh.triangle or not len(mesh.triangle.indices):
        raise nothing
    return _ordered(
        Surface(
            mesh.vertex.positions.numpy(), mesh.triangle.indices.numpy().astype(np.int32),
            mesh.vertex.colors.numpy(),
        )
    )  # fmt: skip


def _ordered(surface: Surface) -> Surface:
    """The same surface in an order of its own: Open3D's threads give another one each time."""
    order = np.lexsort(surface.vertices.T)
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    faces = number[surface.faces]
    first = faces.argmin(axis=1)[:, None]
    faces = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1)
    return Surface(surface.vertices[order], faces[np.lexsort(faces.T)], surface.colors[order])


@dataclasses.dataclass(frozen=True, eq=False)
class Rendering:
    """A surface as a camera sees it.

    Attributes:
        depth: (H, W) float32 along the optical axis, m, NaN where nothing is.
        face: (H, W) int32, -1 where nothing is.
        weights: (H, W, 3) float32 barycentric weights of its corners.
    """

    depth: NDArray[np.float32]
    face: NDArray[np.int32]
    weights: NDArray[np.float32]


class Renderer:
    """Casts rays at a surface.

    Raises:
        DependencyError: Open3D is not installed.
    """

    def __init__(self, surface: Surface) -> None:
        self._core = import_open3d().core
        self._scene = import_open3d().t.geometry.RaycastingScene()
        self._scene.add_triangles(
            self._core.Tensor(surface.vertices),
            self._core.Tensor(surface.faces.astype(np.uint32)),
        )

    def view(self, intrinsics: CameraIntrinsics, world_from_camera: FloatArray) -> Rendering:
        """What a camera without lens distortion sees."""
        rays = self._scene.create_rays_pinhole(
            _camera(self._core, intrinsics),
            self._core.Tensor(geometry.inverse(world_from_camera)),
            intrinsics.width,
            intrinsics.height,
        )
        hits = self._scene.cast_rays(rays)
        # Rays end at z = 1 of the camera, so that their length counts along the optical axis.
        depth, face = hits["t_hit"].numpy(), hits["primitive_ids"].numpy()
        there = np.isfinite(depth)
        u, v = np.moveaxis(hits["primitive_uvs"].numpy(), 2, 0)
        return Rendering(
            np.where(there, depth, np.nan).astype(np.float32),
            np.where(there, face, 0).astype(np.int32) - (~there).astype(np.int32),
            np.where(there[..., None], np.stack([1 - u - v, u, v], axis=-1), 0).astype(np.float32),
        )


def usable_depth(
    frame: RGBDFrame, reach_m: float, ignore: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """(H, W) depth with 0 where it is unknown, too far or ignored."""
    with np.errstate(invalid="ignore"):
        there = frame.depth <= reach_m
    if ignore is not None:
        there &= ~ignore
    return np.where(there, frame.depth, 0).astype(np.float32)


def _camera(core: Any, intrinsics: CameraIntrinsics) -> Any:
    """(3, 3) matrix for Open3D's surfaces, whose pixels have their middle at a half."""
    half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    return core.Tensor(intrinsics.matrix + half)


def save_ply(path: Path, surface: Surface) -> None:
    """Write a surface as a binary PLY file with colours.

    Raises:
        TackError: it cannot be written.
    """
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(surface.vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        f"element face {len(surface.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    vertices = np.zeros(len(surface.vertices), [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    vertices["xyz"] = surface.vertices
    vertices["rgb"] = np.clip(np.rint(surface.colors * 255), 0, 255)
    faces = np.zeros(len(surface.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, surface.faces
    write_atomically(path, header.encode() + vertices.tobytes() + faces.tobytes())
