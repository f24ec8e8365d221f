# SPDX-License-Identifier: Apache-2.0
"""What a second look keeps, drops and calls by its old name."""

from __future__ import annotations

import numpy as np
import pytest

from tack_grasping.scene import RobotCapsule, diff, read_scene
from tack_perception import geometry

from .conftest import above, look, upright
from .test_reading import BRICK, CUBE, NOISE, ON_CUBE, THINGS, around, named


@pytest.fixture
def first(profile):
    return read_scene(look(THINGS, above(), noise=NOISE), above(), profile)


def moved(thing, x, y):
    pose, size = thing
    return geometry.make_transform(np.eye(3), (x, y, 0)) @ pose, size


def names_around(model, thing):
    return {one.name for one in around(model, thing)}


def test_what_is_pushed_a_little_keeps_its_name(profile, first):
    there = moved(CUBE, 0.02, 0.01)
    frame = look([there, BRICK], above(), noise=NOISE, seed=1)
    new = read_scene(frame, above(), profile, previous=first)
    change = diff(first, new)
    assert not change.added
    assert not change.removed
    assert {one.name for one in change.changed} == names_around(first, CUBE)
    assert names_around(new, there) == names_around(first, CUBE)


def test_what_is_gone_is_removed_and_what_is_new_gets_a_new_name(profile, first):
    other = (upright(0.62, -0.2), (0.05, 0.05, 0.05))
    frame = look([BRICK, other], above(), noise=NOISE, seed=1)
    new = read_scene(frame, above(), profile, previous=first)
    change = diff(first, new)
    assert set(change.removed) == names_around(first, CUBE)
    [added] = change.added
    assert added.name not in named(first)
    assert names_around(new, other) == {added.name}
    third = read_scene(look(THINGS, above(), seed=2), above(), profile, previous=new)
    [back] = diff(new, third).added
    assert back.name not in {*named(first), *named(new)}  # names are never used twice


def test_what_is_out_of_view_is_kept(profile, first):
    beside = above(x=0.55, y=0.28, z=0.4)
    new = read_scene(look(THINGS, beside, noise=NOISE), beside, profile, previous=first)
    assert names_around(new, CUBE) == names_around(first, CUBE)


def test_what_is_hidden_is_kept_even_if_it_is_not_there_any_more(profile, first):
    screen = (upright(0.45, -0.05), (0.3, 0.2, 0.02))
    pose, size = screen
    hovering = (pose @ geometry.make_transform(np.eye(3), (0, 0, 0.3)), size)
    robot = [RobotCapsule((0.35, -0.05, 0.31), (0.55, -0.05, 0.31), 0.15)]
    frame = look([hovering, BRICK], above())
    new = read_scene(frame, above(), profile, previous=first, robot=robot)
    assert names_around(new, CUBE) == names_around(first, CUBE)
    seen = read_scene(look([BRICK], above()), above(), profile, previous=new)
    assert around(seen, CUBE) == []


def test_two_sides_make_one_obstacle(profile):
    block = (upright(0.5, 0.0, 0.3), (0.12, 0.12, 0.14))
    left = above(x=0.5, y=-0.5, z=0.6, towards=(0.0, 1.0))
    right = above(x=0.5, y=0.5, z=0.6, towards=(0.0, -1.0))
    one = read_scene(look([block], left), left, profile)
    both = read_scene(look([block], right), right, profile, previous=one)
    [old], [new] = one.obstacles, both.obstacles
    assert new.name == old.name
    assert new.volume >= old.volume - 1e-9
    corners = geometry.apply(block[0], [(x, y, 0.07) for x in (-0.06, 0.06) for y in (-0.06, 0.06)])
    assert new.contains(corners).all()


def test_the_target_becomes_an_obstacle_once_it_is_none(profile):
    frame = look(THINGS, above())
    first = read_scene(frame, above(), profile, target=ON_CUBE)
    second = read_scene(frame, above(), profile, previous=first)
    assert len(second.obstacles) == 2
    assert {one.name for one in diff(first, second).added} == names_around(second, CUBE)
    # Out of view the target is remembered, and is no obstacle while it is the target.
    beside = above(x=0.55, y=0.28, z=0.4)
    third = read_scene(look(THINGS, beside), beside, profile, previous=first, target=ON_CUBE)
    assert third.target is not None
    assert around(third, CUBE) == []


def test_what_was_taken_is_not_remembered(profile):
    first = read_scene(look(THINGS, above()), above(), profile, target=ON_CUBE).without_target()
    beside = above(x=0.55, y=0.28, z=0.4)
    new = read_scene(look([BRICK], beside), beside, profile, previous=first)
    assert around(new, CUBE) == []
    assert len(new.obstacles) == 1
