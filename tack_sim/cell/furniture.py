# SPDX-License-Identifier: Apache-2.0
"""Table, floor, bin and lights of the cell, added to a MuJoCo model under construction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim import prints, shapes
from tack_sim.cell.bin import Bin
from tack_sim.prints import Image

FloatArray = NDArray[np.float64]

TABLE, FLOOR, BIN = "table", "floor", "bin"
"""Names of the bodies."""

_TABLE_SIZE = (1.20, 1.40, 0.04)
_TABLE_MIDDLE = (0.36, 0.0)
_LEG = 0.07
_FLOOR_SIDE = 6.0
_FLOOR_DEPTH = 0.76
_BIN_COLORS = ((0.18, 0.32, 0.52), (0.60, 0.20, 0.16), (0.20, 0.40, 0.30), (0.34, 0.36, 0.40))
_COLLISION_GROUP = 3


def add_furniture(
    mujoco: Any, spec: Any, height: float, container: Bin | None, rng: np.random.Generator
) -> None:
    """Add the table with its top at `height` (m), the floor and the bin.

    Args:
        mujoco: the module.
        spec: mujoco.MjSpec.
        height: z of the table's top, m.
        container: the bin; None for none.
        rng: decides the looks.
    """
    x, y = _TABLE_MIDDLE
    table_from_base = geometry.make_transform(np.eye(3), (x, y, height - _TABLE_SIZE[2]))
    wood = prints.wood(1024, 1024, rng, planks=7)
    add_slab(mujoco, spec, TABLE, table_from_base, _TABLE_SIZE, wood)
    below = geometry.make_transform(np.eye(3), (x, y, height - _FLOOR_DEPTH - 0.02))
    _add_legs(mujoco, spec)
    concrete = prints.concrete(512, 512, rng)
    add_slab(mujoco, spec, FLOOR, below, (_FLOOR_SIDE, _FLOOR_SIDE, 0.02), concrete)
    color = _BIN_COLORS[int(rng.integers(len(_BIN_COLORS)))]
    if container is not None:
        _add_bin(mujoco, spec, container, color)


def add_slab(
    mujoco: Any,
    spec: Any,
    name: str,
    base_from_slab: FloatArray,
    size: tuple[float, float, float],
    texture: Image,
) -> None:
    """Add a fixed box that stands on its frame's origin, a picture on its top face.

    Args:
        mujoco: the module.
        spec: mujoco.MjSpec.
        name: of the body, mesh, texture and material.
        base_from_slab: (4, 4), m.
        size: full lengths along x, y and z, m.
        texture: (H, W, 3) uint8 RGB.
    """
    _add_material(mujoco, spec, name, texture)
    mesh = shapes.box(*size)
    cells = len(shapes.BOX_CELLS)
    # The picture lies on the top alone; the sides repeat its border.
    uv = np.clip(mesh.texture * (cells, 1) - (shapes.BOX_CELLS.index("top"), 0), 0, 1)
    spec.add_mesh(
        name=name,
        uservert=mesh.vertices.ravel().tolist(),
        usertexcoord=uv.ravel().tolist(),
        userface=mesh.faces.ravel().tolist(),
    )
    body = _add_body(spec, name, base_from_slab)
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=name, contype=0, conaffinity=0
    )
    middle, half = [0.0, 0.0, size[2] / 2], [side / 2 for side in size]
    _add_solid(mujoco, body, f"{name}_solid", middle, half)


def add_lights(mujoco: Any, spec: Any, target: FloatArray) -> None:
    """Add a warm main light with shadows and a cool one from the other side, both on `target`."""
    for position, color, shadow in (
        ((1.15, 0.60, 1.60), (0.60, 0.57, 0.52), True),
        ((0.10, -1.00, 1.20), (0.17, 0.19, 0.23), False),
    ):
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=list(position),
            dir=(target - position).tolist(),
            castshadow=shadow,
            diffuse=list(color),
            ambient=[0, 0, 0],
            specular=[0.3 * c for c in color],
        )


def _add_bin(mujoco: Any, spec: Any, container: Bin, color: tuple[float, float, float]) -> None:
    spec.add_material(name=BIN, rgba=[*color, 1], specular=0.25, shininess=0.4)
    body = _add_body(spec, BIN, np.eye(4))
    for index, (base_from_slab, size) in enumerate(container.slabs()):
        body.add_geom(
            name=f"{BIN}_{index}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=(size / 2).tolist(),
            **_pose(base_from_slab),
            material=BIN,
            group=2,
            **_contact(),
        )


def _add_legs(mujoco: Any, spec: Any) -> None:
    """Four legs, to be seen only: nothing can get there."""
    spec.add_material(name="legs", rgba=[0.16, 0.16, 0.17, 1], specular=0.2, shininess=0.3)
    x, y = ((side - _LEG) / 2 - 0.03 for side in _TABLE_SIZE[:2])
    for place in ((x, y), (x, -y), (-x, y), (-x, -y)):
        spec.body(TABLE).add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[*place, -_FLOOR_DEPTH / 2],
            size=[_LEG / 2, _LEG / 2, _FLOOR_DEPTH / 2],
            material="legs",
            group=2,
            contype=0,
            conaffinity=0,
        )


def _add_solid(mujoco: Any, body: Any, name: str, middle: list[float], half: list[float]) -> None:
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=middle,
        size=half,
        group=_COLLISION_GROUP,
        **_contact(),
    )


def _contact() -> dict[str, Any]:
    # Of two surfaces MuJoCo takes the larger friction: what lies on them is to decide.
    return {
        "condim": 3,
        "friction": [0.3, 0.005, 0.0001],
        "solref": [0.005, 1.0],
        "solimp": [0.95, 0.99, 0.001, 0.5, 2.0],
    }


def _add_body(spec: Any, name: str, base_from_body: FloatArray) -> Any:
    return spec.worldbody.add_body(name=name, **_pose(base_from_body))


def _pose(parent_from_child: FloatArray) -> dict[str, list[float]]:
    x, y, z, w = geometry.to_quaternion(parent_from_child).tolist()
    return {"pos": parent_from_child[:3, 3].tolist(), "quat": [w, x, y, z]}


def _add_material(mujoco: Any, spec: Any, name: str, texture: Image) -> None:
    image = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
    image.height, image.width = texture.shape[:2]
    image.data = np.ascontiguousarray(texture).tobytes()
    material = spec.add_material(name=name, specular=0.05, shininess=0.4)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
