# SPDX-License-Identifier: Apache-2.0
"""Bins: their walls are kept clear of, and what is in them has been put away."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scripted import BLOCK, ONE_TRY, PLACE, PROFILE, SOURCE, Scripted, down

from tack_grasping.behaviour.bins import bin_walls, solid
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.placing.scene import Container
from tack_grasping.robot import KeepOut
from tack_grasping.scene.touching import Touching, touchable
from tack_perception import geometry

FLOOR = geometry.make_transform(np.eye(3), (*PLACE, 0.01))
BIN = Container(FLOOR, (0.3, 0.2, 0.06))


@pytest.fixture
def robot() -> Scripted:
    """One thing is in the bin, and one is on the table."""
    robot = Scripted(blocks=[PLACE, SOURCE])
    robot.bins = {"parts": BIN}
    return robot


def test_what_is_in_a_bin_is_not_taken(robot: Scripted) -> None:
    robot.bins = {"parts": dataclasses.replace(BIN, size=(0.3, 0.2, 0.1))}
    assert robot.run().success
    np.testing.assert_allclose(robot.blocks, [PLACE, PLACE], atol=1e-9)
    again = robot.run(config=ONE_TRY)
    assert again.code is Code.INVALID_OBJECT_NAME
    assert again.reason in (
        "look: 'top' is seen in 'parts': put away already", "look: 'top' is not seen"
    )  # fmt: skip


def test_what_stands_out_of_a_bin_is_taken(robot: Scripted) -> None:
    robot.blocks = [PLACE]
    robot.bins = {"low": dataclasses.replace(BIN, size=(0.3, 0.2, BLOCK[2] - 0.05))}
    assert robot.run(place="").success


def test_a_person_may_have_it_taken_out_again(robot: Scripted) -> None:
    robot.bins = {"parts": dataclasses.replace(BIN, size=(0.3, 0.2, 0.1))}
    robot.blocks = [PLACE]
    x, y = PLACE.tolist()
    assert robot.tree(place="", near=(x, y, 0.0)).run().success
    assert robot.held


def test_the_walls_are_touched_only_where_something_is_put_down(robot: Scripted) -> None:
    assert robot.run().success
    assert robot.touching == {
        "grasp": Touching.THINGS, "lift": Touching.THINGS,
        "place": Touching.BINS, "retreat": Touching.BINS,
    }  # fmt: skip


def test_what_goes_back_to_where_it_was_touches_no_bin() -> None:
    def slipped(robot: Scripted) -> None:
        robot.grip -= 0.02

    robot = Scripted({"straight lift": [slipped]})
    robot.run(config=ONE_TRY)
    assert robot.touching["grasp"] is Touching.THINGS
    assert not robot.held


def test_walls_are_around_what_lies_in_it() -> None:
    walls = bin_walls({"parts": BIN})
    assert [name for name, _, _ in walls] == [f"parts_wall_{number}" for number in range(5)]
    inside = geometry.apply(BIN.pose, np.random.default_rng(0).uniform(-0.49, 0.49, (200, 3))
                            * BIN.size + (0, 0, 0.03))  # fmt: skip
    for _, base_from_wall, size in walls:
        local = np.abs(geometry.apply(geometry.inverse(base_from_wall), inside))
        assert not (local < size / 2).all(axis=1).any()
    whole = solid(BIN)
    assert whole.contains(inside, 0.0).all()
    assert whole.contains(np.array([pose[:3, 3] for _, pose, _ in walls]), 0.0).all()
    assert not whole.contains(down(*PLACE, 0.12)[None, :3, 3], 0.0).any()


def test_what_may_be_touched_has_the_names_that_depth_gives() -> None:
    names = ["table", "thing_3", "thing_12", "parts_wall_0", "fence", "tabletop", "my_thing_3"]
    assert touchable(PROFILE, names, Touching.NOTHING) == set()
    assert touchable(PROFILE, names, Touching.THINGS) == {"table", "thing_3", "thing_12"}
    assert touchable(PROFILE, names, Touching.BINS) == {
        "table", "thing_3", "thing_12", "parts_wall_0",
    }  # fmt: skip
    assert touchable(PROFILE, names, Touching.OUT) == touchable(PROFILE, names, Touching.BINS)
    kept = KeepOut("thing_3", np.eye(4), np.ones(3))
    profile = dataclasses.replace(PROFILE, keep_out=(kept,))
    assert touchable(profile, names, Touching.BINS) == {"table", "thing_12", "parts_wall_0"}
