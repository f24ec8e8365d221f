# SPDX-License-Identifier: Apache-2.0
"""The looks of a mesh file as one texture: its images, vertex and plain colours together."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

_log = logging.getLogger(__name__)

_LARGEST_IMAGE = 1024  # px
_LARGEST_GRID = 2048  # px, of the cells of faces with colours of their own
_PLAIN = (178, 178, 178)
_BORDER = 2  # px around each tile, so that neighbours do not bleed in


@dataclasses.dataclass(frozen=True, eq=False)
class _Tile:
    """One geometry's picture and where its faces' corners lie in it: (F, 3, 2), px."""

    picture: Image
    corners: FloatArray


def bake(geometries: Sequence[Any]) -> tuple[Image, FloatArray]:
    """One atlas for several geometries.

    Args:
        geometries: trimesh.Trimesh, each with its own visuals.

    Returns:
        (H, W, 3) uint8 RGB, and (F, 3, 2) texture coordinates (s, t down) of the corners of all
        faces, geometry after geometry.
    """
    tiles = [_tile(geometry) for geometry in geometries]
    width = max(_LARGEST_IMAGE, *(tile.picture.shape[1] for tile in tiles)) + 2 * _BORDER
    places, u, v, shelf = [], 0, 0, 0
    for tile in tiles:
        high, wide = (side + 2 * _BORDER for side in tile.picture.shape[:2])
        if u + wide > width:
            u, v, shelf = 0, v + shelf, 0
        places.append((u, v))
        u, shelf = u + wide, max(shelf, high)
    used = max(
        x + tile.picture.shape[1] + 2 * _BORDER for (x, _), tile in zip(places, tiles, strict=True)
    )
    size = np.array([used, v + shelf])
    atlas = np.zeros((size[1], size[0], 3), np.uint8)
    corners = []
    for (x, y), tile in zip(places, tiles, strict=True):
        padded = np.pad(tile.picture, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), "edge")
        atlas[y : y + padded.shape[0], x : x + padded.shape[1]] = padded
        corners.append((tile.corners + np.array([x + _BORDER, y + _BORDER])) / size)
    return atlas, np.concatenate(corners)


def _tile(geometry: Any) -> _Tile:
    visual, faces = geometry.visual, np.asarray(geometry.faces)
    if visual.kind == "texture":
        image = _image(visual.material)
        uv = getattr(visual, "uv", None)
        if image is not None and uv is not None:
            return _Tile(image, _unwrapped(np.asarray(uv)[faces], image))
        return _plain(visual.material.main_color[:3], len(faces))
    if visual.kind == "vertex":
        return _cells(np.asarray(visual.vertex_colors)[:, :3][faces])
    if visual.kind == "face":
        return _cells(np.repeat(np.asarray(visual.face_colors)[:, None, :3], 3, axis=1))
    return _plain(_PLAIN, len(faces))


def _plain(color: Sequence[int], faces: int) -> _Tile:
    picture = np.broadcast_to(np.asarray(color, np.uint8)[:3], (4, 4, 3)).copy()
    return _Tile(picture, np.tile([(1.0, 1.0), (3.0, 1.0), (1.0, 3.0)], (faces, 1, 1)))


def _image(material: Any) -> Image | None:
    """The material's picture times its colour, not larger than the atlas allows."""
    found = getattr(material, "baseColorTexture", None)
    found = getattr(material, "image", None) if found is None else found
    if found is None:
        return None
    picture = np.asarray(found.convert("RGB"), dtype=np.uint8)
    factor = getattr(material, "baseColorFactor", None)
    if factor is not None:
        picture = (picture * (np.asarray(factor, np.float64)[:3] / 255)).astype(np.uint8)
    shrink = _LARGEST_IMAGE / max(picture.shape[:2])
    if shrink < 1:
        size = [max(1, round(side * shrink)) for side in picture.shape[1::-1]]
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def _unwrapped(uv: FloatArray, picture: Image) -> FloatArray:
    """Texture coordinates that may repeat the picture, as (F, 3, 2) px within it."""
    uv = np.nan_to_num(uv[..., :2].astype(np.float64))
    start = np.floor(uv.min(axis=1, keepdims=True) + 1e-6)
    uv = uv - start
    beyond = uv.max(axis=(1, 2)) > 1 + 1e-6
    if beyond.any():
        _log.warning("%d faces repeat their texture across its edge: squeezed", beyond.sum())
    uv = np.clip(uv, 0, 1)
    height, width = picture.shape[:2]
    return np.stack([uv[..., 0] * width, (1 - uv[..., 1]) * height], axis=-1)


def _cells(colors: NDArray[np.integer]) -> _Tile:
    """A small cell of the picture for each face, blended from its corners' colours (F, 3, 3)."""
    faces = len(colors)
    if (colors == colors[:1, :1]).all():
        return _plain(colors[0, 0].tolist(), faces)
    row = math.ceil(math.sqrt(faces))
    side = int(np.clip(_LARGEST_GRID // row, 2, 4))
    step = np.linspace(0, 1, side)
    down, right = (g[None, ..., None] for g in np.meshgrid(step, step, indexing="ij"))
    a, b, c = (colors[:, i, None, None, :].astype(np.float64) for i in range(3))
    blend = np.clip(a + right * (b - a) + down * (c - a), 0, 255).astype(np.uint8)
    grid = np.zeros((row * row, side, side, 3), np.uint8)
    grid[:faces] = blend
    picture = grid.reshape(row, row, side, side, 3).transpose(0, 2, 1, 3, 4)
    index = np.arange(faces)
    origin = np.stack([index % row, index // row], axis=1) * side
    inner = np.array([(0.5, 0.5), (side - 0.5, 0.5), (0.5, side - 0.5)])
    return _Tile(picture.reshape(row * side, row * side, 3), origin[:, None] + inner)
