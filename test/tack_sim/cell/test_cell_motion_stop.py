# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable

import numpy as np
import pytest
from cell_robot import STILL, down, failing, missing, wall

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.motion import MotionError
from tack_grasping.robot import RobotProfile
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.world import CellWorld
from tack_sim.planning.planner import MotionPlanner


def in_motion(motion: CellMotion, act: Callable[[], object], world: CellWorld) -> MotionError:
    """Stop from another thread, 0.2 s of the cell's time after the beginning.

    The cell waits for the stop: how soon this thread gets its turn must not decide.
    """
    step, began = world.step, world.time
    moving, stopped = threading.Event(), threading.Event()

    def step_until_stopped(seconds: float) -> None:
        step(seconds)
        if world.time >= began + 0.2 and not stopped.is_set():
            moving.set()
            assert stopped.wait(30)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world, "step", step_until_stopped)
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            running = executor.submit(act)
            assert moving.wait(30), running
            motion.stop()
            stopped.set()
            error = running.exception(30)
    assert isinstance(error, MotionError)
    return error


@pytest.mark.parametrize(
    "act",
    [
        lambda m: m.move_to(down(0.5, 0.3, 0.2)),
        lambda m: m.move_straight(down(0.45, 0.0, 0.15)),
        lambda m: m.move_joints(np.array([0.8, -0.4, 0.0, -2.1, 0.0, 1.7, 0.8])),
    ],
    ids=["planned", "straight", "joints"],
)
def test_a_stop_from_another_thread_ends_a_motion_for_good(
    motion: CellMotion, world: CellWorld, act: Callable[[CellMotion], None]
) -> None:
    error = in_motion(motion, lambda: act(motion), world)
    assert error.code is Code.PREEMPTED
    world.step(0.3)
    here = world.arm_motion()[0]
    assert np.abs(here - world.profile.home).max() > 0.005
    world.step(1.0)
    np.testing.assert_allclose(world.arm_motion()[0], here, atol=STILL)
    for refused in (
        lambda: act(motion),
        motion.move_home,
        lambda: motion.move_gripper(0.02, 10.0),
        lambda: motion.move_straight(down(0.5, 0.0, 0.2)),
    ):
        assert failing(refused).code is Code.PREEMPTED
    np.testing.assert_allclose(world.arm_motion()[0], here, atol=STILL)
    motion.resume()
    motion.move_home()
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home, atol=0.006)


def test_a_stop_just_before_the_start_leaves_no_motion_behind(
    motion: CellMotion, world: CellWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop finds nothing to stop, and the motion begins right after it."""
    start = motion._executor.start

    def stopped_before(*args: object) -> object:
        motion.stop()
        return start(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(motion._executor, "start", stopped_before)
    assert failing(lambda: motion.move_to(down(0.5, 0.3, 0.2))).code is Code.PREEMPTED
    world.step(1.0)
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home, atol=STILL)


def test_fingers_that_move_stand_still_after_a_stop(motion: CellMotion, world: CellWorld) -> None:
    error = in_motion(motion, lambda: motion.move_gripper(0.0, 10.0), world)
    assert error.code is Code.PREEMPTED
    world.step(0.1)
    here = world.gripper_state().opening
    assert 0.01 < here < 0.08
    world.step(1.0)
    assert world.gripper_state().opening == pytest.approx(here, abs=1e-3)


def test_a_stop_while_planning_ends_the_planning(
    motion: CellMotion, world: CellWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = motion._planner.plan

    def stop_then_plan(request: object, scene: object, cancelled: object) -> object:
        motion.stop()
        return plan(request, scene, cancelled)  # type: ignore[arg-type]

    monkeypatch.setattr(motion._planner, "plan", stop_then_plan)
    wall(motion)
    assert failing(lambda: motion.move_to(down(0.5, 0.3, 0.2))).code is Code.PREEMPTED
    assert world.time == 0.0


def test_an_arm_that_stalls_has_not_done_it(profile: RobotProfile, planner: MotionPlanner) -> None:
    faults = [Fault(FaultKind.CONTROLLER_STALL, 0.3, 1.0)]
    world = CellWorld(CellLayout(profile, ()), faults=faults, meshes=False)
    motion = CellMotion(world, planner=planner)
    pose = down(0.5, 0.3, 0.2)
    error = failing(lambda: motion.move_to(pose))
    assert error.code is Code.CONTROL_FAILED
    assert "away from the" in error.sentence
    world.step(1.5)
    motion.move_to(pose)
    assert missing(world, pose)[0] < 0.004


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.PLAN_REFUSED, Code.PLANNING_FAILED),
        (FaultKind.PLAN_ABORTED, Code.ABORT),
    ],
)
def test_planning_fails_as_the_fault_demands(
    world: CellWorld, planner: MotionPlanner, kind: FaultKind, code: Code
) -> None:
    motion = CellMotion(world, planner=planner, faults=[Fault(kind, 0.0, 0.5)])
    error = failing(motion.move_home)
    assert error.code is code
    assert kind.value in error.sentence
    motion.wait(0.6)
    motion.move_home()


def test_a_plan_from_where_the_arm_no_longer_is_is_not_carried_out(
    motion: CellMotion, world: CellWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody pushes the arm while it is being planned."""
    plan = motion._planner.plan

    def pushed(*args: object) -> object:
        planned = plan(*args)  # type: ignore[arg-type]
        world.command_arm(world.profile.home + np.array([0.1, 0, 0, 0, 0, 0, 0]))
        world.step(1.0)
        return planned

    monkeypatch.setattr(motion._planner, "plan", pushed)
    error = failing(lambda: motion.move_to(down(0.5, 0.3, 0.2)))
    assert error.code is Code.INVALID_MOTION_PLAN
    assert "plan again from here" in error.sentence
    monkeypatch.undo()
    motion.move_to(down(0.5, 0.3, 0.2))


def test_a_motion_that_takes_too_long_is_given_up(
    motion: CellMotion, world: CellWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tack_sim.cell.motion.allowed_duration", lambda _: 0.3)
    error = failing(lambda: motion.move_to(down(0.5, 0.3, 0.2)))
    assert error.code is Code.TIMED_OUT
    world.step(0.3)
    here = world.arm_motion()[0]
    world.step(1.0)
    np.testing.assert_allclose(world.arm_motion()[0], here, atol=STILL)
