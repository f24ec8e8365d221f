# SPDX-License-Identifier: Apache-2.0
"""Whole cycles in the simulated cell, with their account on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tack_grasping.behaviour.cycle import CycleRecord, Work
from tack_grasping.behaviour.planning import PointPlanner
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.run_witness import RunWitness
from tack_grasping.behaviour.runs import RunWriter, read_run
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.candidates import SurfacePlannerConfig

pytest.importorskip("mujoco", reason="needs the simulation: pip install 'tack[sim]'")
pytest.importorskip("ompl", reason="needs the simulation: pip install 'tack[sim]'")

LABEL = "rim_front"


def pick(witness: RunWitness, fault: str = "") -> CycleRecord:
    """One pick of a mug."""
    from tack_sim.cell.eyes import CellEyes, TruePoints
    from tack_sim.cell.faults import Fault
    from tack_sim.cell.log import CellSetup
    from tack_sim.cell.motion import CellMotion
    from tack_sim.cell.world import CellWorld
    from tack_sim.planning.planner import MotionPlanner

    layout = CellSetup("panda_2f85", "mug", 1).layout()
    world = CellWorld(layout, faults=[Fault.parse(fault)] if fault else ())
    world.step(0.3)
    motion = CellMotion(world, planner=MotionPlanner(layout.profile))
    config = SurfacePlannerConfig(approach="down", insertion=0.02)
    with CellEyes(world, TruePoints(world), wait=motion.wait, seed=1) as eyes:
        robot = Robot(layout.profile, motion, eyes, PointPlanner(layout.profile, config=config))
        tree = BehaviourTree(
            PickPlaceTask(LABEL), robot, motion.clock, BehaviourConfig(tries=2, home=False), witness
        )
        record = tree.run()
    witness.finish(record)
    witness.flush()
    return record


def test_a_cycle_that_slips_is_written_with_its_evidence(tmp_path: Path) -> None:
    with RunWitness(RunWriter(tmp_path, {"robot": "panda_2f85"})) as witness:
        record = pick(witness, "gripper_slip")
    assert not witness.errors
    assert not record.success
    (cycle,) = read_run(tmp_path).cycles
    assert cycle.record == record
    looks = [stage for stage in record.stages if stage.name == "look"]
    failed = [
        stage for stage in record.stages if not stage.success and stage.work is not Work.PLANNING
    ]
    assert len(looks) == 2
    assert failed
    for stage in (*looks, *failed):
        assert len(stage.pictures) == 1
        image = cv2.imread(str(cycle.folder / stage.pictures[0]))
        assert image.shape[1] == 640
        assert np.std(image) > 10


def test_a_cycle_whose_folder_is_gone_goes_on(tmp_path: Path) -> None:
    with RunWitness(RunWriter(tmp_path / "run", {})) as witness:
        shutil.rmtree(tmp_path / "run")
        record = pick(witness)
    assert record.success, record.reason
    assert sum(witness.errors.values()) >= 2
