# SPDX-License-Identifier: Apache-2.0
"""Gives a trained model the head that judges poses: `tack train --method poses`."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from tack_perception.detectors.shipped import FUSION
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.learning.hardware import launch
from tack_perception.learning.loop import Outcome, train
from tack_perception.learning.methods import POSES
from tack_perception.learning.pose_cases import Cases, CasesConfig, collect
from tack_perception.learning.pose_pictures import draw_poses
from tack_perception.learning.poses import PoseLossConfig, PoseObjective, PoseSampler
from tack_perception.learning.release import (
    Job,
    calibration_config,
    digest,
    release,
    weights_digest,
)
from tack_perception.networks.fusing import fuse_normalisation
from tack_perception.networks.model import HEADS, KeypointModel, load_model
from tack_perception.networks.poses import FORM

_NEEDED = ("objects", "tack", "don")
_CASES = "cases"
_SECTIONS = ("train", _CASES, POSES, "calibration")


def train_poses(job: Job, *, progress: bool = True) -> Outcome[KeypointModel] | None:
    """Train the head on what a model finds, and write the model with it.

    Args:
        job: what is to be done; it needs a model to begin with, which stays as it is.
        progress: show progress bars.

    Returns:
        What has come out; None in the processes that only helped.

    Raises:
        InvalidInputError: data, settings or the model are wrong.
        TackError: as `train`.
    """
    unknown = set(job.sections) - set(_SECTIONS)
    if unknown:
        raise ConfigurationError(
            f"section {min(unknown)}: unknown to --method poses; known are {', '.join(_SECTIONS)}"
        )
    cases = CasesConfig.from_mapping(job.sections.get(_CASES, {}), f"section {_CASES}")
    losses = PoseLossConfig.from_mapping(job.sections.get(POSES, {}), f"section {POSES}")
    calibration_config(job)  # a mistake in it is better found now than after the training
    model, notes = _whole(job)
    weight = float(notes.get(FUSION, 1.0))
    fabric = launch(job.train)
    torch.manual_seed(job.train.seed)
    learning = _with_head(model)
    finder = copy.deepcopy(learning).eval()
    fuse_normalisation(finder)
    drawn = [
        PoseSampler(
            _found(finder, weight, folders, job, cases, fabric, progress), losses,
            seed=job.train.seed, batch=job.train.batch // fabric.world_size,
        )
        for folders in (job.data, (job.validation,) if job.validation else ())
        if folders
    ]  # fmt: skip
    assert learning.poses is not None
    settings = {_CASES: dataclasses.asdict(cases), POSES: dataclasses.asdict(losses)}
    recipe: dict[str, Any] = {
        "method": POSES, **settings, "classes": list(job.classes), "weight": weight,
        "data": [digest(folder) for folder in job.data], "from": weights_digest(_start(job)),
    }  # fmt: skip
    outcome = train(
        learning.poses, PoseObjective(), drawn[0], job.train, job.output, recipe=recipe,
        validation=drawn[1] if drawn[1:] else None, pictures=draw_poses, fabric=fabric,
        finish=job.finish, progress=progress,
    )  # fmt: skip
    if not fabric.is_global_zero:
        return None
    learning.poses.load_state_dict(outcome.model.state_dict())
    done = Outcome(learning.eval(), outcome.step, outcome.seconds, outcome.rows)
    release(job, done, settings, fabric, known=notes, progress=progress)
    return done


def _start(job: Job) -> Path:
    if job.start is None:
        raise InvalidInputError(
            "--method poses judges what a model finds: name the model with --from"
        )
    return job.start


def _whole(job: Job) -> tuple[KeypointModel, dict[str, Any]]:
    """The model to begin with.

    Raises:
        InvalidInputError: there is none, or it cannot propose poses.
    """
    start = _start(job)
    model, notes = load_model(start)
    lacking = [name for name in _NEEDED if getattr(model, name) is None]
    if lacking or model.config.focal_px:
        why = f"lacks the heads {', '.join(lacking)}" if lacking else "looks at whole frames"
        raise InvalidInputError(
            f"{start}: {why}, so it proposes no poses of objects; take one of --method joint"
        )
    return model, notes


def _with_head(model: KeypointModel) -> KeypointModel:
    """The same model, with a head for poses that has learned nothing."""
    heads = tuple(name for name in HEADS if name in (*model.config.heads, POSES))
    config = dataclasses.replace(model.config, heads=heads, pose_form=FORM)
    grown = KeypointModel(config)
    mine = {k: v for k, v in model.state_dict().items() if not k.startswith(f"{POSES}.")}
    grown.load_state_dict({**grown.state_dict(), **mine})
    return grown


def _found(
    finder: KeypointModel, weight: float, folders: Sequence[Path], job: Job, config: CasesConfig,
    fabric: Fabric, progress: bool,
) -> Cases:  # fmt: skip
    """Cases of data sets; the first process makes them, for all."""
    cache = job.output / _CASES / weights_digest(_start(job))
    files: list[Path] = []
    for first in (True, False):
        if first == fabric.is_global_zero:
            for folder in folders:
                files += collect(
                    finder, weight, folder, cache, config, classes=job.classes,
                    workers=os.cpu_count() or 1, progress=progress and fabric.is_global_zero,
                )  # fmt: skip
        fabric.barrier()
    return Cases(files, finder.config.crop_px)
