# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import numpy as np
import pytest

from tack_grasping.robot import RobotProfile
from tack_perception.errors import InvalidInputError
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.layout import CellLayout, sample_layout
from tack_sim.cell.world import CellWorld
from tack_sim.objects.model import ObjectModel
from tack_sim.renderer import import_mujoco
from tack_sim.robots.kinematics import Kinematics

LEFT_TIP = "robotiq_85_left_finger_tip_link"


@pytest.fixture(scope="module")
def layout(profile: RobotProfile, block: ObjectModel) -> CellLayout:
    return sample_layout(profile, block, 2, occluders=1)


@pytest.fixture(scope="module")
def shared(layout: CellLayout) -> CellWorld:
    return CellWorld(layout, meshes=False)


@pytest.fixture
def world(shared: CellWorld) -> CellWorld:
    shared.reset()
    return shared


def test_nothing_moves_by_itself(world: CellWorld, layout: CellLayout) -> None:
    world.step(1.0)
    assert world.time == pytest.approx(1.0)
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home, atol=1e-3)
    for placed in layout.objects:
        moved = world.object_pose(placed.name) - placed.base_from_object
        assert np.abs(moved).max() < 1e-3
    assert world.collisions == ()


def test_the_same_commands_give_the_same_state(world: CellWorld) -> None:
    def run() -> np.ndarray:
        world.reset()
        world.command_arm(world.profile.home + 0.2)
        world.command_gripper(0.02)
        world.step(0.5)
        return world.snapshot().qpos

    np.testing.assert_array_equal(run(), run())


def test_the_arm_goes_where_it_is_sent(world: CellWorld) -> None:
    wanted = world.profile.home + np.array([0.3, 0.2, -0.2, 0.1, 0.3, -0.2, 0.4])
    world.command_arm(wanted)
    world.step(2.0)
    state = world.joint_state()
    assert state.names[:7] == tuple(world.profile.joints)
    assert set(world.profile.gripper.joints) <= set(state.names)
    np.testing.assert_allclose(state.positions[:7], wanted, atol=2e-3)
    np.testing.assert_allclose(state.velocities, 0, atol=2e-3)
    kinematics = Kinematics(world.profile)
    tip = world.base_from_link(world.profile.tip_frame)
    np.testing.assert_allclose(tip, kinematics.forward(state.positions[:7]), atol=1e-6)
    pose = kinematics.gripper_pose(state.positions[:7])
    np.testing.assert_allclose(world.base_from_gripper(), pose, atol=1e-6)


def test_a_moving_set_point_is_followed_without_delay(world: CellWorld) -> None:
    speed = np.full(7, 0.4)

    def update(time: float) -> None:
        ramp = min(time / 0.2, 1.0)
        travelled = time - 0.1 if time > 0.2 else time * time / 0.4
        world.command_arm(world.profile.home + speed * travelled, speed * ramp)

    world.add_controller(update)
    world.step(0.8)
    world.remove_controller(update)
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home + 0.4 * 0.7, atol=6e-3)


def test_the_gripper_reaches_an_opening(world: CellWorld) -> None:
    gripper = world.profile.gripper
    assert world.gripper_state().opening == pytest.approx(gripper.stroke, abs=1e-3)
    world.command_gripper(0.03, 20.0)
    world.step(0.1)
    assert not world.gripper_state().reached
    world.step(1.0)
    state = world.gripper_state()
    assert state.reached
    assert not state.stalled
    assert state.opening == pytest.approx(0.03, abs=1e-3)
    joints = world.joint_state()
    index = joints.names.index(gripper.joints[0])
    share = state.opening / gripper.stroke
    expected = gripper.closed + share * (gripper.opened - gripper.closed)
    assert joints.positions[index] == pytest.approx(expected, abs=0.02)


