# SPDX-License-Identifier: Apache-2.0
"""A clicked point on a flat, printed board is found again in space after the board moved."""

import cv2
import numpy as np
import pytest

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import make_detector
from tack_perception.frame import RGBDFrame
from tack_perception.pipeline import PerceptionPipeline

CAMERA = CameraIntrinsics(320, 240, 300, 300, 159.5, 119.5)


@pytest.fixture(scope="module")
def board():
    """(240, 320, 3) uint8 of smooth random print, rich enough to tell any two places apart."""
    noise = np.random.default_rng(3).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


def frame(board, shift=(0, 0), depth=0.5, hole=None, stamp_ns=1):
    moved = cv2.warpAffine(board, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (320, 240))
    metres = np.full((240, 320), depth, np.float32)
    if hole is not None:
        u, v, radius = hole
        metres[v - radius : v + radius + 1, u - radius : u + radius + 1] = np.nan
    return RGBDFrame(moved, metres, CAMERA, stamp_ns, "camera_color_optical_frame")


@pytest.fixture
def pipeline(board):
    pipeline = PerceptionPipeline(make_detector("dense"))
    pipeline.enroll([Annotation("spot", 150, 110, frame(board))])
    return pipeline


def test_the_point_is_found_where_it_went(pipeline, board):
    (keypoint,) = pipeline.perceive(frame(board, shift=(24, -16)))
    assert keypoint.visible
    assert np.hypot(keypoint.u - 174, keypoint.v - 94) < 1.5
    expected = CAMERA.deproject((174, 94), 0.5)
    assert np.linalg.norm(keypoint.xyz - expected) < 0.003
    assert keypoint.normal @ (0, 0, -1) > 0.99
    assert keypoint.refusal == ""


def test_a_point_without_depth_is_refused_with_the_reason(pipeline, board):
    (keypoint,) = pipeline.perceive(frame(board, hole=(150, 110, 60)))
    assert keypoint.visible
    assert keypoint.xyz is None
    assert "depth" in keypoint.refusal


def test_a_point_that_is_not_there_is_not_lifted(pipeline):
    other = np.random.default_rng(9).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    (keypoint,) = pipeline.perceive(frame(cv2.resize(other, (320, 240))))
    assert not keypoint.visible
    assert keypoint.xyz is None
    assert "hidden or absent" in keypoint.refusal


def test_time_is_booked_by_stage(pipeline, board):
    pipeline.perceive(frame(board))
    assert pipeline.times.frames == 1
    assert set(pipeline.times.seconds) == {"detect", "lift"}
    assert all(seconds > 0 for seconds in pipeline.times.seconds.values())
