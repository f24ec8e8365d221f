# SPDX-License-Identifier: Apache-2.0
"""Contact sheets: many instances side by side, softly lit on a plain ground.

`python -m tack_sim.objects.sheet mug --count 20 --output sheet.png`
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_perception import geometry
from tack_perception.errors import DependencyError
from tack_sim.objects.body import COLLISION_GROUP, VISUAL_GROUP, add_object
from tack_sim.objects.families import FAMILIES, make_object
from tack_sim.objects.model import SPLITS, ObjectModel
from tack_sim.objects.shading import face_normals
from tack_sim.objects.textures.noise import to_bytes
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

GROUND = (0.86, 0.86, 0.85)
_FIELD_OF_VIEW = math.radians(26)
_SUPERSAMPLE = 2
_TONE = 1.55  # lifts the middle tones


def contact_sheet(
    models: Iterable[ObjectModel],
    size: int = 256,
    *,
    columns: int = 5,
    azimuth: float = math.radians(-70),
    elevation: float = math.radians(30),
    lamps: int = 24,
    points: bool = False,
    pieces: bool = False,
) -> Image:
    """A grid of pictures, one for each object in its usual rest pose.

    Args:
        models: the objects; they may be made while the sheet is drawn.
        size: side of one picture, px.
        columns: pictures side by side.
        azimuth, elevation: where the camera stands, seen from the object, rad; 0 is its +x.
        lamps: places on the sky whose light is averaged: more give softer shadows, and take longer.
        points: mark the named points that are in sight.
        pieces: show what physics sees instead of the surface.

    Returns:
        (rows * size, columns * size, 3) uint8 RGB.

    Raises:
        DependencyError: MuJoCo or OpenGL is missing; says what to install.
    """
    tiles = []
    with _Studio(size * _SUPERSAMPLE, lamps) as studio:
        for model in models:
            view = _view(model, azimuth, elevation)
            picture = studio.picture(model, view, COLLISION_GROUP if pieces else VISUAL_GROUP)
            if points:
                _mark_points(picture, model, view)
            tiles.append(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))
    if not tiles:
        return np.zeros((0, columns * size, 3), np.uint8)
    blank = np.full_like(tiles[0], 255)
    rows = -(-len(tiles) // columns)
    tiles += [blank] * (rows * columns - len(tiles))
    lines = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.asarray(np.concatenate(lines), dtype=np.uint8)


class _View:
    """A camera that sees the whole object, as MuJoCo's free camera and as a projection."""

    def __init__(
        self, centre: FloatArray, distance: float, azimuth: float, elevation: float
    ) -> None:
        self.centre, self.distance = centre, distance
        self.azimuth, self.elevation = azimuth, elevation
        back = np.array(
            [
                math.cos(azimuth) * math.cos(elevation),
                math.sin(azimuth) * math.cos(elevation),
                math.sin(elevation),
            ]
        )
        self.position = centre + distance * back
        right = np.cross((0.0, 0.0, 1.0), back)
        right /= np.linalg.norm(right)
        self.axes = np.stack([right, np.cross(right, back), -back])  # right, down, forward

    def project(self, points: FloatArray) -> FloatArray:
        """(N, 3) → (N, 2) in shares of the picture, from its top left."""
        local = (points - self.position) @ self.axes.T
        scale = 0.5 / math.tan(_FIELD_OF_VIEW / 2)
        places: FloatArray = 0.5 + scale * local[:, :2] / local[:, 2:]
        return places


