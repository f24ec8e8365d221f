# SPDX-License-Identifier: Apache-2.0
"""A small data set of coloured blocks on a table, ray-cast here.

The colour of a place on a block is its place along the block's sides, the same on all instances:
so a picture tells on its own whether two pixels show the same place, and a detector that looks for
the clicked colour finds it. Blue tells the two classes apart.
"""

from __future__ import annotations

import math

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
from tack_perception.keypoint import Keypoint

CAMERA = CameraIntrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)
SIZES = {  # m
    "block_0": (0.12, 0.08, 0.06),
    "block_1": (0.09, 0.10, 0.05),
    "plate_0": (0.16, 0.12, 0.02),
}
VIEWS = 4
CORNERS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], float) / 2
SIDES = ((0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6))
FACES = np.array([t for a, b, c, d in SIDES for t in ((a, b, c), (a, c, d))], np.int32)
POINTS = {
    "top": (10, (0.5, 0.0, 0.5)),  # on the diagonal of the upper side
    "corner": (10, (0.8, 0.1, 0.1)),
    "front": (4, (0.5, 0.0, 0.5)),
    "back": (6, (0.5, 0.0, 0.5)),
}
SYMMETRY = {"axis": (0.0, 0.0, 1.0), "order": 2, "breaks": ("corner",)}


def category_of(name: str) -> str:
    return name.partition("_")[0]


def looking_at_the_middle(azimuth_deg: float, elevation_deg: float, distance: float = 0.45):
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    back = np.array([math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)])
    across = np.cross(-back, (0, 0, 1))
    return geometry.frame_from_axes(-back, across, distance * back + (0, 0, 0.02))


def hit(origin, rays, size):
    """Distance along rays to an axis-parallel block about the origin, inf where it is missed."""
    half = np.array(size) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (-half - origin) / rays, (half - origin) / rays
    enter = np.minimum(one, other).max(axis=-1)
    leave = np.maximum(one, other).min(axis=-1)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


def canonical(places):
    """Face and weights of places (N, 3) on a block, in units of its sides (-0.5 to 0.5)."""
    axis = np.abs(places).argmax(axis=1)
    side = 2 * axis + (np.take_along_axis(places, axis[:, None], 1)[:, 0] > 0)
    face, weights = np.zeros(len(places), np.int32), np.zeros((len(places), 3))
    for k in range(2):
        corners = CORNERS[FACES[2 * side + k]]
        edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=2)
        solved = np.einsum("nij,nj->ni", np.linalg.pinv(edges), places - corners[:, 0])
        inside = (solved >= -1e-9).all(axis=1) & (solved.sum(axis=1) <= 1 + 1e-9)
        face[inside] = (2 * side + k)[inside]
        weights[inside] = np.column_stack([1 - solved.sum(axis=1), solved])[inside]
    return face, weights


def place_of(face, weights):
    return np.einsum("nc,ncd->nd", weights, CORNERS[FACES[face]])


