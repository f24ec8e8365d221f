# SPDX-License-Identifier: Apache-2.0
"""The wrist camera on its way around an object."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tack_grasping.profiles import load_profile
from tack_perception import geometry
from tack_perception.errors import SourceError
from tack_sim.cell.layout import sample_layout
from tack_sim.cell.orbit import CellOrbit, OrbitConfig
from tack_sim.cell.world import CellWorld

SMALL = OrbitConfig(views=8, width=160, height=120, noise=False, sweep_deg=120.0)


@pytest.fixture(scope="module")
def layout():
    return sample_layout(load_profile("panda_2f85"), "shoe", 1)


def test_it_looks_at_the_object_from_true_poses_that_differ(layout):
    with CellOrbit(layout, SMALL) as source:
        frames = list(source)
    assert len(frames) >= 5
    assert len(frames) + source.drops["places that the arm does not reach"] == 8
    world = CellWorld(layout)
    world.step(0.6)
    middle = world.object_centre(layout.target.name)
    places = []
    for frame in frames:
        pose = source.transforms.lookup("panda_link0", frame.frame_id, frame.stamp_ns)
        u, v = frame.intrinsics.project(geometry.apply(geometry.inverse(pose), middle))
        assert (u, v) == pytest.approx((79.5, 59.5), abs=2)
        places.append(pose[:3, 3])
        # The depth in the middle and the pose agree on where the object's surface is.
        local = frame.intrinsics.deproject(np.array([80.0, 60.0]), frame.depth[60, 80])
        assert np.linalg.norm(geometry.apply(pose, local) - middle) < 0.15
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).min() > 0.01


def test_the_same_settings_give_the_same_frames(layout):
    config = dataclasses.replace(SMALL, views=3, noise=True)
    one, two = (list(CellOrbit(layout, config)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.color, b.color)
        np.testing.assert_array_equal(a.depth, b.depth)


def test_what_the_arm_cannot_reach_is_said(layout):
    far = dataclasses.replace(SMALL, distance_m=(1.4, 1.5), elevation_deg=(85.0, 90.0))
    with pytest.raises(SourceError, match="reaches none"):
        list(CellOrbit(layout, far))
