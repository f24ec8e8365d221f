# SPDX-License-Identifier: Apache-2.0
"""Named points in the frame of the goals."""

import numpy as np
import pytest

from tack_grasping.points import NamedPoint, named_point
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint

MOTION = geometry.make_transform(
    geometry.from_axis_angle((0.3, -0.2, 0.9), 0.8)[:3, :3], (0.1, -0.4, 0.6)
)


def test_a_keypoint_without_a_position_is_none() -> None:
    assert named_point(Keypoint("rim", 1, 2, 0.5), np.eye(4)) is None


def test_position_covariance_and_normal_turn_together() -> None:
    long_axis = np.array([0.0, 0.6, 0.8])
    covariance = 1e-6 * np.eye(3) + 1e-4 * np.outer(long_axis, long_axis)
    seen = Keypoint(
        "rim", 1, 2, 0.5, xyz=np.array([0.1, 0.2, 0.5]), xyz_covariance=covariance, normal=long_axis
    )
    point = named_point(seen, MOTION)
    assert point is not None
    assert point.normal is not None
    np.testing.assert_allclose(point.position, geometry.apply(MOTION, seen.xyz))
    widest = np.linalg.eigh(point.covariance)[1][:, -1]
    assert abs(widest @ point.normal) == pytest.approx(1)
    back = point.moved(geometry.inverse(MOTION))
    np.testing.assert_allclose(back.covariance, covariance, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"position": np.array([0.0, np.nan, 0.0])}, "finite"),
        ({"covariance": -np.eye(3)}, "negative eigenvalue"),
        ({"confidence": 1.5}, "0 to 1"),
        ({"normal": np.array([0.0, 0.0, 2.0])}, "unit length"),
        ({"label": ""}, "label"),
    ],
)
def test_what_is_not_valid_is_refused(change: dict, words: str) -> None:
    valid = {"label": "rim", "position": np.zeros(3), "covariance": np.eye(3)}
    with pytest.raises(InvalidInputError, match=words):
        NamedPoint(**{**valid, **change})
