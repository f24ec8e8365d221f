# SPDX-License-Identifier: Apache-2.0
"""The demo without a robot: a rendered recording, clicks on its first frame, and a replay."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tack_cli.replay import replay
from tack_cli.report.clicks import Click
from tack_cli.report.job import Outcome

BAG = "tabletop"


def run_tabletop_demo(args: argparse.Namespace) -> None:
    """Render the recording, click, replay, and compare with the truth."""
    from tack_sim.recording import TRUTH_FILE, RecordingConfig, load_truth, record_tabletop

    began = time.perf_counter()
    config = RecordingConfig(seed=args.seed or 0, seconds=args.seconds)
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
