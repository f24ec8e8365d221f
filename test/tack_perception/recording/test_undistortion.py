# SPDX-License-Identifier: Apache-2.0
"""Frames without lens distortion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tack_perception.camera import CameraIntrinsics
from tack_perception.recording.undistortion import undistorted
from test.tack_perception.recording import scenes


def test_a_frame_without_distortion_stays_the_same():
    frame = scenes.film(1)[0][0]
    assert undistorted(frame) is frame


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("plumb_bob", (-0.12, 0.03, 0.001, -0.002, 0.0)),
        ("equidistant", (0.02, -0.01, 0.002, 0.0)),
    ],
)
def test_a_point_comes_to_where_a_straight_lens_shows_it(model, coefficients):
    straight = scenes.CAMERA
    bent = CameraIntrinsics(
        straight.width, straight.height, straight.fx, straight.fy, straight.cx, straight.cy,
        model, coefficients,
    )  # fmt: skip
    frame = scenes.film(1)[0][0]
    place = np.array([0.12, -0.09, 0.5])
    u, v = np.rint(bent.project(place)).astype(int)
    color = np.zeros_like(frame.color)
    color[v - 1 : v + 2, u - 1 : u + 2] = 255
    depth = np.full(frame.depth.shape, 0.7, np.float32)
    depth[v - 1 : v + 2, u - 1 : u + 2] = 0.5
    made = undistorted(dataclasses.replace(frame, color=color, depth=depth, intrinsics=bent))
    assert made.intrinsics == straight
    wanted = straight.project(place)
    rows, columns = np.nonzero(made.color[..., 0] > 127)
    np.testing.assert_allclose((columns.mean(), rows.mean()), wanted, atol=0.7)
    column, row = np.rint(wanted).astype(int)
    assert made.depth[row, column] == np.float32(0.5)
    assert set(np.unique(made.depth[np.isfinite(made.depth)])) <= {np.float32(0.5), np.float32(0.7)}
