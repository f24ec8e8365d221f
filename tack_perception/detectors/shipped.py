# SPDX-License-Identifier: Apache-2.0
"""The models that come with tack: where they lie, and learned detectors made from them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tack_perception.detectors.confidence_model import Judges
from tack_perception.detectors.don import DonReader
from tack_perception.detectors.fused import FusedReader
from tack_perception.detectors.learned import LearnedDetector, Reader
from tack_perception.detectors.settings import LearnedConfig
from tack_perception.detectors.tack import TackReader
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.networks.fusing import fuse_normalisation
from tack_perception.networks.model import DESCRIPTION, WEIGHTS, KeypointModel, load_model
from tack_perception.share import shipped_folder

SHIPPED = "tabletop"
"""Name of the model that is taken where none is named."""

CALIBRATION = "calibration"
FUSION = "fusion"


def models_folder() -> Path:
    """`models` of the checkout, else of the share folder that pip and colcon install."""
    return shipped_folder("models")


def model_path(name: str = "") -> Path:
    """The folder of a model.

    Args:
        name: a folder, or the name of one in `models`; empty takes the shipped one.

    Raises:
        InvalidInputError: there is none; lists the shipped ones.
    """
    path = Path(name) if name else models_folder() / SHIPPED
    if (path / DESCRIPTION).is_file():
        return path
    shipped = models_folder()
    if name and (shipped / name / DESCRIPTION).is_file():
        return shipped / name
    known = sorted(one.parent.name for one in shipped.glob(f"*/{DESCRIPTION}"))
    raise InvalidInputError(
        f"model {name or SHIPPED!r}: no folder with a {DESCRIPTION}; shipped are"
        f" {', '.join(known) or 'none'}; `tack train` makes one"
    )


def make_reader(kind: str, model: KeypointModel, notes: Mapping[str, Any]) -> Reader:
    """How a model is asked.

    Args:
        kind: tack, don or fused.
        model: the network.
        notes: of the model; the weight of the descriptors in `fused` is among them.

    Raises:
        InvalidInputError: the model lacks a head that this needs.
        ConfigurationError: no such kind.
    """
    if kind == "tack":
        return TackReader(model)
    if kind == "don":
        return DonReader(model)
    if kind == "fused":
        return FusedReader(model, weight=float(notes.get(FUSION, 1.0)))
    raise ConfigurationError(f"learned detector {kind!r}: known are tack, don, fused")


def make_learned(kind: str, settings: Mapping[str, Any]) -> LearnedDetector:
    """A learned detector without shots.

    Args:
        kind: tack, don or fused.
        settings: of `LearnedConfig`.

    Raises:
        ConfigurationError: a wrong setting.
        InvalidInputError: no such model, or it lacks a head.
        FileFormatError: the model is damaged.
    """
    config = LearnedConfig.from_mapping(settings, f"detector {kind}")
    path = model_path(config.model)
    model, notes = _loaded(path, _changed(path), _device(config, kind))
    return detector_of(model, kind, notes, config, str(path / DESCRIPTION))


def detector_of(
    model: KeypointModel, kind: str, notes: Mapping[str, Any], config: LearnedConfig, source: str
) -> LearnedDetector:
    """A learned detector without shots, of a model that has been read.

    Args:
        model: the network, ready for use.
        kind: tack, don or fused.
        notes: of the model; says what the answers are worth, if anything.
        config: settings.
        source: where the notes are from, for messages.

    Raises:
        InvalidInputError: the model lacks a head that this needs.
        FileFormatError: the notes cannot be understood.
    """
    calibrations = notes.get(CALIBRATION) or {}
    judges = Judges.from_dict(calibrations[kind], source) if kind in calibrations else Judges()
    return LearnedDetector(model, make_reader(kind, model, notes), judges, config)


def _changed(path: Path) -> tuple[int, int]:
    """When a model's two files were written."""
    try:
        return (path / WEIGHTS).stat().st_mtime_ns, (path / DESCRIPTION).stat().st_mtime_ns
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read whole: {error.strerror}") from error


def _device(config: LearnedConfig, kind: str) -> str:
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        raise ConfigurationError(
            f"detector {kind}: device = 'cuda': torch sees no GPU here (`nvidia-smi` and `tack"
            " doctor` say more); allowed are auto and cpu"
        )
    return "cuda" if there and config.device != "cpu" else "cpu"


@functools.lru_cache(maxsize=2)
def _loaded(
    path: Path, changed: tuple[int, int], device: str
) -> tuple[KeypointModel, dict[str, Any]]:
    """A model is read once, however often detectors are made from it."""
    model, notes = load_model(path)
    fuse_normalisation(model)
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model, notes
