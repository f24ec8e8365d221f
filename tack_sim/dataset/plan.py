# SPDX-License-Identifier: Apache-2.0
"""What a synthetic data set is to hold, decided before anything is rendered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from tack_perception.configuration import Configuration, setting
from tack_perception.correspondence import ClassInfo, InstanceInfo, Manifest
from tack_perception.errors import InvalidInputError
from tack_sim.cameras.look import LookConfig
from tack_sim.cameras.models import CAMERA_MODELS, camera_model
from tack_sim.objects.families import FAMILIES, make_object
from tack_sim.objects.model import SPLITS, ObjectModel, Split

MakeObject = Callable[[str, int], ObjectModel]
_TRUE_UNIT = 0.0001  # m: 0.05 mm of rounding, and 6.5 m of range


@dataclasses.dataclass(frozen=True)
class RenderConfig(Configuration):
    """What is to be rendered."""

    classes: tuple[str, ...] = setting((), "object classes", choices=FAMILIES)
    instances: int = setting(20, "of each class", low=1, high=100_000)
    views: int = setting(12, "of each instance", low=1, high=10_000)
    width: int = setting(320, "of the pictures", unit="px", low=16, high=1280)
    height: int = setting(240, "of the pictures", unit="px", low=16, high=960)
    split: str = setting("train", "instances to take", choices=tuple(SPLITS))
    first: int = setting(
        0, "number in the split of the first instance: more that others have not seen", low=0
    )
    seed: int = setting(0, "of everything", low=0)
    companions: int = setting(1, "labelled objects beside the main one, at most", low=0, high=20)
    clutter: int = setting(0, "unlabelled things around, at most", low=0, high=20)
    occluders: int = setting(0, "tall things that hide part of the rest, at most", low=0, high=10)
    camera: str = setting("d435", "camera and its depth noise", choices=tuple(CAMERA_MODELS))
    noise: bool = setting(True, "write the depth that the sensor would measure")
    shadow_share: float = setting(
        0.6, "share of views whose main light casts shadows; the light of others is soft",
        low=0, high=1,
    )  # fmt: skip
    oversample: float = setting(
        1.5, "colour is rendered so much larger, against jagged edges", low=1, high=4
    )
    distance_m: tuple[float, ...] = setting(
        (0.25, 0.75), "from the camera to the objects", unit="m", low=0.1, high=3
    )
    elevation_deg: tuple[float, ...] = setting(
        (20.0, 85.0), "of the camera above the table", unit="°", low=5, high=90
    )
    color: str = setting("jpeg", "file type of the colour pictures", choices=("jpeg", "png"))


@dataclasses.dataclass(frozen=True)
class ScenePlan:
    """One scene: an instance in the middle, others around it, seen from several sides.

    Attributes:
        number: of the scene.
        objects: (class, seed) of what is labelled; the main one is the first.
        views: numbers of its views in the data set.
    """

    number: int
    objects: tuple[tuple[str, int], ...]
    views: range


@dataclasses.dataclass(frozen=True)
class RenderPlan:
    """All scenes and the data set's manifest."""

    config: RenderConfig
    look: LookConfig
    scenes: tuple[ScenePlan, ...]
    manifest: Manifest


def instance_name(family: str, seed: int) -> str:
    """Name of an instance in the manifest."""
    return f"{family}_{seed}"


def make_plan(
    config: RenderConfig, look: LookConfig | None = None, make: MakeObject = make_object
) -> RenderPlan:
    """Decide on the scenes.

    Instances follow one another in the split, so a larger set contains a smaller one.

    Raises:
        InvalidInputError: no class, or more instances than the split has.
    """
    if not config.classes:
        raise InvalidInputError(f"no class given: there are {', '.join(FAMILIES)}")
    seeds = SPLITS[cast(Split, config.split)][config.first :]
    if config.instances > len(seeds):
        raise InvalidInputError(
            f"{config.instances} instances from {config.first} on: split {config.split} has"
            f" {len(seeds)} of each class there"
        )
    look = LookConfig() if look is None else look
    chosen = seeds[: config.instances]
    mains = [(family, seed) for seed in chosen for family in config.classes]
    scenes = tuple(
        ScenePlan(
            number,
            (main, *_companions(config, mains, number)),
            range(number * config.views, (number + 1) * config.views),
        )
        for number, main in enumerate(mains)
    )
    manifest = Manifest(
        views=len(mains) * config.views,
        classes={family: _class_info(make(family, chosen[0])) for family in config.classes},
        instances={
            instance_name(family, seed): InstanceInfo(family, seed, config.split)
            for family, seed in mains
        },
        split=config.split,
        seed=config.seed,
        depth_unit=min(camera_model(config.camera).noise.unit_m, 0.001),
        true_depth_unit=_TRUE_UNIT,
        settings={"render": dataclasses.asdict(config), "look": dataclasses.asdict(look)},
    )
    return RenderPlan(config, look, scenes, manifest)


def _companions(
    config: RenderConfig, mains: Sequence[tuple[str, int]], number: int
) -> tuple[tuple[str, int], ...]:
    rng = np.random.default_rng([config.seed, number, 1])
    others = [entry for entry in mains if entry != mains[number]]
    count = min(int(rng.integers(config.companions + 1)), len(others))
    # Neighbours in the list: an instance is then needed by few scenes in a row, and made once.
    near = others[max(0, number - 8) : number + 8]
    picked = rng.choice(len(near), min(count, len(near)), replace=False)
    return tuple(near[int(i)] for i in picked)


def _class_info(model: ObjectModel) -> ClassInfo:
    return ClassInfo(
        model.part_names,
        {name: (point.face, point.weights) for name, point in model.points.items()},
        tuple(
            {"axis": list(one.axis), "order": one.order, "breaks": list(one.breaks)}
            for one in model.symmetries
        ),
    )
