# SPDX-License-Identifier: Apache-2.0
"""Steel: brushed, forged and stamped."""

from __future__ import annotations

import cv2
import numpy as np

from tack_sim.objects.textures.noise import Color, Field, fbm, mixed, plain

CHROME: Color = (0.80, 0.82, 0.84)
STEEL: Color = (0.62, 0.63, 0.65)
GUNMETAL: Color = (0.27, 0.28, 0.30)
BRASS: Color = (0.78, 0.62, 0.30)


def brushed(
    height: int, width: int, rng: np.random.Generator, color: Color, *, strength: float = 0.05
) -> Field:
    """Steel brushed along the width: fine streaks and a few broad lighter ones.

    Args:
        height, width: px.
        rng: the same state gives the same picture.
        color: of the metal.
        strength: of the streaks.

    Returns:
        (height, width, 3) float32.
    """
    fine = fbm(height, width, rng, 2, cells=(max(8, height // 2), max(2, width // 96)))
    broad = fbm(height, width, rng, 3, cells=(3, 1))
    tone = 1 + strength * (fine + 0.6 * broad)
    brushed_steel: Field = plain(height, width, color) * tone.astype(np.float32)[..., None]
    return brushed_steel


def forged(
    height: int, width: int, rng: np.random.Generator, color: Color, *, wear: float = 0.3
) -> Field:
    """Steel as it left the forge: blotchy scale, rubbed bright in places.

    Args:
        height, width: px.
        rng: the same state gives the same picture.
        color: of the scale.
        wear: share of it that is rubbed off, 0 to 1.
    """
    blotches = fbm(height, width, rng, 5, cells=(6, 6), gain=0.65)
    surface = plain(height, width, color) * (1 + 0.10 * blotches)[..., None]
    scratches = fbm(height, width, rng, 2, cells=(max(8, height // 3), 4))
    rubbed = np.clip(0.5 * blotches + 0.7 * scratches - 1.6 + 2.0 * wear, 0, 1)
    return mixed(surface, STEEL, rubbed.astype(np.float32))


def stamp(
    surface: Field, text: str, centre: tuple[float, float], size: tuple[float, float]
) -> None:
    """Press letters into a surface, in place: dark strokes with a lit lower edge.

    Args:
        surface: (H, W, 3) float32.
        text: what to write, along the width.
        centre: of the text (u, v), px.
        size: width and height that the text fills at most, px; letters are stretched to fit, as
            the surface may be stretched too.
    """
    ink = stroke_text(surface.shape[0], surface.shape[1], text, centre, size)
    edge = np.roll(ink, 1, axis=0) - ink
    surface *= (1 - 0.62 * ink)[..., None]
    surface += (0.30 * np.clip(edge, 0, 1))[..., None]


def stroke_text(
    height: int,
    width: int,
    text: str,
    centre: tuple[float, float],
    size: tuple[float, float],
    *,
    weight: float = 0.14,
) -> Field:
    """The share of each pixel that letters of vector strokes cover.

    Args:
        height, width: of the result, px.
        text: along the width.
        centre: of the text (u, v), px.
        size: width and height that the text fills, px; its shape is stretched to it.
        weight: thickness of the strokes relative to the letters' height.

    Returns:
        (height, width) float32, 0 to 1.
    """
    scale, font = 2.0, cv2.FONT_HERSHEY_SIMPLEX
    (wide, high), below = cv2.getTextSize(text, font, scale, 1)
    stroke = max(1, round(weight * high))
    pad = stroke + 2
    plate = np.zeros((high + below + 2 * pad, wide + 2 * pad), np.uint8)
    cv2.putText(plate, text, (pad, pad + high), font, scale, 255, stroke, cv2.LINE_AA)
    plate = plate[: high + 2 * pad]
    across, down = size[0] / wide, size[1] / high
    middle = (plate.shape[1] / 2, plate.shape[0] / 2)
    matrix = np.array(
        [
            [across, 0, centre[0] - across * middle[0]],
            [0, down, centre[1] - down * middle[1]],
        ]
    )
    if min(across, down) < 0.5:  # smooth before shrinking, or strokes break up
        blur = 0.35 / min(across, down)
        plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), blur), dtype=np.uint8)
    ink = cv2.warpAffine(plate, matrix, (width, height), flags=cv2.INTER_LINEAR)
    share: Field = np.asarray(ink, dtype=np.float32) / np.float32(255)
    return share