def make_view(scene: int, things: dict, world_from_camera) -> View:
    """Blocks by name with their poses, on a grey table at z = 0."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(float)
    rays = CAMERA.rays(np.stack([u, v], axis=-1))
    shape = u.shape
    down = rays @ world_from_camera[:3, :3].T
    with np.errstate(divide="ignore"):
        table = np.where(down[..., 2] < 0, -world_from_camera[2, 3] / down[..., 2], np.inf)
    depth, instance = table, np.zeros(shape, np.uint8)
    color = np.full((*shape, 3), 128.0)
    face, weights = np.full(shape, -1, np.int32), np.zeros((*shape, 3), np.float32)
    for index, (name, pose) in enumerate(things.items()):
        block_from_camera = geometry.inverse(pose) @ world_from_camera
        local = rays @ block_from_camera[:3, :3].T
        distance = hit(block_from_camera[:3, 3], local, SIZES[name])
        shown = distance < depth
        depth = np.where(shown, distance, depth)
        places = (block_from_camera[:3, 3] + local[shown] * distance[shown][:, None]) / SIZES[name]
        instance[shown] = index + 1
        face[shown], weights[shown] = canonical(places)
        color[shown] = color_of(category_of(name), places)
    camera_from_world = geometry.inverse(world_from_camera)
    points = []
    for index, (name, pose) in enumerate(things.items()):
        for label, (side, mix) in POINTS.items():
            place = place_of(np.array([side]), np.array([mix]))[0] * SIZES[name]
            xyz = geometry.apply(camera_from_world @ pose, place)
            pixel = CAMERA.project(xyz)
            column, row = np.rint(pixel).astype(int)
            visible = bool(
                CAMERA.contains(*pixel)
                and instance[row, column] == index + 1
                and abs(depth[row, column] - xyz[2]) < 0.003
            )
            points.append(SeenPoint(index, label, tuple(pixel), tuple(xyz), visible))
    return View(
        scene,
        np.rint(color).astype(np.uint8),
        CAMERA,
        world_from_camera,
        None,
        np.where(np.isfinite(depth), depth, np.nan).astype(np.float32),
        tuple(
            SeenObject(name, pose, int((instance == i + 1).sum()))
            for i, (name, pose) in enumerate(things.items())
        ),
        instance,
        CanonicalMap(face, weights),
        tuple(points),
    )


def color_of(category: str, places):
    """Red and green along the two longer ways around, blue for the height and the class."""
    blue = {"block": 20, "plate": 170}[category] + 60 * (places[:, 2] + 0.5)
    return np.column_stack([40 + 170 * (places[:, 0] + 0.5), 40 + 170 * (places[:, 1] + 0.5), blue])


def write_blocks(folder) -> CorrespondenceSet:
    info = ClassInfo(("surface",), POINTS, (SYMMETRY,))
    manifest = Manifest(
        classes={"block": info, "plate": info},
        instances={n: InstanceInfo(category_of(n), i, "held_out") for i, n in enumerate(SIZES)},
        split="held_out",
        seed=0,
        settings={"render": "by hand"},
    )
    writer = CorrespondenceWriter(folder, manifest, color="png")
    for category in ("block", "plate"):
        writer.write_faces(category, FACES, np.zeros(len(FACES), np.int64))
    for name, size in SIZES.items():
        writer.write_vertices(name, CORNERS * size)
    index = 0
    for scene, name in enumerate(SIZES):
        turn = geometry.from_axis_angle((0, 0, 1), 0.3 * scene, (0, 0, SIZES[name][2] / 2))
        for number in range(VIEWS):
            camera = looking_at_the_middle(70 * number + 25 * scene, 45 + 7 * number)
            writer.write(index, make_view(scene, {name: turn}, camera))
            index += 1
    return CorrespondenceSet.open(folder)


@pytest.fixture(scope="session")
def blocks(tmp_path_factory) -> CorrespondenceSet:
    return write_blocks(tmp_path_factory.mktemp("blocks") / "set")


class ColorDetector:
    """Answers the pixel whose colour is nearest to the clicked one; sure if it is near."""

    def __init__(self):
        self.shots = {}

    @property
    def labels(self):
        return tuple(self.shots)

    def enroll(self, shots):
        for shot in shots:
            color = shot.frame.color[round(shot.v), round(shot.u)]
            self.shots[shot.label] = color.astype(float)

    def detect(self, frame):
        found = []
        for label, color in self.shots.items():
            distance = np.linalg.norm(frame.color - color, axis=-1)
            v, u = np.unravel_index(distance.argmin(), distance.shape)
            confidence = float(np.exp(-distance.min() / 4))
            found.append(Keypoint(label, u, v, confidence, confidence > 0.3, np.eye(2)))
        return found

    def forget(self, label=None):
        self.shots.clear()
