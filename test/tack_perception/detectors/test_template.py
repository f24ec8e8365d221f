# SPDX-License-Identifier: Apache-2.0
"""What surrounds a click is on the surface that is meant."""

from __future__ import annotations

import numpy as np
import pytest

from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors.settings import DenseDescriptorConfig
from tack_perception.detectors.template import support
from tack_perception.frame import RGBDFrame

CAMERA = CameraIntrinsics(320, 240, 300, 300, 159.5, 119.5)
FRONT, BEHIND = 0.7, 0.95
EDGE = 160  # first column that does not show what stands in front


def frame(shadow: int = 0) -> RGBDFrame:
    """A box before a wall; beside its edge no depth is known for so many px on each side."""
    depth = np.full((240, 320), BEHIND, np.float32)
    depth[:, :EDGE] = FRONT
    depth[:, EDGE - shadow // 2 : EDGE + shadow] = np.nan
    return RGBDFrame(np.zeros((240, 320, 3), np.uint8), depth, CAMERA, 1, "cam")


def columns(one: RGBDFrame, u: float) -> np.ndarray:
    """Where what surrounds a click is, without the click."""
    pixels, _ = support(one, np.array([u, 120.0]), DenseDescriptorConfig())
    assert len(pixels) > 20
    return pixels[1:, 0]


@pytest.mark.parametrize("shadow", [0, 4, 8])
@pytest.mark.parametrize("beside", [-4, -1, 1])
def test_at_a_silhouette_what_stands_in_front_is_meant(shadow: int, beside: int) -> None:
    assert columns(frame(shadow), EDGE + beside).max() < EDGE + 4


def test_well_beside_a_silhouette_the_wall_is_meant() -> None:
    assert columns(frame(), EDGE + 11).min() > EDGE - 4
    assert columns(frame(), EDGE - 11).max() < EDGE + 4


def test_a_few_stray_pixels_are_no_surface() -> None:
    one = frame()
    depth = one.depth.copy()
    depth[118:120, 208:210] = 0.4
    stray = RGBDFrame(one.color, depth, CAMERA, 1, "cam")
    np.testing.assert_array_equal(columns(stray, 210), columns(one, 210))


def test_without_depth_all_around_counts() -> None:
    blind = RGBDFrame(
        np.zeros((240, 320, 3), np.uint8), np.full((240, 320), np.nan, np.float32), CAMERA, 1, "cam"
    )
    around = columns(blind, 160)
    assert around.min() < 140
    assert around.max() > 180
