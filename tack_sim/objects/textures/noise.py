# SPDX-License-Identifier: Apache-2.0
"""Random fields that tile, and what textures make of them."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]
Image = NDArray[np.uint8]
Color = tuple[float, float, float]


def fbm(
    height: int,
    width: int,
    rng: np.random.Generator,
    octaves: int = 5,
    *,
    cells: tuple[int, int] = (4, 4),
    gain: float = 0.5,
) -> Field:
    """Fractal noise that tiles in both directions.

    Args:
        height, width: px.
        rng: the same state gives the same field.
        octaves: number of layers, each twice as fine as the one before; layers finer than the
            pixels are left out.
        cells: rows and columns of the coarsest layer; unequal ones stretch it (grain, brushing).
        gain: strength of each layer relative to the one before.

    Returns:
        (height, width) float32 of mean 0 and standard deviation 1.
    """
    total = np.zeros((height, width), np.float32)
    rows, columns = cells
    for octave in range(octaves):
        if rows > height and columns > width:
            break
        layer = rng.standard_normal((min(rows, height), min(columns, width))).astype(np.float32)
        total += gain**octave * _enlarged(layer, height, width)
        rows, columns = 2 * rows, 2 * columns
    total -= total.mean()
    return np.asarray(total / max(float(total.std()), 1e-9), dtype=np.float32)


def warped(field: Field, shift_u: Field, shift_v: Field) -> Field:
    """The field, or (H, W, 3) image, read beside each pixel by shifts in px; it tiles as before."""
    height, width = field.shape[:2]
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    u = np.mod(u + shift_u, width).astype(np.float32)
    v = np.mod(v + shift_v, height).astype(np.float32)
    padded = np.pad(field, ((0, 1), (0, 1), *((0, 0),) * (field.ndim - 2)), mode="wrap")
    return np.asarray(cv2.remap(padded, u, v, cv2.INTER_LINEAR), dtype=np.float32)


def ramp(field: ArrayLike, colors: Sequence[Color], stops: Sequence[float] | None = None) -> Field:
    """Values as colours along a gradient.

    Args:
        field: (H, W).
        colors: at the stops.
        stops: rising values of the field; evenly over 0 to 1 if None.

    Returns:
        (H, W, 3) float32.
    """
    places = np.linspace(0, 1, len(colors)) if stops is None else np.asarray(stops)
    values = np.asarray(field, dtype=np.float32)
    channels = [np.interp(values, places, [color[i] for color in colors]) for i in range(3)]
    image: Field = np.stack(channels, axis=-1).astype(np.float32)
    return image


def plain(height: int, width: int, color: Color) -> Field:
    """(H, W, 3) float32 of one colour."""
    return np.full((height, width, 3), np.array(color, np.float32), np.float32)


def mixed(under: Field, over: ArrayLike, share: Field) -> Field:
    """Two (H, W, 3) images, or an image and a colour, mixed by a (H, W) share of the second."""
    weight = np.clip(share, 0, 1)[..., None]
    difference = np.asarray(over, dtype=np.float32) - under
    return np.asarray(under + difference * weight, dtype=np.float32)


def smoothstep(low: float, high: float, field: ArrayLike) -> Field:
    """0 below `low`, 1 above `high`, smooth between; falls instead if `high` < `low`."""
    share = np.clip((np.asarray(field, dtype=np.float32) - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """RGB of a hue (turns), saturation and value; hues wrap, the others are clipped."""
    return colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0), 1), min(max(value, 0), 1))


def to_bytes(image: ArrayLike) -> Image:
    """(H, W, 3) from 0..1 to uint8."""
    return np.asarray(np.clip(np.asarray(image), 0, 1) * 255 + 0.5, dtype=np.uint8)


def _enlarged(layer: Field, height: int, width: int) -> Field:
    """A small periodic field at another size, smooth also across its edges."""
    pad = 2
    padded = np.pad(layer, pad, mode="wrap")
    rows, columns = layer.shape
    step_u, step_v = columns / width, rows / height
    matrix = np.array(
        [[step_u, 0, pad + 0.5 * step_u - 0.5], [0, step_v, pad + 0.5 * step_v - 0.5]]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    grown = cv2.warpAffine(padded, matrix, (width, height), flags=flags)
    return np.asarray(grown, dtype=np.float32)
