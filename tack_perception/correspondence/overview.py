# SPDX-License-Identifier: Apache-2.0
"""A contact sheet of a data set: pictures with their points, what is known of them, and pairs."""

from __future__ import annotations

import colorsys
import contextlib

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.correspondence.dataset import CorrespondenceSet
from tack_perception.correspondence.view import View
from tack_perception.errors import InvalidInputError

Image = NDArray[np.uint8]

_TILE = (320, 240)
_PAIRS = 24
_TRIED = 200  # views among which those to draw pairs between are looked for
_GREY = 0.45  # brightness of what is not of interest in a canonical picture


def contact_sheet(
    data: CorrespondenceSet, *, columns: int = 4, rows: int = 5, seed: int = 0
) -> Image:
    """Pictures from all over the set; below, two views in detail and pairs that join views.

    Args:
        data: the set.
        columns, rows: of pictures.
        seed: of the choice of pairs.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InvalidInputError: the set is empty.
        FileFormatError: a view is damaged; names the file.
    """
    if not len(data):
        raise InvalidInputError(f"{data.folder}: the set has no views yet")
    count = min(columns * rows, len(data))
    chosen = np.unique(np.linspace(0, len(data) - 1, count).round().astype(int))
    views = {int(i): data.view(int(i)) for i in chosen}
    lines = _grid([_tile(draw_points(view)) for view in views.values()], columns)
    largest = sorted(views, key=lambda i: -sum(thing.pixels for thing in views[i].objects))
    for i in largest[:2]:
        lines.append(_line(_details(data, views[i]), columns))
    rng = np.random.default_rng(seed)
    joined = [_tile(picture, 2) for picture in _joined(data, largest[0], rng)]
    if joined:
        lines.append(_line(joined, columns))
    return np.concatenate(lines)


def draw_points(view: View) -> Image:
    """The picture with the outlines of its objects and its named points, hollow where hidden."""
    image = np.array(view.color)
    if view.instance is not None:
        for index in range(len(view.objects)):
            mask = (view.instance == index + 1).astype(np.uint8)
            outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, outline, -1, _color(index), 1, cv2.LINE_AA)
    radius = max(2, image.shape[1] // 110)
    for point in view.points:
        if view.intrinsics.contains(*point.pixel):
            place = (round(point.pixel[0]), round(point.pixel[1]))
            filled = -1 if point.visible else 1
            cv2.circle(image, place, radius + 1, (20, 20, 20), filled, cv2.LINE_AA)
            cv2.circle(image, place, radius, _color(hash_of(point.name)), filled, cv2.LINE_AA)
    return image


def draw_canonical(data: CorrespondenceSet, view: View) -> Image:
    """Every surface point in the colour of its place on its object; the rest in grey."""
    grey = np.repeat(view.color.mean(axis=2, keepdims=True) * _GREY, 3, axis=2)
    image = grey.astype(np.uint8)
    if view.canonical is None or view.instance is None:
        return image
    for index, thing in enumerate(view.objects):
        shown = view.instance == index + 1
        if not shown.any():
            continue
        places = data.surface(
            thing.instance, view.canonical.face[shown], view.canonical.weights[shown]
        )
        corners = data.vertices(thing.instance)
        low, high = corners.min(axis=0), corners.max(axis=0)
        image[shown] = (40 + 215 * (places - low) / np.maximum(high - low, 1e-9)).astype(np.uint8)
    return image


def draw_depth(view: View, depth: NDArray[np.float32] | None) -> Image:
    """Depth in colours, the same for all depth images of a view; black where it is unknown."""
    if depth is None:
        return np.zeros_like(view.color)
    known = view.best_depth
    assert known is not None
    near, far = np.nanpercentile(known, (1, 95)) if np.isfinite(known).any() else (0.0, 1.0)
    share = np.clip((depth - near) / max(far - near, 1e-6), 0, 1)
    levels = (255 * (1 - np.nan_to_num(share, nan=1.0))).astype(np.uint8)
    image = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1].copy()
    image[~np.isfinite(depth)] = 0
    return np.asarray(image, dtype=np.uint8)


def draw_pairs_between(data: CorrespondenceSet, i: int, j: int, rng: np.random.Generator) -> Image:
    """Two views side by side with some pairs joined by lines."""
    first, second = data.view(i), data.view(j)
    found = data.pairs(i, j, _PAIRS, rng)
    image = np.concatenate([first.color, second.color], axis=1)
    for number, (start, end) in enumerate(zip(found.first, found.second, strict=True)):
        hue = number / max(1, len(found))
        color = tuple(int(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.75, 1.0))
        left = (round(float(start[0])), round(float(start[1])))
        right = (round(float(end[0])) + first.color.shape[1], round(float(end[1])))
        cv2.line(image, left, right, color, 1, cv2.LINE_AA)
        for place in (left, right):
            cv2.circle(image, place, 3, color, -1, cv2.LINE_AA)
    return image


def hash_of(name: str) -> int:
    """A number for a name, the same in every run."""
    return sum((i + 1) * ord(letter) for i, letter in enumerate(name))


def _details(data: CorrespondenceSet, view: View) -> list[Image]:
    return [
        _tile(picture)
        for picture in (
            draw_points(view),
            draw_canonical(data, view),
            draw_depth(view, view.depth),
            draw_depth(view, view.true_depth),
        )
    ]


def _joined(data: CorrespondenceSet, i: int, rng: np.random.Generator) -> list[Image]:
    """A view and another of its scene, and one of another scene, where they have enough in common.

    Views that are near in the set are tried first.
    """
    first = data.view(i)
    found: dict[bool, Image] = {}
    others = sorted((j for j in range(len(data)) if j != i), key=lambda j: abs(j - i))
    for j in others[:_TRIED]:
        if len(found) == 2:
            break
        same = data.view(j).scene == first.scene
        # A set without poses or canonical maps has no such pairs.
        with contextlib.suppress(InvalidInputError):
            if same not in found and len(data.pairs(i, j, _PAIRS, rng)) >= _PAIRS // 2:
                found[same] = draw_pairs_between(data, i, j, rng)
    return [found[same] for same in (True, False) if same in found]


def _color(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb((0.11 + 0.618 * number) % 1, 0.8, 1.0)
    return int(255 * red), int(255 * green), int(255 * blue)


def _tile(image: Image, width: int = 1) -> Image:
    size = (_TILE[0] * width, _TILE[1])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _grid(tiles: list[Image], columns: int) -> list[Image]:
    return [_line(tiles[i : i + columns], columns) for i in range(0, len(tiles), columns)]


def _line(tiles: list[Image], columns: int) -> Image:
    line = np.concatenate(tiles, axis=1)[:, : columns * _TILE[0]]
    gap = columns * _TILE[0] - line.shape[1]
    return np.pad(line, [(0, 0), (0, gap), (0, 0)], constant_values=255)
