# SPDX-License-Identifier: Apache-2.0
"""The pictures of an inspection, for a document: one sheet for each thing that is looked at.

Everything is an (H, W, 3) uint8 RGB image; the same input gives the same bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception import drawing
from tack_perception.drawing import INK, Color, Image
from tack_perception.inspection.album import Album, Picture
from tack_perception.inspection.look import Look, best_cells, glow
from tack_perception.inspection.saliency import saliency, shown
from tack_perception.inspection.ways import WAYS, between
from tack_perception.overlay import draw_click

_TILE = 300
_GAP, _TITLE = 8, 24
_MOST_COLUMNS = 6
_BRIGHT = 0.7  # more of the colours for what is near
_ANSWER: Color = (255, 255, 255)
_TRUTH: Color = (76, 217, 140)
_LIKE: Color = (84, 190, 255)
_CLICK: Color = (255, 255, 255)
_WAY = ((255, 214, 64), (255, 120, 72), (226, 72, 150), (130, 96, 240), (64, 190, 255))


def heat_sheet(look: Look, number: int, pixel: ArrayLike) -> Image:
    """Of a click: TACK's heat and answer (white) on every picture, and the true place (green).

    Args:
        look: the album as the network sees it.
        number: of the clicked picture.
        pixel: (2,) px there.

    Raises:
        InvalidInputError: no such picture or pixel, or the model lacks the head. As in the others.
    """
    album = look.album
    answers = look.find(look.codes(number, [album.picture(number).check(pixel)]))
    truth = album.truth(number, pixel)
    tiles, notes = [], []
    for n, picture in enumerate(album.pictures):
        tile = _under(picture, glow(answers.heat[n, 0]), cv2.COLORMAP_INFERNO, 0.7)
        if n == number:
            _cross(tile, picture, pixel, _CLICK)
        elif (place := truth[n]) is not None:
            _dot(tile, picture, place, _TRUTH)
        _ring(tile, picture, answers.pixels[n, 0], _ANSWER)
        tiles.append(tile)
        notes.append(f"seen {100 * answers.seen[n, 0]:.0f} %")
    return _sheet(album, tiles, notes)


def distance_sheet(look: Look, number: int, pixel: ArrayLike) -> Image:
    """Distance of all of DON's descriptors to the one at a pixel; the nearest is marked in blue."""
    album = look.album
    distances = look.distances(number, pixel)
    places, nearest = best_cells(distances, look.model.stride)
    tiles, notes = [], []
    for n, picture in enumerate(album.pictures):
        near = np.clip(1 - distances[n] / look.far, 0, 1).astype(np.float32) ** _BRIGHT
        tile = _under(picture, near, cv2.COLORMAP_VIRIDIS, 0.0)
        if n == number:
            _cross(tile, picture, pixel, _LIKE)
        else:
            _ring(tile, picture, places[n], _LIKE)
        tiles.append(tile)
        notes.append("here" if n == number else f"nearest {nearest[n]:.2f}")
    return _sheet(album, tiles, notes)


def saliency_sheet(look: Look, number: int, pixel: ArrayLike) -> Image:
    """What TACK's answer hangs on in each picture; half of it lies within the white circle."""
    album = look.album
    code = look.codes(number, [album.picture(number).check(pixel)])[0]
    tiles, notes = [], []
    for n, picture in enumerate(album.pictures):
        found = saliency(look, n, code)
        tile = _under(picture, shown(found.map), cv2.COLORMAP_INFERNO, 0.5)
        centre = _at(picture, found.pixel)
        drawing.circle(tile, centre, found.reach * _TILE / picture.size, _CLICK, 1)
        _ring(tile, picture, found.pixel, _ANSWER)
        if n == number:
            _cross(tile, picture, pixel, _CLICK)
        tiles.append(tile)
        notes.append(f"half within {100 * found.reach / picture.size:.0f} %")
    return _sheet(album, tiles, notes)


def path_sheet(
    look: Look, number: int, pixels: ArrayLike, steps: int = 9, way: str = WAYS[0]
) -> Image:
    """Where the codes between those of two clicks (2, 2) px are, from yellow to blue."""
    album = look.album
    ends = [album.picture(number).check(pixel) for pixel in np.asarray(pixels, np.float64)]
    answers = look.find(between(look, number, np.array(ends), steps, way))
    tiles = []
    for n, picture in enumerate(album.pictures):
        tile = _tile(picture)
        stops = [_at(picture, place) for place in answers.pixels[n]]
        for start, end in itertools.pairwise(stops):
            drawing.line(tile, start, end, INK, 3)
            drawing.line(tile, start, end, _CLICK, 1)
        for step, centre in enumerate(stops):
            radius = 6.5 if step in (0, steps - 1) else 5.0
            drawing.circle(tile, centre, radius + 1.8, INK, -1)
            drawing.circle(tile, centre, radius, _along(step / (steps - 1)), -1)
        if n == number:
            for pixel in ends:
                _cross(tile, picture, pixel, _CLICK)
        tiles.append(tile)
    return _sheet(album, tiles, [""] * len(tiles))


