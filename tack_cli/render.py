# SPDX-License-Identifier: Apache-2.0
"""Render a synthetic data set of object classes, with exact truth.

Every view holds a picture, the depth that the sensor would measure and the true one, which instance
and which point of its surface each pixel shows, the poses of camera and objects, and the named
points. Tables, rooms, lights, cameras and other things around are drawn at random by the seed.
docs/datasets.md describes the files; they are read without a simulator:

  from tack_perception.correspondence import CorrespondenceSet
  data = CorrespondenceSet.open("mugs")
  pairs = data.pairs(0, 30, 100, numpy.random.default_rng(0))

A run that was stopped goes on where it was when the same command is given again; the files are the
same, byte for byte. overview.png shows what was made.

Example:
  tack render --class mug,shoe --instances 20 --views 12 --output mugs --workers 2
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from tack_perception.correspondence import CorrespondenceSet
from tack_perception.correspondence.overview import contact_sheet
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.files import write_atomically
from tack_sim.cameras.look import LookConfig
from tack_sim.cameras.models import CAMERA_MODELS
from tack_sim.dataset.job import render
from tack_sim.dataset.plan import RenderConfig, RenderPlan, make_plan
from tack_sim.objects.families import FAMILIES

OVERVIEW = "overview.png"
SECTIONS = ("render", "look")
_DEFAULT = RenderConfig()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack render`."""
    parser.add_argument(
        "--class", dest="classes", metavar="NAME[,NAME…]", required=True,
        help=f"object classes, or all: {', '.join(FAMILIES)}",
    )  # fmt: skip
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="of the data set")
    parser.add_argument(
        "--instances", metavar="N", type=int, help=f"of each class (default: {_DEFAULT.instances})",
    )  # fmt: skip
    parser.add_argument(
        "--views", metavar="N", type=int, help=f"of each instance (default: {_DEFAULT.views})",
    )  # fmt: skip
    parser.add_argument(
        "--size", metavar="W×H", type=_size,
        help="of the pictures, such as 320x240 (the default)",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=RenderConfig.settings()["split"].choices,
        help=f"which instances: no instance is in two splits (default: {_DEFAULT.split})",
    )  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, help="of everything else (default: 0)")
    parser.add_argument(
        "--companions", metavar="N", type=int,
        help=f"labelled objects beside the main one, at most (default: {_DEFAULT.companions})",
    )  # fmt: skip
    parser.add_argument(
        "--clutter", metavar="N", type=int, nargs="?", const=4,
        help="unlabelled things around, at most (4 without a number; default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--occluders", metavar="N", type=int, nargs="?", const=2,
        help="tall things that hide a part, at most (2 without a number; default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--noise", choices=(*CAMERA_MODELS, "none"),
        help=f"camera, and the noise of its depth (default: {_DEFAULT.camera})",
    )  # fmt: skip
    parser.add_argument("--no-shadows", action="store_true", help="soft light only: faster")
    parser.add_argument(
        "--config", metavar="FILE", type=Path,
        help="YAML with more settings, which arguments override; sections"
        f" are {' and '.join(SECTIONS)}",
    )  # fmt: skip
    parser.add_argument(
        "--workers", metavar="N", type=int, default=1, help="processes (default: 1)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def run(args: argparse.Namespace) -> int:
    """Do `tack render`."""
    if args.workers < 1:
        raise InvalidInputError(f"--workers {args.workers}: at least 1")
    plan = plan_of(args)
    began = time.perf_counter()
    done = render(plan, args.output, workers=args.workers, progress=not args.quiet)
    seconds = time.perf_counter() - began
    data = CorrespondenceSet.open(args.output)
    write_overview(data)
    if not args.quiet:
        _tell(data, done.made, done.kept, seconds)
    return 0


def plan_of(args: argparse.Namespace) -> RenderPlan:
    """The data set that the arguments ask for.

    Raises:
        InvalidInputError: a wrong value; names it.
    """
    sections = _sections(args.config)
    classes = FAMILIES if args.classes == "all" else tuple(args.classes.split(","))
    asked = {
        name: getattr(args, name)
        for name in ("instances", "views", "split", "seed", "companions", "clutter", "occluders")
    }
    asked["width"], asked["height"] = args.size or (None, None)
    asked["shadow_share"] = 0.0 if args.no_shadows else None
    asked["camera"] = None if args.noise == "none" else args.noise
    asked["noise"] = None if args.noise is None else args.noise != "none"
    given = {name: value for name, value in asked.items() if value is not None}
    values = {**sections["render"], **given, "classes": tuple(dict.fromkeys(classes))}
    config = RenderConfig.from_mapping(values, "render")
    return make_plan(config, LookConfig.from_mapping(sections["look"], "look"))


def write_overview(data: CorrespondenceSet) -> None:
    """Write the contact sheet into the data set's folder."""
    sheet = contact_sheet(data)
    done, content = cv2.imencode(".png", np.ascontiguousarray(sheet[..., ::-1]))
    assert done, "OpenCV cannot encode a PNG"
    write_atomically(data.folder / OVERVIEW, content.tobytes())


def _tell(data: CorrespondenceSet, made: int, kept: int, seconds: float) -> None:
    size = sum(path.stat().st_size for path in data.folder.rglob("*") if path.is_file())
    manifest = data.manifest
    speed = f", {made / seconds:.1f} views/s" if made else ""
    print(
        f"{len(data)} views of {len(manifest.instances)} instances ({', '.join(manifest.classes)})"
    )
    print(f"  {made} rendered in {seconds:.1f} s{speed}; {kept} were there already")
    print(f"  {size / 1e6:.1f} MB in {data.folder}; look at {data.folder / OVERVIEW}")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: two whole numbers, such as 320x240")
    return int(width), int(height)


def _sections(path: Path | None) -> dict[str, dict[str, Any]]:
    content: Any = {}
    if path is not None:
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, dict) or set(content) - set(SECTIONS):
        raise ConfigurationError(f"{path}: the sections {' and '.join(SECTIONS)} are expected")
    return {name: content.get(name) or {} for name in SECTIONS}
