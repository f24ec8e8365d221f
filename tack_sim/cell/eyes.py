# SPDX-License-Identifier: Apache-2.0
"""The eyes of a behaviour in the cell, without ROS: a camera, and whatever finds points."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import Sight, SightError, View, things_of
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception import geometry
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import lift_keypoint
from tack_sim.cameras.cell_camera import CameraImages, CellCamera
from tack_sim.cameras.look import STEADY, LookConfig
from tack_sim.cell.faults import FaultKind, is_active
from tack_sim.cell.layout import Placed
from tack_sim.cell.world import CellWorld

FloatArray = NDArray[np.float64]
Perceive = Callable[[RGBDFrame, FloatArray], Sequence[Keypoint]]
"""An image and (4, 4) base_from_camera → lifted points in the camera's optical frame."""

_PERIOD_S = 1 / 30  # until the next image
_STILL, _PATIENCE_S = 0.01, 0.15  # rad/s: a picture is not sharp while the arm moves faster
_LATEST_S = 5.0  # an image that is not there by then does not come
_STEP_S = 0.1
_HOLE_PX = 48


class CellEyes:
    """A camera of the cell with a detector behind it. A context manager; use it from one thread.

    Args:
        world: the cell.
        perceive: finds points.
        wait: lets the cell's time pass, s; None for `world.step`.
        camera: name of the profile's camera.
        look: from which lights and the imager's answer are drawn.
        seed: of light and noise.
        noise: False for perfect depth and colour.
    """

    def __init__(
        self,
        world: CellWorld,
        perceive: Perceive,
        *,
        wait: Callable[[float], None] | None = None,
        camera: str = "wrist",
        look: LookConfig = STEADY,
        seed: int = 0,
        noise: bool = True,
    ) -> None:
        self._world, self._perceive, self._name = world, perceive, camera
        self._wait = wait or world.step
        self._camera = CellCamera(
            world.model, world.profile.cameras[camera], look=look, seed=seed, noise=noise
        )

    def __enter__(self) -> CellEyes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._camera.close()

    def look(self) -> Sight:
        """Find the points in the next image.

        Raises:
            SightError: no image comes, or it is not known where the camera was.
        """
        view = self.glance()
        keypoints = self._perceive(view.frame, view.base_from_camera)
        things = things_of(keypoints, view.base_from_camera)
        return Sight(view.frame, view.base_from_camera, things)

    def glance(self) -> View:
        """The next image alone.

        Raises:
            SightError: as `look`.
        """
        self._wait(_PERIOD_S)
        late = self._world.time + _PATIENCE_S
        while np.abs(self._world.arm_motion()[1]).max() > _STILL and self._world.time < late:
            self._wait(_PERIOD_S)
        until = self._world.time + _LATEST_S
        while self._active(FaultKind.CAMERA_DROPOUT) or self._active(FaultKind.CAMERA_DELAY):
            if self._world.time > until:
                late = self._active(FaultKind.CAMERA_DELAY)
                raise SightError(
                    MoveItErrorCode.SENSOR_INFO_STALE if late
                    else MoveItErrorCode.UNABLE_TO_AQUIRE_SENSOR_DATA,
                    f"no image of the {self._name} camera"
                    + (" is young enough" if late else f" within {_LATEST_S:g} s"),
                )  # fmt: skip
            self._wait(_STEP_S)
        if self._active(FaultKind.TF_SILENCE):
            raise SightError(
                MoveItErrorCode.FRAME_TRANSFORM_FAILURE,
                f"where the {self._name} camera was is not known: no transform",
            )
        images = self._faulty(self._camera.shoot(self._world.snapshot()))
        frame = images.frame(f"{self._name}_color_optical_frame")
        return View(frame, images.world_from_color)

    def _active(self, kind: FaultKind) -> bool:
        return is_active(self._world.faults, kind, self._world.time)

    def _faulty(self, images: CameraImages) -> CameraImages:
        if self._active(FaultKind.DEPTH_NAN):
            return dataclasses.replace(images, depth=np.full_like(images.depth, np.nan))
        if self._active(FaultKind.DEPTH_HOLES):
            return dataclasses.replace(images, depth=with_holes(images.depth))
        return images


class TruePoints:
    """Knows where the points of the target and its like are, and sees them as the camera does.

    Args:
        world: the cell.
        labels: of the points; None for all.
    """

    def __init__(self, world: CellWorld, labels: Sequence[str] | None = None) -> None:
        self._world = world
        self._labels = tuple(world.layout.target.model.points if labels is None else labels)

    def __call__(self, frame: RGBDFrame, base_from_camera: FloatArray) -> list[Keypoint]:
        """The points in an image, those of the target first; those out of view are not visible."""
        return [
            dataclasses.replace(self._seen(placed, label, frame, base_from_camera), instance=number)
            for number, placed in enumerate(self._world.layout.wanted)
            for label in self._labels
        ]

    def _seen(
        self, placed: Placed, label: str, frame: RGBDFrame, base_from_camera: FloatArray
    ) -> Keypoint:
        base_from_object = self._world.object_pose(placed.name)
        base_point = geometry.apply(base_from_object, placed.model.position(label))
        true = geometry.apply(geometry.inverse(base_from_camera), base_point)
        u, v = frame.intrinsics.project(true) if true[2] > 0.01 else (-1.0, -1.0)
        inside = 1 <= u < frame.depth.shape[1] - 2 and 1 <= v < frame.depth.shape[0] - 2
        keypoint = Keypoint(
            label, float(u), float(v), float(inside), bool(inside),
            pixel_covariance=np.eye(2) * 0.25,
        )  # fmt: skip
        if not inside:
            return keypoint
        lifted = lift_keypoint(frame, keypoint)
        hidden = lifted.xyz is not None and np.linalg.norm(lifted.xyz - true) > 0.015
        return dataclasses.replace(keypoint, visible=False) if hidden else lifted


def with_holes(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """The depth image with every other square of a chessboard lost."""
    rows, columns = np.indices(depth.shape) // _HOLE_PX
    holes: NDArray[np.float32] = np.where((rows + columns) % 2 == 0, depth, np.float32(np.nan))
    return holes
