# SPDX-License-Identifier: Apache-2.0
"""Renders one view of a scene with everything that is true of it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence import CanonicalMap, SeenObject, SeenPoint, View
from tack_perception.registration import register_depth
from tack_sim.cameras.ids import Hits
from tack_sim.cameras.look import Look, LookConfig, expose, sample_look
from tack_sim.cameras.models import CameraModel, camera_model
from tack_sim.cameras.scene_renderer import SceneRenderer
from tack_sim.dataset.plan import RenderConfig, ScenePlan
from tack_sim.dataset.scene import Scene
from tack_sim.depth_noise import noisy_depth
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]

_ROLL = math.radians(25)
_FOCAL_SPREAD = 0.06  # units of one camera type differ by a few per cent
_CENTRE_SPREAD_PX = 4.0  # at 640 px
_NEAREST = 0.15  # m: what is nearer has no measured depth anyhow
_LOOK_BESIDE = 0.04  # m, how far beside the main object the camera may look
_FILL = 0.75  # largest share of the picture's half height that the main object takes


class SceneCamera:
    """Takes the views of one scene. A context manager: it holds graphics memory.

    Args:
        scene: the scene.
        plan: which scene it is.
        config: size, camera and noise.
        look: from which each view's lights and imager are drawn.
    """

    def __init__(
        self, scene: Scene, plan: ScenePlan, config: RenderConfig, look: LookConfig
    ) -> None:
        self._scene, self._plan, self._config, self._look = scene, plan, config, look
        mujoco = import_mujoco()
        self._data: Any = mujoco.MjData(scene.model)
        mujoco.mj_kinematics(scene.model, self._data)
        rng = np.random.default_rng([config.seed, plan.number, 3])
        self._camera = _some_unit(camera_model(config.camera), rng).scaled(
            config.width, config.height
        )
        self._window = self._camera.depth_window(_NEAREST)
        # Cheaper than multi-sampling, which does nothing for textures and shadows either.
        self._large = self._camera.color.scaled(
            round(config.width * config.oversample), round(config.height * config.oversample)
        )
        self._renderer = SceneRenderer(
            scene.model,
            self._large.width,
            self._large.height,
            samples=0,
            shadow_size=1024 if config.shadow_share else 0,
            shadow_reach=1.2,
            near=0.05,
            far=12.0,
        )

    def __enter__(self) -> SceneCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self._renderer.close()

    def shoot(self, number: int) -> View:
        """The view of that number within the scene; the same number gives the same view."""
        config, camera = self._config, self._camera
        rng = np.random.default_rng([config.seed, self._plan.number, 4, number])
        pose = self._viewpoint(rng)
        shadows = bool(rng.random() < config.shadow_share)
        look = sample_look(self._look, rng, (0.0, 0.0, 0.05), shadows=shadows)
        color = expose(self._clean(pose, look), look, rng)
        hits = self._scene.rays.view(camera.color, pose)
        depth = self._measured(hits, pose, rng) if config.noise else None
        instance = np.where(hits.surface >= 0, hits.surface + 1, 0).astype(np.uint8)
        shown = instance > 0
        weights = np.where(shown[..., None], hits.weights, np.float32(0))
        counts = np.bincount(instance.ravel(), minlength=len(self._scene.labelled) + 1)
        return View(
            scene=self._plan.number,
            color=color,
            intrinsics=camera.color,
            world_from_camera=pose,
            depth=depth,
            true_depth=hits.depth,
            objects=tuple(
                SeenObject(thing.name, thing.world_from_object, int(count))
                for thing, count in zip(self._scene.labelled, counts[1:], strict=True)
            ),
            instance=instance,
            canonical=CanonicalMap(np.where(shown, hits.face, -1).astype(np.int32), weights),
            points=self._points(pose),
        )

    def _clean(self, pose: FloatArray, look: Look) -> NDArray[np.uint8]:
        large = self._renderer.color(self._data, self._large, pose, look.lights)
        size = (self._config.width, self._config.height)
        return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def _measured(
        self, hits: Hits, pose: FloatArray, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """What the depth imager measures, registered to colour."""
        camera = self._camera
        if camera.coincident:
            return noisy_depth(hits.depth, camera.depth, camera.noise, rng, self._depth_loss(hits))
        window, column = self._window
        hits = self._scene.rays.view(window, pose @ camera.color_from_depth)
        loss = self._depth_loss(hits)
        measured = noisy_depth(hits.depth, window, camera.noise, rng, loss, first_column=column)
        return register_depth(measured, window, camera.color, camera.color_from_depth)

    def _depth_loss(self, hits: Hits) -> NDArray[np.float32] | None:
        if not self._scene.depth_loss.any():
            return None
        loss = np.zeros(hits.depth.shape, np.float32)
        for index, thing in enumerate(self._scene.labelled):
            rows, columns = np.nonzero(hits.surface == index)
            parts = thing.model.part_of_face[hits.face[rows, columns]]
            loss[rows, columns] = self._scene.depth_loss[index, parts]
        return loss

    def _points(self, pose: FloatArray) -> tuple[SeenPoint, ...]:
        names, places, owners = [], [], []
        for index, thing in enumerate(self._scene.labelled):
            for name in thing.model.points:
                names.append(name)
                owners.append(index)
                local = thing.model.position(name)
                places.append(geometry.apply(thing.world_from_object, local))
        if not places:
            return ()
        world = np.array(places)
        local = geometry.apply(geometry.inverse(pose), world)
        pixels = self._camera.color.project(local)
        seen = self._scene.rays.sees(world, pose)
        return tuple(
            SeenPoint(
                owner,
                name,
                (float(pixel[0]), float(pixel[1])),
                (float(xyz[0]), float(xyz[1]), float(xyz[2])),
                bool(free and self._camera.color.contains(pixel[0], pixel[1])),
            )
            for owner, name, pixel, xyz, free in zip(
                owners, names, pixels, local, seen, strict=True
            )
            if np.isfinite(pixel).all()
        )

    def _viewpoint(self, rng: np.random.Generator) -> FloatArray:
        """A pose that looks at the main object from above the table."""
        config, radius = self._config, self._scene.radius()
        half_height = self._camera.color.height / 2 / self._camera.color.fy
        nearest = max(min(config.distance_m), radius / (_FILL * half_height))
        distance = float(rng.uniform(nearest, max(nearest, *config.distance_m)))
        azimuth = float(rng.uniform(-math.pi, math.pi))
        elevation = math.radians(
            float(rng.uniform(min(config.elevation_deg), max(config.elevation_deg)))
        )
        back = np.array(
            [
                math.cos(azimuth) * math.cos(elevation),
                math.sin(azimuth) * math.cos(elevation),
                math.sin(elevation),
            ]
        )
        target = self._scene.centre() + rng.normal(0.0, _LOOK_BESIDE, 3) * (1, 1, 0.5)
        position = target + distance * back
        position[2] = max(position[2], 0.08)
        upright = geometry.frame_from_axes(
            target - position, np.cross(target - position, (0, 0, 1)), position
        )
        pose: FloatArray = upright @ geometry.from_axis_angle(
            (0, 0, 1), float(rng.normal(0, _ROLL / 2))
        )
        return pose


def _some_unit(camera: CameraModel, rng: np.random.Generator) -> CameraModel:
    """One unit off the production line: focal length and principal point differ a little."""
    stretch = float(np.exp(rng.normal(0.0, _FOCAL_SPREAD / 2)))
    shift = rng.normal(0.0, _CENTRE_SPREAD_PX / 2, 2)
    color = dataclasses.replace(
        camera.color,
        fx=camera.color.fx * stretch,
        fy=camera.color.fy * stretch,
        cx=camera.color.cx + float(shift[0]),
        cy=camera.color.cy + float(shift[1]),
    )
    depth = color if camera.coincident else camera.depth
    return dataclasses.replace(camera, color=color, depth=depth)
