# SPDX-License-Identifier: Apache-2.0
"""One synthetic scene: things put on a table in a room, ready to be rendered and to be asked."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim.cameras.ids import RayScene, Surface
from tack_sim.cell.footprint import footprint, gap
from tack_sim.dataset import props
from tack_sim.dataset.plan import MakeObject, RenderConfig, ScenePlan, instance_name
from tack_sim.objects.body import add_object
from tack_sim.objects.model import ObjectModel
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]
Outline = NDArray[np.float64]

_ATTEMPTS = 30
_CLEARANCE = 0.008  # m between things
_FLOOR = -0.75  # m below the table's top


@dataclasses.dataclass(frozen=True, eq=False)
class Thing:
    """One object in its place.

    Attributes:
        name: unique in the scene.
        model: its looks and shape.
        world_from_object: (4, 4), m; the table's top is z = 0.
    """

    name: str
    model: ObjectModel
    world_from_object: FloatArray

    def surface(self) -> Surface:
        """Its mesh in its place."""
        return Surface(self.model.mesh.vertices, self.model.mesh.faces, self.world_from_object)


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """A scene.

    Attributes:
        labelled: the objects of classes; the first is what the scene is about.
        others: everything else.
        rays: for the exact truth: surfaces are `labelled`, occluders `others`.
        model: mujoco.MjModel for the looks.
    """

    labelled: tuple[Thing, ...]
    others: tuple[Thing, ...]
    rays: RayScene
    model: Any

    def centre(self) -> FloatArray:
        """(3,) middle of the main object, m."""
        corners = self.labelled[0].surface().in_world()
        middle: FloatArray = (corners.min(axis=0) + corners.max(axis=0)) / 2
        return middle

    def radius(self) -> float:
        """Of a sphere around that middle that holds the main object, m."""
        corners = self.labelled[0].surface().in_world()
        return float(np.linalg.norm(corners - self.centre(), axis=1).max())

    @functools.cached_property
    def depth_loss(self) -> NDArray[np.float32]:
        """Of each (thing, part): share of the surface that a depth camera loses."""
        rows = [
            [material.depth_loss for material in thing.model.materials] for thing in self.labelled
        ]
        width = max(map(len, rows))
        return np.array([row + [0.0] * (width - len(row)) for row in rows], dtype=np.float32)


def make_scene(plan: ScenePlan, config: RenderConfig, make: MakeObject) -> Scene:
    """Put the things of a plan together; the same plan and seed give the same scene."""
    rng = np.random.default_rng([config.seed, plan.number, 2])
    outlines: list[Outline] = []
    labelled = []
    for index, (family, seed) in enumerate(plan.objects):
        model = make(family, seed)
        rest = model.rests[int(rng.choice(len(model.rests), p=_preference(len(model.rests))))]
        reach = 0.0 if index == 0 else 0.35
        pose = _placed(model, rest.table_from_object, reach, outlines, rng)
        if pose is not None:
            labelled.append(Thing(instance_name(family, seed), model, pose))
    others = _room(rng)
    for kind, most, reach in (
        ("clutter", config.clutter, 0.35),
        ("occluder", config.occluders, 0.18),
    ):
        for number in range(int(rng.integers(most + 1)) if most else 0):
            model = props.distractor(rng) if kind == "clutter" else props.occluder(rng)
            pose = _placed(model, np.eye(4), reach, outlines, rng)
            if pose is not None:
                others.append(Thing(f"{kind}_{number}", model, pose))
    rays = RayScene([thing.surface() for thing in labelled], [thing.surface() for thing in others])
    return Scene(tuple(labelled), tuple(others), rays, _compile([*labelled, *others]))


def _preference(count: int) -> FloatArray:
    """The usual rest pose in two of three scenes, the others in the rest."""
    if count == 1:
        return np.ones(1)
    return np.array([2 / 3] + [1 / 3 / (count - 1)] * (count - 1))


def _placed(
    model: ObjectModel,
    table_from_object: FloatArray,
    reach: float,
    outlines: list[Outline],
    rng: np.random.Generator,
) -> FloatArray | None:
    """A free place within `reach` (m) of the middle, turned at random; None where there is none."""
    for _ in range(_ATTEMPTS):
        distance, bearing = reach * math.sqrt(rng.uniform()), rng.uniform(-math.pi, math.pi)
        at = (distance * math.cos(bearing), distance * math.sin(bearing), 0.0)
        turned = geometry.from_axis_angle((0, 0, 1), rng.uniform(-math.pi, math.pi), at)
        pose: FloatArray = turned @ table_from_object
        outline = footprint(model, pose)
        if all(gap(outline, other) > _CLEARANCE for other in outlines):
            outlines.append(outline)
            return pose
    return None


def _room(rng: np.random.Generator) -> list[Thing]:
    """A table, a floor below and four walls around."""
    turn = geometry.from_axis_angle((0, 0, 1), rng.uniform(-math.pi, math.pi))
    width, depth = rng.uniform(1.0, 1.8, 2)
    table = props.slab(width, depth, 0.03, props.surface_texture(rng), rng.uniform(0.3, 1.0))
    room = float(rng.uniform(3.0, 6.0))
    floor = props.slab(room, room, 0.05, props.surface_texture(rng), rng.uniform(0.5, 1.5))
    wall = props.slab(room, 3.0, 0.05, props.surface_texture(rng), rng.uniform(0.7, 2.0))
    things = [
        Thing("table", table, turn),
        Thing("floor", floor, geometry.make_transform(np.eye(3), (0, 0, _FLOOR))),
    ]
    for number in range(4):
        bearing = number * math.pi / 2
        back = np.array([math.cos(bearing), math.sin(bearing), 0])
        place = room / 2 * back + (0, 0, _FLOOR + 1.5)
        # The wall's top looks into the room, its long side is level.
        level = np.cross((0, 0, 1), back)
        axes = np.column_stack([level, np.cross(-back, level), -back])
        things.append(Thing(f"wall_{number}", wall, geometry.make_transform(axes, place)))
    return things


def _compile(things: list[Thing]) -> Any:
    mujoco = import_mujoco()
    spec = mujoco.MjSpec()
    spec.stat.extent, spec.stat.center = 1.0, [0.0, 0.0, 0.05]
    spec.visual.headlight.active = 0
    spec.copy_during_attach = True
    for thing in things:
        pose = thing.world_from_object
        if thing.model.family == props.PROP:
            add_object(spec, thing.model, thing.name, pose, free=False, collision=False)
            continue
        x, y, z, w = geometry.to_quaternion(pose)
        frame = spec.worldbody.add_frame(pos=pose[:3, 3].tolist(), quat=[w, x, y, z])
        spec.attach(_ready_made(thing.model), frame=frame, prefix=f"{thing.name}/")
    return spec.compile()


@functools.lru_cache(maxsize=64)
def _ready_made(model: ObjectModel) -> Any:
    """An object as a MuJoCo model of its own: copying it in takes 1 ms, making it 30."""
    spec = import_mujoco().MjSpec()
    spec.copy_during_attach = True
    add_object(spec, model, "object", np.eye(4), free=False, collision=False)
    return spec
