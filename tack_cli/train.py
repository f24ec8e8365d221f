# SPDX-License-Identifier: Apache-2.0
r"""Train a few-shot keypoint detector on data sets of correspondences.

It learns from pairs of pictures in which the same points are known: `tack render` makes them, and
recordings with camera poses have the same format (docs/datasets.md). What it then knows is not a
fixed list of points but how to find any clicked one again.

Methods:
  tack     a click becomes a code of four numbers, a code a detector of that point
  don      Dense Object Nets: a descriptor for every pixel
  sparse   heat maps of the classes' named points only: the upper bound, it takes no clicks
  joint    all of them on one trunk
  poses    with --from a joint model: a further head that judges how a clicked object lies in
           another picture, by laying both onto each other; the detector fused asks it

OUTPUT then holds log.csv, loss.png (the course of the losses), samples.png (what the network sees
and says), checkpoint.safetensors, and in the end the model with its card in OUTPUT/model. Stopped
by Ctrl-C, a kill or a power cut, the same command goes on where it was; on a CPU the weights come
out the same, bit for bit. With --finish it goes no further, and makes a model of what was learned
until then. Another command for the same OUTPUT is refused.

Examples:
  on a CPU: one class, a small network, an hour or so
    tack render --class mug --instances 40 --output mugs --workers 2
    tack train --method tack --data mugs --output out/mug --steps 4000 --batch 16
  on a GPU, if there is one, with a look at other instances now and then
    tack train --method joint --data train --validation validation --output out/joint
  on four GPUs of one machine
    torchrun --standalone --nproc-per-node 4 -m tack_cli.main train \
        --method joint --data train --output out/joint --batch 128
  the judge of poses for it, on other instances than it has learned from
    tack train --method poses --from out/joint/model --data more --validation validation \
        --config config/training/poses.yaml --output out/poses
  further from a model that is there, on another data set
    tack train --method tack --data shoes --from out/joint/model --output out/shoes

docs/training.md says more: how to read the plot, several machines, all settings.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tack_cli.render_command import render_command
from tack_perception.errors import ConfigurationError
from tack_perception.learning.settings import DEVICES, PRECISIONS, TrainConfig

_DEFAULT = TrainConfig()
_NUMBERS = ("steps", "batch", "seed", "devices", "threads", "workers")
_FLAGS = (*_NUMBERS, "learning_rate", "device", "precision")
_NOT_REPEATED = ("devices", "workers", "device")
"""Flags that say where to compute and not what: a card's command leaves them out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack train`."""
    parser.add_argument(
        "--method",
        metavar="NAME",
        required=True,
        help="tack, don, sparse, joint or poses (see above)",
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, nargs="+", required=True,
        help="data sets to learn from, of the same classes",
    )  # fmt: skip
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="for the run")
    parser.add_argument(
        "--classes", metavar="NAME[,NAME…]", default="", help="of the data (default: all)"
    )
    parser.add_argument(
        "--from", dest="start", metavar="MODEL", type=Path, help="folder of a model to begin with"
    )
    parser.add_argument(
        "--validation", metavar="DIR", type=Path,
        help="data set to look at now and then, and not to learn from",
    )  # fmt: skip
    settings = TrainConfig.settings()
    for name in _NUMBERS:
        parser.add_argument(
            f"--{name}", metavar="N", type=int,
            help=f"{settings[name].doc} (default: {getattr(_DEFAULT, name)})",
        )  # fmt: skip
    parser.add_argument(
        "--learning-rate", metavar="X", type=float,
        help=f"{settings['learning_rate'].doc} (default: {_DEFAULT.learning_rate:g})",
    )  # fmt: skip
    parser.add_argument("--device", choices=DEVICES, help=settings["device"].doc)
    parser.add_argument("--precision", choices=PRECISIONS, help=settings["precision"].doc)
    parser.add_argument(
        "--config", metavar="FILE", type=Path,
        help="YAML with more settings, which arguments override; sections are train, model,"
        " episodes, calibration, and objects, tack, don for the losses of these heads",
    )  # fmt: skip
    parser.add_argument(
        "--licence", metavar="TEXT", default="",
        help="of the weights, for the card (default: Apache-2.0 for tack's own renders)",
    )  # fmt: skip
    parser.add_argument(
        "--finish", action="store_true",
        help="make no more steps: write the model of a run that was stopped, as far as it came",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def run(args: argparse.Namespace) -> int:
    """Do `tack train`."""
    # Several processes expect weights without a gradient, and torch would warn if there are none.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # Here and not above: `tack train --help` needs no torch.
    from tack_perception.learning import recordings
    from tack_perception.learning.job import VERDICT, run_job
    from tack_perception.learning.release import MODEL, Job

    given = read_sections(args.config)
    kind, sections = recordings.recorded(args.data), given
    if kind is not None:
        sections = recordings.preset(kind, given)
        _complete(args)
    config = train_config(args, sections)
    outcome = run_job(
        Job(
            method=args.method, data=tuple(args.data), output=args.output, train=config,
            sections={name: values for name, values in sections.items() if name != "train"},
            classes=tuple(dict.fromkeys(filter(None, args.classes.split(",")))),
            start=args.start, validation=args.validation, command=command(args),
            made_by=render_command, settings=given, licence=args.licence, recorded=kind,
            finish=args.finish,
        ),
        progress=not args.quiet,
    )  # fmt: skip
    if outcome is not None and not args.quiet:
        folder = args.output / MODEL
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(f"{outcome.step} steps in {outcome.seconds:.0f} s{_losses(outcome.rows)}")
        print(f"  the model, {size:.1f} MB: {folder}")
        print(f"  look at {args.output / 'loss.png'} and {args.output / 'samples.png'}")
        if kind is not None:
            _tell_verdict(args.output / VERDICT)
    return 0


def _complete(args: argparse.Namespace) -> None:
    """What a recording brings with it: a model to begin with, and views that were kept back."""
    from tack_perception.correspondence.manifest import HELD_OUT
    from tack_perception.detectors.shipped import model_path

    if args.start is None:
        args.start = model_path()
    kept_back = args.data[0] / HELD_OUT
    if args.validation is None and kept_back.is_dir():
        args.validation = kept_back


def _tell_verdict(path: Path) -> None:
    """Whether the training on a recording has brought something."""
    if not path.is_file():
        print("  no views were kept back: nothing tells whether it is better than before")
        return
    from tack_perception.learning.recordings import NEAR_PX

    verdict = json.loads(path.read_text(encoding="utf-8"))
    print(f"on views that were kept back, {verdict['after']['trials']} clicks on others:")
    for name in ("before", "after"):
        told = verdict[name]
        shares = " / ".join(f"{100 * told[f'within_{limit:g}_px']:.0f}" for limit in NEAR_PX)
        limits = " / ".join(f"{limit:g}" for limit in NEAR_PX)
        print(f"  {name:6}  {told['median_px']:5.1f} px median; {shares} % within {limits} px")
    after = verdict["after"]
    taken = [
        f"{100 * after[name]:.0f} % of the {kind} ones"
        for name, kind in (("recall", "seen"), ("wrong_accept", "hidden"))
        if after[name] is not None
    ]
    if taken:
        print(f"  believed seen: {', '.join(taken)}")
    if not verdict["kept"]:
        print("  it became no better: the model is the one that it began with")


def train_config(args: argparse.Namespace, sections: dict[str, dict[str, Any]]) -> TrainConfig:
    """The settings of the run: those of the file, then those of the command line.

    Raises:
        ConfigurationError: a wrong value; names it.
    """
    given = {name: getattr(args, name) for name in _FLAGS}
    asked = {name: value for name, value in given.items() if value is not None}
    return TrainConfig.from_mapping({**sections.get("train", {}), **asked}, "tack train")


def read_sections(path: Path | None) -> dict[str, dict[str, Any]]:
    """Settings by section from a YAML file; none without one.

    Raises:
        ConfigurationError: it is not such a file.
    """
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(values, dict | None)
        for name, values in content.items()
    ):
        raise ConfigurationError(f"{path}: sections with settings are expected")
    return {name: values or {} for name, values in content.items()}


def command(args: argparse.Namespace) -> str:
    """The command that makes the same model, for its card: folders by their names alone."""
    words = ["tack", "train", "--method", args.method]
    words += ["--data", *(_name(folder) for folder in args.data)]
    for flag, value in (("classes", args.classes), ("licence", args.licence)):
        words += [f"--{flag}", value] if value else []
    for flag, folder in (("from", args.start), ("validation", args.validation)):
        words += [f"--{flag}", _name(folder)] if folder is not None else []
    for name in _FLAGS:
        value = getattr(args, name)
        if value is not None and name not in _NOT_REPEATED:
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--config", "train.yaml"] if args.config is not None else []
    return shlex.join([*words, "--output", args.output.absolute().name])


def _name(folder: Path) -> str:
    """A folder as others may call it: relative as it was given, else by its last part."""
    if folder.is_absolute() or ".." in folder.parts:
        return folder.absolute().name
    return str(folder)


def _losses(rows: Sequence[Mapping[str, float]]) -> str:
    """What the last row of the log says; nothing before there is one."""
    if not rows:
        return ""
    row = rows[-1]
    told = f"; loss {row['loss']:.4g}"
    if "validation_loss" in row:
        told += f", on validation data {row['validation_loss']:.4g}"
    return told
