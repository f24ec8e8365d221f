# SPDX-License-Identifier: Apache-2.0
"""Pictures of a recording: what was kept of it, and the surface that was made of it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.recording.job import Recorded, instance_map
from tack_perception.recording.taking import thinned
from tack_perception.recording.volume import Renderer, Surface

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
_TILE = (240, 180)
_COLUMNS = 6
_MOST = 30
_GREEN, _RED, _WHITE, _YELLOW = (60, 200, 90), (230, 60, 60), (255, 255, 255), (250, 200, 40)
_SIDES = 4
_SIZE = 360
_PAPER = 245


def sheet(recorded: Recorded) -> Image:
    """Views with the outline of what is learned; kept-back ones framed, the gripper in red.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    tiles = [_tile(recorded, number) for number in thinned(range(len(recorded.views)), _MOST)]
    blank = np.full_like(tiles[0], _PAPER)
    tiles += [blank] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[n : n + _COLUMNS]) for n in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def surface_sides(recorded: Recorded) -> Image:
    """What is learned, seen from around it.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    whole = _joined(recorded)
    low, high = whole.vertices.min(axis=0), whole.vertices.max(axis=0)
    middle = ((low + high) / 2).astype(np.float64)
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-3)
    eyes = np.stack([pose[:3, 3] for pose in recorded.poses()])
    up = recorded.parts[0].world_from_part[:3, 2]
    towards = eyes.mean(axis=0) - middle
    renderer = Renderer(whole)
    tiles = []
    for side in range(_SIDES):
        angle = math.radians(60) * (side - (_SIDES - 1) / 2)
        way = geometry.rotate(geometry.from_axis_angle(up, angle), towards)
        tiles.append(_seen(renderer, whole, middle, way, up, radius))
    return np.hstack(tiles)


def _tile(recorded: Recorded, number: int) -> Image:
    image = np.array(recorded.views[number].frame.color)
    image[recorded.gripper] = image[recorded.gripper] // 2 + np.array(_RED, np.uint8) // 2
    shown = instance_map(recorded, number)
    for part in range(len(recorded.parts)):
        outlines, _ = cv2.findContours(
            (shown == part + 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(image, outlines, -1, _GREEN, 3)
    tile = np.asarray(cv2.resize(image, _TILE, interpolation=cv2.INTER_AREA), np.uint8)
    if recorded.held_out[number]:
        cv2.rectangle(tile, (0, 0), (_TILE[0] - 1, _TILE[1] - 1), _YELLOW, 4)
    error = recorded.quality.view_px[number]
    words = f"{recorded.views[number].number}" + (f"  {error:.1f} px" if error == error else "")
    for color, width in (((0, 0, 0), 3), (_WHITE, 1)):
        cv2.putText(tile, words, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, width, cv2.LINE_AA)
    return tile


def _joined(recorded: Recorded) -> Surface:
    """The surface of all parts, in the world."""
    faces = recorded.surface.faces[np.concatenate([part.faces for part in recorded.parts])]
    used, corners = np.unique(faces, return_inverse=True)
    whole = recorded.surface
    return Surface(
        whole.vertices[used], corners.reshape(-1, 3).astype(np.int32), whole.colors[used]
    )


def _seen(
    renderer: Renderer,
    surface: Surface,
    middle: FloatArray,
    towards: FloatArray,
    up: FloatArray,
    radius: float,
) -> Image:
    direction = towards / np.linalg.norm(towards)
    eye = middle + direction * radius * 3.2
    pose = geometry.frame_from_axes(-direction, np.cross(-direction, up), eye)
    half = (_SIZE - 1) / 2
    camera = CameraIntrinsics(_SIZE, _SIZE, _SIZE * 1.4, _SIZE * 1.4, half, half)
    rendering = renderer.view(camera, pose)
    picture = np.full((_SIZE, _SIZE, 3), _PAPER, np.float64)
    there = rendering.face >= 0
    corners = surface.faces[rendering.face[there]]
    colors = np.einsum("nc,ncd->nd", rendering.weights[there], surface.colors[corners])
    picture[there] = colors * 255
    return np.clip(picture, 0, 255).astype(np.uint8)
