# SPDX-License-Identifier: Apache-2.0
"""Patches of the clicked picture say to a fraction of a pixel where the click is in another one."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors.patches import laid_onto
from tack_perception.frame import RGBDFrame

CAMERA = CameraIntrinsics(640, 480, 600, 600, 319.5, 239.5)
CELL = 8 / 3
CLICK = np.array([300.3, 220.8])


def textured(seed: int) -> np.ndarray:
    """Blotches of some pixels, as print and grain have them."""
    noise = np.random.default_rng(seed).normal(size=(480, 640)).astype(np.float32)
    blotches = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(128 + 40 * blotches / blotches.std(), 0, 255).astype(np.uint8)


def framed(grey: np.ndarray) -> RGBDFrame:
    color = np.repeat(grey[..., None], 3, axis=2)
    return RGBDFrame(color, np.full((480, 640), 0.8, np.float32), CAMERA, 1, "cam")


def around(count: int = 60, reach: float = 60) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.random.default_rng(1).uniform(-reach, reach, (count, 2))
    offsets[0] = 0
    return offsets.astype(np.float32), np.full(count, 1 / count, np.float32)


def mapped(roll_deg: float, size: float, to: np.ndarray) -> np.ndarray:
    """(2, 3): around the click turned and grown, and the click brought somewhere."""
    a = math.radians(roll_deg)
    linear = size * np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return np.column_stack([linear, to - linear @ CLICK])


def seen_through(grey: np.ndarray, frame_from_shot: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.warpAffine(grey, frame_from_shot, (640, 480), flags=cv2.INTER_CUBIC))


@pytest.mark.parametrize(("roll", "size"), [(0, 1), (25, 1.25), (-40, 0.8)])
@pytest.mark.parametrize("off", [(0, 0), (6, -5)])
def test_a_rough_map_becomes_exact(roll: float, size: float, off: tuple[int, int]) -> None:
    grey, to = textured(2), np.array([340.6, 250.2])
    true = mapped(roll, size, to)
    darker = cv2.convertScaleAbs(seen_through(grey, true), alpha=0.7, beta=20)
    rough = mapped(roll + 4, size * 1.05, to + off)
    shot = Annotation("point", *CLICK.tolist(), framed(grey))
    laid = laid_onto(shot, *around(), rough, framed(darker), CELL)
    assert np.linalg.norm(laid.frame_from_shot @ [*CLICK, 1] - to) < 0.4
    assert np.abs(laid.frame_from_shot[:, :2] - true[:, :2]).max() < 0.02
    assert laid.correlation > 0.8


def test_what_covers_half_of_it_does_not_matter() -> None:
    grey, to = textured(3), np.array([340.6, 250.2])
    covered = seen_through(grey, mapped(0, 1, to))
    covered[:, : int(to[0]) - 12] = textured(4)[:, : int(to[0]) - 12]
    shot = Annotation("point", *CLICK.tolist(), framed(grey))
    laid = laid_onto(shot, *around(), mapped(2, 1, to + np.array([3, 2])), framed(covered), CELL)
    assert np.linalg.norm(laid.frame_from_shot @ [*CLICK, 1] - to) < 0.5
    assert 0.4 < laid.correlation < 0.9


def test_another_picture_does_not_correlate() -> None:
    shot = Annotation("point", *CLICK.tolist(), framed(textured(5)))
    rough = mapped(0, 1, np.array([340.0, 250.0]))
    laid = laid_onto(shot, *around(), rough, framed(textured(6)), CELL)
    assert laid.correlation < 0.5


def test_where_all_is_plain_the_map_stays() -> None:
    plain = framed(np.full((480, 640), 90, np.uint8))
    rough = mapped(10, 1.1, np.array([340.0, 250.0]))
    laid = laid_onto(Annotation("point", *CLICK.tolist(), plain), *around(), rough, plain, CELL)
    assert np.allclose(laid.frame_from_shot, rough)
    assert laid.correlation == 0


@pytest.mark.parametrize("to", [(4.0, 3.0), (-30.0, 240.0), (638.0, 478.0)])
def test_at_and_beyond_the_rim(to: tuple[float, float]) -> None:
    grey, place = textured(7), np.array(to)
    shot = Annotation("point", *CLICK.tolist(), framed(grey))
    other = framed(seen_through(grey, mapped(0, 1, place)))
    laid = laid_onto(shot, *around(), mapped(0, 1, place + 2), other, CELL)
    assert np.linalg.norm(laid.frame_from_shot @ [*CLICK, 1] - place) < 1.0
    assert laid.correlation < 0.75  # what lies outside does not speak for it
