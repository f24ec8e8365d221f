# SPDX-License-Identifier: Apache-2.0
"""The whole job on a small rendered recording; ends with a report to open.

Without --bag, a tabletop is rendered from a moving wrist camera with the noise of a real depth
sensor and written as a rosbag2; a few clicks on its first frame name points; the replay finds them
in every frame, and the report compares them with the truth.

With --bag and --point it is `tack replay` on your own recording.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tack_cli.replay import add_job_arguments, replay
from tack_cli.report import pictures
from tack_cli.report.clicks import Click
from tack_cli.report.job import Outcome
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.files import write_atomically
from tack_perception.sources.opening import open_source

BAG = "tabletop"
_FIRST_FRAME = "first_frame.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack demo`."""
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("tack_demo"),
        help="folder for what is written (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed gives another table (default: 0)"
    )
    parser.add_argument("--seconds", type=float, default=3.5, help="length (default: %(default)s)")
    parser.add_argument("--bag", metavar="BAG", help="your own recording; needs --point as well")
    add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do `tack demo`."""
    if args.bag is None:
        if args.point or args.annotations:
            raise InvalidInputError(
                "--point and --annotations need --bag: the demo has its own clicks"
            )
        _rendered(args)
        return 0
    if args.point or args.annotations:
        replay(args.bag, args)
        return 0
    return _ask_for_click(args.bag, args.output)


def _rendered(args: argparse.Namespace) -> None:
    from tack_sim.recording import TRUTH_FILE, RecordingConfig, load_truth, record_tabletop

    began = time.perf_counter()
    config = RecordingConfig(seed=args.seed, seconds=args.seconds)
    bag = args.output / BAG
    _say(args, f"1. Rendering a tabletop from a moving wrist camera into a rosbag2: {bag}")
    with _fresh(bag) as target:
        steps = record_tabletop(target, config)
        count = next(steps)
        for _ in tqdm(steps, total=count, unit="frame", desc="render", leave=False,
                      disable=args.quiet):  # fmt: skip
            pass
    truth = load_truth(args.output / TRUTH_FILE)
    _say(
        args,
        f"   {count} frames of colour and depth at {config.rate:g} Hz, with transforms;"
        f" {time.perf_counter() - began:.1f} s.",
    )
    args.point = _clicks_on_first_frame(truth.pixels, truth.visible)
    names = ", ".join(click.label for click in args.point)
    _say(args, f"2. {len(args.point)} clicks on the first frame, as a person would make: {names}")
    _say(args, "3. Finding these points in every frame, in 3D, and planning grasps:\n")
    outcome = replay(bag, args, truth=truth.points, title="A rendered tabletop")
    _say(args, "\n" + _verdict(outcome, time.perf_counter() - began))


def _clicks_on_first_frame(
    pixels: dict[str, np.ndarray], visible: dict[str, np.ndarray]
) -> list[Click]:
    """Clicks on the true points, on whole pixels as a mouse gives them."""
    clicks = []
    for name, places in pixels.items():
        if visible[name][0]:
            u, v = np.rint(places[0]).tolist()
            clicks.append(Click(f"0:{u:g},{v:g}", u, v, index=0, label=name))
    return clicks


def _verdict(outcome: Outcome, seconds: float) -> str:
    tracks = [outcome.findings.track(label) for label in outcome.findings.labels]
    truth = outcome.findings.truth
    errors = np.concatenate([track.errors(truth[track.label]) for track in tracks])
    if not len(errors):
        return "No point could be placed in space; the report says why."
    refused = sum(len(track.seconds) for track in tracks) - len(errors)
    return (
        f"Compared with the truth: half of the {len(errors)} 3D points are within"
        f" {1e3 * np.median(errors):.1f} mm, 95 % within {1e3 * np.percentile(errors, 95):.1f} mm;"
        f" {refused} detections were refused. The demo took {seconds:.0f} s."
    )


def _ask_for_click(bag: str, output: Path) -> int:
    """No click was given: let the person make one, or show the pixels of the first frame."""
    print(f"{bag}: which point? A click says what matters, and only you know that.")
    if _has_display():
        annotations = output / "annotations"
        print("Opening `tack annotate`: click on the points, then close the window.")
        command = [sys.executable, "-m", "tack_cli.main", "annotate", bag, "--set"]
        code = subprocess.run([*command, str(annotations)], check=False).returncode
        if code == 0:
            print(f"Now: tack replay {bag} --annotations {annotations} --output {output}")
        return code
    with open_source(bag) as source:
        frame = next(iter(source), None)
        if frame is None:
            raise SourceError(f"{bag} holds no frame")
    path = output / _FIRST_FRAME
    write_atomically(path, pictures.png(pictures.grid_picture(frame)))
    print(
        f"The first frame, with a grid of pixels to read off: {path}\n"
        f"Then: tack replay {bag} --point 0:COLUMN,ROW --label NAME --output {output}"
    )
    return 2


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text)


@contextlib.contextmanager
def _fresh(wanted: Path) -> Iterator[Path]:
    """A path of the same name in a hidden folder; what lies there at the end takes its place.

    The name is the same because a bag repeats it in the names of the files inside.
    """
    drafts = wanted.parent / ".part"
    shutil.rmtree(drafts, ignore_errors=True)
    drafts.mkdir(parents=True)
    try:
        yield drafts / wanted.name
        shutil.rmtree(wanted, ignore_errors=True)
        for made in drafts.iterdir():
            made.replace(wanted.parent / made.name)
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
