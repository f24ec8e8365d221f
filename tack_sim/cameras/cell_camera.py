# SPDX-License-Identifier: Apache-2.0
"""A simulated RealSense that looks into the cell while physics goes on elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import CameraMount
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.registration import register_depth
from tack_sim.cameras.look import STEADY, Look, LookConfig, expose, sample_look
from tack_sim.cameras.models import CameraModel, camera_model
from tack_sim.cameras.scene_renderer import SceneRenderer
from tack_sim.cell.world import Snapshot
from tack_sim.depth_noise import noisy_depth
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]

_NEAREST = 0.1  # m
_PAUSE = 0.5  # s without a picture after which the camera's motion is not known
_LONGEST_BLUR = 40.0  # px


@dataclasses.dataclass(frozen=True, eq=False)
class CameraImages:
    """One shot of a cell camera.

    Attributes:
        time: of exposure, s of the simulation.
        color: (H, W, 3) uint8 RGB.
        depth: (h, w) float32, m, NaN where unknown; on the colour grid if it is aligned.
        color_intrinsics, depth_intrinsics: the cameras of the two grids.
        aligned: whether depth lies on the colour grid.
        world_from_color: (4, 4) pose of the colour optical frame, m.
    """

    time: float
    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    color_intrinsics: CameraIntrinsics
    depth_intrinsics: CameraIntrinsics
    aligned: bool
    world_from_color: FloatArray

    def frame(self, frame_id: str, stamp_ns: int | None = None) -> RGBDFrame:
        """The shot as a frame; the stamp is the simulation's time unless another is given.

        Raises:
            InvalidInputError: depth is not aligned.
        """
        if not self.aligned:
            raise InvalidInputError("depth is on a grid of its own; make the camera with aligned")
        stamp = round(self.time * 1e9) if stamp_ns is None else stamp_ns
        return RGBDFrame(self.color, self.depth, self.color_intrinsics, stamp, frame_id)


class CellCamera:
    """A camera on a link of the robot, or beside it. A context manager; use it from one thread.

    It has a MjData of its own and is fed with states, so that it can run beside the physics:

        with CellCamera(world.model, mount) as camera:
            frame = camera.shoot(world.snapshot()).frame("camera_color_optical_frame")

    Args:
        model: mujoco.MjModel.
        mount: where the camera sits; `parent` is a body of the model, or not in it for the world.
        width, height: of the colour image, px; the depth image gets the same size.
        look: from which lights and the imager's answer are drawn, once, with the seed.
        noise: False for perfect depth and colour.
        aligned: depth registered to colour, as realsense-ros does with align_depth; otherwise it
            stays on the depth imager's own grid.
        exposure: time for which the shutter is open, s: how far a moving camera blurs.
        samples, shadow_size: see `SceneRenderer`.
        seed: of all randomness; the same seed and states give the same pictures.
        renderer: shared with other cameras of the same thread; None for one of its own.

    Raises:
        InvalidInputError: unknown camera model.
        DependencyError: no OpenGL; says what to install.
    """

    def __init__(
        self,
        model: Any,
        mount: CameraMount,
        *,
        width: int = 640,
        height: int = 480,
        look: LookConfig = STEADY,
        noise: bool = True,
        aligned: bool = True,
        exposure: float = 0.006,
        samples: int = 0,
        shadow_size: int = 1024,
        seed: int = 0,
        renderer: SceneRenderer | None = None,
    ) -> None:
        self._mujoco = import_mujoco()
        self._model, self._mount, self._aligned, self._noise = model, mount, aligned, noise
        self.camera: CameraModel = camera_model(mount.model).scaled(width, height)
        # Of depth that is registered to colour, only what colour sees is worth its time.
        partly = aligned and not self.camera.coincident
        self._depth_grid = self.camera.depth_window(_NEAREST) if partly else (self.camera.depth, 0)
        self._exposure = exposure
        self._last: tuple[float, FloatArray] | None = None
        self._data = self._mujoco.MjData(model)
        body = self._mujoco.mj_name2id(model, self._mujoco.mjtObj.mjOBJ_BODY.value, mount.parent)
        self._body = max(0, body)
        self._rng = np.random.default_rng(seed)
        self.look: Look = sample_look(look, self._rng, _centre(model), shadows=shadow_size > 0)
        self._own = renderer is None
        self._renderer = renderer or SceneRenderer(
            model, width, height, samples=samples, shadow_size=shadow_size
        )

    def __enter__(self) -> CellCamera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the graphics memory, if it is this camera's own."""
        if self._own:
            with contextlib.suppress(Exception):  # a context that is gone needs no freeing
                self._renderer.close()

    def set_look(self, look: Look) -> None:
        """Change lights and imager."""
        self.look = look

    def shoot(self, state: Snapshot) -> CameraImages:
        """Render a state.

        Raises:
            InvalidInputError: the state belongs to another model.
        """
        self._load(state)
        pose = self.world_from_color()
        camera, renderer, data = self.camera, self._renderer, self._data
        grid, column = self._depth_grid
        if camera.coincident:
            color, depth = renderer.color_and_depth(data, camera.color, pose, self.look.lights)
        else:
            color = renderer.color(data, camera.color, pose, self.look.lights)
            depth = renderer.depth(data, grid, pose @ camera.color_from_depth)
        if self._noise:
            color = expose(color, self._blurred_look(state.time, pose, depth), self._rng)
            depth = noisy_depth(depth, grid, camera.noise, self._rng, first_column=column)
        aligned = self._aligned or camera.coincident
        if aligned and not camera.coincident:
            depth = register_depth(depth, grid, camera.color, camera.color_from_depth)
            grid = camera.color
        return CameraImages(state.time, color, depth, camera.color, grid, aligned, pose)

    def world_from_color(self) -> FloatArray:
        """(4, 4) pose of the colour optical frame in the last state, m."""
        rotation = self._data.xmat[self._body].reshape(3, 3)
        parent = np.eye(4)
        parent[:3, :3], parent[:3, 3] = rotation, self._data.xpos[self._body]
        pose: FloatArray = geometry.nearest_transform(parent) @ self._mount.parent_from_optical
        return pose

    def _blurred_look(self, time: float, pose: FloatArray, depth: NDArray[np.float32]) -> Look:
        """The look, with the blur of how the camera moved since its last picture."""
        last, self._last = self._last, (time, pose)
        if last is None or not 0 < time - last[0] < _PAUSE or not np.isfinite(depth).any():
            return self.look
        middle = self.camera.color.deproject(
            (self.camera.color.cx, self.camera.color.cy), np.nanmedian(depth)
        )
        before = self.camera.color.project(geometry.apply(geometry.inverse(last[1]) @ pose, middle))
        moved = before - (self.camera.color.cx, self.camera.color.cy)
        if not np.isfinite(moved).all():
            return self.look
        moved *= self._exposure / (time - last[0]) * 640 / self.camera.color.width
        u, v = np.clip(moved + self.look.blur, -_LONGEST_BLUR, _LONGEST_BLUR)
        return dataclasses.replace(self.look, blur=(float(u), float(v)))

    def _load(self, state: Snapshot) -> None:
        data = self._data
        if state.qpos.shape != data.qpos.shape or state.mocap_pos.shape != data.mocap_pos.shape:
            raise InvalidInputError(
                f"state with {state.qpos.size} positions: the camera's model has {data.qpos.size};"
                " make a new camera when the model changes"
            )
        state.apply(self._model, data)


def _centre(model: Any) -> tuple[float, float, float]:
    """What the lights shine at: the centre that the model states."""
    x, y, z = (float(value) for value in model.stat.center)
    return x, y, z
