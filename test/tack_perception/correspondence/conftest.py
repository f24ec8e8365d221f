# SPDX-License-Identifier: Apache-2.0
"""A small data set made of two squares of one class, whose truth follows from arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.correspondence import (
    CanonicalMap,
    ClassInfo,
    CorrespondenceSet,
    CorrespondenceWriter,
    InstanceInfo,
    Manifest,
    SeenObject,
    SeenPoint,
    View,
)

CAMERA = CameraIntrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
FACES = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
SIZES = {"tile_0": (0.10, 0.10), "tile_1": (0.16, 0.08)}  # m
TABLE = 0.002  # m that the tiles stand above it

MANIFEST = Manifest(
    views=4,
    classes={"tile": ClassInfo(("face",), {"corner": (0, (1.0, 0.0, 0.0))})},
    instances={name: InstanceInfo("tile", seed) for seed, name in enumerate(SIZES)},
    seed=7,
    depth_unit=0.0001,
    settings={"how": "by hand"},
)


def corners(name: str) -> np.ndarray:
    width, depth = SIZES[name]
    x, y = width / 2, depth / 2
    return np.array([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], dtype=float)


def looking_down(x: float = 0.0, y: float = 0.0, turn: float = 0.0, height: float = 0.3):
    down = geometry.frame_from_axes((0, 0, -1), (1, 0, 0), (x, y, height))
    return down @ geometry.from_axis_angle((0, 0, 1), turn)


def make_view(name: str, scene: int, world_from_camera, at=(0.0, 0.0), turn=0.0) -> View:
    """A tile on a table, seen by a camera."""
    pose = geometry.from_axis_angle((0, 0, 1), turn, (*at, TABLE))
    v, u = np.mgrid[0:48, 0:64].astype(float)
    rays = CAMERA.rays(np.stack([u, v], axis=-1)) @ world_from_camera[:3, :3].T
    origin = world_from_camera[:3, 3]
    top = origin + rays * ((TABLE - origin[2]) / rays[..., 2])[..., None]
    local = geometry.apply(geometry.inverse(pose), top)
    width, depth = SIZES[name]
    s, t = local[..., 0] / width + 0.5, local[..., 1] / depth + 0.5
    shown = (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
    first = s >= t  # the triangle of corners 0, 1, 2
    weights = np.where(
        first[..., None],
        np.stack([1 - s, s - t, t], axis=-1),
        np.stack([1 - t, s, t - s], axis=-1),
    )
    z = np.where(shown, TABLE, 0.0)
    depth_image = ((z - origin[2]) / rays[..., 2]).astype(np.float32)
    noisy = depth_image.copy()
    noisy[:, :3] = np.nan
    corner = geometry.apply(geometry.inverse(world_from_camera) @ pose, corners(name)[0])
    pixel = CAMERA.project(corner)
    return View(
        scene,
        np.stack([100 + 50 * shown, u, v], axis=-1).astype(np.uint8),
        CAMERA,
        world_from_camera,
        noisy,
        depth_image,
        (SeenObject(name, pose, int(shown.sum())),),
        shown.astype(np.uint8),
        CanonicalMap(
            np.where(shown, np.where(first, 0, 1), -1).astype(np.int32),
            np.where(shown[..., None], weights, 0).astype(np.float32),
        ),
        (SeenPoint(0, "corner", tuple(pixel.tolist()), tuple(corner.tolist()), True),),
    )


def make_views() -> list[View]:
    return [
        make_view("tile_0", 0, looking_down()),
        make_view("tile_0", 0, looking_down(0.03, -0.02, 0.5, 0.25)),
        make_view("tile_1", 1, looking_down(0.2, 0.1, -0.4), (0.2, 0.1), 0.8),
        make_view("tile_1", 1, looking_down(0.21, 0.12, 2.0, 0.35), (0.2, 0.1), 0.8),
    ]


def write_set(folder, views=None, manifest=MANIFEST, **options) -> CorrespondenceWriter:
    writer = CorrespondenceWriter(folder, manifest, **options)
    writer.write_faces("tile", FACES, np.zeros(2, np.int64))
    for name in SIZES:
        writer.write_vertices(name, corners(name))
    for index, view in enumerate(make_views() if views is None else views):
        writer.write(index, view)
    return writer


@pytest.fixture
def data(tmp_path) -> CorrespondenceSet:
    write_set(tmp_path / "set", color="png")
    return CorrespondenceSet.open(tmp_path / "set")
