# SPDX-License-Identifier: Apache-2.0
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.transforms import (
    ConnectivityException,
    ExtrapolationException,
    LookupException,
    TransformBuffer,
)

SECOND = 1_000_000_000


def shift(x=0.0, y=0.0, z=0.0):
    return geometry.make_transform(np.eye(3), (x, y, z))


@pytest.fixture
def robot():
    """base → arm (moves 1 m/s along x, turns 1 rad/s about z), arm → camera, base → table."""
    buffer = TransformBuffer()
    for tick in range(11):
        t = tick / 10
        moving = geometry.from_axis_angle((0, 0, 1), t, (t, 0, 0))
        buffer.add("base", "arm", tick * SECOND // 10, moving)
    buffer.add("arm", "camera", 0, shift(z=0.5), static=True)
    buffer.add("base", "table", 0, shift(y=2), static=True)
    return buffer


@given(st.integers(0, SECOND))
def test_lookup_interpolates_on_the_arc(stamp_ns):
    buffer = TransformBuffer()
    buffer.add("base", "arm", 0, np.eye(4))
    buffer.add("base", "arm", SECOND, geometry.from_axis_angle((0, 0, 1), 1.0, (1, 0, 0)))
    t = stamp_ns / SECOND
    expected = geometry.from_axis_angle((0, 0, 1), t, (t, 0, 0))
    assert_allclose(buffer.lookup("base", "arm", stamp_ns), expected, atol=1e-9)


def test_lookup_goes_up_and_down_the_tree(robot):
    stamp = SECOND // 2
    base_from_camera = geometry.from_axis_angle((0, 0, 1), 0.5, (0.5, 0, 0.5))
    assert_allclose(robot.lookup("base", "camera", stamp), base_from_camera, atol=1e-9)
    table_from_camera = shift(y=-2) @ base_from_camera
    assert_allclose(robot.lookup("table", "camera", stamp), table_from_camera, atol=1e-9)
    assert_allclose(
        robot.lookup("camera", "table", stamp), geometry.inverse(table_from_camera), atol=1e-9
    )
    assert_allclose(robot.lookup("camera", "camera", stamp), np.eye(4))
    assert_allclose(robot.lookup("/base", "/table", stamp), shift(y=2))


def test_none_means_the_newest_time_that_the_whole_chain_knows(robot):
    robot.add("camera", "tool", SECOND // 5, shift(x=1))
    robot.add("camera", "tool", SECOND * 3 // 10, shift(x=2))
    newest = robot.lookup("base", "tool", None)
    assert_allclose(newest, robot.lookup("base", "tool", SECOND * 3 // 10))


def test_stamps_may_come_out_of_order():
    buffer = TransformBuffer()
    for stamp in (2, 0, 1):
        buffer.add("a", "b", stamp * SECOND, shift(x=stamp**2))
    assert buffer.lookup("a", "b", SECOND // 2)[0, 3] == pytest.approx(0.5)
    assert buffer.lookup("a", "b", SECOND * 3 // 2)[0, 3] == pytest.approx(2.5)
    buffer.add("a", "b", SECOND, shift(x=7))
    assert buffer.lookup("a", "b", SECOND)[0, 3] == 7


def test_errors_carry_tf2_names_and_say_what_is_wrong(robot):
    with pytest.raises(LookupException, match=r"'gripper'.*arm, base, camera, table"):
        robot.lookup("base", "gripper", 0)
    robot.add("island", "hut", 0, shift(), static=True)
    with pytest.raises(ConnectivityException, match=r"'base'.*'island'"):
        robot.lookup("base", "hut", 0)
    with pytest.raises(ExtrapolationException, match=r"base ← arm.*0\.500 s after the newest"):
        robot.lookup("base", "camera", SECOND * 3 // 2)
    with pytest.raises(LookupException, match="none yet"):
        TransformBuffer().lookup("a", "b", 0)


def test_old_transforms_are_forgotten_and_late_ones_refused():
    buffer = TransformBuffer(keep_ns=SECOND)
    for t in range(5):
        buffer.add("a", "b", t * SECOND, shift(x=t))
    with pytest.raises(ExtrapolationException, match="before the oldest"):
        buffer.lookup("a", "b", 2 * SECOND)
    with pytest.raises(InvalidInputError, match="older than the newest"):
        buffer.add("a", "b", SECOND, shift())
    assert buffer.can_transform("a", "b", 3 * SECOND)


@pytest.mark.parametrize(
    ("parent", "child", "stamp", "matrix", "message"),
    [
        ("", "b", 0, np.eye(4), "frame name"),
        ("/", "b", 0, np.eye(4), "frame name"),
        ("a", "a", 0, np.eye(4), "itself"),
        ("a", "b", -1, np.eye(4), "negative"),
        ("a", "b", 0, np.full((4, 4), np.nan), "NaN"),
        ("a", "b", 0, np.zeros((4, 4)), "last row"),
    ],
)
def test_bad_transforms_are_refused_and_leave_the_tree_alone(parent, child, stamp, matrix, message):
    buffer = TransformBuffer()
    with pytest.raises(InvalidInputError, match=message):
        buffer.add(parent, child, stamp, matrix)
    assert buffer.frames() == ()


def test_a_loop_is_refused():
    buffer = TransformBuffer()
    buffer.add("a", "b", 0, shift(), static=True)
    buffer.add("b", "c", 0, shift(), static=True)
    with pytest.raises(InvalidInputError, match="loop"):
        buffer.add("c", "a", 0, shift(), static=True)


def test_a_new_parent_replaces_the_old_one(robot):
    robot.add("table", "camera", 0, shift(x=9), static=True)
    assert robot.lookup("base", "camera", 5 * SECOND)[0, 3] == 9


def test_readers_and_a_writer_in_different_threads():
    buffer = TransformBuffer()
    buffer.add("a", "b", 0, np.eye(4))
    failures = []

    def read():
        try:
            for _ in range(300):
                transform = buffer.lookup("a", "b", None)
                assert math.isclose(transform[0, 3], transform[1, 3])
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for i in range(1, 300):
        buffer.add("a", "b", i * SECOND // 100, shift(i, i))
    for reader in readers:
        reader.join()
    assert not failures
