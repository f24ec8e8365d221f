# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms, SE(3).

A transform is a (4, 4) float64 matrix named `target_from_source`: it takes the coordinates of a
point in the source frame to its coordinates in the target frame, so that neighbours cancel:
`base_from_object = base_from_camera @ camera_from_object`. Quaternions are (x, y, z, w), as in
geometry_msgs; angles are in rad, lengths in m. Rotation algebra is transforms3d's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transforms3d import axangles, quaternions

from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

_ORTHOGONALITY_TOLERANCE = 1e-6
_QUATERNION_NORM_TOLERANCE = 1e-2


def check_transform(matrix: ArrayLike, what: str = "transform") -> FloatArray:
    """The matrix as float64, once it is known to be a rigid transform.

    Args:
        matrix: (4, 4) target_from_source.
        what: how messages call it.

    Raises:
        InvalidInputError: wrong shape, not finite, last row not (0, 0, 0, 1), or a rotation part
            that is not orthonormal and right-handed within 1e-6.
    """
    result = np.asarray(matrix, dtype=np.float64)
    if result.shape != (4, 4):
        raise InvalidInputError(f"{what} has shape {result.shape}; (4, 4) is expected")
    if not np.isfinite(result).all():
        raise InvalidInputError(f"{what} holds NaN or infinite values")
    if not np.array_equal(result[3], (0, 0, 0, 1)):
        raise InvalidInputError(f"{what} has last row {result[3]}; (0, 0, 0, 1) is expected")
    rotation = result[:3, :3]
    error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if error > _ORTHOGONALITY_TOLERANCE or np.linalg.det(rotation) < 0:
        raise InvalidInputError(
            f"{what} does not hold a rotation (R·Rᵀ differs from 1 by {error:.2g},"
            f" determinant {np.linalg.det(rotation):.3g})"
        )
    return result


def nearest_transform(matrix: ArrayLike) -> FloatArray:
    """The rigid transform nearest to a (4, 4) matrix whose rotation was rounded (e.g. in a file).

    Raises:
        InvalidInputError: the matrix is farther than 1e-2 from a rotation: not rounding any more.
    """
    rounded = np.asarray(matrix, dtype=np.float64)
    if rounded.shape != (4, 4) or not np.isfinite(rounded).all():
        raise InvalidInputError(f"transform of shape {rounded.shape}: finite (4, 4) is expected")
    u, _, vt = np.linalg.svd(rounded[:3, :3])
    rotation = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    if np.abs(rotation - rounded[:3, :3]).max() > 1e-2:
        raise InvalidInputError("transform does not hold a rotation, not even a rounded one")
    return make_transform(rotation, rounded[:3, 3])


