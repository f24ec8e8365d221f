# SPDX-License-Identifier: Apache-2.0
"""Changes of a picture that leave what it shows: light, colour, sharpness, things before it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def photometric(picture: Picture, rng: np.random.Generator, strength: float = 1.0) -> Picture:
    """Other light, another camera: gains, contrast, gamma, hue, grey, blur, noise, JPEG.

    Args:
        picture: (H, W, 3) uint8 RGB.
        rng: source of all randomness.
        strength: 0 for none, 1 for what real cameras and lamps do.
    """
    if strength <= 0:
        return picture
    values = picture.astype(np.float32) / 255
    gains = np.exp(rng.normal(0, 0.12 * strength, 3) + rng.normal(0, 0.2 * strength))
    values *= gains.astype(np.float32)
    if rng.random() < 0.3 * strength:  # hue: colours turned about the grey axis
        values = values @ _hue_turn(float(rng.normal(0, 0.6))).T
    if rng.random() < 0.1 * strength:
        values = np.broadcast_to(values.mean(axis=2, keepdims=True), values.shape).copy()
    mean = values.mean()
    values = (values - mean) * np.float32(np.exp(rng.normal(0, 0.2 * strength))) + mean
    values = np.clip(values, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.2 * strength)))
    if rng.random() < 0.3 * strength:
        sigma = float(rng.uniform(0.3, 1.2))
        values = cv2.GaussianBlur(values, (0, 0), sigma)
    noise = np.float32(abs(rng.normal(0, 0.02 * strength)))
    values += noise * rng.standard_normal(values.shape, dtype=np.float32)
    changed = np.asarray(np.clip(values * 255 + 0.5, 0, 255), dtype=np.uint8)
    if rng.random() < 0.15 * strength:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))]
        _, coded = cv2.imencode(".jpg", changed, quality)
        changed = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return changed


def occluder(
    target: Mask, texture: Picture, rng: np.random.Generator, share: tuple[float, float]
) -> tuple[Mask, Picture]:
    """Something that stands before an object.

    Args:
        target: (H, W) where the object is seen.
        texture: (H, W, 3) uint8 what the thing looks like.
        rng: source of all randomness.
        share: least and largest share of the object that it hides, as drawn; met roughly.

    Returns:
        (H, W) bool where it is; (H, W, 3) its look. Nowhere, if the object is not seen.
    """
    height, width = target.shape
    nowhere = np.zeros_like(target)
    rows, columns = np.nonzero(target)
    if not len(rows):
        return nowhere, texture
    wanted = rng.uniform(*share)
    pick = int(rng.integers(len(rows)))
    centre = (float(columns[pick]), float(rows[pick]))
    shape = int(rng.integers(3))
    size = float(np.sqrt(len(rows)) * np.sqrt(wanted))
    best = nowhere
    for _ in range(6):
        drawn = np.zeros((height, width), np.uint8)
        _draw(drawn, shape, centre, size, rng)
        best = drawn > 0
        hidden = (best & target).sum() / len(rows)
        if abs(hidden - wanted) < 0.08:
            break
        size *= float(np.clip(np.sqrt(wanted / max(hidden, 0.02)), 0.6, 1.6))
    return best, texture


def _draw(
    mask: Picture, shape: int, centre: tuple[float, float], size: float, rng: np.random.Generator
) -> None:
    middle = (round(centre[0]), round(centre[1]))
    if shape == 0:
        cv2.circle(mask, middle, max(1, round(size * 0.56)), 1, -1)
    elif shape == 1:
        aspect = float(np.exp(rng.normal(0, 0.6)))
        box = cv2.boxPoints((centre, (size * aspect, size / aspect), float(rng.uniform(0, 180))))
        cv2.fillPoly(mask, [np.rint(box).astype(np.int32)], (1,))
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        radii = size * rng.uniform(0.3, 0.9, 7)
        corners = np.array(centre) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], (1,))


def _hue_turn(angle: float) -> NDArray[np.float32]:
    axis = np.ones((3, 1)) * angle / np.sqrt(3)
    turn, _ = cv2.Rodrigues(axis)
    return np.asarray(turn, dtype=np.float32)
