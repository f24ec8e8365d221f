# SPDX-License-Identifier: Apache-2.0
"""Keeps what the planner knows of the surroundings equal to what the camera sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.bins import solid
from tack_grasping.behaviour.sight import View
from tack_grasping.behaviour.views import gripper_of
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.placing.scene import Container
from tack_grasping.robot import RobotProfile
from tack_grasping.scene import (
    Obstacle,
    RobotShape,
    SceneConfig,
    SceneError,
    SceneModel,
    gripper_shapes,
    read_scene,
)

FloatArray = NDArray[np.float64]


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
        self._known = tuple(solid(one) for one in bins.values())

    def update(self, view: View, target: FloatArray | None) -> tuple[Obstacle, ...]:
        """See what stands around a target, and show it.

        Args:
            view: an image.
            target: (K, 3) points on the target in the base frame, m: it is no obstacle; None where
                all is one.

        Returns:
            What stands around it, as far as it was seen by now.

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
        return model.obstacles
