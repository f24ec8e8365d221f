# SPDX-License-Identifier: Apache-2.0
"""A pinhole RGB-D camera that looks into a MuJoCo model, without a display."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import DependencyError

FloatArray = NDArray[np.float64]

_OPTICAL_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # MuJoCo's cameras look along -z, y up


def import_mujoco() -> Any:
    """The mujoco module, set up to render without a display unless MUJOCO_GL says otherwise.

    Raises:
        DependencyError: MuJoCo or the OpenGL libraries are missing; says what to install.
    """
    if sys.platform == "linux":
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco
    except (
        ImportError,
        AttributeError,
    ) as error:  # PyOpenGL meets a missing libEGL with the latter
        raise DependencyError(
            f"rendering needs MuJoCo ({error}): pip install 'tack[sim]'"
            " and, on Debian or Ubuntu, apt-get install libegl1 libgl1"
        ) from error
    return mujoco


def add_camera(spec: Any, name: str, intrinsics: CameraIntrinsics) -> None:
    """Add a free-floating pinhole camera to a model under construction.

    Args:
        spec: mujoco.MjSpec.
        name: of the camera and of the mocap body that carries it.
        intrinsics: without distortion; pixel centres are whole numbers, as everywhere in tack.
    """
    body = spec.worldbody.add_body(name=name, mocap=True)
    size = np.array([intrinsics.width, intrinsics.height], dtype=np.float64)
    # MuJoCo measures the principal point from the middle of the image, and with inverted sign.
    offset = size / 2 - (intrinsics.cx + 0.5, intrinsics.cy + 0.5)
    pixel = 1e-6
    body.add_camera(
        name=name,
        resolution=size.astype(int).tolist(),
        sensor_size=(size * pixel).tolist(),
        focal_pixel=[intrinsics.fx, intrinsics.fy],
        principal_pixel=offset.tolist(),
    )


class RGBDRenderer:
    """Renders smooth colour and exact depth. A context manager; use it from one thread.

    Args:
        model: mujoco.MjModel with a camera made by `add_camera`.
        camera: its name.
        intrinsics: the same that the camera was made with.

    Raises:
        DependencyError: no OpenGL context can be made; says what to install.
    """

    def __init__(self, model: Any, camera: str, intrinsics: CameraIntrinsics) -> None:
        self._mujoco = mujoco = import_mujoco()
        self._model, self._intrinsics = model, intrinsics
        self._data = mujoco.MjData(model)
        self._body = model.body_mocapid[model.body(camera).id]
        try:
            self._context_gl = mujoco.GLContext(intrinsics.width, intrinsics.height)
            self._context_gl.make_current()
        except Exception as error:
            raise DependencyError(
                f"no OpenGL context without a display (MUJOCO_GL={os.environ.get('MUJOCO_GL')}:"
                f" {error}): on Debian or Ubuntu, apt-get install libegl1 libgl1"
            ) from error
        self._color_pass = self._offscreen()
        # Multi-sampled depth is read at a corner sample, 0.4 px beside the pixel's centre, so depth
        # gets a pass without it.
        samples, model.vis.quality.offsamples = model.vis.quality.offsamples, 0
        self._depth_pass = self._offscreen()
        model.vis.quality.offsamples = samples
        self._depth_pass.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR  # precise far away
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 64)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model.camera(camera).id

    def __enter__(self) -> RGBDRenderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _offscreen(self) -> Any:
        context = self._mujoco.MjrContext(
            self._model, self._mujoco.mjtFontScale.mjFONTSCALE_100.value
        )
        self._mujoco.mjr_setBuffer(self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        return context

    def close(self) -> None:
        """Free the graphics memory."""
        self._color_pass.free()
        self._depth_pass.free()
        self._context_gl.free()

    def render(
        self, world_from_camera: FloatArray
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """What the camera sees from a pose.

        Args:
            world_from_camera: (4, 4) pose of the optical frame, m.

        Returns:
            (H, W, 3) uint8 RGB, and (H, W) float32 exact depth along the optical axis, m, NaN
            where nothing is hit.
        """
        mujoco, data = self._mujoco, self._data
        pose = world_from_camera @ _OPTICAL_FROM_OPENGL
        x, y, z, w = geometry.to_quaternion(pose)
        data.mocap_pos[self._body] = pose[:3, 3]
        data.mocap_quat[self._body] = (w, x, y, z)
        mujoco.mj_forward(self._model, data)
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        height, width = self._intrinsics.height, self._intrinsics.width
        color = np.empty((height, width, 3), np.uint8)
        reverse_z = np.empty((height, width), np.float32)
        area = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._color_pass)
        mujoco.mjr_render(area, self._scene, self._color_pass)
        mujoco.mjr_readPixels(color, None, area, self._color_pass)
        flags = self._scene.flags.copy()
        self._scene.flags[:] = 0
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._depth_pass)
        mujoco.mjr_render(area, self._scene, self._depth_pass)
        mujoco.mjr_readPixels(None, reverse_z, area, self._depth_pass)
        self._scene.flags[:] = flags
        return np.ascontiguousarray(color[::-1]), self._metres(reverse_z[::-1])

    def _metres(self, reverse_z: NDArray[np.float32]) -> NDArray[np.float32]:
        extent = self._model.stat.extent
        near = self._model.vis.map.znear * extent
        far = self._model.vis.map.zfar * extent
        depth = near * far / (near + reverse_z.astype(np.float64) * (far - near))
        return np.where(reverse_z > 0, depth, np.nan).astype(np.float32)