def make_transform(rotation: ArrayLike, translation: ArrayLike) -> FloatArray:
    """(4, 4) from a (3, 3) rotation and a (3,) translation, m.

    Raises:
        InvalidInputError: as `check_transform`.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return check_transform(matrix)


def inverse(target_from_source: FloatArray) -> FloatArray:
    """source_from_target, by transposing the rotation (faster than a general inverse)."""
    rotation = target_from_source[:3, :3].T
    result = np.eye(4)
    result[:3, :3] = rotation
    result[:3, 3] = -rotation @ target_from_source[:3, 3]
    return result


def apply(target_from_source: FloatArray, points: ArrayLike) -> FloatArray:
    """Points (..., 3) of the source frame in the target frame, m."""
    return rotate(target_from_source, points) + target_from_source[:3, 3]


def rotate(target_from_source: FloatArray, vectors: ArrayLike) -> FloatArray:
    """Directions (..., 3) of the source frame in the target frame (no translation)."""
    rotated: FloatArray = np.asarray(vectors, dtype=np.float64) @ target_from_source[:3, :3].T
    return rotated


def rotate_covariance(target_from_source: FloatArray, covariance: ArrayLike) -> FloatArray:
    """A (3, 3) position covariance of the source frame in the target frame, m²."""
    rotation = target_from_source[:3, :3]
    result = rotation @ np.asarray(covariance, dtype=np.float64) @ rotation.T
    symmetric: FloatArray = (result + result.T) / 2
    return symmetric


def from_quaternion(quaternion_xyzw: ArrayLike, translation: ArrayLike = (0, 0, 0)) -> FloatArray:
    """(4, 4) from a quaternion (x, y, z, w) and a translation, m.

    Raises:
        InvalidInputError: not finite, or a norm farther than 1 % from 1 (an unset quaternion of
            zeros among them).
    """
    quaternion = np.asarray(quaternion_xyzw, dtype=np.float64)
    if quaternion.shape != (4,) or not np.isfinite(quaternion).all():
        raise InvalidInputError(f"quaternion {quaternion.tolist()}: 4 finite values expected")
    norm = float(np.linalg.norm(quaternion))
    if abs(norm - 1) > _QUATERNION_NORM_TOLERANCE:
        raise InvalidInputError(
            f"quaternion (x, y, z, w) = {quaternion.tolist()} has norm {norm:.3g}; 1 is expected"
        )
    x, y, z, w = quaternion / norm
    return make_transform(quaternions.quat2mat((w, x, y, z)), translation)


def to_quaternion(transform: FloatArray) -> FloatArray:
    """(4,) unit quaternion (x, y, z, w) of the rotation, with w ≥ 0."""
    w, x, y, z = quaternions.mat2quat(transform[:3, :3])
    quaternion = np.array([x, y, z, w])
    return -quaternion if w < 0 else quaternion


def from_axis_angle(
    axis: ArrayLike, angle: float, translation: ArrayLike = (0, 0, 0)
) -> FloatArray:
    """(4, 4) rotation by `angle` rad about `axis` (3,), which need not be of unit length.

    Raises:
        InvalidInputError: the axis is zero or not finite.
    """
    direction = unit(axis, "rotation axis")
    return make_transform(axangles.axangle2mat(direction, angle, is_normalized=True), translation)


def rotation_angle(transform: FloatArray) -> float:
    """Angle of the rotation, 0 to π rad, accurate for small angles too."""
    quaternion = to_quaternion(transform)
    return 2 * math.atan2(float(np.linalg.norm(quaternion[:3])), float(quaternion[3]))


def exp(twist: ArrayLike) -> FloatArray:
    """The exponential map se(3) → SE(3).

    Args:
        twist: (6,) translation part v (m), then rotation part ω (rad).
    """
    v, omega = np.split(np.asarray(twist, dtype=np.float64), 2)
    angle = float(np.linalg.norm(omega))
    hat = _hat(omega)
    if angle < 1e-8:
        rotation, jacobian = np.eye(3) + hat, np.eye(3) + hat / 2
    else:
        rotation = axangles.axangle2mat(omega / angle, angle, is_normalized=True)
        jacobian = (
            np.eye(3)
            + (1 - math.cos(angle)) / angle**2 * hat
            + (angle - math.sin(angle)) / angle**3 * hat @ hat
        )
    return nearest_transform(_assemble(rotation, jacobian @ v))


def log(transform: FloatArray) -> FloatArray:
    """The logarithm SE(3) → se(3), the inverse of `exp` for rotations below π.

    Returns:
        (6,) translation part v (m), then rotation part ω (rad).
    """
    x, y, z, w = to_quaternion(transform)
    sine = math.sqrt(x * x + y * y + z * z)
    angle = 2 * math.atan2(sine, w)
    omega = np.array([x, y, z]) * (angle / sine if sine > 1e-12 else 2.0)
    hat = _hat(omega)
    # Near zero the closed form divides 0 by 0; its limit is 1/12.
    factor = 1 / 12 if angle < 1e-4 else (1 - angle / 2 / math.tan(angle / 2)) / angle**2
    inverse_jacobian = np.eye(3) - hat / 2 + factor * hat @ hat
    return np.concatenate([inverse_jacobian @ transform[:3, 3], omega])


def interpolate(first: FloatArray, second: FloatArray, fraction: float) -> FloatArray:
    """Between two transforms: linear in translation, along the shortest arc in rotation (slerp)."""
    # By quaternions: the axis of a small turn cannot be read off its matrix.
    delta = to_quaternion(inverse(first) @ second)
    length = float(np.linalg.norm(delta[:3]))
    angle = 2 * math.atan2(length, float(delta[3]))
    step = axangles.axangle2mat(delta[:3] / length, angle * fraction) if length else np.eye(3)
    translation = (1 - fraction) * first[:3, 3] + fraction * second[:3, 3]
    return nearest_transform(_assemble(first[:3, :3] @ step, translation))


def frame_from_axes(z: ArrayLike, x_hint: ArrayLike, origin: ArrayLike) -> FloatArray:
    """A frame with a given z axis, and x as near to a hint as that allows.

    Args:
        z: (3,) direction of the z axis.
        x_hint: (3,) direction that x should have; where it is parallel to z another is taken.
        origin: (3,) m.

    Returns:
        (4, 4) parent_from_frame.

    Raises:
        InvalidInputError: z is zero or not finite.
    """
    z_axis = unit(z, "z axis")
    x_axis = np.asarray(x_hint, dtype=np.float64)
    x_axis = x_axis - z_axis * (x_axis @ z_axis)
    if not np.isfinite(x_axis).all() or np.linalg.norm(x_axis) < 1e-6:
        fallback = np.eye(3)[int(np.abs(z_axis).argmin())]
        x_axis = fallback - z_axis * (fallback @ z_axis)
    x_axis = unit(x_axis, "x axis")
    return make_transform(np.column_stack([x_axis, np.cross(z_axis, x_axis), z_axis]), origin)


def unit(vector: ArrayLike, what: str = "vector") -> FloatArray:
    """The vector (3,) at length 1.

    Raises:
        InvalidInputError: zero or not finite.
    """
    array = np.asarray(vector, dtype=np.float64)
    norm = float(np.linalg.norm(array))
    if array.shape != (3,) or not math.isfinite(norm) or norm < 1e-12:
        raise InvalidInputError(f"{what} {array.tolist()}: three finite values, not all 0, needed")
    return array / norm


def _hat(omega: FloatArray) -> FloatArray:
    x, y, z = omega
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def _assemble(rotation: FloatArray, translation: FloatArray) -> FloatArray:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix
