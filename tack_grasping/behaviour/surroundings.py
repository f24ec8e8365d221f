# SPDX-License-Identifier: Apache-2.0
"""Keeps what the planner knows of the surroundings equal to what the camera sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import View
from tack_grasping.behaviour.views import gripper_of
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.placing.scene import Container
from tack_grasping.robot import RobotProfile
from tack_grasping.scene import (
    RobotBox,
    RobotShape,
    SceneConfig,
    SceneError,
    SceneModel,
    gripper_shapes,
    read_scene,
)
from tack_perception import geometry

FloatArray = NDArray[np.float64]
Wall = tuple[str, FloatArray, FloatArray]
"""Name, (4, 4) base_from_box, m, and (3,) full side lengths, m."""

_WALL = 0.008  # m, thickness of a bin's walls as a planner sees them
_FLOOR = 0.5  # m, below a bin's floor, that is the bin's, too: nothing there is seen as a thing


class DepthSurroundings:
    """Reads the surroundings from depth, look after look, and shows them to a planner.

    Args:
        profile: the robot.
        show: brings the planner's scene to a model.
        bins: by name, in the base frame: they are no obstacles but for their walls (`bin_walls`).
        config: settings.

    Attributes:
        model: of the latest look; None before the first.
    """

    def __init__(
        self,
        profile: RobotProfile,
        show: Callable[[SceneModel], object],
        bins: Mapping[str, Container] | None = None,
        config: SceneConfig | None = None,
    ) -> None:
        self._profile, self._show = profile, show
        self._known: tuple[RobotShape, ...] = ()
        self.know(bins or {})
        self._config = config or SceneConfig()
        self.model: SceneModel | None = None

    def know(self, bins: Mapping[str, Container]) -> None:
        """Bins that stand there, by name, in the base frame."""
        self._known = tuple(_solid(one) for one in bins.values())

    def update(self, view: View, target: FloatArray | None) -> None:
        """See what stands around a target, and show it.

        Args:
            view: an image.
            target: (K, 3) points on the target in the base frame, m: it is no obstacle; None where
                all is one.

        Raises:
            StageError: the image shows nothing of it, or the planner does not take it.
        """
        robot = self._known
        gripper = gripper_of(self._profile, view)
        if gripper is not None:
            robot = (*robot, *gripper_shapes(self._profile, gripper))
        try:
            model = read_scene(
                view.frame, view.base_from_camera, self._profile,
                target=target, robot=robot, previous=self.model, config=self._config,
            )  # fmt: skip
        except SceneError as error:
            raise StageError(MoveItErrorCode.UNABLE_TO_AQUIRE_SENSOR_DATA, str(error)) from error
        self._show(model)
        self.model = model


def bin_walls(bins: Mapping[str, Container]) -> list[Wall]:
    """The floors and walls of bins, for a planner."""
    walls = []
    for name, one in bins.items():
        length, width, depth = one.size
        t = _WALL
        for number, (place, size) in enumerate(
            (
                ((0, 0, -t / 2), (length + 2 * t, width + 2 * t, t)),
                ((0, (width + t) / 2, depth / 2), (length + 2 * t, t, depth)),
                ((0, -(width + t) / 2, depth / 2), (length + 2 * t, t, depth)),
                (((length + t) / 2, 0, depth / 2), (t, width, depth)),
                ((-(length + t) / 2, 0, depth / 2), (t, width, depth)),
            )
        ):
            pose = one.pose @ geometry.make_transform(np.eye(3), place)
            walls.append((f"{name}_{number}", pose, np.array(size, dtype=np.float64)))
    return walls


def _solid(one: Container) -> RobotBox:
    """All of a bin, with what lies in it and below it: nothing there is an obstacle of its own."""
    length, width, depth = one.size
    middle = geometry.make_transform(np.eye(3), (0.0, 0.0, (depth - _FLOOR) / 2 + 0.02))
    size = np.array([length + 4 * _WALL, width + 4 * _WALL, depth + _FLOOR + 0.04])
    return RobotBox(one.pose @ middle, size)
