# SPDX-License-Identifier: Apache-2.0
"""The value types refuse what their contract excludes."""

import numpy as np
import pytest

from tack_perception.annotation import Annotation, check_label
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

INTRINSICS = CameraIntrinsics(8, 6, 10, 10, 4, 3)


def frame(**change):
    values = {
        "color": np.zeros((6, 8, 3), np.uint8),
        "depth": np.full((6, 8), 0.5, np.float32),
        "intrinsics": INTRINSICS,
        "stamp_ns": 12,
        "frame_id": "camera_color_optical_frame",
    }
    return RGBDFrame(**{**values, **change})


def with_depth(value):
    depth = np.full((6, 8), 0.5, np.float32)
    depth[2, 3] = value
    return depth


def test_a_frame_is_read_only_and_its_makers_array_is_not():
    color = np.zeros((6, 8, 3), np.uint8)
    made = frame(color=color, depth=with_depth(np.nan))
    with pytest.raises(ValueError, match="read-only"):
        made.color[0, 0] = 1
    color[0, 0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"color": np.zeros((6, 8), np.uint8)}, "colour image"),
        ({"color": np.zeros((6, 8, 3), np.float32)}, "colour image"),
        ({"color": np.zeros((6, 9, 3), np.uint8)}, "colour image"),
        ({"depth": np.zeros((6, 8), np.uint16)}, "depth image"),
        ({"depth": np.full((3, 4), 0.5, np.float32)}, "register"),
        ({"depth": with_depth(0)}, "must be NaN"),
        ({"depth": with_depth(-1)}, "must be NaN"),
        ({"depth": with_depth(np.inf)}, "must be NaN"),
        ({"depth": with_depth(-np.inf)}, "must be NaN"),
        ({"frame_id": " "}, "frame_id"),
        ({"stamp_ns": -1}, "stamp"),
        ({"stamp_ns": 0.5}, "stamp"),
    ],
)
def test_bad_frames_are_refused(change, message):
    with pytest.raises(InvalidInputError, match=message):
        frame(**change)


@pytest.mark.parametrize(
    ("label", "u", "v", "message"),
    [
        ("handle", np.nan, 1, "not finite"),
        ("handle", 1, np.inf, "not finite"),
        ("handle", 7.5, 1, "outside the 8×6 image"),
        ("handle", -0.6, 1, "outside"),
        ("", 1, 1, "label"),
        ("a/b", 1, 1, "label"),
        ("x" * 65, 1, 1, "label"),
    ],
)
def test_bad_annotations_are_refused(label, u, v, message):
    with pytest.raises(InvalidInputError, match=message):
        Annotation(label, u, v, frame())


def test_labels_are_trimmed_and_may_be_of_any_script():
    assert check_label("  mug handle ") == "mug handle"
    assert check_label("tasse_Öhr") == "tasse_Öhr"


COVARIANCE = np.diag([1.0, 2, 3]) * 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"u": np.nan}, "u = nan"),
        ({"confidence": 1.01}, "confidence"),
        ({"confidence": np.nan}, "confidence"),
        ({"seen": -0.1}, "seen"),
        ({"seen": np.nan}, "seen"),
        ({"pixel_covariance": np.eye(3)}, "pixel_covariance"),
        ({"pixel_covariance": [[1, 2], [0, 1]]}, "symmetric"),
        ({"pixel_covariance": [[1, 2], [2, 1]]}, "negative eigenvalue"),
        ({"xyz": (0, 0, 1)}, "come together"),
        ({"xyz": (0, np.nan, 1), "xyz_covariance": COVARIANCE}, "finite"),
        ({"xyz": (0, 0, 1), "xyz_covariance": COVARIANCE, "refusal": "no"}, "refusal"),
        ({"normal": (0, 0, 2)}, "unit length"),
    ],
)
def test_bad_keypoints_are_refused(change, message):
    good = {"label": "handle", "u": 1, "v": 2, "confidence": 0.5}
    with pytest.raises(InvalidInputError, match=message):
        Keypoint(**{**good, **change})


def test_a_keypoint_holds_its_own_arrays():
    xyz = np.array([0.1, 0.2, 0.5])
    keypoint = Keypoint("handle", 1, 2, 0.5, xyz=xyz, xyz_covariance=COVARIANCE)
    xyz[0] = 9
    assert keypoint.xyz[0] == 0.1
