# SPDX-License-Identifier: Apache-2.0
"""A block with a grasp: the simplest object there is, for tests of the cell itself."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tack_grasping.profiles import load_profile
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim import shapes
from tack_sim.cell.layout import CellLayout, sample_layout
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.world import CellWorld
from tack_sim.objects.model import Material, ObjectModel, Piece, RestPose, SurfacePoint, TopGrasp
from tack_sim.planning.planner import MotionPlanner

sys.path.insert(0, str(Path(__file__).parent))  # for `cell_robot`
SIDES = (0.04, 0.12, 0.06)  # m


@pytest.fixture(scope="package")
def profile() -> RobotProfile:
    return load_profile("panda_2f85")


@pytest.fixture(scope="package")
def planner(profile: RobotProfile) -> MotionPlanner:
    """One for all tests: it takes a second to begin, and keeps no state but a cache."""
    return MotionPlanner(profile)


@pytest.fixture(scope="package")
def block() -> ObjectModel:
    """40 x 120 x 60 mm, 300 g, graspable across its short side at the middle of its top."""
    mesh = shapes.box(*SIDES)
    middle = geometry.make_transform(np.eye(3), (0, 0, SIDES[2] / 2))
    top = 2 * shapes.BOX_CELLS.index("top")
    half = tuple(side / 2 for side in SIDES)
    return ObjectModel(
        family="block",
        seed=110_000,
        mesh=mesh,
        part_of_face=np.zeros(len(mesh.faces), np.int32),
        part_names=("wood",),
        materials=(Material(),),
        texture=np.full((8, 48, 3), (180, 140, 90), np.uint8),
        pieces=(Piece("box", middle, half),),
        mass=0.3,
        friction=0.5,
        # The two triangles of a face meet in the middle between its corners 0 and 2.
        points={"top": SurfacePoint(top, (0.5, 0.5, 0.0))},
        rests=(RestPose("standing", np.eye(4)),),
        grasps=(TopGrasp("top", "standing", np.array([1.0, 0, 0]), SIDES[0], 0.025),),
    )


@pytest.fixture(scope="package")
def layout(profile: RobotProfile, block: ObjectModel) -> CellLayout:
    """The block beside a bin, in view from home."""
    return sample_layout(profile, block, 6)


@pytest.fixture
def world(profile: RobotProfile) -> CellWorld:
    """The robot alone."""
    return CellWorld(CellLayout(profile, ()), meshes=False)


@pytest.fixture
def motion(world: CellWorld, planner: MotionPlanner) -> CellMotion:
    return CellMotion(world, planner=planner)