def _view(model: ObjectModel, azimuth: float, elevation: float) -> _View:
    """The view in which the object fills the picture."""
    cloud = geometry.apply(model.rests[0].table_from_object, model.mesh.vertices)
    centre = (cloud.min(axis=0) + cloud.max(axis=0)) / 2
    size = np.ptp(cloud, axis=0)
    if size[2] < 0.35 * max(size[:2]) and min(size[:2]) < 0.5 * max(size[:2]):
        # A tool that lies is seen better from above, and along the picture's diagonal.
        azimuth, elevation = azimuth + math.radians(25), max(elevation, math.radians(50))
    distance = 4.0 * float(np.linalg.norm(cloud - centre, axis=1).max())
    for _ in range(3):
        view = _View(centre, distance, azimuth, elevation)
        places = view.project(cloud)
        low, high = places.min(axis=0), places.max(axis=0)
        shift = ((low + high) / 2 - 0.5) * 2 * math.tan(_FIELD_OF_VIEW / 2) * distance
        centre = centre + shift[0] * view.axes[0] + shift[1] * view.axes[1]
        distance *= max(float((high - low).max()) / 0.80, 0.2)
    return _View(centre, distance, azimuth, elevation)


class _Studio:
    """One OpenGL context for all pictures of a sheet."""

    def __init__(self, size: int, lamps: int) -> None:
        self._mujoco = mujoco = import_mujoco()
        self._size = size
        self._lamps = lamps
        try:
            self._gl = mujoco.GLContext(size, size)
            self._gl.make_current()
        except Exception as error:
            raise DependencyError(
                f"no OpenGL context without a display ({error}):"
                " on Debian or Ubuntu, apt-get install libegl1 libgl1"
            ) from error

    def __enter__(self) -> _Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self._gl.free()

    def picture(self, model: ObjectModel, view: _View, group: int) -> Image:
        """The average over the sky's lamps: shadows are soft, corners that see little sky dark."""
        mujoco = self._mujoco
        scene_model = self._compile(model, view)
        data = mujoco.MjData(scene_model)
        mujoco.mj_forward(scene_model, data)
        context = mujoco.MjrContext(scene_model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        scene = mujoco.MjvScene(scene_model, maxgeom=scene_model.ngeom + 16)
        option = mujoco.MjvOption()
        option.geomgroup[:] = 0
        option.geomgroup[[0, group]] = 1
        camera = mujoco.MjvCamera()
        camera.lookat[:] = view.centre
        camera.distance = view.distance
        camera.azimuth = math.degrees(view.azimuth) + 180
        camera.elevation = -math.degrees(view.elevation)
        area = mujoco.MjrRect(0, 0, self._size, self._size)
        total = np.zeros((self._size, self._size, 3), np.float32)
        color = np.empty((self._size, self._size, 3), np.uint8)
        sky = list(_sky(self._lamps, view.azimuth))
        for direction, strength in sky:
            scene_model.light_dir[0] = -direction
            scene_model.light_pos[0] = view.centre + 0.8 * view.distance * direction
            scene_model.light_diffuse[0] = strength
            mujoco.mj_forward(scene_model, data)
            mujoco.mjv_updateScene(
                scene_model, data, option, None, camera, mujoco.mjtCatBit.mjCAT_ALL.value, scene
            )
            mujoco.mjr_render(area, scene, context)
            mujoco.mjr_readPixels(color, None, area, context)
            total += color
        context.free()
        mean = np.clip(total[::-1] / (255 * len(sky)), 0, 1)
        return to_bytes(1 - (1 - mean) ** _TONE)

    def _compile(self, model: ObjectModel, view: _View) -> Any:
        mujoco = self._mujoco
        spec = mujoco.MjSpec()
        spec.visual.global_.offwidth = spec.visual.global_.offheight = self._size
        spec.visual.global_.fovy = math.degrees(_FIELD_OF_VIEW)
        spec.visual.quality.shadowsize, spec.visual.quality.offsamples = 1024, 0
        spec.visual.headlight.ambient = [0.26, 0.26, 0.27]
        spec.visual.headlight.diffuse = [0.05, 0.05, 0.05]
        spec.visual.headlight.specular = [0.0, 0.0, 0.0]
        spec.stat.extent, spec.stat.center = view.distance, view.centre.tolist()
        spec.visual.map.znear, spec.visual.map.zfar = 0.05, 20.0
        spec.visual.map.shadowclip = 0.4
        light = spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=True
        )
        light.ambient, light.specular = [0, 0, 0], [1, 1, 1]
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            size=[0, 0, 0.1],
            rgba=[*GROUND, 1],
            contype=0,
            conaffinity=0,
        )
        add_object(spec, model, "object", model.rests[0].table_from_object, free=False)
        return spec.compile()