def places_sheet(album: Album) -> Image:
    """The true places, in the colours of the maps."""
    return _sheet(album, [_places(picture, album) for picture in album.pictures], None)


def _places(picture: Picture, album: Album) -> Image:
    tile = _grey(picture)
    size = (_TILE, _TILE)
    colors = cv2.resize(album.colors(picture.places), size, interpolation=cv2.INTER_NEAREST)
    known = cv2.resize(picture.known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    tile[known > 0] = colors[known > 0]
    return tile


def _tile(picture: Picture) -> Image:
    resized = cv2.resize(picture.sharp, (_TILE, _TILE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(resized, np.uint8)


def _grey(picture: Picture) -> Image:
    tile = _tile(picture)
    mean = tile.mean(axis=2, keepdims=True)
    return np.asarray(0.72 * (0.85 * mean + 0.15 * tile), np.uint8)


def _under(picture: Picture, values: NDArray[np.float32], colors: int, power: float) -> Image:
    """A picture under a map of 0 to 1, which covers it the more the higher it is."""
    wide = np.clip(cv2.resize(values, (_TILE, _TILE), interpolation=cv2.INTER_LINEAR), 0, 1)
    painted = cv2.applyColorMap(np.rint(255 * wide).astype(np.uint8), colors)[..., ::-1]
    share = 0.9 * wide[..., None] ** power if power else 0.8
    return np.ascontiguousarray((1 - share) * _grey(picture) + share * painted, np.uint8)


def _at(picture: Picture, pixel: ArrayLike) -> tuple[float, float]:
    u, v = (np.asarray(pixel, np.float64) + 0.5) * _TILE / picture.size - 0.5
    return float(u), float(v)


def _ring(tile: Image, picture: Picture, pixel: ArrayLike, color: Color) -> None:
    centre = _at(picture, pixel)
    drawing.circle(tile, centre, 10.0, INK, 5)
    drawing.circle(tile, centre, 10.0, color, 3)


def _dot(tile: Image, picture: Picture, pixel: ArrayLike, color: Color) -> None:
    centre = _at(picture, pixel)
    drawing.circle(tile, centre, 6.0, INK, -1)
    drawing.circle(tile, centre, 4.2, color, -1)


def _cross(tile: Image, picture: Picture, pixel: ArrayLike, color: Color) -> None:
    draw_click(tile, _at(picture, pixel), color)


def _along(share: float) -> Color:
    at = share * (len(_WAY) - 1)
    low = min(int(at), len(_WAY) - 2)
    mixed = [a + (at - low) * (b - a) for a, b in zip(_WAY[low], _WAY[low + 1], strict=True)]
    return round(mixed[0]), round(mixed[1]), round(mixed[2])


def _sheet(album: Album, tiles: Sequence[Image], notes: Sequence[str] | None) -> Image:
    """All tiles in rows, the views of an instance side by side under its name."""
    views = max(sum(p.instance == name for p in album.pictures) for name in album.instances)
    across = max(1, _MOST_COLUMNS // views)
    rows = []
    for start in range(0, len(album.instances), across):
        groups = [
            _group(album, name, tiles, notes, views)
            for name in album.instances[start : start + across]
        ]
        gap = np.full((groups[0].shape[0], 2 * _GAP, 3), 255, np.uint8)
        groups += [np.full_like(groups[0], 255)] * (min(across, len(album.instances)) - len(groups))
        parts = [part for group in groups for part in (group, gap)][:-1]
        rows.append(np.concatenate(parts, axis=1))
    return np.concatenate(rows)


def _group(
    album: Album, name: str, tiles: Sequence[Image], notes: Sequence[str] | None, views: int
) -> Image:
    width = views * _TILE + (views - 1) * _GAP
    group = np.full((_TITLE + _TILE + _GAP, width, 3), 255, np.uint8)
    mine = [n for n, picture in enumerate(album.pictures) if picture.instance == name]
    cv2.putText(group, name, (0, 17), cv2.FONT_HERSHEY_DUPLEX, 0.5, (92, 100, 114), 1, cv2.LINE_AA)
    for column, n in enumerate(mine):
        tile = tiles[n]
        if notes is not None and notes[n]:
            drawing.draw_label(tile, notes[n], (-14.0, _TILE - 14.0), (150, 156, 168))
        left = column * (_TILE + _GAP)
        group[_TITLE : _TITLE + _TILE, left : left + _TILE] = tile
    return group
