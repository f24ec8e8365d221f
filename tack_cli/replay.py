# SPDX-License-Identifier: Apache-2.0
"""Follow clicked points through a recording and plan grasps on them.

Reads a recording (a rosbag2, a RealSense file or a folder of images), learns the points that you
name on one of its frames, finds them in every frame, lifts them into space and plans gripper poses.
No ROS is needed, and the same recording gives the same files, byte for byte.

The output folder holds the report (report.html), keypoints.jsonl, goals.jsonl, overlay.mp4 and
pictures.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tack_cli.report.click_arguments import NameClick, click_argument
from tack_cli.report.clicks import depth_warning, find_shots, named
from tack_cli.report.findings import Findings, FloatArray
from tack_cli.report.goal_frame import DEFAULT_BASE, choose_goal_frame
from tack_cli.report.job import Outcome, Place, own_files, run_job
from tack_cli.report.terminal import print_outcome
from tack_grasping.candidates import SurfacePlannerConfig
from tack_perception.annotation import Annotation, check_label
from tack_perception.annotations import load_annotations
from tack_perception.detectors import DETECTORS, make_detector
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.lifting import LiftingConfig
from tack_perception.pipeline import PerceptionPipeline
from tack_perception.sources.base import FrameSource
from tack_perception.sources.opening import open_source

SECTIONS = ("detector", "lifting", "planner")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack replay`."""
    parser.add_argument("bag", metavar="BAG", help="the recording")
    add_job_arguments(parser)
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="folder for what is written"
    )


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `tack replay` and `tack demo` have in common."""
    parser.add_argument(
        "--point",
        metavar="FRAME:U,V",
        action="append",
        type=click_argument,
        help="a click: frame index (or @seconds), column, row; repeat for more points",
    )
    parser.add_argument(
        "--label", metavar="NAME", action=NameClick,
        help="name of the point before it; the same name again adds a shot of the same point",
    )  # fmt: skip
    parser.add_argument(
        "--annotations", metavar="SET", type=Path, help="an annotation set, also beside --point"
    )
    parser.add_argument(
        "--place", metavar="LABEL|X,Y,Z", type=_place,
        help="where to put what is grasped: at another point, or in metres in the base frame",
    )  # fmt: skip
    parser.add_argument(
        "--detector", metavar="NAME", choices=tuple(DETECTORS), default=next(iter(DETECTORS)),
        help=f"one of: {', '.join(DETECTORS)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="FILE", type=Path,
        help=f"YAML with settings in the sections {', '.join(SECTIONS)}",
    )  # fmt: skip
    parser.add_argument(
        "--base-frame", metavar="NAME",
        help=f"frame of the goals (default: {DEFAULT_BASE} or another upright frame in the"
        " recording, else the camera's)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def run(args: argparse.Namespace) -> int:
    """Do `tack replay`."""
    if not args.point and not args.annotations:
        raise InvalidInputError(
            "nothing to look for: give --point FRAME:U,V --label NAME, or --annotations SET"
            " (made with `tack annotate`)"
        )
    replay(args.bag, args)
    return 0


def replay(
    bag: Path | str,
    args: argparse.Namespace,
    *,
    truth: Mapping[str, FloatArray] | None = None,
    title: str = "",
) -> Outcome:
    """Run the job as the arguments of `add_job_arguments` and `--output` say, and tell of it.

    Args:
        bag: the recording.
        args: the parsed arguments.
        truth: label → (3,) true position in the goal frame, m, where it is known.
        title: of the report; default: the recording's name.
    """
    began = time.perf_counter()
    settings = load_settings(args.config)
    _announce_overwriting(args.output)
    pipeline = PerceptionPipeline(
        make_detector(args.detector, settings["detector"]),
        LiftingConfig.from_mapping(settings["lifting"], "lifting"),
    )
    planner = SurfacePlannerConfig.from_mapping(settings["planner"], "planner")
    with open_source(bag) as source:
        shots = _shots(source, args)
        for _, shot in shots:
            if warning := depth_warning(shot):
                print(f"note: {warning}", file=sys.stderr)
        pipeline.enroll(shot for _, shot in shots)
        goal_frame = choose_goal_frame(source, _any_frame(source, shots), args.base_frame)
        if args.place and args.place.xyz is not None and goal_frame.transforms is None:
            raise InvalidInputError(f"--place {args.place}: needs a base frame. {goal_frame.note}")
        findings = Findings(
            title or source.name,
            args.detector,
            shots,
            goal_frame.name,
            goal_frame.note,
            str(args.place or ""),
            truth=dict(truth or {}),
        )
        outcome = run_job(
            source, findings, pipeline, goal_frame, args.output,
            planner=planner, place=args.place, progress=not args.quiet,
        )  # fmt: skip
    if not args.quiet:
        print_outcome(outcome, args.output, time.perf_counter() - began)
    return outcome


def load_settings(path: Path | None) -> dict[str, dict[str, Any]]:
    """The sections of a settings file; empty ones where there is none.

    Raises:
        ConfigurationError: it cannot be read, or has a section that is not known.
    """
    content: Any = {}
    if path is not None:
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"{path}: cannot be read as YAML: {error}") from error
    known = f"the sections {', '.join(SECTIONS)} are expected, each with its settings"
    if not isinstance(content, dict) or set(content) - set(SECTIONS):
        raise ConfigurationError(f"{path}: {known}")
    for name, section in content.items():
        if not isinstance(section, dict | None):
            raise ConfigurationError(f"{path}: {name}: {known}")
    return {name: content.get(name) or {} for name in SECTIONS}


def _shots(source: FrameSource, args: argparse.Namespace) -> list[tuple[int | None, Annotation]]:
    shots: list[tuple[int | None, Annotation]] = []
    if args.annotations:
        shots += [(None, shot) for shot in load_annotations(args.annotations)]
    if args.point:
        shots += find_shots(source, named(args.point))
    if not shots:
        raise InvalidInputError(f"{args.annotations}: the set is empty; `tack annotate` adds to it")
    return shots


def _any_frame(source: FrameSource, shots: Sequence[tuple[int | None, Annotation]]) -> Any:
    """A frame of the recording itself (a set may have been made on another camera)."""
    own = next((shot.frame for index, shot in shots if index is not None), None)
    return own or next(iter(source), shots[0][1].frame)


def _announce_overwriting(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InvalidInputError(f"--output {output}: is a file; a folder is expected")
    own = own_files(output) if output.is_dir() else []
    if own:
        print(f"{output}: {len(own)} files of an earlier run will be replaced.", file=sys.stderr)


def _place(text: str) -> Place:
    parts = text.split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) == 3 and np.isfinite(values).all():
        return Place(xyz=np.array(values))
    try:
        return Place(label=check_label(text))
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r}: the name of a point, or three numbers X,Y,Z in metres"
        ) from error
