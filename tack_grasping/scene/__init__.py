# SPDX-License-Identifier: Apache-2.0
"""The planning scene from depth: the table, what stands on it, and what has to be kept out of."""

from tack_grasping.scene.change import SceneChange, diff
from tack_grasping.scene.model import SceneModel
from tack_grasping.scene.obstacle import Obstacle
from tack_grasping.scene.picture import draw_scene
from tack_grasping.scene.reading import read_scene
from tack_grasping.scene.robot_shapes import (
    RobotBox,
    RobotCapsule,
    RobotShape,
    chain_shapes,
    gripper_shapes,
)
from tack_grasping.scene.settings import SceneConfig, SceneError
from tack_grasping.scene.table import Table
from tack_grasping.scene.workspace import check_workspace

__all__ = [
    "Obstacle",
    "RobotBox",
    "RobotCapsule",
    "RobotShape",
    "SceneChange",
    "SceneConfig",
    "SceneError",
    "SceneModel",
    "Table",
    "chain_shapes",
    "check_workspace",
    "diff",
    "draw_scene",
    "gripper_shapes",
    "read_scene",
]
