# SPDX-License-Identifier: Apache-2.0
"""A small rendered tabletop, seen by a wrist camera that moves along an arc.

The world is the robot's base: x forward, y left, z up, the table's top at z = 0. The scene stands
on printed packages, a can, a mug and a book, so that there is something to click on; a few of their
points are named, and their true positions are known.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_sim import prints, shapes
from tack_sim.prints import Image, Print
from tack_sim.renderer import RGBDRenderer, add_camera, import_mujoco
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

INTRINSICS = CameraIntrinsics(640, 480, 615.4, 615.1, 321.7, 238.9)
"""A D435's colour camera at 640×480, with the small offsets of a real calibration."""

BASE_FRAME = "base_link"
OPTICAL_FRAME = "camera_color_optical_frame"

_CAMERA = "wrist_camera"
_TARGET = np.array([0.56, 0.0, 0.045])

_TEA = Print(
    "JASMINE",
    "green tea  20 bags",
    ((22, 92, 82), (142, 196, 148)),
    ((246, 212, 112), (240, 240, 226), (226, 118, 96), (34, 132, 104)),
)
_SOUP = Print(
    "TOMATO",
    "slow cooked soup",
    ((206, 52, 44), (250, 202, 120)),
    ((255, 226, 140), (122, 20, 24), (255, 250, 240), (76, 138, 60)),
)
_BOOK = Print(
    "RIVERS",
    "a field guide",
    ((28, 54, 116), (110, 168, 214)),
    ((250, 178, 88), (236, 244, 250), (88, 206, 200), (214, 84, 110)),
)
_POTTERY = ((36, 86, 142), (196, 92, 62), (44, 110, 120))


@dataclasses.dataclass(frozen=True, eq=False)
class Item:
    """One thing on the table.

    Attributes:
        name: of the body.
        mesh: its surface in its own frame, m.
        texture: (H, W, 3) uint8 RGB.
        base_from_item: (4, 4), m.
        points: point name → (3,) in the item's frame, m.
        shine: specular strength, 0 to 1.
    """

    name: str
    mesh: Mesh
    texture: Image
    base_from_item: FloatArray
    points: dict[str, FloatArray]
    shine: float


