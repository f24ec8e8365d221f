# SPDX-License-Identifier: Apache-2.0
"""What a training run leaves: the model that others load, and its card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from tack_perception.configuration import Configuration
from tack_perception.correspondence import CorrespondenceSet, Manifest
from tack_perception.detectors.shipped import CALIBRATION, FUSION
from tack_perception.files import write_atomically
from tack_perception.learning.calibration import calibrate
from tack_perception.learning.calibration_pairs import CalibrationConfig
from tack_perception.learning.card import CARD, CardFacts, DataFacts, card_text
from tack_perception.learning.hardware import precision
from tack_perception.learning.log import LOSS, NOT_LOSSES, VALIDATION
from tack_perception.learning.loop import Outcome
from tack_perception.learning.methods import Heads
from tack_perception.learning.pack import make_pack
from tack_perception.learning.recordings import Recorded
from tack_perception.learning.settings import TrainConfig
from tack_perception.networks.model import (
    WEIGHTS,
    KeypointModel,
    ModelConfig,
    rounded,
    save_model,
)

MODEL = "model"


@dataclasses.dataclass(frozen=True)
class Job:
    """A model that is to be trained.

    Attributes:
        method: its name.
        data: folders of the data sets.
        output: folder for the run; the model comes to `model` in it.
        train: settings of the run.
        sections: settings by section: `model`, `episodes`, `calibration`, losses by their heads.
        classes: to learn from; empty takes all.
        start: folder of a model to begin with.
        validation: folder of a data set to look at now and then.
        command: that asks for all this, for the card.
        made_by: the command that makes a data set, from its manifest and folder; "" if unknown.
        settings: the file that the command names.
        licence: of the weights; empty: the card says that nobody has said it.
        recorded: what the data have in common if they are recordings.
        finish: whether a run that was begun is to go no further.
    """

    method: str
    data: tuple[Path, ...]
    output: Path
    train: TrainConfig
    sections: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    start: Path | None = None
    validation: Path | None = None
    command: str = ""
    made_by: Callable[[Manifest, Path], str] = lambda manifest, folder: ""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    licence: str = ""
    recorded: Recorded | None = None
    finish: bool = False


def release(
    job: Job,
    outcome: Outcome[KeypointModel],
    settings: Mapping[str, Mapping[str, Any]],
    fabric: Fabric,
    *,
    known: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> None:
    """Write the model of a run, and its card.

    Args:
        job: what was asked for.
        outcome: what has come out.
        settings: by section: what it learned from, and by which losses.
        fabric: on which it learned.
        known: as for `calibrate`; what it says is kept where there is no validation set, and how
            the model was made before.
        progress: show progress bars.

    Raises:
        TackError: a file cannot be written.
    """
    # Rounded first, so that what is judged is what is kept.
    model, folder = rounded(outcome.model.to("cpu")), job.output / MODEL
    recipe = {
        **job.train.recipe(),
        "precision": precision(job.train, fabric.device.type),
        "computed on": f"{fabric.device.type}, {fabric.world_size} × {torch.get_num_threads()}"
        f" threads, torch {torch.__version__}",
    }
    if outcome.step < job.train.steps:
        recipe["steps made"] = outcome.step
    for section, values in settings.items():
        recipe |= {f"{section}.{name}": value for name, value in values.items()}
    notes: dict[str, Any] = {"method": job.method, "training": json.loads(json.dumps(recipe))}
    if known is not None:
        notes |= {name: known[name] for name in (CALIBRATION, FUSION) if name in known}
        notes["before"] = {name: known[name] for name in ("method", "training") if name in known}
    if job.validation is not None and model.objects is not None:
        pack = make_pack(job.validation, classes=job.classes or None)
        # What a recording keeps back is few views; clicks are on the others as well.
        others = job.data if job.recorded is not None else ()
        clicked = [make_pack(folder, classes=job.classes or None) for folder in others]
        notes |= calibrate(
            model, pack, calibration_config(job), clicked=clicked, known=known, progress=progress
        )
    save_model(folder, model, notes, half=True)
    facts = CardFacts(
        name=job.output.absolute().name, method=job.method, heads=model.config.heads,
        trunk=_trunk(model.config), parameters=model.parameter_count(), data=_data(job),
        command=job.command, recipe=recipe, losses=_last(outcome), licence=_licence(job),
        limits=_limits(job, model.config), settings=job.settings,
    )  # fmt: skip
    write_atomically(folder / CARD, card_text(facts))


def calibration_config(job: Job) -> CalibrationConfig:
    """How the answers of the model are weighed."""
    return CalibrationConfig.from_mapping(
        job.sections.get("calibration", {}), "section calibration"
    )


def digest(folder: Path) -> str:
    """A short name of a data set's content, wherever it lies."""
    data = CorrespondenceSet.open(folder)
    text = f"{data.manifest.to_text()} {len(data)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def weights_digest(folder: Path) -> str:
    """A short name of a model's weights, wherever they lie."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:16]


def loss_settings(method: Heads) -> dict[str, Any]:
    """Settings of the losses of the heads that a method trains."""
    return {
        name: dataclasses.asdict(getattr(method, name))
        for name in method.heads
        if isinstance(getattr(method, name, None), Configuration)
    }


def _trunk(config: ModelConfig) -> str:
    return f"{config.trunk} of width {config.width}" if config.trunk == "unet" else config.trunk


def _last(outcome: Outcome[KeypointModel]) -> dict[str, tuple[float, float | None]]:
    """Losses of the last row of the log, in training and on validation data."""
    row = outcome.rows[-1] if outcome.rows else {}
    names = [name for name in row if name == LOSS or name not in NOT_LOSSES]
    own = [name for name in names if not name.startswith(VALIDATION)]
    return {name: (row[name], row.get(VALIDATION + name)) for name in own}


def _data(job: Job) -> list[DataFacts]:
    used = [(folder, "training") for folder in job.data]
    used += [(job.validation, "validation")] if job.validation is not None else []
    facts = []
    for folder, use in used:
        data = CorrespondenceSet.open(folder)
        manifest = data.manifest
        counts = Counter(one.category for one in manifest.instances.values())
        kept = {name: counts[name] for name in manifest.classes if name in (job.classes or counts)}
        made = job.made_by(manifest, folder)
        facts.append(DataFacts(folder.name, kept, len(data), manifest.split, made, use))
    return facts


def _synthetic(job: Job) -> bool:
    return all(job.made_by(CorrespondenceSet.open(folder).manifest, folder) for folder in job.data)


def _licence(job: Job) -> str:
    if job.licence:
        return job.licence
    if _synthetic(job) and job.start is None:
        return "Apache-2.0, as tack itself: the data were rendered by tack from its own objects."
    return "Not stated: say what the data that it has learned from allow."


def _limits(job: Job, config: ModelConfig) -> list[str]:
    limits = [
        f"It has learned from {len(config.classes)} classes ({', '.join(config.classes)}); on other"
        " things it goes by looks alone.",
        f"It reads windows of {config.crop_px} × {config.crop_px} px around an object; finer detail"
        " is lost.",
        "One run with one seed: another seed gives somewhat other numbers.",
    ]
    if _synthetic(job):
        limits.insert(
            0, "All pictures it has learned from are synthetic: expect less from a real camera."
        )
    return limits
