# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.bin import Bin
from tack_sim.cell.footprint import footprint, gap
from tack_sim.cell.layout import CellLayout, Placed, sample_layout
from tack_sim.objects.model import SPLITS, ObjectModel


def outlines(layout: CellLayout) -> list[np.ndarray]:
    return [footprint(placed.model, placed.base_from_object) for placed in layout.objects]


def test_the_same_seed_gives_the_same_layout(profile: RobotProfile, block: ObjectModel) -> None:
    first, second = (sample_layout(profile, block, 3, occluders=2) for _ in range(2))
    assert [placed.name for placed in first.objects] == ["block", "panel_0", "panel_1"]
    for one, other in zip(first.objects, second.objects, strict=True):
        np.testing.assert_array_equal(one.base_from_object, other.base_from_object)
        np.testing.assert_array_equal(one.model.texture, other.model.texture)
    different = sample_layout(profile, block, 4, occluders=2)
    assert not np.allclose(first.target.base_from_object, different.target.base_from_object)


@pytest.mark.parametrize("seed", range(12))
def test_things_stand_apart_on_the_table(
    profile: RobotProfile, block: ObjectModel, seed: int
) -> None:
    layout = sample_layout(profile, block, seed, occluders=2, clearance=0.04)
    shapes = outlines(layout)
    assert min(gap(a, b) for a, b in itertools.combinations(shapes, 2)) >= 0.04
    assert layout.bin is not None
    low, high = (corner[:2] for corner in profile.workspace)
    grasped = layout.target.point("top")[:2]
    assert (low <= grasped).all()
    assert (grasped <= high).all()
    for outline, placed in zip(shapes, layout.objects, strict=True):
        assert gap(outline, layout.bin.outline()) >= 0.04
        assert (outline >= low - 0.14).all()
        assert (outline <= high + 0.14).all()
        lowest = geometry.apply(placed.base_from_object, placed.model.mesh.vertices)[:, 2].min()
        assert lowest == pytest.approx(profile.table_height, abs=1e-9)


def test_more_of_its_class_stand_where_the_gripper_gets_to(profile: RobotProfile) -> None:
    layout = sample_layout(profile, "bottle", 4, alike=2, clutter=1)
    assert [placed.name for placed in layout.wanted] == ["bottle", "bottle_0", "bottle_1"]
    assert len({placed.model.seed for placed in layout.wanted}) == 3
    assert all(placed.model.seed in SPLITS["held_out"] for placed in layout.wanted)
    assert len(layout.objects) == 4
    low, high = profile.workspace
    for placed in layout.wanted:
        assert ((placed.point("cap") >= low) & (placed.point("cap") <= high)).all()
    alone = sample_layout(profile, "bottle", 4)
    np.testing.assert_array_equal(
        alone.target.base_from_object, layout.target.base_from_object
    )  # a scene grows, and stays what it was


def test_every_yaw_occurs(profile: RobotProfile, block: ObjectModel) -> None:
    layouts = [sample_layout(profile, block, seed) for seed in range(40)]
    yaws = [np.arctan2(*layout.target.base_from_object[1::-1, 0]) for layout in layouts]
    assert min(yaws) < -2.5
    assert max(yaws) > 2.5


def test_the_bin_stands_away_from_the_camera_that_watches(
    profile: RobotProfile, block: ObjectModel
) -> None:
    for camera_y in (-0.5, 0.5):
        mount = profile.cameras["scene"]
        pose = mount.parent_from_optical.copy()
        pose[1, 3] = camera_y
        scene = dataclasses.replace(mount, parent_from_optical=pose)
        moved = dataclasses.replace(profile, cameras={"scene": scene})
        container = sample_layout(moved, block, 0).bin
        assert container is not None
        assert np.sign(container.base_from_bin[1, 3]) == -np.sign(camera_y)


def test_clutter_is_of_other_classes(profile: RobotProfile) -> None:
    layout = sample_layout(profile, "hammer", 5, instance=110_007, clutter=1)
    target, other = layout.objects
    assert (target.name, target.model.seed, target.role) == ("hammer", 110_007, "target")
    assert other.role == "clutter"
    assert other.model.family != "hammer"
    assert other.model.seed in range(110_000, 120_000)


def test_what_does_not_fit_is_refused(profile: RobotProfile, block: ObjectModel) -> None:
    with pytest.raises(InvalidInputError, match="ask for fewer"):
        sample_layout(profile, block, 0, occluders=20)
    with pytest.raises(InvalidInputError, match="it rests standing"):
        sample_layout(profile, block, 0, rest="upside_down")


def test_names_are_looked_up_and_must_differ(profile: RobotProfile, block: ObjectModel) -> None:
    layout = sample_layout(profile, block, 0)
    assert layout.placed("block") is layout.target
    with pytest.raises(InvalidInputError, match="it has block"):
        layout.placed("mug")
    with pytest.raises(InvalidInputError, match="must differ"):
        CellLayout(profile, (layout.target, layout.target))
    with pytest.raises(InvalidInputError, match="no target"):
        CellLayout(profile, (Placed("block", block, np.eye(4), "clutter"),)).target  # noqa: B018


def test_the_gap_of_two_squares() -> None:
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float64)
    assert gap(square, square + np.array([1.5, 0.2])) == pytest.approx(0.5)
    assert gap(square, square + np.array([0.5, 0.5])) == pytest.approx(-0.5)
    turned = square @ np.array([(1, 1), (-1, 1)]) / np.sqrt(2)  # its left corner at -0.707, 0.707
    assert gap(square, turned + np.array([2.5, -0.2])) == pytest.approx(2.5 - np.sqrt(0.5) - 1)


def test_a_bin_knows_what_is_in_it() -> None:
    pose = geometry.from_axis_angle((0, 0, 1), 0.5, (0.4, 0.3, 0.1))
    container = Bin(pose, (0.3, 0.2, 0.08), 0.005)
    assert len(container.slabs()) == 5
    for place, inside in (
        ((0, 0, 0.02), True),
        ((0.149, -0.099, 0.08), True),
        ((0.151, 0, 0.02), False),
        ((0, 0.101, 0.02), False),
        ((0, 0, 0.09), False),
        ((0, 0, -0.01), False),
    ):
        assert container.holds(geometry.apply(pose, place)) is inside
    with pytest.raises(InvalidInputError, match="not positive"):
        Bin(pose, (0.3, 0.0, 0.08))