class Tabletop:
    """The scene, ready to be rendered.

    Args:
        seed: decides the prints and where exactly things stand.

    Attributes:
        points: name → (3,) true position in the base frame, m.

    Raises:
        DependencyError: MuJoCo is missing; says what to install.
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        items = make_items(rng)
        self.points: dict[str, FloatArray] = {
            name: geometry.apply(item.base_from_item, point)
            for item in items
            for name, point in item.points.items()
        }
        self._model = _compile(items, rng)

    def camera(self) -> RGBDRenderer:
        """A camera into the scene, with `INTRINSICS`; a context manager.

        Raises:
            DependencyError: no OpenGL without a display; says what to install.
        """
        return RGBDRenderer(self._model, _CAMERA, INTRINSICS)


def base_from_camera(progress: float) -> FloatArray:
    """The camera's optical frame on its way along the arc.

    Args:
        progress: 0 at the start, 1 at the end; the speed is zero at both.

    Returns:
        (4, 4) in the base frame, m.
    """
    eased = progress * progress * (3 - 2 * progress)
    azimuth = math.radians(-30 + 60 * eased)
    elevation = math.radians(44 + 6 * math.sin(math.pi * eased))
    distance = 0.56 - 0.05 * math.sin(math.pi * eased)
    way = np.array(
        [
            -math.cos(azimuth) * math.cos(elevation),
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
        ]
    )
    position = _TARGET + distance * way
    right = np.cross(-way, (0.0, 0.0, 1.0))
    upright = geometry.frame_from_axes(-way, right, position)
    roll = geometry.from_axis_angle((0, 0, 1), math.radians(5 * math.sin(2 * math.pi * eased)))
    pose: FloatArray = upright @ roll
    return pose


def make_items(rng: np.random.Generator) -> list[Item]:
    """What stands on the table: a tea box, a soup can, a mug and a book."""
    return [
        _package("tea", (0.105, 0.065, 0.15), _TEA, _standing(0.635, 0.115, -72, rng), rng),
        _soup_can(_standing(0.60, -0.085, -90, rng), rng),
        _coffee_mug(_standing(0.485, 0.045, 205, rng), rng),
        _flat_book(_standing(0.505, -0.125, -105, rng), rng),
    ]


def _standing(x: float, y: float, yaw: float, rng: np.random.Generator) -> FloatArray:
    """A pose on the table; `yaw` in degrees; moved a little by chance."""
    dx, dy = rng.uniform(-0.012, 0.012, 2)
    turn = math.radians(yaw + float(rng.uniform(-8, 8)))
    return geometry.from_axis_angle((0, 0, 1), turn, (x + dx, y + dy, 0.0))


def _box_texture(
    content: Print, sizes: dict[str, tuple[int, int]], rng: np.random.Generator
) -> Image:
    """The six cells of a box, each drawn at the proportions of its face, then put side by side."""
    cell = 512
    cells = []
    for name in shapes.BOX_CELLS:
        width, height = sizes[name]
        draw = prints.panel if name in ("front", "back", "top") else prints.side
        cells.append(prints.resized(draw(height, width, rng, content), cell, cell))
    return np.concatenate(cells, axis=1)


def _package(
    name: str,
    size: tuple[float, float, float],
    content: Print,
    pose: FloatArray,
    rng: np.random.Generator,
) -> Item:
    width, depth, height = (round(4600 * side) for side in size)
    sizes = {
        "front": (width, height),
        "back": (width, height),
        "left": (depth, height),
        "right": (depth, height),
        "top": (width, depth),
        "bottom": (width, depth),
    }
    mesh = shapes.box(*size)
    points = {f"{name}_title": mesh.point_at(0.30 / 6, 0.33)}
    return Item(name, mesh, _box_texture(content, sizes, rng), pose, points, 0.15)


def _soup_can(pose: FloatArray, rng: np.random.Generator) -> Item:
    mesh = shapes.can(0.034, 0.108)
    half = prints.panel(512, 512, rng, _SOUP)
    label = np.concatenate([half, prints.panel(512, 512, rng, _SOUP)], axis=1)
    tin = np.full((64, label.shape[1], 3), (196, 200, 204), np.uint8)
    texture = np.concatenate([label, tin])
    return Item("soup", mesh, texture, pose, {"soup_label": mesh.point_at(0.70, 0.29)}, 0.5)


def _coffee_mug(pose: FloatArray, rng: np.random.Generator) -> Item:
    mesh = shapes.mug(0.041, 0.092)
    texture = prints.glaze(512, 1024, rng, (236, 228, 212), _POTTERY)
    points = {"mug_handle": mesh.point_at(0.0, 0.925)}
    return Item("mug", mesh, texture, pose, points, 0.6)


def _flat_book(pose: FloatArray, rng: np.random.Generator) -> Item:
    """A book lying down: the cover is the top face."""
    mesh = shapes.box(0.125, 0.175, 0.024)
    cover = prints.resized(prints.panel(840, 600, rng, _BOOK), 512, 512)
    pages = prints.pages(512, 512, rng)
    spine = np.full((512, 512, 3), _BOOK.ground[0], np.uint8)
    order = {
        "front": pages,
        "back": pages,
        "left": spine,
        "right": pages,
        "top": cover,
        "bottom": cover,
    }
    texture = np.concatenate([order[name] for name in shapes.BOX_CELLS], axis=1)
    points = {"book_barcode": mesh.point_at((4 + 0.86) / 6, 0.86)}
    return Item("book", mesh, texture, pose, points, 0.1)


def _compile(items: list[Item], rng: np.random.Generator) -> Any:
    """The items, the table, the floor, the lights and the camera as a mujoco.MjModel."""
    mujoco = import_mujoco()
    spec = mujoco.MjSpec()
    spec.modelname = "tabletop"
    spec.visual.global_.offwidth, spec.visual.global_.offheight = (
        INTRINSICS.width,
        INTRINSICS.height,
    )
    spec.visual.quality.shadowsize, spec.visual.quality.offsamples = 2048, 4
    spec.visual.headlight.ambient = [0.38, 0.38, 0.40]
    spec.visual.headlight.diffuse = [0.12, 0.12, 0.12]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.visual.map.znear, spec.visual.map.zfar = 0.02, 12.0
    spec.visual.map.shadowclip = 0.6
    spec.stat.extent, spec.stat.center = 1.0, _TARGET.tolist()
    _add_light(mujoco, spec, (-0.10, 0.75, 1.30), (0.62, 0.58, 0.52), shadow=True)
    _add_light(mujoco, spec, (0.9, -0.9, 1.1), (0.16, 0.18, 0.22), shadow=False)
    _add_surface(mujoco, spec, "floor", prints.concrete(512, 512, rng), (3.0, 3.0, 0.02), -0.77)
    _add_surface(mujoco, spec, "table", prints.wood(1536, 1536, rng), (0.75, 0.75, 0.02), -0.02)
    for item in items:
        _add_item(mujoco, spec, item)
    add_camera(spec, _CAMERA, INTRINSICS)
    return spec.compile()


def _add_light(
    mujoco: Any,
    spec: Any,
    position: tuple[float, float, float],
    color: tuple[float, float, float],
    *,
    shadow: bool,
) -> None:
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=list(position),
        dir=(_TARGET - position).tolist(),
        castshadow=shadow,
        diffuse=list(color),
        ambient=[0, 0, 0],
        specular=[0.3 * c for c in color],
    )


def _add_material(mujoco: Any, spec: Any, name: str, texture: Image, shine: float) -> None:
    image = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
    image.height, image.width = texture.shape[:2]
    image.data = np.ascontiguousarray(texture).tobytes()
    material = spec.add_material(name=name, specular=shine, shininess=0.4)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def _add_surface(
    mujoco: Any, spec: Any, name: str, texture: Image, half: tuple[float, float, float], z: float
) -> None:
    x, y, thickness = half
    mesh = shapes.box(2 * x, 2 * y, 2 * thickness)
    # The texture lies on the top face alone; the other faces are never seen.
    top = shapes.BOX_CELLS.index("top")
    uv = np.clip(mesh.texture * (len(shapes.BOX_CELLS), 1) - (top, 0), 0, 1)
    pose = geometry.make_transform(np.eye(3), (_TARGET[0], 0, z - thickness))
    item = Item(name, Mesh(mesh.vertices, uv, mesh.faces), texture, pose, {}, 0.05)
    _add_item(mujoco, spec, item)


def _add_item(mujoco: Any, spec: Any, item: Item) -> None:
    _add_material(mujoco, spec, item.name, item.texture, item.shine)
    spec.add_mesh(
        name=item.name,
        uservert=item.mesh.vertices.ravel().tolist(),
        usertexcoord=item.mesh.texture.ravel().tolist(),
        userface=item.mesh.faces.ravel().tolist(),
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
    )
    x, y, z, w = geometry.to_quaternion(item.base_from_item)
    body = spec.worldbody.add_body(
        name=item.name, pos=item.base_from_item[:3, 3].tolist(), quat=[w, x, y, z]
    )
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=item.name,
        material=item.name,
        contype=0,
        conaffinity=0,
    )
