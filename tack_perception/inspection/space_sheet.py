# SPDX-License-Identifier: Apache-2.0
"""The map of a space as one picture: flat, in three dimensions, and the key to its colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import drawing
from tack_perception.drawing import Image
from tack_perception.inspection.album import Album, FloatArray
from tack_perception.inspection.embedding import EmbeddingMap
from tack_perception.overlay import PALETTE

_SIDE = 560
_GAP = 12
_GROUND = (21, 24, 30)
_EYE = 3.2  # distance of the eye, in units of the map
_AZIMUTH, _ELEVATION = 0.7, 0.35  # rad


def space_sheet(found: EmbeddingMap, album: Album) -> Image:
    """Draw a map.

    Dots have the colours of their true places where these are known, else of their instances; the
    third picture is the key to them.

    Args:
        found: the map.
        album: that it was made of.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    known = album.box is not None
    colors = album.colors(found.places) if known else _by_instance(found, album)
    parts = [_flat(found.axes, colors), _solid(found.axes, colors), _key(found, album, colors)]
    gap = np.full((_SIDE, _GAP, 3), 255, np.uint8)
    return np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=1)


def _by_instance(found: EmbeddingMap, album: Album) -> NDArray[np.uint8]:
    owner = [album.instances.index(album.pictures[n].instance) for n in found.picture]
    return np.array([PALETTE[i % len(PALETTE)] for i in owner], np.uint8)


def _flat(axes: NDArray[np.float32], colors: NDArray[np.uint8]) -> Image:
    low, high = axes[:, :2].min(axis=0), axes[:, :2].max(axis=0)
    scale = 0.9 * _SIDE / max(float((high - low).max()), 1e-6)
    places = (axes[:, :2] - (low + high) / 2) * (scale, -scale) + _SIDE / 2
    return _dots(places.astype(np.float64), np.ones(len(axes)), colors)


def _solid(axes: NDArray[np.float32], colors: NDArray[np.uint8]) -> Image:
    ca, sa, ce, se = np.cos(_AZIMUTH), np.sin(_AZIMUTH), np.cos(_ELEVATION), np.sin(_ELEVATION)
    x, y, z = axes.T.astype(np.float64)
    right, out = ca * x - sa * y, sa * x + ca * y
    depth = _EYE + ce * out - se * z
    focal = 0.42 * _SIDE * _EYE
    places = np.stack([focal * right / depth, -focal * (ce * z + se * out) / depth], axis=1)
    order = np.argsort(-depth, kind="stable")
    return _dots(places[order] + _SIDE / 2, (_EYE / depth)[order], colors[order])


def _dots(places: FloatArray, near: FloatArray, colors: NDArray[np.uint8]) -> Image:
    canvas = np.full((_SIDE, _SIDE, 3), _GROUND, np.uint8)
    for (u, v), size, color in zip(places.tolist(), near.tolist(), colors.tolist(), strict=True):
        bright = min(1.0, max(0.3, 2.1 * size - 1.25))
        ink = tuple(
            round(bright * c + (1 - bright) * g) for c, g in zip(color, _GROUND, strict=True)
        )
        drawing.circle(canvas, (u, v), 3.0 * size, (ink[0], ink[1], ink[2]), -1)
    return canvas


def _key(found: EmbeddingMap, album: Album, colors: NDArray[np.uint8]) -> Image:
    """The picture with most dots, and the dots on it."""
    number = int(np.bincount(found.picture).argmax())
    picture = album.pictures[number]
    canvas = np.asarray(
        cv2.resize(picture.sharp, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC), np.uint8
    )
    canvas = np.ascontiguousarray(0.45 * canvas, np.uint8)
    mine = found.picture == number
    scale = _SIDE / picture.size
    for pixel, color in zip(found.pixels[mine], colors[mine].tolist(), strict=True):
        u, v = (pixel + 0.5) * scale - 0.5
        drawing.circle(canvas, (float(u), float(v)), 4.5, (color[0], color[1], color[2]), -1)
    return canvas
