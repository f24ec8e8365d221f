# SPDX-License-Identifier: Apache-2.0
r"""Measure detectors on held-out objects: how near, how sure, how fast.

One protocol for all: a point is clicked in one picture and looked for in another one, of the same
instance from another side or of another instance of the class; plain, and with things put before
the object; also where the point is hidden or the object absent. docs/evaluation.md says how trials
are drawn and what each figure means.

The output folder holds the page (report.html), table.md, metrics.json, trials.jsonl (every answer),
speed.json, plots and pictures of the worst answers. The same data and seed give the same files, but
for times and memory.

Detectors, one or more, all asked the same: those of `tack replay`, with NAME=MODEL for the model of
a learned one; sparse, a model's fixed set of named points, which is the upper bound for these (it
refuses others); and two that guess, as a yardstick of chance: random, random-on-object.

Examples:
  quickly, the hand-crafted detector against chance
    tack render --class mug,shoe --split held_out --instances 4 --views 6 --size 640x480 \
        --output held
    tack evaluate --data held --detector dense random --trials 100 --output out/quick
  a trained model against two others, with the table put into its card
    tack evaluate --data held_out --clicks validation --detector tack don tack=out/ta-only/model \
        --model out/joint/model --output out/evaluation --card out/joint/model
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from tack_perception.correspondence import CorrespondenceSet
from tack_perception.detectors import DETECTORS, make_detector
from tack_perception.detectors.base import KeypointDetector
from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.chance import CHANCE
from tack_perception.evaluation.plan import Plan, make_plan
from tack_perception.evaluation.probe import ProtocolConfig
from tack_perception.evaluation.protocol import run as run_protocol
from tack_perception.learning.card import fill_metrics

_DEFAULT = ProtocolConfig()
_WITHOUT_MODEL = ("dense", *CHANCE)
_SPARSE = "sparse"
_KNOWN = (*DETECTORS, _SPARSE, *CHANCE)

Make = Callable[[], KeypointDetector]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack evaluate`."""
    parser.add_argument(
        "--data", metavar="DIR", type=Path, required=True,
        help="data set of held-out instances, as `tack render` makes them",
    )  # fmt: skip
    parser.add_argument(
        "--clicks", metavar="DIR", type=Path,
        help="data set whose instances are clicked to find new ones (default: others of --data)",
    )  # fmt: skip
    parser.add_argument(
        "--detector", dest="detectors", metavar="NAME[=MODEL]", nargs="+", default=["fused"],
        help=f"one or more of {', '.join(_KNOWN)} (default: fused)",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="DIR", help="of the learned detectors (default: the shipped one)"
    )
    parser.add_argument(
        "--set", dest="settings", metavar="KEY=VALUE", action="append", default=[],
        help="setting of the learned detectors, such as scene_px=384; repeat for more",
    )  # fmt: skip
    parser.add_argument(
        "--trials", metavar="N", type=int, default=_DEFAULT.trials,
        help="wanted in each column (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--shots", metavar="K", type=int, default=_DEFAULT.shots,
        help="of each click: beside it, where the point is in K-1 more views of the thing, so far"
        " as it is seen there (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--classes", metavar="NAME[,NAME…]", default="", help="to ask about (default: all)"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="for the files")
    parser.add_argument(
        "--card", metavar="DIR", type=Path, help="model whose card (README.md) gets the table"
    )
    parser.add_argument(
        "--alone", action="store_true",
        help="enrol every point without the others of its picture: as strict as one click can be,"
        " and many times slower",
    )  # fmt: skip
    parser.add_argument(
        "--gallery", metavar="N", type=int, default=6,
        help="pictures of bad answers for each condition (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", metavar="N", type=int, default=_DEFAULT.seed, help="of the trials"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars, no summary")


def run(args: argparse.Namespace) -> int:
    """Do `tack evaluate`."""
    # Here and not above: `tack evaluate --help` is quick.
    from tack_cli.evaluation.files import write_files
    from tack_cli.evaluation.plots import require_matplotlib
    from tack_cli.evaluation.results import make_results
    from tack_cli.evaluation.tables import card, in_short

    require_matplotlib()  # before the work, not after it
    makers = detector_makers(args)
    for make in makers.values():
        make()  # a missing model is told at once
    plan = plan_of(args)
    trials, speeds = {}, {}
    for name, make in makers.items():
        with tqdm(total=plan.queries, desc=name, unit="frame", disable=args.quiet) as bar:
            trials[name], speeds[name] = run_protocol(
                plan, make, name, bar.update, alone=args.alone
            )
    results = make_results(plan, trials, speeds, alone=args.alone)
    with tqdm(desc="plots and pictures", unit="file", disable=args.quiet) as bar:
        files = write_files(results, args.output, args.gallery, bar.update)
    if args.card is not None:
        fill_metrics(args.card, card(results))
    if not args.quiet:
        print("\n\n".join(table.markdown() for table in in_short(results)))
        print(f"\n{len(plan.probes)} pairs of views; look at {args.output / files[0]}")
    return 0


def plan_of(args: argparse.Namespace) -> Plan:
    """What is to be asked.

    Raises:
        InvalidInputError: a data set is missing, empty, or has not the classes.
    """
    data = _opened(args.data)
    clicks = None if args.clicks is None else _opened(args.clicks)
    config = ProtocolConfig(trials=args.trials, seed=args.seed, shots=args.shots)
    classes = list(filter(None, args.classes.split(","))) or None
    with tqdm(desc="drawing trials", unit="probe", disable=args.quiet) as bar:
        return make_plan(data, clicks, config, classes, bar.update)


def detector_makers(args: argparse.Namespace) -> dict[str, Make]:
    """Detector as it is called in the tables → how to make it.

    Raises:
        InvalidInputError: an unknown detector or setting.
    """
    common: dict[str, Any] = dict(_setting(text) for text in args.settings)
    if args.model:
        common["model"] = args.model
    makers: dict[str, Make] = {}
    for text in args.detectors:
        name, _, model = text.partition("=")
        if name not in _KNOWN:
            raise InvalidInputError(f"--detector {text}: {name!r} is none of {', '.join(_KNOWN)}")
        if model and name in _WITHOUT_MODEL:
            raise InvalidInputError(f"--detector {text}: {name} takes no model")
        if text in makers:
            raise InvalidInputError(f"--detector {text}: named twice")
        makers[text] = _maker(name, {**common, "model": model} if model else common, args.seed)
    return makers


def _maker(name: str, settings: dict[str, Any], seed: int) -> Make:
    if name in CHANCE:
        return lambda: CHANCE[name](seed)
    if name == _SPARSE:
        return lambda: _fixed_set(settings)
    return lambda: make_detector(name, {} if name in _WITHOUT_MODEL else settings)


def _fixed_set(settings: dict[str, Any]) -> KeypointDetector:
    # Here and not above: nothing else of this command needs torch by itself.
    from tack_perception.learning.fixed_set import make_fixed_set

    return make_fixed_set(settings)


def _setting(text: str) -> tuple[str, Any]:
    key, found, value = text.partition("=")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InvalidInputError(f"--set {text}: the value cannot be read: {error}") from error
    if not (found and key):
        raise InvalidInputError(f"--set {text}: KEY=VALUE is expected, such as scene_px=384")
    return key, parsed


def _opened(folder: Path) -> CorrespondenceSet:
    data = CorrespondenceSet.open(folder)
    if not len(data):
        raise InvalidInputError(f"{folder}: the data set has no views yet")
    return data