def _sky(lamps: int, azimuth: float) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Directions towards lamps and their colours: most in a warm window, the rest over a cool sky.

    The window is to the camera's left, so that what the camera sees is lit.
    """
    rng = np.random.default_rng(3)
    golden = math.pi * (3 - math.sqrt(5))
    side = azimuth - math.radians(52)
    window = np.array([0.62 * math.cos(side), 0.62 * math.sin(side), 0.78])
    for index in range(lamps):
        if index % 5 < 3:
            direction = window + 0.11 * rng.standard_normal(3)
            color = np.array([0.68, 0.66, 0.63])
        else:
            height = math.sqrt((index + 0.5) / lamps)
            level = math.sqrt(1 - height * height)
            turn = azimuth + golden * index
            direction = np.array([level * math.cos(turn), level * math.sin(turn), height])
            color = np.array([0.56, 0.58, 0.61])
        yield direction / np.linalg.norm(direction), color


def _mark_points(picture: Image, model: ObjectModel, view: _View) -> None:
    """A dot and the name at every named point; hollow if the surface there faces away."""
    pose = model.rests[0].table_from_object
    normals = face_normals(model.mesh) @ pose[:3, :3].T
    size = len(picture)
    for index, (name, point) in enumerate(model.points.items()):
        place = geometry.apply(pose, model.position(name))
        u, v = (view.project(place[None])[0] * size).astype(int).tolist()
        facing = float(normals[point.face] @ (view.position - place)) > 0
        hue = int(180 * index / len(model.points))
        color = cv2.cvtColor(np.array([[[hue, 255, 230]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
        shade = tuple(int(c) for c in color)
        cv2.circle(picture, (u, v), size // 90, shade, -1 if facing else 2, cv2.LINE_AA)
        scale = size / 900
        (width, _), _ = cv2.getTextSize(name, 0, scale, 1)
        start = (u + size // 60 if u + width < 0.97 * size else u - width - size // 60, v)
        cv2.putText(picture, name, start, 0, scale, (255, 255, 255), 3, cv2.LINE_AA)
        cv2.putText(picture, name, start, 0, scale, (0, 0, 0), 1, cv2.LINE_AA)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: see the module's docstring."""
    parser = argparse.ArgumentParser(
        description="Draws a contact sheet of an object family.",
        epilog="example: python -m tack_sim.objects.sheet mug --count 20 --output sheet.png",
    )
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--count", type=int, default=20, help="instances (default: 20)")
    parser.add_argument("--split", choices=tuple(SPLITS), default="train")
    parser.add_argument("--first", type=int, default=0, help="first instance within the split")
    parser.add_argument("--size", type=int, default=256, help="side of a picture, px")
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("--azimuth", type=float, default=-70, help="camera's, degrees")
    parser.add_argument("--elevation", type=float, default=30, help="camera's, degrees")
    parser.add_argument("--points", action="store_true", help="mark the named points")
    parser.add_argument("--pieces", action="store_true", help="show what physics sees")
    parser.add_argument("--output", type=Path, required=True, help="PNG or JPEG to write")
    options = parser.parse_args(arguments)
    start = SPLITS[options.split].start + options.first
    seeds = tqdm(range(start, start + options.count), unit="object")
    sheet = contact_sheet(
        (make_object(options.family, seed) for seed in seeds),
        options.size,
        columns=min(options.columns, options.count),
        azimuth=math.radians(options.azimuth),
        elevation=math.radians(options.elevation),
        points=options.points,
        pieces=options.pieces,
    )
    cv2.imwrite(str(options.output), sheet[..., ::-1])


if __name__ == "__main__":
    main()
