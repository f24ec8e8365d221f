# SPDX-License-Identifier: Apache-2.0
"""Scenes that the tests of planning share."""

from __future__ import annotations

import functools

import numpy as np

from tack_grasping.profiles import load_profile
from tack_sim.planning.change import Operation, SceneChange, apply_change
from tack_sim.planning.planner import MotionPlanner
from tack_sim.planning.scene import CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive

GROUP = "panda_arm"


@functools.cache
def planner() -> MotionPlanner:
    """One planner for all tests: it keeps no state but a cache."""
    return MotionPlanner(load_profile("panda_2f85"))


def at(x: float, y: float, z: float) -> np.ndarray:
    """(4, 4) a translation, m."""
    pose = np.eye(4)
    pose[:3, 3] = (x, y, z)
    return pose


def box(
    name: str, size: tuple[float, ...], xyz: tuple[float, ...], frame: str = ""
) -> CollisionObject:
    """A box of a size, its middle at xyz in a frame, m."""
    return CollisionObject(name, frame, at(*xyz), ((Primitive("box", size), np.eye(4)),))


def scene(*items: CollisionObject) -> PlanningScene:
    """The robot at home among some objects."""
    objects = tuple((item, Operation.ADD) for item in items)
    changed = apply_change(PlanningScene.empty(planner().robot), SceneChange(objects=objects))
    assert changed.problems == ()
    return changed.scene


def table() -> CollisionObject:
    """Its top is 1 mm below the robot's base."""
    return box("table", (1.6, 1.6, 0.1), (0.3, 0.0, -0.051))


def wall() -> CollisionObject:
    """Between the left and the right of the table."""
    return box("wall", (0.4, 0.03, 0.4), (0.5, 0.0, 0.2))


def down(x: float, y: float, z: float) -> np.ndarray:
    """(4, 4) pose of the tip with the gripper frame at (x, y, z), looking down, m."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = (x, y, z)
    return planner().robot.kinematics.tip_pose(pose)
