# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tack_perception import geometry
from tack_perception.errors import InvalidInputError

metres = st.floats(-10, 10, allow_nan=False)
component = st.floats(-1, 1, allow_nan=False)


@st.composite
def transforms(draw):
    quaternion = np.array(draw(st.tuples(component, component, component, component)))
    norm = np.linalg.norm(quaternion)
    quaternion = quaternion / norm if norm > 0.1 else np.array([0, 0, 0, 1.0])
    return geometry.from_quaternion(quaternion, draw(st.tuples(metres, metres, metres)))


@given(transforms(), transforms(), transforms())
def test_group_axioms(a, b, c):
    assert_allclose((a @ b) @ c, a @ (b @ c), atol=1e-9)
    assert_allclose(a @ geometry.inverse(a), np.eye(4), atol=1e-9)
    assert_allclose(geometry.inverse(a @ b), geometry.inverse(b) @ geometry.inverse(a), atol=1e-9)


@given(transforms(), st.tuples(metres, metres, metres))
def test_apply_agrees_with_the_matrix(a, point):
    assert_allclose(geometry.apply(a, point), (a @ [*point, 1])[:3], atol=1e-9)
    back = geometry.apply(geometry.inverse(a), geometry.apply(a, point))
    assert_allclose(back, point, atol=1e-8)


@given(transforms())
def test_quaternion_round_trip(a):
    quaternion = geometry.to_quaternion(a)
    assert quaternion[3] >= 0
    assert_allclose(geometry.from_quaternion(quaternion, a[:3, 3]), a, atol=1e-9)


@given(st.tuples(*[st.floats(-1.7, 1.7)] * 6))
def test_log_inverts_exp(twist):
    assert_allclose(geometry.log(geometry.exp(twist)), twist, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-9, 1e-6, 1e-4, 1e-2, 3.1])
def test_log_and_angle_are_accurate_at_small_and_large_angles(angle):
    twist = np.array([0.1, -0.2, 0.3, 0, angle, 0])
    transform = geometry.exp(twist)
    assert_allclose(geometry.log(transform), twist, atol=1e-9)
    assert geometry.rotation_angle(transform) == pytest.approx(angle, abs=1e-12)


@given(transforms(), transforms(), st.floats(0, 1))
def test_interpolation_divides_the_angle(a, b, fraction):
    middle = geometry.interpolate(a, b, fraction)
    total = geometry.rotation_angle(geometry.inverse(a) @ b)
    part = geometry.rotation_angle(geometry.inverse(a) @ middle)
    # Turns of some 1e-6 rad may count as none.
    assert part == pytest.approx(fraction * total, abs=5e-6)
    assert_allclose(middle[:3, 3], (1 - fraction) * a[:3, 3] + fraction * b[:3, 3], atol=1e-9)


def test_covariance_turns_with_the_frame():
    quarter = geometry.from_axis_angle((0, 0, 1), math.pi / 2)
    turned = geometry.rotate_covariance(quarter, np.diag([1.0, 4.0, 9.0]))
    assert_allclose(turned, np.diag([4.0, 1.0, 9.0]), atol=1e-12)


@given(st.tuples(component, component, component), st.tuples(component, component, component))
def test_frame_from_axes_keeps_z(z, hint):
    if np.linalg.norm(z) < 1e-3:
        return
    frame = geometry.frame_from_axes(z, hint, (1, 2, 3))
    assert_allclose(frame[:3, 2], np.array(z) / np.linalg.norm(z), atol=1e-9)
    geometry.check_transform(frame)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(3), "shape"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.diag([1.0, 1, -1, 1]), "determinant -1"),
        (np.diag([1.0, 1, 1.01, 1]), "rotation"),
        (np.diag([1.0, 1, 1, 2]), "last row"),
    ],
)
def test_what_is_not_rigid_is_refused(matrix, message):
    with pytest.raises(InvalidInputError, match=message):
        geometry.check_transform(matrix)


@pytest.mark.parametrize("quaternion", [(0, 0, 0, 0), (np.nan, 0, 0, 1), (0, 0, 0, 1.1), (0, 0, 1)])
def test_bad_quaternions_are_refused(quaternion):
    with pytest.raises(InvalidInputError, match="quaternion"):
        geometry.from_quaternion(quaternion)


def test_a_rounded_matrix_is_repaired_but_a_wrong_one_refused():
    exact = geometry.exp([1, 2, 3, 0.4, 0.5, 0.6])
    rounded = np.round(exact, 4)
    with pytest.raises(InvalidInputError):
        geometry.check_transform(rounded)
    assert_allclose(geometry.nearest_transform(rounded), exact, atol=1e-4)
    with pytest.raises(InvalidInputError):
        geometry.nearest_transform(exact * 1.5)
