# SPDX-License-Identifier: Apache-2.0
"""How fast a replay is: frames per second, against the length of the recording, and by stage.

    python benchmarks/replay.py [--bag BAG --point FRAME:U,V --label NAME ...] [--seconds 3.5]

Without --bag the tabletop of `tack demo --tabletop` is rendered first (42 frames at 12 Hz, four
clicks); rendering does not count. Wall time is what counts, on a quiet machine. CPU time tells more
on a busy one: two cores keep up as long as it is below twice the recording's length.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import tack_cli  # noqa: F401  (before numpy: one BLAS thread)
from tack_cli import tabletop_demo
from tack_cli.replay import add_job_arguments, replay
from tack_cli.report.job import Outcome
from tack_sim.recording import TRUTH_FILE, RecordingConfig, load_truth, record_tabletop


def rendered(folder: Path, seconds: float, args: argparse.Namespace) -> Path:
    """The demo's recording in a folder, its clicks in the arguments."""
    bag = folder / tabletop_demo.BAG
    for _ in record_tabletop(bag, RecordingConfig(seconds=seconds)):
        pass
    truth = load_truth(folder / TRUTH_FILE)
    args.point = tabletop_demo._clicks_on_first_frame(truth.pixels, truth.visible)
    return bag


def measured(bag: Path, args: argparse.Namespace) -> tuple[Outcome, float, float]:
    """The outcome, wall and CPU time of one replay, s."""
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = replay(bag, args)
    return outcome, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bag", type=Path, help="your own recording; needs --point as well")
    parser.add_argument("--seconds", type=float, default=3.5, help="length of the rendered one")
    add_job_arguments(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bag = args.bag or rendered(folder, args.seconds, args)
        args.output = folder / "out"
        outcome, wall, cpu = measured(bag, args)
    frames, length = len(outcome.findings.frames), outcome.findings.duration
    print(f"\n{frames} frames of {length:.1f} s with {len(outcome.findings.labels)} points:")
    print(f"wall time {wall:.2f} s: {frames / wall:.1f} frames/s, {length / wall:.2f} × real time")
    print(
        f"CPU time {cpu:.2f} s: {1e3 * cpu / frames:.0f} ms per frame, {cpu / length:.2f} cores"
        " busy to keep up"
    )


if __name__ == "__main__":
    main()
