# SPDX-License-Identifier: Apache-2.0
"""The planning scene of exact images: what is found, kept, dropped and refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_grasping.robot import KeepOut
from tack_grasping.scene import (
    RobotBox,
    SceneConfig,
    SceneError,
    diff,
    draw_scene,
    gripper_shapes,
    read_scene,
)
from tack_grasping.scene.picture import OBSTACLE_COLOR, TARGET_COLOR
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

from .conftest import CAMERA, above, look, upright

NOISE = 0.002
CUBE = (upright(0.45, -0.05, 0.4), (0.10, 0.06, 0.08))
BRICK = (upright(0.55, 0.12, -0.2), (0.12, 0.05, 0.04))
THINGS = (CUBE, BRICK)
ON_CUBE = (0.45, -0.05, 0.08)


def named(model):
    return {one.name: one for one in model.obstacles}


def around(model, thing):
    """The obstacles that hold the middle of a thing."""
    pose, size = thing
    middle = geometry.apply(pose, (0, 0, size[2] / 2))
    return [one for one in model.obstacles if one.contains(middle[None])[0]]


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_each_thing_becomes_the_box_around_it_down_to_the_table(profile, noise):
    model = read_scene(look(THINGS, above(), noise=noise), above(), profile)
    assert len(model.obstacles) == 2
    assert model.notes == ()
    for pose, size in THINGS:
        [box] = around(model, (pose, size))
        assert box.is_box
        corners = geometry.apply(pose, shapes_corners(size))
        assert box.contains(corners, 1e-3).all()
        wanted = np.add(size, (0.02, 0.02, 0.01))
        assert_allclose(np.sort(box.size[:2]), np.sort(wanted[:2]), atol=0.014 + 4 * noise)
        assert box.size[2] == pytest.approx(wanted[2], abs=0.004 + 3 * noise)
        assert box.corners[:, 2].min() == pytest.approx(0.0, abs=1e-3)


def shapes_corners(size):
    x, y, z = size
    return np.array(
        [(a * x / 2, b * y / 2, c * z) for a in (-1, 1) for b in (-1, 1) for c in (0, 1)]
    )


def test_the_target_is_left_out_and_known_by_its_extent(profile):
    model = read_scene(look(THINGS, above()), above(), profile, target=ON_CUBE)
    assert around(model, CUBE) == []
    assert len(model.obstacles) == 1
    assert model.target.name == "target"
    assert model.target.contains([ON_CUBE])[0]
    assert model.extent.floor == pytest.approx(0.0, abs=1e-3)
    assert_allclose(model.extent.middle, ON_CUBE[:2], atol=0.005)
    gripper_from_box, size = model.extent.box(upright(0.45, -0.05, 0.4))
    sides = np.add(CUBE[1], (0.02, 0.02, 0.0))  # with a little room
    assert_allclose(sorted(size), sorted(sides), atol=0.012)
    assert gripper_from_box[2, 3] == pytest.approx(0.04, abs=0.003)
    gone = model.without_target()
    assert (gone.target, gone.extent, len(gone.target_surface)) == (None, None, 0)


def test_several_points_name_the_pieces_of_one_target(profile):
    on_brick = (0.55, 0.12, 0.04)
    model = read_scene(look(THINGS, above()), above(), profile, target=[ON_CUBE, on_brick])
    assert model.obstacles == ()
    assert model.target.contains([ON_CUBE, on_brick]).all()


def test_a_target_that_is_not_there_is_said(profile):
    model = read_scene(look(THINGS, above()), above(), profile, target=(0.6, -0.2, 0.03))
    assert model.target is None
    assert len(model.obstacles) == 2
    assert "nothing stands at the target's point" in model.notes[0]


def test_things_that_touch_are_one_and_a_long_target_is_said(profile):
    row = [(upright(0.45, -0.25 + 0.11 * n), (0.06, 0.11, 0.05)) for n in range(5)]
    model = read_scene(look(row, above()), above(), profile, target=(0.45, -0.25, 0.05))
    assert model.obstacles == ()
    assert any("0.5" in note and "several things" in note for note in model.notes)


def test_the_table_is_measured(profile):
    tilt = math.radians(0.8)
    frame = look(THINGS, above(), table=0.006, tilt=tilt, noise=NOISE)
    model = read_scene(frame, above(), profile)
    assert model.table.measured
    assert model.table.error == pytest.approx(0.006, abs=5e-4)
    assert model.table.tilt == pytest.approx(0.8, abs=0.05)
    assert model.table.noise == pytest.approx(NOISE, rel=0.2)


@pytest.mark.parametrize(("table", "tilt", "words"), [(0.04, 0, "40 mm above"), (-0.1, 0, "below")])
def test_a_table_elsewhere_is_refused_with_what_to_check(profile, table, tilt, words):
    with pytest.raises(SceneError, match=words) as raised:
        read_scene(look((), above(), table=table, tilt=tilt), above(), profile)
    assert "table_height" in str(raised.value)
    assert "calibration" in str(raised.value)


def test_a_tilted_table_is_refused(profile):
    frame = look((), above(), tilt=math.radians(4))
    with pytest.raises(SceneError, match=r"tilted by 4\.0°"):
        read_scene(frame, above(), profile)


def test_a_large_box_that_hides_most_of_the_table_is_no_table(profile):
    crate = (upright(0.5, 0.0), (0.34, 0.44, 0.12))
    model = read_scene(look([crate], above()), above(), profile)
    assert model.table.measured
    assert abs(model.table.error) < 1e-3
    assert len(around(model, crate)) == 1


def test_where_no_table_is_to_be_seen_the_profile_is_believed_and_said(profile):
    frame = look(THINGS, above())
    depth = np.full_like(frame.depth, np.nan)
    depth[100:140, 140:180] = 0.67  # the top of something, and nothing else
    bare = RGBDFrame(frame.color, depth, CAMERA, 0, "camera")
    model = read_scene(bare, above(), profile, config=SceneConfig(table_search=0.05))
    assert not model.table.measured
    assert "too little of the table" in model.notes[0]
    assert len(model.obstacles) == 1


def test_an_empty_table_has_no_obstacles_in_spite_of_noise(profile):
    for seed in range(5):
        model = read_scene(look((), above(), noise=0.004, seed=seed), above(), profile)
        assert model.obstacles == ()


def test_the_robot_is_no_obstacle(profile):
    base_from_gripper = upright(0.5, 0.0, 0.0, 0.10) @ np.diag([1.0, -1, -1, 1])
    left, right = gripper_shapes(profile, base_from_gripper, 0.06)[:2]
    fingers = [(one.base_from_box, one.size) for one in (left, right)]
    boxes = [
        (pose @ geometry.make_transform(np.eye(3), (0, 0, -size[2] / 2)), size)
        for pose, size in fingers
    ]
    frame = look([*THINGS, *boxes], above())
    assert len(read_scene(frame, above(), profile).obstacles) > 2
    robot = gripper_shapes(profile, base_from_gripper)
    assert len(read_scene(frame, above(), profile, robot=robot).obstacles) == 2


def test_what_the_planner_knows_already_can_be_left_out_as_well(profile):
    pose, size = BRICK
    known = RobotBox(pose @ geometry.make_transform(np.eye(3), (0, 0, size[2] / 2)), np.array(size))
    model = read_scene(look(THINGS, above()), above(), profile, robot=[known])
    assert around(model, BRICK) == []
    assert len(model.obstacles) == 1


def test_an_open_bin_stays_open(profile):
    walls = [
        (upright(0.5, 0.12), (0.3, 0.012, 0.1)),
        (upright(0.5, -0.12), (0.3, 0.012, 0.1)),
        (upright(0.35, 0.0), (0.012, 0.25, 0.1)),
        (upright(0.65, 0.0), (0.012, 0.25, 0.1)),
    ]
    frame = look(walls, above(z=0.8))
    inside = [[0.5, 0.0, 0.03], [0.45, 0.05, 0.06], [0.55, -0.05, 0.02]]
    model = read_scene(frame, above(z=0.8), profile)
    assert not any(one.contains(inside).any() for one in model.obstacles)
    assert all(around(model, wall) for wall in walls)
    whole = read_scene(frame, above(z=0.8), profile, config=SceneConfig(parts=1, hull_below=0.0))
    assert len(whole.obstacles) == 1
    assert whole.obstacles[0].contains(inside).all()


def test_what_wastes_a_box_becomes_a_hull(profile):
    steps = [(upright(0.45 + 0.03 * n, 0.0), (0.03, 0.12, 0.02 + 0.02 * n)) for n in range(6)]
    [hull] = read_scene(look(steps, above()), above(), profile).obstacles
    assert not hull.is_box
    for pose, size in steps:
        assert hull.contains(geometry.apply(pose, shapes_corners(size)), 1e-3).all()
    [box] = read_scene(
        look(steps, above()), above(), profile, config=SceneConfig(hull_below=0.0, parts=1)
    ).obstacles
    assert box.is_box
    assert hull.volume < 0.8 * box.volume


def test_of_too_many_things_near_ones_are_joined(profile):
    grid = [
        (upright(0.38 + 0.06 * i, -0.15 + 0.06 * j), (0.03, 0.03, 0.03))
        for i in range(4)
        for j in range(6)
    ]
    frame = look(grid, above())
    assert len(read_scene(frame, above(), profile).obstacles) == 24
    few = read_scene(frame, above(), profile, config=SceneConfig(most=5, parts=1))
    assert len(few.obstacles) <= 5
    assert all(around(few, thing) for thing in grid)


def test_the_table_and_what_to_keep_out_of_are_fixed(profile):
    stand = KeepOut("stand", upright(0.6, 0.3, z=0.2), np.array([0.1, 0.1, 0.4]))
    kept = dataclasses.replace(profile, keep_out=(stand,))
    model = read_scene(look((), above(), noise=NOISE), above(), kept)
    assert [one.name for one in model.fixed] == ["table", "stand"]
    table, box = model.fixed
    assert table.contains([[0.5, 0.0, -0.02], [0.0, 0.0, -0.02]]).all()
    assert not table.contains([[0.5, 0.0, 0.0]])[0]
    assert_allclose(box.size, stand.size)
    assert model.solids == model.fixed


def test_the_slab_never_reaches_the_robots_foot(profile):
    model = read_scene(look((), above(), table=0.012), above(), profile)
    assert not model.fixed[0].contains([[0.0, 0.0, 0.0]])[0]
    assert any("below the robot's foot" in note for note in model.notes)


def test_how_much_was_seen(profile):
    high = above(z=1.2)
    assert read_scene(look((), high), high, profile).seen > 0.98
    wall = (upright(0.42, 0.0), (0.02, 0.6, 0.25))
    slanted = above(x=0.1, z=0.8, towards=(0.5, 0.0))
    shadow = read_scene(look([wall], slanted), slanted, profile).seen
    assert shadow < read_scene(look((), slanted), slanted, profile).seen - 0.1
    silent = read_scene(look((), high), high, profile, config=SceneConfig(report_unseen=False))
    assert math.isnan(silent.seen)


@pytest.mark.parametrize("target", [(0.5, 0.0), (0.5, math.nan, 0.1), [], [[0.5, 0.0]], "there"])
def test_a_target_that_is_no_point_is_refused(profile, target):
    with pytest.raises((InvalidInputError, ValueError)):
        read_scene(look((), above()), above(), profile, target=target)


def test_an_image_that_tells_nothing_is_refused(profile):
    frame = look((), above())
    blind = RGBDFrame(frame.color, np.full_like(frame.depth, np.nan), CAMERA, 0, "camera")
    with pytest.raises(InvalidInputError, match="no depth at all"):
        read_scene(blind, above(), profile)
    away = above(x=5.0)
    with pytest.raises(SceneError, match="nothing of the workspace"):
        read_scene(frame, away, profile)
    for pose in (np.full((4, 4), np.nan), np.eye(3), 2 * np.eye(4)):
        with pytest.raises(InvalidInputError, match="base_from_camera"):
            read_scene(frame, pose, profile)


def test_nothing_changes_when_the_same_is_seen_again(profile):
    first = read_scene(look(THINGS, above(), noise=NOISE), above(), profile)
    added = diff(None, first)
    assert {one.name for one in added.added} == {"table", *named(first)}
    again = first
    for seed in range(1, 4):
        frame = look(THINGS, above(), noise=NOISE, seed=seed)
        new = read_scene(frame, above(), profile, previous=again)
        assert not diff(again, new)
        again = new


def test_what_is_higher_than_the_region_is_said(profile):
    tower = (upright(0.5, 0.0), (0.1, 0.1, 0.6))
    high = above(x=0.5, y=-0.5, z=1.1, towards=(0.0, 0.7))
    model = read_scene(look([tower], high), high, profile)
    assert len(around(model, (tower[0], (0.1, 0.1, 0.5)))) == 1
    assert any("it may be higher" in note for note in model.notes)


def test_a_scene_of_another_robot_is_not_gone_on_with(profile):
    model = read_scene(look((), above()), above(), profile)
    other = dataclasses.replace(profile, base_frame="elsewhere")
    with pytest.raises(InvalidInputError, match="begin anew"):
        read_scene(look((), above()), above(), other, previous=model)


def test_the_picture_shows_obstacles_and_the_target(profile):
    frame = look(THINGS, above())
    model = read_scene(frame, above(), profile, target=ON_CUBE)
    picture = draw_scene(frame.color, CAMERA, above(), model, names=False)
    assert picture.shape == (480, 640, 3)
    for wanted, (pose, _) in ((TARGET_COLOR, CUBE), (OBSTACLE_COLOR, BRICK)):
        drawn = np.argwhere((picture == wanted).all(axis=-1))
        camera_from_base = geometry.inverse(above())
        u, v = 2 * CAMERA.project(geometry.apply(camera_from_base, pose[:3, 3]))
        assert np.abs(drawn.mean(axis=0) - (v, u)).max() < 12
    written = draw_scene(frame.color, CAMERA, above(), model)
    assert not np.array_equal(written, picture)
