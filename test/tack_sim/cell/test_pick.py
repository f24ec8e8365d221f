# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.judge import judge_place
from tack_sim.cell.layout import CellLayout, Placed, sample_layout
from tack_sim.cell.pick import resting, scripted_pick, top_grasps
from tack_sim.cell.world import CellWorld
from tack_sim.objects.model import ObjectModel, RestPose


@pytest.mark.parametrize("seed", range(3))
def test_a_block_is_picked_and_held(profile: RobotProfile, block: ObjectModel, seed: int) -> None:
    world = CellWorld(sample_layout(profile, block, seed), meshes=False)
    result = scripted_pick(world, "top")
    assert result.success, result
    assert result.opening == pytest.approx(0.04, abs=2e-3)
    assert result.pushed < 1e-3
    verdict = result.verdict
    assert verdict is not None
    assert verdict.pads == (True, True)
    assert verdict.lifted == pytest.approx(0.14, abs=5e-3)
    assert verdict.slip < 5e-4
    assert verdict.collisions == ()


def test_a_wrong_point_is_seen_to_be_wrong(profile: RobotProfile, block: ObjectModel) -> None:
    layout = sample_layout(profile, block, 1)
    along = layout.target.base_from_object[:3, 1]
    result = scripted_pick(CellWorld(layout, meshes=False), "top", displacement=0.08 * along)
    assert result.cause == "missed"
    assert result.verdict is not None
    assert "lifted by 0 mm" in result.verdict.reason


def test_fingers_that_land_on_the_object_push_it(profile: RobotProfile, block: ObjectModel) -> None:
    layout = sample_layout(profile, block, 1)
    across = layout.target.base_from_object[:3, 0]
    result = scripted_pick(CellWorld(layout, meshes=False), "top", displacement=0.04 * across)
    assert not result.success


def test_pads_that_lose_their_grip_lose_the_object(
    profile: RobotProfile, block: ObjectModel
) -> None:
    layout = sample_layout(profile, block, 1)
    held = CellWorld(layout, meshes=False)
    assert scripted_pick(held, "top").success
    world = CellWorld(layout, faults=[Fault(FaultKind.GRIPPER_SLIP, held.time - 0.6)], meshes=False)
    result = scripted_pick(world, "top")
    assert result.cause == "lost_holding"


def test_out_of_reach_is_said(profile: RobotProfile, block: ObjectModel) -> None:
    far = geometry.make_transform(np.eye(3), (1.0, 0.4, 0.0))
    world = CellWorld(CellLayout(profile, (Placed("block", block, far),)), meshes=False)
    assert scripted_pick(world, "top").cause == "unreachable"
    with pytest.raises(InvalidInputError, match="there are top"):
        scripted_pick(world, "bottom")


def test_a_clutter_object_in_the_way_is_a_collision(
    profile: RobotProfile, block: ObjectModel
) -> None:
    here = geometry.make_transform(np.eye(3), (0.5, 0.0, 0.0))
    beside = geometry.make_transform(np.eye(3), (0.548, 0.0, 0.0))  # where a finger goes down
    objects = (Placed("block", block, here), Placed("other", block, beside, "clutter"))
    world = CellWorld(CellLayout(profile, objects), meshes=False)
    scripted_pick(world, "top")
    met = {name for c in world.collisions for name in (c.first, c.second)}
    assert "other" in met


def test_the_rest_pose_is_recognised_at_any_yaw(block: ObjectModel) -> None:
    lying = geometry.from_axis_angle((0, 1, 0), np.pi / 2, (0, 0, 0.02))
    model = dataclasses.replace(block, rests=(*block.rests, RestPose("lying", lying)))
    turn = geometry.from_axis_angle((0, 0, 1), 2.0, (0.4, 0.1, 0.0))
    for name, pose in (("standing", np.eye(4)), ("lying", lying)):
        found = resting(model, turn @ pose)
        assert found is not None
        assert found.name == name
    assert resting(model, geometry.from_axis_angle((1, 0, 0), np.pi)) is None
    assert [grasp.point for grasp in top_grasps(model, turn)] == ["top"]
    assert top_grasps(model, turn @ lying) == []


def test_a_place_in_the_bin_is_judged(profile: RobotProfile, block: ObjectModel) -> None:
    layout = sample_layout(profile, block, 1)
    assert layout.bin is not None
    above = geometry.make_transform(
        np.eye(3), layout.bin.base_from_bin[:3, 3] + np.array([0, 0, 0.02])
    )
    dropped = dataclasses.replace(
        layout, objects=(dataclasses.replace(layout.target, base_from_object=above),)
    )
    world = CellWorld(dropped, meshes=False)
    verdict = judge_place(world, "block", layout.bin)
    assert verdict.success
    assert verdict.upright
    assert verdict.distance < 0.02
    beside = above.copy()
    beside[0, 3] += 0.05
    assert not judge_place(world, "block", beside, settle=0).success
    assert judge_place(world, "block", world.object_pose("block"), settle=0).success
    outside = judge_place(CellWorld(layout, meshes=False), "block", layout.bin)
    assert outside.at_rest
    assert not outside.there


@pytest.mark.parametrize(("inside", "collides"), [(True, False), (False, True)])
def test_lying_down_in_the_bin_is_no_collision_but_hitting_its_rim_is(
    profile: RobotProfile, block: ObjectModel, inside: bool, collides: bool
) -> None:
    layout = sample_layout(profile, block, 1)
    assert layout.bin is not None
    place = np.array([0.0, 0.0, 0.05])
    if not inside:
        place += (layout.bin.inner[0] / 2, 0.0, layout.bin.inner[2])
    above = layout.bin.base_from_bin @ geometry.make_transform(np.eye(3), place)
    dropped = dataclasses.replace(
        layout, objects=(dataclasses.replace(layout.target, base_from_object=above),)
    )
    world = CellWorld(dropped, meshes=False)
    world.step(0.5)
    assert {(c.first, c.second) for c in world.collisions} == (
        {("bin", "block")} if collides else set()
    )
