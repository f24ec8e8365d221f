# SPDX-License-Identifier: Apache-2.0
"""Colour and depth of a MuJoCo model from any pose, with any pinhole camera and any lights."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import DependencyError, InvalidInputError
from tack_sim.cameras.look import Light
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]

_thread = threading.local()


class SceneRenderer:
    """Renders one MuJoCo model without a display. A context manager; use it from one thread.

    The camera is not part of the model: it is given with each picture. Textures are loaded to the
    graphics memory once, so one renderer serves all cameras of a scene.

    Args:
        model: mujoco.MjModel. Physics may go on with it meanwhile.
        width, height: of the largest picture, px.
        samples: of each pixel against jagged edges, 0 to 4.
        shadow_size: of the shadow map, px; 0 for no shadows.
        shadow_reach: half the side of the area in which things cast shadows, m; finer if smaller.
        near, far: nearest and farthest depth that is seen, m.

    Raises:
        DependencyError: no OpenGL context can be made; says what to install.
    """

    def __init__(
        self,
        model: Any,
        width: int,
        height: int,
        *,
        samples: int = 4,
        shadow_size: int = 1024,
        shadow_reach: float = 1.2,
        near: float = 0.03,
        far: float = 15.0,
    ) -> None:
        self._mujoco = mujoco = import_mujoco()
        self._model, self._near, self._far = model, near, far
        self._size = (width, height)
        self._samples = samples
        self._gl = _thread_context(mujoco)
        self._gl.make_current()
        vis = model.vis
        vis.global_.offwidth = max(width, vis.global_.offwidth)
        vis.global_.offheight = max(height, vis.global_.offheight)
        kept = vis.quality.offsamples, vis.quality.shadowsize, vis.map.shadowclip
        vis.map.shadowclip = shadow_reach / model.stat.extent
        vis.quality.offsamples, vis.quality.shadowsize = samples, shadow_size
        self._color_pass = self._offscreen()
        # Multi-sampled depth is read at a corner sample, 0.4 px beside the pixel's centre, so depth
        # then gets a pass without it.
        vis.quality.offsamples = 0
        self._depth_pass = self._offscreen() if samples else self._color_pass
        vis.quality.offsamples, vis.quality.shadowsize, vis.map.shadowclip = kept
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 64)
        self._scene.flags[:] = 0
        self._shadows = shadow_size > 0
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_USER

    def __enter__(self) -> SceneRenderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the graphics memory."""
        self._gl.make_current()
        self._color_pass.free()
        if self._depth_pass is not self._color_pass:
            self._depth_pass.free()

    def color(
        self,
        data: Any,
        intrinsics: CameraIntrinsics,
        world_from_camera: FloatArray,
        lights: tuple[Light, ...] = (),
    ) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB.

        Args:
            data: mujoco.MjData with its kinematics done (mj_kinematics, mj_camlight).
            intrinsics: without distortion.
            world_from_camera: (4, 4) pose of the optical frame, m.
            lights: instead of the model's own; none leaves those.

        Raises:
            InvalidInputError: a picture larger than the renderer was made for, or distortion.
        """
        self._aim(data, intrinsics, world_from_camera, lights)
        self._set_flags(color=True)
        color, _ = self._read(intrinsics, self._color_pass, color=True, depth=False)
        assert color is not None
        return color

    def depth(
        self, data: Any, intrinsics: CameraIntrinsics, world_from_camera: FloatArray
    ) -> NDArray[np.float32]:
        """(H, W) float32 exact depth along the optical axis, m, NaN where nothing is hit.

        Arguments and errors as in `color`.
        """
        self._aim(data, intrinsics, world_from_camera, ())
        self._set_flags(color=False)
        _, depth = self._read(intrinsics, self._depth_pass, color=False, depth=True)
        assert depth is not None
        return depth

    def color_and_depth(
        self,
        data: Any,
        intrinsics: CameraIntrinsics,
        world_from_camera: FloatArray,
        lights: tuple[Light, ...] = (),
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Both, in one pass where that is exact (without multi-sampling)."""
        if self._samples:
            color = self.color(data, intrinsics, world_from_camera, lights)
            self._set_flags(color=False)
            _, depth = self._read(intrinsics, self._depth_pass, color=False, depth=True)
        else:
            self._aim(data, intrinsics, world_from_camera, lights)
            self._set_flags(color=True)
            both = self._read(intrinsics, self._color_pass, color=True, depth=True)
            assert both[0] is not None
            color, depth = both[0], both[1]
        assert depth is not None
        return color, depth

    def _offscreen(self) -> Any:
        mujoco = self._mujoco
        context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR  # precise far away
        return context

    def _set_flags(self, *, color: bool) -> None:
        flags = self._mujoco.mjtRndFlag
        self._scene.flags[flags.mjRND_SHADOW] = color and self._shadows
        self._scene.flags[flags.mjRND_SKYBOX] = color

    def _aim(
        self,
        data: Any,
        intrinsics: CameraIntrinsics,
        world_from_camera: FloatArray,
        lights: tuple[Light, ...],
    ) -> None:
        if intrinsics.width > self._size[0] or intrinsics.height > self._size[1]:
            raise InvalidInputError(
                f"picture of {intrinsics.width}×{intrinsics.height}: this renderer was made for"
                f" {self._size[0]}×{self._size[1]}"
            )
        if intrinsics.model != "none":
            raise InvalidInputError("a camera with distortion cannot be rendered; leave it out")
        near = self._near
        left = (-0.5 - intrinsics.cx) / intrinsics.fx * near
        right = (intrinsics.width - 0.5 - intrinsics.cx) / intrinsics.fx * near
        for eye in self._scene.camera:  # a stereo pair, of which MuJoCo takes the middle
            eye.pos[:] = world_from_camera[:3, 3]
            eye.forward[:] = world_from_camera[:3, 2]
            eye.up[:] = -world_from_camera[:3, 1]
            eye.frustum_center = (left + right) / 2
            eye.frustum_width = (right - left) / 2
            eye.frustum_top = (intrinsics.cy + 0.5) / intrinsics.fy * near
            eye.frustum_bottom = (intrinsics.cy + 0.5 - intrinsics.height) / intrinsics.fy * near
            eye.frustum_near, eye.frustum_far = near, self._far
        everything = self._mujoco.mjtCatBit.mjCAT_ALL.value
        self._mujoco.mjv_updateScene(
            self._model, data, self._option, None, self._camera, everything, self._scene
        )
        if lights:
            self._set_lights(lights)

    def _set_lights(self, lights: tuple[Light, ...]) -> None:
        kinds = self._mujoco.mjtLightType
        self._scene.nlight = len(lights)
        for slot, light in zip(self._scene.lights, lights, strict=False):
            slot.headlight = 0
            slot.type = kinds.mjLIGHT_SPOT if light.spot else kinds.mjLIGHT_DIRECTIONAL
            slot.pos[:], slot.dir[:] = light.position, light.direction
            slot.ambient[:], slot.diffuse[:] = light.ambient, light.diffuse
            slot.specular[:] = light.specular
            slot.attenuation[:] = (1, 0, 0)
            slot.cutoff, slot.exponent = light.cutoff_deg, 4.0
            slot.castshadow = light.shadow

    def _read(
        self, intrinsics: CameraIntrinsics, context: Any, *, color: bool, depth: bool
    ) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
        mujoco = self._mujoco
        shape = (intrinsics.height, intrinsics.width)
        rgb = np.empty((*shape, 3), np.uint8) if color else None
        reverse_z = np.empty(shape, np.float32) if depth else None
        area = mujoco.MjrRect(0, 0, intrinsics.width, intrinsics.height)
        self._gl.make_current()
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        mujoco.mjr_render(area, self._scene, context)
        mujoco.mjr_readPixels(rgb, reverse_z, area, context)
        return (
            None if rgb is None else np.ascontiguousarray(rgb[::-1]),
            None if reverse_z is None else self._metres(reverse_z[::-1]),
        )

    def _metres(self, reverse_z: NDArray[np.float32]) -> NDArray[np.float32]:
        near, far = np.float32(self._near), np.float32(self._far)
        # 1/z = 1/far + r·(1/near − 1/far): a sum of positive terms, exact enough in float32.
        depth = np.reciprocal(reverse_z * (1 / near - 1 / far) + 1 / far)
        depth[reverse_z <= 0] = np.nan
        result: NDArray[np.float32] = depth
        return result


def _thread_context(mujoco: Any) -> Any:
    """The OpenGL context of this thread; it stays, since making one and its shaders takes long."""
    context = getattr(_thread, "context", None)
    if context is None:
        try:
            context = mujoco.GLContext(64, 64)  # pictures are drawn off screen, at any size
        except Exception as error:
            raise DependencyError(
                f"no OpenGL context without a display (MUJOCO_GL={os.environ.get('MUJOCO_GL')}:"
                f" {error}): on Debian or Ubuntu, apt-get install libegl1 libgl1"
            ) from error
        _thread.context = context
    return context
