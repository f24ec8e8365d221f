# SPDX-License-Identifier: Apache-2.0
"""Keypoints in space as vision_msgs/Detection3DArray.

A detection is a point, but the message carries a pose. Its z axis is the surface normal, and the
covariance says what is known of the rotation: nothing about the normal itself, and nothing at all
where there is no normal. Readers that only want the point need not care.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from geometry_msgs.msg import PoseWithCovariance, Quaternion
from numpy.typing import NDArray
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint
from tack_ros.conversions.transforms import from_point, to_pose

FloatArray = NDArray[np.float64]

UNKNOWN_ROTATION = math.pi**2 / 3
"""Variance of an angle that may be anything (uniform over a turn), rad²."""
NORMAL_VARIANCE = math.radians(10) ** 2
"""Variance that is stated for the direction of a normal, rad²; nominal, it is not estimated."""


def to_detections(keypoints: Iterable[Keypoint], header: Header) -> Detection3DArray:
    """The keypoints that have a position; those that do not are left out.

    Args:
        keypoints: of one frame.
        header: stamp and optical frame of the image.
    """
    detections = [
        _to_detection(keypoint, header) for keypoint in keypoints if keypoint.xyz is not None
    ]
    return Detection3DArray(header=header, detections=detections)


def from_detection(message: Detection3D) -> Keypoint:
    """The best hypothesis of a detection, of tack or of anybody else.

    The message has no pixel: `u` and `v` come back as 0. A covariance of zeros (unset) is taken
    as it stands. `id` is the number of the thing that it is on; anything else is taken for 0.

    Raises:
        InvalidInputError: no hypothesis, NaN, or a covariance that cannot be one.
    """
    if not message.results:
        raise InvalidInputError("a detection has no hypothesis (results is empty)")
    best = max(message.results, key=lambda result: _comparable(result.hypothesis.score))
    covariance = np.asarray(best.pose.covariance, dtype=np.float64).reshape(6, 6)
    rotation_variance = float(np.trace(covariance[3:, 3:]))
    known = bool(covariance[3:, 3:].any()) and rotation_variance < 2.5 * UNKNOWN_ROTATION
    return Keypoint(
        label=best.hypothesis.class_id,
        u=0.0,
        v=0.0,
        confidence=best.hypothesis.score,
        xyz=from_point(best.pose.pose.position),
        xyz_covariance=covariance[:3, :3],
        normal=_z_axis(best.pose.pose.orientation) if known else None,
        instance=int(message.id) if message.id.isdecimal() else 0,
    )


def _to_detection(keypoint: Keypoint, header: Header) -> Detection3D:
    camera_from_point = np.eye(4)
    rotation_covariance = UNKNOWN_ROTATION * np.eye(3)
    if keypoint.normal is not None:
        camera_from_point = geometry.frame_from_axes(keypoint.normal, (1, 0, 0), (0, 0, 0))
        about_normal = np.outer(keypoint.normal, keypoint.normal)
        rotation_covariance = UNKNOWN_ROTATION * about_normal + NORMAL_VARIANCE * (
            np.eye(3) - about_normal
        )
    camera_from_point[:3, 3] = keypoint.xyz
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = keypoint.xyz_covariance
    covariance[3:, 3:] = rotation_covariance
    result = ObjectHypothesisWithPose(
        pose=PoseWithCovariance(pose=to_pose(camera_from_point), covariance=covariance.ravel())
    )
    result.hypothesis.class_id = keypoint.label
    result.hypothesis.score = keypoint.confidence
    detection = Detection3D(header=header, results=[result], id=str(keypoint.instance))
    detection.bbox.center = result.pose.pose
    return detection


def _z_axis(q: Quaternion) -> FloatArray:
    return geometry.from_quaternion((q.x, q.y, q.z, q.w))[:3, 2]


def _comparable(score: float) -> float:
    return score if math.isfinite(score) else -math.inf
