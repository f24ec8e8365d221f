# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model that a planning scene is checked in: nothing but what can collide."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim.planning.convex import convex_pieces
from tack_sim.planning.robot import RobotModel
from tack_sim.planning.scene import CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive, Shape
from tack_sim.renderer import import_mujoco
from tack_sim.robots.spec import robot_spec

FloatArray = NDArray[np.float64]

_CONE_SIDES = 24
_WORLD, _ATTACHED = "world/", "attached/"  # the ids of objects may be those of links


def build_collision_model(scene: PlanningScene, margin: float) -> tuple[Any, list[str]]:
    """A model of the robot, the world's objects and the attached ones.

    Args:
        scene: its joint positions do not matter.
        margin: distance up to which contacts are reported, m.

    Returns:
        mujoco.MjModel, and for each of its bodies the name of the link or object.
    """
    mujoco = import_mujoco()
    spec = robot_spec(scene.robot.profile, meshes=False)
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_FILTERPARENT.value
    spec.memory = 1 << 25
    for geom in list(spec.geoms):
        if not geom.contype and not geom.conaffinity:
            spec.delete(geom)
    for exclude in list(spec.excludes):
        spec.delete(exclude)
    for name, item in scene.world.items():
        _add_object(mujoco, spec, spec.worldbody, item, _WORLD + name)
    for name, held in scene.attached.items():
        _add_object(mujoco, spec, spec.body(held.link), held.object, _ATTACHED + name)
    for geom in spec.geoms:
        geom.contype = geom.conaffinity = 1
        # MuJoCo adds the margins of the two geoms.
        geom.margin, geom.gap = margin / 2, 0.0
    for first, second in _excluded(scene):
        spec.add_exclude(bodyname1=first, bodyname2=second)
    model = spec.compile()
    return model, [display_name(model.body(index).name) for index in range(model.nbody)]


def display_name(body: str) -> str:
    """The link's or object's name of a body of the model."""
    for prefix in (_WORLD, _ATTACHED):
        body = body.removeprefix(prefix)
    return body


def _excluded(scene: PlanningScene) -> list[tuple[str, str]]:
    """Pairs of bodies that may touch."""
    links = {name: name for name in scene.robot.link_names}
    world = {_WORLD + name: name for name in scene.world}
    attached = {_ATTACHED + name: name for name in scene.attached}
    named = {**links, **world, **attached}
    never = {frozenset(pair) for pair in scene.robot.touching_links}
    for body, name in attached.items():
        held = scene.attached[name]
        never |= {frozenset((body, link)) for link in (held.link, *held.touch_links)}
    return [
        (first, second)
        for first, second in itertools.combinations(named, 2)
        # Two objects of the world cannot collide: neither of them moves.
        if not (first in world and second in world)
        and (
            frozenset((first, second)) in never or scene.allowed.allows(named[first], named[second])
        )
    ]


def _add_object(mujoco: Any, spec: Any, parent: Any, item: CollisionObject, name: str) -> None:
    body = parent.add_body(name=name, **_placement(item.pose))
    for index, (shape, object_from_shape) in enumerate(item.shapes):
        label = f"{name}/{index}"
        if isinstance(shape, Primitive) and shape.kind != "cone":
            kind, size = _geom_of(mujoco, shape)
            body.add_geom(type=kind, size=size, **_placement(object_from_shape))
            continue
        for piece, points in enumerate(_hulls(shape)):
            mesh = f"{label}/{piece}"
            spec.add_mesh(
                name=mesh,
                uservert=points.ravel().tolist(),
                inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
            )
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh, **_placement(object_from_shape)
            )


def _placement(pose: FloatArray) -> dict[str, list[float]]:
    x, y, z, w = geometry.to_quaternion(pose)
    return {"pos": pose[:3, 3].tolist(), "quat": [w, x, y, z]}


def _geom_of(mujoco: Any, shape: Primitive) -> tuple[Any, list[float]]:
    kinds = mujoco.mjtGeom
    if shape.kind == "box":
        return kinds.mjGEOM_BOX, [length / 2 for length in shape.dimensions]
    if shape.kind == "sphere":
        return kinds.mjGEOM_SPHERE, [shape.dimensions[0], 0.0, 0.0]
    height, radius = shape.dimensions
    return kinds.mjGEOM_CYLINDER, [radius, height / 2, 0.0]


def _hulls(shape: Shape) -> list[FloatArray]:
    if not isinstance(shape, Primitive):
        return convex_pieces(shape)
    height, radius = shape.dimensions
    turns = np.arange(_CONE_SIDES) * 2 * math.pi / _CONE_SIDES
    outer = radius / math.cos(math.pi / _CONE_SIDES)  # around the circle, not in it
    rim = np.column_stack(
        [outer * np.cos(turns), outer * np.sin(turns), np.full(_CONE_SIDES, -height / 2)]
    )
    return [np.vstack([rim, (0, 0, height / 2)])]


def reaches(model: Any, joints: tuple[str, ...]) -> FloatArray:
    """(n,) how far any moving point can be from each joint's axis, m; a bound, never less.

    Args:
        model: of `build_collision_model`.
        joints: names of hinges.
    """
    offsets = np.linalg.norm(model.body_pos, axis=1)
    found = []
    for name in joints:
        body = int(model.jnt_bodyid[model.joint(name).id])
        distance = {body: 0.0}
        for child in range(body + 1, model.nbody):  # parents come first
            parent = int(model.body_parentid[child])
            if parent in distance:
                distance[child] = distance[parent] + float(offsets[child])
        geoms = np.isin(model.geom_bodyid, list(distance))
        farthest = [
            distance[int(body)] + np.linalg.norm(at) + radius
            for body, at, radius in zip(
                model.geom_bodyid[geoms],
                model.geom_pos[geoms],
                model.geom_rbound[geoms],
                strict=True,
            )
        ]
        found.append(max(farthest, default=0.0))
    return np.array(found)


def static_pairs(model: Any, robot: RobotModel) -> list[tuple[int, int]]:
    """Pairs of geoms that cannot move against each other, and that MuJoCo therefore leaves out.

    The fixed base with objects of the world, and an attached object with links fixed to its own.

    Args:
        model: of `build_collision_model`.
        robot: pairs of two of its links are left out.
    """
    weld, body = model.body_weldid, model.geom_bodyid
    excluded = {
        (int(signature) >> 16, int(signature) & 0xFFFF) for signature in model.exclude_signature
    }
    is_link = [model.body(index).name in robot.link_names for index in range(model.nbody)]
    is_world = [model.body(index).name.startswith(_WORLD) for index in range(model.nbody)]
    found = []
    for first, second in itertools.combinations(range(model.ngeom), 2):
        a, b = int(body[first]), int(body[second])
        same = a != b and weld[a] == weld[b]
        if not same or (is_link[a] and is_link[b]) or (is_world[a] and is_world[b]):
            continue
        if (a, b) not in excluded and (b, a) not in excluded:
            found.append((first, second))
    return found
