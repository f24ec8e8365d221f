# SPDX-License-Identifier: Apache-2.0
"""Sewn surfaces: panels laid over each other with edges, shadows and rows of stitches."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_sim.objects.textures.noise import Field, Image, smoothstep, to_bytes


def field_over(values: NDArray[np.float64], height: int, width: int) -> Field:
    """Values at a grid's points, for each pixel of the area that the grid is laid on.

    Args:
        values: (R, C) or (R, C, K).
        height, width: px.

    Returns:
        (height, width) or (height, width, K) float32.
    """
    picked = values.astype(np.float32)
    for axis, size in enumerate((height, width)):
        steps = values.shape[axis] - 1
        at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(steps / size)
        low = np.minimum(at.astype(np.int32), steps - 1)
        share = (at - low).reshape((-1,) + (1,) * (values.ndim - 1 - axis))
        first, second = np.take(picked, low, axis=axis), np.take(picked, low + 1, axis=axis)
        second -= first
        second *= share
        second += first
        picked = second
    return picked


Window = tuple[slice, slice]
_EVERYWHERE: Window = (slice(None), slice(None))
_SHADOW = 0.0022


def _touched(mask: NDArray[np.bool_]) -> Window | None:
    """The rows and columns that hold everything that is set; None if nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


class Sewing:
    """A picture of a sewn surface, panel by panel.

    Args:
        points: (R, C, 3) grid of places that the picture is laid on, m.
        height, width: px.

    Attributes:
        place: (H, W, 3) float32, where each pixel lies, m.
        across, down: (H, W) float32, way along the rows from the middle column, and along the
            columns from the first row, m.
        image: (H, W, 3) float32 from 0 to 1.
    """

    def __init__(self, points: NDArray[np.float64], height: int, width: int) -> None:
        right = np.linalg.norm(np.diff(points, axis=1), axis=2)
        below = np.linalg.norm(np.diff(points, axis=0), axis=2)
        across = np.pad(np.cumsum(right, axis=1), ((0, 0), (1, 0)))
        across -= across[:, across.shape[1] // 2, None]
        down = np.pad(np.cumsum(below, axis=0), ((1, 0), (0, 0)))
        self.place = field_over(points, height, width)
        self.across = field_over(across, height, width)
        self.down = field_over(down, height, width)
        self.image: Field = np.zeros((height, width, 3), np.float32)

    def cover(
        self,
        color: ArrayLike,
        inside: Field | None = None,
        *,
        factor: Field | None = None,
        soft: float = 0.0005,
        raised: bool = True,
        window: Window | None = None,
    ) -> None:
        """Lay a panel over what is there.

        Args:
            color: (3,), 0 to 1.
            inside: (H, W) distance from the panel's edge, m, positive on the panel; everywhere if
                None.
            factor: (H, W) on the colour.
            soft: half the width over which its edge fades, m.
            raised: the panel throws a narrow shadow and its edge catches the light.
            window: the rows and columns that `inside` is given for; all if None.
        """
        paint = np.asarray(color, dtype=np.float32)
        if inside is None:
            self.image[:] = paint if factor is None else paint * factor[..., None]
            return
        window = window or _EVERYWHERE
        box = _touched(inside > -_SHADOW)
        if box is None:
            return
        image, near = self.image[window][box], inside[box]
        tone = np.ones_like(near) if factor is None else factor[window][box]
        if raised:
            image *= (1 - 0.35 * smoothstep(-_SHADOW, -0.0002, near))[..., None]
            tone = tone * (1 + 0.10 * smoothstep(0.0014, 0.0004, near))
        share = smoothstep(-soft, soft, near)
        image *= (1 - share)[..., None]
        image += (share * tone)[..., None] * paint

    def stitch(
        self,
        line: Field,
        along: Field,
        color: ArrayLike,
        *,
        pitch: float = 0.0034,
        half: float = 0.00045,
        window: Window | None = None,
    ) -> None:
        """A row of stitches.

        Args:
            line: (H, W) distance from the row, m; 0 on it.
            along: (H, W) way along it, m.
            color: of the thread.
            pitch: from one stitch to the next, m.
            half: half the thread's width, m.
            window: the rows and columns that the fields are given for; all if None.
        """
        image = self.image[window or _EVERYWHERE]
        beside = np.abs(line)
        v, u = np.nonzero(beside < half + 0.0003)
        gap = np.sin(along[v, u] * np.float32(2 * np.pi / pitch))
        share = smoothstep(half + 0.0003, half, beside[v, u]) * smoothstep(-0.75, -0.35, gap)
        image[v, u] += (np.asarray(color, np.float32) - image[v, u]) * share[:, None]

    def shade(self, factor: ArrayLike, window: Window | None = None) -> None:
        """Darken or lighten by an (H, W) factor, of a window if given."""
        self.image[window or _EVERYWHERE] *= np.asarray(factor, np.float32)[..., None]

    def stamp(
        self,
        emblem: Image,
        right: Field,
        below: Field,
        size: tuple[float, float],
        allowed: Field | None = None,
    ) -> None:
        """Put a picture on the surface.

        Args:
            emblem: (h, w, 4) uint8 RGB and how much it covers.
            right, below: (H, W) place relative to the picture's middle, m.
            size: its width and height, m.
            allowed: (H, W) 0 to 1, where it may be seen.
        """
        near = (np.abs(right) < 0.55 * size[0]) & (np.abs(below) < 0.55 * size[1])
        box = _touched(near if allowed is None else near & (allowed > 0))
        if box is None:
            return
        height, width = emblem.shape[:2]
        u = (right[box] / size[0] + 0.5) * width - 0.5
        v = (below[box] / size[1] + 0.5) * height - 0.5
        seen = cv2.remap(emblem, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        share = seen[..., 3].astype(np.float32) / 255
        if allowed is not None:
            share *= allowed[box]
        image = self.image[box]
        image += (seen[..., :3].astype(np.float32) / 255 - image) * share[..., None]

    def bytes(self) -> Image:
        """The picture, (H, W, 3) uint8."""
        return to_bytes(self.image)
