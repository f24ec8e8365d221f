# SPDX-License-Identifier: Apache-2.0
"""From data sets to a model with its card: what `tack train` does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from tack_perception.configuration import Configuration
from tack_perception.detectors.settings import LearnedConfig
from tack_perception.detectors.shipped import CALIBRATION, detector_of, models_folder
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.learning.card import CARD
from tack_perception.learning.device_sampler import DeviceSampler, bytes_needed, why_not
from tack_perception.learning.hardware import launch
from tack_perception.learning.loop import Outcome, train
from tack_perception.learning.methods import POSES, Heads, make_method
from tack_perception.learning.pack import Pack, make_pack
from tack_perception.learning.pictures import draw_samples
from tack_perception.learning.pose_job import train_poses
from tack_perception.learning.recordings import SCALE, Recorded, judge, kind_of
from tack_perception.learning.release import (
    MODEL,
    Job,
    calibration_config,
    digest,
    loss_settings,
    release,
    weights_digest,
)
from tack_perception.learning.sampler import EpisodeSampler, SamplerConfig
from tack_perception.learning.settings import TrainConfig
from tack_perception.networks.efficientnet import EfficientNetLite0
from tack_perception.networks.model import (
    DESCRIPTION,
    HEADS,
    WEIGHTS,
    KeypointModel,
    ModelConfig,
    load_model,
    save_model,
)

_MEMORY_SHARE = 0.5  # of the device's free memory that data may take
SECTIONS = ("train", "model", "episodes", "calibration")
"""Sections of a settings file, beside one for each head's losses."""

_READS_CODES = "tack.generator.0.weight"
VERDICT = "verdict.json"
"""What a training on recordings has brought, on the views that were kept back."""


def run_job(job: Job, *, progress: bool = True) -> Outcome[KeypointModel] | None:
    """Train, and write the model with its card.

    Args:
        job: what is to be done.
        progress: show progress bars.

    Returns:
        What has come out; None in the processes that only helped.

    Raises:
        InvalidInputError: data, settings or the model to begin with are wrong.
        TackError: as `train`.
    """
    if job.method == POSES:
        return train_poses(job, progress=progress)
    method = with_settings(make_method(job.method), job.sections)
    if job.recorded is not None:
        kind_of(job.method)
        # A recording names no points.
        method = dataclasses.replace(
            method, heads=tuple(name for name in method.heads if name != "sparse")
        )
    episodes = SamplerConfig.from_mapping(job.sections.get("episodes", {}), "section episodes")
    calibration_config(job)  # a mistake in it is better found now than after the training
    fabric = launch(job.train)
    sampler = _sampler(job.data, job, episodes, fabric, progress)
    torch.manual_seed(job.train.seed)
    model = first_model(job, method, sampler, episodes)
    sampler.number_as(model.config.classes, model.config.points)
    validation = None
    if job.validation is not None:
        validation = _sampler((job.validation,), job, episodes, fabric, progress)
        if validation.named != sampler.named:
            raise InvalidInputError(f"{job.validation}: has other classes or points than the data")
        validation.number_as(model.config.classes, model.config.points)
    outcome = train(
        model, method, sampler, job.train, job.output,
        recipe=_recipe(job, method, model.config, episodes), validation=validation,
        pictures=draw_samples, fabric=fabric, finish=job.finish, progress=progress,
    )  # fmt: skip
    if not fabric.is_global_zero:
        return None
    settings = {"episodes": dataclasses.asdict(episodes), **loss_settings(method)}
    release(job, outcome, settings, fabric, progress=progress)
    if job.recorded is not None and job.validation is not None and job.start is not None:
        _judge(job, job.recorded, job.start, job.validation, progress)
    return outcome


def with_settings(method: Heads, sections: Mapping[str, Mapping[str, Any]]) -> Heads:
    """A method with the settings of its losses.

    Raises:
        ConfigurationError: an unknown section or setting, or a wrong value.
    """
    own = {
        field.name: getattr(method, field.name)
        for field in dataclasses.fields(method)
        if isinstance(getattr(method, field.name), Configuration)
    }
    changed = {}
    for name, values in sections.items():
        if name in own:
            merged = {**dataclasses.asdict(own[name]), **values}
            changed[name] = type(own[name]).from_mapping(merged, f"section {name}")
        elif name not in SECTIONS:
            raise ConfigurationError(
                f"section {name}: unknown; known are {', '.join((*SECTIONS, *own))}"
            )
    return dataclasses.replace(method, **changed)


def first_model(
    job: Job, method: Heads, sampler: EpisodeSampler | DeviceSampler, episodes: SamplerConfig
) -> KeypointModel:
    """The network to begin with: a new one, or that of `job.start` with the heads it lacks.

    Raises:
        InvalidInputError: the settings do not fit together.
    """
    asked = dict(job.sections.get("model", {}))
    for name, origin in (("heads", "the method"), ("classes", "the data"), ("points", "the data")):
        if name in asked:
            raise ConfigurationError(f"section model: {name} follows from {origin}; leave it out")
    points = sampler.named if "sparse" in method.heads else ()
    classes = job.classes or sampler.classes
    if job.start is None:
        values = {"crop_px": episodes.crop_px, **asked, "heads": method.heads}
        values |= {"classes": classes, "points": points}
        model = KeypointModel(ModelConfig.from_mapping(values, "section model"))
        begin_pretrained(model)
        return model
    known, _ = load_model(job.start)
    # Dense descriptors may grow: their last layer is learned anew then, and all else goes on. Waves
    # of codes may grow, too.
    descriptor = asked.pop("descriptor", known.config.descriptor)
    octaves = asked.pop("octaves", known.config.octaves)
    if asked:
        raise ConfigurationError(f"section model: {job.start} says already what the network is")
    old = known.config
    if "sparse" in old.heads and points and old.points != points:
        raise InvalidInputError(f"{job.start}: its named points are not those of the data")
    heads = tuple(name for name in HEADS if name in (*old.heads, *method.heads))
    config = dataclasses.replace(
        old, heads=heads, classes=tuple(dict.fromkeys((*old.classes, *classes))),
        points=old.points or points, crop_px=episodes.crop_px, descriptor=descriptor,
        octaves=octaves,
    )  # fmt: skip
    if job.recorded is not None:
        # Heads that do not learn with the trunk would read what it no longer says.
        config = dataclasses.replace(
            config, heads=method.heads, points=(), focal_px=_focal_px(job.recorded)
        )
    model = KeypointModel(config)
    adopt(model, known)
    return model


def _focal_px(kind: Recorded) -> float:
    """Focal length of the pictures of a model for these recordings; 0 for objects."""
    return kind.focal_px / SCALE if kind.scene else 0.0


def _judge(job: Job, kind: Recorded, start: Path, kept_back: Path, progress: bool) -> None:
    """See on the views that were kept back whether the model is better, and keep the better one."""
    folder = job.output / MODEL
    models = [load_model(path) for path in (start, folder)]
    # Both look at the same windows: the start, too, at whole frames where these show scenes. What
    # its answers are worth was fitted on objects then, by facts that a whole frame does not tell.
    focal_px = _focal_px(kind)
    other = models[0][0].config.focal_px != focal_px
    if focal_px and not models[0][0].config.focal_px:
        models[0][1].pop(CALIBRATION, None)
    models[0][0].config = dataclasses.replace(models[0][0].config, focal_px=focal_px)
    before, after = (
        detector_of(model, kind_of(job.method), notes, LearnedConfig(), "notes")
        for model, notes in models
    )
    packs = [make_pack(path, classes=job.classes or None) for path in (job.data[0], kept_back)]
    verdict = judge(before, after, *packs, progress=progress)
    write_atomically(job.output / VERDICT, json.dumps(verdict.as_dict(), indent=1) + "\n")
    if not verdict.kept:
        if other:
            save_model(folder, *models[0], half=True)  # as it was judged: at whole frames
        for name in (CARD,) if other else (WEIGHTS, DESCRIPTION, CARD):
            if (start / name).is_file():
                write_atomically(folder / name, (start / name).read_bytes())


