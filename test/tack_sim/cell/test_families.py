# SPDX-License-Identifier: Apache-2.0
"""One held-out instance of each family: it rests where it is put, and can be picked."""

from __future__ import annotations

import numpy as np
import pytest

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim.cell.layout import sample_layout
from tack_sim.cell.pick import scripted_pick
from tack_sim.cell.world import CellWorld
from tack_sim.objects.families import FAMILIES

INSTANCE = 110_042


@pytest.mark.parametrize("family", FAMILIES)
def test_it_rests_and_can_be_picked(profile: RobotProfile, family: str) -> None:
    layout = sample_layout(profile, family, 2, instance=INSTANCE)
    world = CellWorld(layout, meshes=False)
    world.step(0.5)
    model, put = layout.target.model, layout.target.base_from_object
    change = geometry.inverse(put) @ world.object_pose(family)
    assert np.linalg.norm(change[:3, 3]) < 2e-3
    assert geometry.rotation_angle(geometry.nearest_transform(change)) < np.radians(2)
    grasp = next(grasp for grasp in model.grasps if grasp.rest == model.rests[0].name)
    result = scripted_pick(world, grasp.point)
    assert result.success, result
