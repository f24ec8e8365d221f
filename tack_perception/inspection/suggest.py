# SPDX-License-Identifier: Apache-2.0
"""A point to begin with, so that nobody looks at an empty page: one that many pictures show."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np

from tack_perception.inspection.album import Album, FloatArray, Picture


def suggested(album: Album) -> tuple[int, FloatArray]:
    """A picture, and two points of it that are well apart.

    Named points that most of the other pictures show too, where there are such, and of symmetric
    objects one that looks like no other; else the point deepest inside the object and the one
    farthest from it.

    Returns:
        Number of the picture; (2, 2) px.
    """
    shown = Counter(name for picture in album.pictures for name in picture.named)
    most, best = (-1, -1), 0
    for number, picture in enumerate(album.pictures):
        inside = _inside(picture)
        worth = (len(album.anchors & set(inside)), sum(shown[name] for name in inside))
        if worth > most:
            most, best = worth, number
    picture = album.pictures[best]
    named = _inside(picture)
    if len(named) < 2:
        return best, _plain(picture)
    first = max(named, key=lambda name: (name in album.anchors, shown[name]))
    # Far away and often shown: the way between the two crosses the object.
    away = {
        name: float(np.linalg.norm(place - named[first])) * shown[name]
        for name, place in named.items()
    }
    return best, np.stack([named[first], named[max(away, key=lambda name: away[name])]])


def _inside(picture: Picture) -> dict[str, FloatArray]:
    """The named points that lie on what is known of the object."""
    limit = picture.size - 0.5
    return {
        name: place
        for name, place in picture.named.items()
        if ((place >= -0.5) & (place < limit)).all() and picture.place_at(place) is not None
    }


def _plain(picture: Picture) -> FloatArray:
    depth = cv2.distanceTransform(picture.mask.astype(np.uint8), cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    first = np.array([column, row], np.float64)
    rows, columns = np.nonzero(depth > min(2.0, float(depth.max()) / 2))
    if not len(rows):
        return np.stack([first, first])
    farthest = int(np.hypot(columns - column, rows - row).argmax())
    return np.stack([first, np.array([columns[farthest], rows[farthest]], np.float64)])