def begin_pretrained(model: KeypointModel) -> None:
    """Give a new network's trunk what ImageNet has taught it, if it is of that kind.

    Raises:
        InvalidInputError: as `pretrained_weights`.
    """
    if isinstance(model.trunk, EfficientNetLite0):
        model.trunk.load_pretrained(pretrained_weights())


def pretrained_weights() -> dict[str, Tensor]:
    """What ImageNet has taught the trunk `lite0` (models/efficientnet_lite0).

    Raises:
        InvalidInputError: the file is missing or damaged.
    """
    path = models_folder() / "efficientnet_lite0" / "trunk.safetensors"
    try:
        state = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise InvalidInputError(f"{path}: the pretrained trunk cannot be read: {error}") from error
    return {name: value.float() for name, value in state.items()}


def adopt(model: KeypointModel, known: KeypointModel) -> None:
    """Take over what another model has learned, as far as this one has the same.

    Maps and prototypes of classes that are new keep their first values. What reads more octaves of
    codes than before does not heed them at first.
    """
    mine, theirs = model.state_dict(), known.state_dict()
    for name, value in theirs.items():
        if name == _READS_CODES and name in mine:
            count = min(value.shape[1], mine[name].shape[1])
            mine[name].zero_()
            mine[name][:, :count] = value[:, :count]
        elif name in mine and mine[name].ndim and mine[name].shape[1:] == value.shape[1:]:
            count = min(len(value), len(mine[name]))
            mine[name][:count] = value[:count]
        elif name in mine and mine[name].shape == value.shape:
            mine[name] = value
    model.load_state_dict(mine)


def _sampler(
    folders: Sequence[Path], job: Job, config: SamplerConfig, fabric: Fabric, progress: bool
) -> EpisodeSampler | DeviceSampler:
    """Draws from data sets; one process after another, since the first packs what is not packed."""
    packs: list[Pack] = []
    for rank in range(fabric.world_size):
        if rank == fabric.global_rank:
            packs = [
                make_pack(folder, classes=job.classes or None, progress=progress)
                for folder in folders
            ]
        fabric.barrier()
    size = job.train.batch // fabric.world_size
    return make_sampler(packs, config, job.train, fabric.device, batch=size)


def make_sampler(
    packs: Sequence[Pack], episodes: SamplerConfig, config: TrainConfig, device: torch.device, *,
    batch: int,
) -> EpisodeSampler | DeviceSampler:  # fmt: skip
    """Draws episodes where `TrainConfig.drawing` wants it, with the run's seed.

    Raises:
        ConfigurationError: the device is asked to draw, and cannot.
        InvalidInputError: as the samplers.
    """
    if draws_on_device(config, packs, device):
        return DeviceSampler(packs, episodes, device, seed=config.seed, batch=batch)
    return EpisodeSampler(packs, episodes, seed=config.seed, batch=batch)


def draws_on_device(config: TrainConfig, packs: Sequence[Pack], device: torch.device) -> bool:
    """Whether the device itself draws the episodes (`TrainConfig.drawing`).

    Raises:
        ConfigurationError: it is asked to, and cannot.
    """
    if config.drawing == "device":
        if reason := why_not(packs):
            raise ConfigurationError(f"drawing = 'device': {reason}; allowed are auto and workers")
        return True
    if config.drawing == "workers" or device.type != "cuda" or why_not(packs):
        return False
    return bytes_needed(packs) < _MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]


def _recipe(
    job: Job, method: Heads, config: ModelConfig, episodes: SamplerConfig
) -> dict[str, Any]:
    """What makes the run what it is, beside the settings of the training itself."""
    recipe: dict[str, Any] = {
        "method": method.name,
        "losses": loss_settings(method),
        "model": dataclasses.asdict(config),
        "episodes": dataclasses.asdict(episodes),
        "classes": list(job.classes),
        "data": [digest(folder) for folder in job.data],
    }
    if job.start is not None:
        recipe["from"] = weights_digest(job.start)
    return recipe