def test_commands_that_make_no_sense_are_refused(world: CellWorld) -> None:
    with pytest.raises(InvalidInputError, match="7 finite values"):
        world.command_arm(np.zeros(6))
    with pytest.raises(InvalidInputError, match="7 finite values"):
        world.command_arm(np.full(7, np.nan))
    with pytest.raises(InvalidInputError, match="is not in 0 to"):
        world.command_gripper(0.2)
    with pytest.raises(InvalidInputError, match="force"):
        world.command_gripper(0.02, 0.0)
    with pytest.raises(InvalidInputError, match="not positive"):
        world.step(0.0)
    with pytest.raises(InvalidInputError, match="no link"):
        world.base_from_link("elbow")


def test_driving_into_the_table_is_counted(profile: RobotProfile) -> None:
    world = CellWorld(CellLayout(profile, ()), meshes=False)
    kinematics = Kinematics(world.profile)
    pose = world.base_from_gripper().copy()
    pose[2, 3] = -0.03
    below = kinematics.inverse(kinematics.tip_pose(pose), world.profile.home)
    assert below is not None
    world.command_arm(below)
    world.step(1.5)
    assert any({c.first, c.second} == {"table", LEFT_TIP} for c in world.collisions)
    assert max(c.force for c in world.collisions) > 1.0
    world.forget_collisions()
    assert world.collisions == ()


def test_a_snapshot_shows_the_same_scene_elsewhere(world: CellWorld) -> None:
    world.command_arm(world.profile.home + 0.1)
    world.step(0.3)
    snapshot = world.snapshot()
    data = import_mujoco().MjData(world.model)
    world.step(0.2)
    snapshot.apply(world.model, data)
    assert data.time == pytest.approx(0.3)
    world.reset()
    world.command_arm(world.profile.home + 0.1)
    world.step(0.3)
    np.testing.assert_allclose(
        data.body(world.profile.tip_frame).xpos,
        world.base_from_link(world.profile.tip_frame)[:3, 3],
        atol=1e-9,
    )


def test_it_may_be_read_while_time_passes(world: CellWorld) -> None:
    done, broken = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            try:
                world.snapshot()
                world.joint_state()
                world.object_pose("block")
                world.touching("block")
            except Exception as error:
                broken.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(50):
        world.step(0.01)
    done.set()
    for reader in readers:
        reader.join()
    assert broken == []
    assert world.time == pytest.approx(0.5)


def test_an_object_on_the_table_touches_just_that(world: CellWorld) -> None:
    world.step(0.1)
    assert world.touching("block") == {"table"}
    assert world.pads_on("block") == (False, False)


def test_a_stalled_controller_ignores_commands_until_it_recovers(layout: CellLayout) -> None:
    stall = Fault(FaultKind.CONTROLLER_STALL, 0.1, 0.5)
    world = CellWorld(layout, faults=[stall], meshes=False)
    world.step(0.2)
    world.command_arm(world.profile.home + 0.2)
    world.step(0.3)
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home, atol=1e-3)
    world.step(0.2)
    world.command_arm(world.profile.home + 0.2)
    world.step(1.5)
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home + 0.2, atol=2e-3)


def test_weak_fingers_that_swing_past_the_opening_do_not_count_as_stalled(layout) -> None:
    world = CellWorld(layout, faults=[Fault(FaultKind.GRIPPER_SLIP)], meshes=False)
    world.command_gripper(0.02, 20.0)
    openings, stalled = [], []
    for _ in range(500):
        world.step(0.002)
        state = world.gripper_state()
        openings.append(state.opening)
        stalled.append(state.stalled)
    assert min(openings) < 0.018  # they do swing past it
    assert not any(stalled)
    assert world.gripper_state().reached


def test_slipping_pads_recover(world: CellWorld) -> None:
    pad = world.model.geom("left_pad1")
    actuator = world.model.actuator("gripper")
    grip = float(pad.friction[0])
    world.faults[:] = [Fault(FaultKind.GRIPPER_SLIP, 0.1, 0.2)]
    world.step(0.2)
    assert pad.friction[0] < 0.1 * grip
    assert actuator.forcerange[1] < 0.1 * world.profile.gripper.force
    world.step(0.2)
    assert pad.friction[0] == grip
    assert actuator.forcerange[1] == pytest.approx(world.profile.gripper.force)
    world.faults.clear()
