# SPDX-License-Identifier: Apache-2.0
"""Poses by a printed board."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import ConfigurationError
from tack_perception.frame import RGBDFrame
from tack_perception.recording.board import Board
from test.tack_perception.recording import scenes

CAMERA = CameraIntrinsics(640, 480, 600.0, 600.0, 319.5, 239.5)
CHARUCO = "charuco:7x5:0.03:0.022:DICT_4X4_50"
TAG = "tag:3:0.08:DICT_APRILTAG_36h11"
PX_PER_M = 4000


def printed(board):
    """A picture of the board, and (3, 3) board's plane (m) → picture (px)."""
    if board.squares is not None:
        size = tuple(round(n * board.side_m * PX_PER_M) for n in board.squares)
        picture = board.charuco().generateImage(size, marginSize=0)
        return picture, np.array([[PX_PER_M, 0, -0.5], [0, PX_PER_M, -0.5], [0, 0, 1.0]])
    side = round(board.side_m * PX_PER_M)
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
    tag = cv2.aruco.generateImageMarker(dictionary, board.tag, side)
    margin = side // 4
    picture = cv2.copyMakeBorder(tag, *(margin,) * 4, cv2.BORDER_CONSTANT, value=255)
    middle = side / 2 + margin - 0.5
    return picture, np.array([[PX_PER_M, 0, middle], [0, -PX_PER_M, middle], [0, 0, 1.0]])


def taken(board, board_from_camera, noise=1.0):
    """What a camera sees of the board."""
    picture, picture_from_plane = printed(board)
    camera_from_board = geometry.inverse(board_from_camera)
    image_from_plane = CAMERA.matrix @ camera_from_board[:3, [0, 1, 3]]
    warp = image_from_plane @ np.linalg.inv(picture_from_plane)
    grey = cv2.warpPerspective(
        picture, warp, (CAMERA.width, CAMERA.height), flags=cv2.INTER_AREA, borderValue=150
    )
    rng = np.random.default_rng(0)
    noisy = np.clip(grey + rng.normal(0, noise, grey.shape), 0, 255).astype(np.uint8)
    depth = np.full(grey.shape, 0.5, np.float32)
    return RGBDFrame(np.stack([noisy] * 3, axis=-1), depth, CAMERA, 0, "camera")


def views(board):
    """Poses of cameras that look at the board's front."""
    if board.squares is None:
        return [scenes.looking((x, -0.1, 0.45), (0, 0, 0)) for x in (-0.2, 0.05, 0.2)]
    middle = (0.105, 0.075, 0.0)
    # OpenCV's board has its y down and its z away from who looks at it.
    half_turn = geometry.make_transform(np.diag([1.0, -1, -1]), (0, 0.15, 0))
    return [half_turn @ scenes.looking((0.1 + x, 0.0, 0.4), middle) for x in (-0.15, 0.0, 0.2)]


@pytest.mark.parametrize("text", [CHARUCO, TAG], ids=["charuco", "tag"])
def test_the_pose_is_that_of_the_camera(text):
    board = Board.parse(text)
    for pose in views(board):
        found = board.world_from_camera(taken(board, pose))
        assert found is not None
        assert np.linalg.norm(found[:3, 3] - pose[:3, 3]) < 0.006
        turn = np.degrees(
            np.arccos(np.clip((np.trace(found[:3, :3].T @ pose[:3, :3]) - 1) / 2, -1, 1))
        )
        assert turn < 0.6


@pytest.mark.parametrize("text", [CHARUCO, TAG], ids=["charuco", "tag"])
def test_where_no_board_is_there_is_no_pose(text):
    frame = scenes.film(1)[0][0]
    assert Board.parse(text).world_from_camera(frame) is None


def test_another_tag_is_not_taken_for_it():
    seen = Board.parse(TAG)
    other = Board.parse("tag:4:0.08:DICT_APRILTAG_36h11")
    assert other.world_from_camera(taken(seen, views(seen)[1])) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chess:7x5:0.03", "is expected"),
        ("charuco:7:0.03:0.022:DICT_4X4_50", "is expected"),
        ("charuco:7x5:0.03:0.04:DICT_4X4_50", "smaller than the squares"),
        ("charuco:1x5:0.03:0.02:DICT_4X4_50", "two squares or more"),
        ("tag:0:-1:DICT_4X4_50", "is expected"),
        ("tag:0:0.08:DICT_OF_MINE", "dictionaries are DICT_"),
        ("", "is expected"),
    ],
)
def test_a_board_that_is_none_is_refused(text, said):
    with pytest.raises(ConfigurationError, match=said):
        Board.parse(text)
