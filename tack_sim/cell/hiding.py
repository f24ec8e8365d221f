# SPDX-License-Identifier: Apache-2.0
"""How much of a thing a board hides from the wrist camera where a robot begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.views import wrist_camera
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_sim.cameras.ids import RayScene, Surface
from tack_sim.objects.model import ObjectModel
from tack_sim.robots.kinematics import Kinematics

FloatArray = NDArray[np.float64]

_COARSE = CameraIntrinsics(160, 120, 154.0, 154.0, 79.5, 59.5)  # a D435's view, a quarter as fine
_FEWEST = 40  # px of it: of less nothing is said


class HomeView:
    """What the wrist camera sees of a thing from the robot's home position, by rays.

    Args:
        profile: the robot.

    Raises:
        InvalidInputError: it has no camera at the wrist.
    """

    def __init__(self, profile: RobotProfile) -> None:
        mount = wrist_camera(profile)
        if mount is None:
            raise InvalidInputError("nothing is hidden from a wrist camera that the robot lacks")
        base_from_tip = Kinematics(profile).forward(profile.home)
        self.base_from_camera: FloatArray = base_from_tip @ mount.parent_from_optical

    def sights(self, thing: ObjectModel, base_from_thing: FloatArray) -> FloatArray:
        """(N, 3) of a thing's surface that it shows, one for each coarse pixel, m.

        Args:
            thing: that is looked at.
            base_from_thing: (4, 4), m.
        """
        surface = Surface(thing.mesh.vertices, thing.mesh.faces, base_from_thing)
        hits = RayScene([surface]).view(_COARSE, self.base_from_camera)
        rows, columns = np.nonzero(hits.surface == 0)
        pixels = np.column_stack([columns, rows])
        local = _COARSE.deproject(pixels, hits.depth[rows, columns])
        return geometry.apply(self.base_from_camera, local)

    def hidden(self, sights: FloatArray, board: ObjectModel, base_from_board: FloatArray) -> float:
        """Share of what is shown of a thing that a board hides, 0 to 1; NaN where too little is.

        Args:
            sights: (N, 3) as `sights` gives them.
            board: a box.
            base_from_board: (4, 4), m.
        """
        if len(sights) < _FEWEST:
            return float("nan")
        board_from_base = geometry.inverse(base_from_board)
        eye = geometry.apply(board_from_base, self.base_from_camera[:3, 3])
        ways = geometry.apply(board_from_base, sights) - eye
        ways = np.where(np.abs(ways) < 1e-9, 1e-9, ways)
        low, high = board.mesh.vertices.min(axis=0), board.mesh.vertices.max(axis=0)
        one, other = (low - eye) / ways, (high - eye) / ways
        near = np.minimum(one, other).max(axis=1)
        far = np.maximum(one, other).min(axis=1)
        return float(np.mean((near < far) & (near > 0) & (near < 1)))

    def towards(self, point: FloatArray) -> float:
        """Azimuth from a point (2,) in the base frame to what is right below the camera, rad."""
        x, y = self.base_from_camera[:2, 3] - point
        return float(np.arctan2(y, x))
