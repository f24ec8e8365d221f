# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms, poses and points."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Transform, TransformStamped
from numpy.typing import ArrayLike, NDArray
from std_msgs.msg import Header

from tack_perception import geometry
from tack_ros.conversions.stamps import to_header

FloatArray = NDArray[np.float64]


def from_transform(message: Transform) -> FloatArray:
    """(4, 4) of a geometry_msgs/Transform, m.

    Raises:
        InvalidInputError: NaN, or a quaternion that is not of unit length.
    """
    q, t = message.rotation, message.translation
    return geometry.from_quaternion((q.x, q.y, q.z, q.w), (t.x, t.y, t.z))


def to_transform(matrix: FloatArray, parent: str, child: str, stamp_ns: int) -> TransformStamped:
    """(4, 4) parent_from_child as a stamped message."""
    message = TransformStamped(header=to_header(stamp_ns, parent), child_frame_id=child)
    message.transform.rotation = to_quaternion(matrix)
    x, y, z = (float(value) for value in matrix[:3, 3])
    translation = message.transform.translation
    translation.x, translation.y, translation.z = x, y, z
    return message


def from_pose(message: Pose) -> FloatArray:
    """(4, 4) of a geometry_msgs/Pose, m.

    Raises:
        InvalidInputError: NaN, or a quaternion that is not of unit length.
    """
    q, p = message.orientation, message.position
    return geometry.from_quaternion((q.x, q.y, q.z, q.w), (p.x, p.y, p.z))


def to_pose(matrix: FloatArray) -> Pose:
    """(4, 4) as a geometry_msgs/Pose."""
    return Pose(position=to_point(matrix[:3, 3]), orientation=to_quaternion(matrix))


def to_pose_stamped(matrix: FloatArray, header: Header) -> PoseStamped:
    """(4, 4) as a geometry_msgs/PoseStamped."""
    return PoseStamped(header=header, pose=to_pose(matrix))


def from_point(message: Point) -> FloatArray:
    """(3,) of a geometry_msgs/Point, m; not checked."""
    return np.array([message.x, message.y, message.z])


def to_point(xyz: ArrayLike) -> Point:
    """(3,) as a geometry_msgs/Point."""
    x, y, z = (float(value) for value in np.asarray(xyz))
    return Point(x=x, y=y, z=z)


def to_quaternion(matrix: FloatArray) -> Quaternion:
    """The rotation of a (4, 4) as a geometry_msgs/Quaternion."""
    x, y, z, w = (float(value) for value in geometry.to_quaternion(matrix))
    return Quaternion(x=x, y=y, z=z, w=w)
