# SPDX-License-Identifier: Apache-2.0
"""How fast learned detectors are, and what a coarser arithmetic costs.

    python benchmarks/detector_speed.py [--model DIR] [--data HELD_OUT] [--detectors tack don fused]

One 640×480 frame at a time, as the detector node works: the objects in it are found, looked at
closely, and 1, 16 or 256 points are looked for on them. Warm-up, then the median and the 95 %
quantile over repetitions. Single precision, bfloat16 and compiled, on the CPU and on a GPU where
there is one; for each how far the answers move against single precision on the CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors.learned import LearnedDetector
from tack_perception.detectors.shipped import make_learned
from tack_perception.frame import RGBDFrame
from tack_perception.learning.calibration import frame_of
from tack_perception.learning.pack import Pack, make_pack

COUNTS = (1, 16, 256)
WARM_UP = 10


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", help="folder or name; default: the shipped one")
    parser.add_argument("--data", type=Path, help="640×480 views; default: a picture of noise")
    parser.add_argument("--detectors", nargs="+", default=["tack", "don", "fused"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=50)
    parser.add_argument("--compile", action="store_true", help="also torch.compile (slow to start)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shot, query, clicks, objects = frames(args.data)
    print(f"torch {torch.__version__}, {args.threads} threads; {objects}")
    print(f"{'':<34}" + "".join(f"{count:>16} points" for count in COUNTS) + "   moved, px")
    for kind in args.detectors:
        truth = None
        for name, device, precision, compiled in modes(args):
            settings = {"model": args.model, "device": device, "precision": precision}
            detector = make_learned(kind, settings)
            with arithmetic(detector, compiled=compiled):
                cells, places = [], np.zeros((0, 2))
                for count in COUNTS:
                    enroll(detector, shot, clicks[:count])
                    median, late = timed(detector, query, args.repetitions, device)
                    cells.append(f"{median:10.1f} / {late:6.1f} ms")
                    found = detector.detect(again(query, 0))
                    places = np.array([(one.u, one.v) for one in found])
            truth = places if truth is None else truth
            moved = np.linalg.norm(places - truth, axis=1)
            shift = f"{np.median(moved):.2f} (95 %: {np.quantile(moved, 0.95):.2f})"
            print(f"{kind:<6} {name:<27}" + "".join(f"{c:>23}" for c in cells) + f"   {shift}")


def modes(args: argparse.Namespace) -> Iterator[tuple[str, str, str, bool]]:
    """Name, device, precision, whether compiled."""
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for precision in ("single", "bfloat16"):
            yield f"{device}, {precision}", device, precision, False
        if args.compile:
            yield f"{device}, bfloat16, compiled", device, "bfloat16", True


@contextlib.contextmanager
def arithmetic(detector: LearnedDetector, *, compiled: bool) -> Iterator[None]:
    """The trunk compiled, if it is to be."""
    model: Any = detector.model
    trunk = model.trunk
    if compiled:
        model.trunk = torch.compile(trunk)
    try:
        yield
    finally:
        model.trunk = trunk


def timed(
    detector: LearnedDetector, query: RGBDFrame, repetitions: int, device: str
) -> tuple[float, float]:
    """Median and 95 % quantile of the time of a detection, ms."""
    times = []
    for n in range(WARM_UP + repetitions):
        frame = again(query, n)
        start = time.perf_counter()
        detector.detect(frame)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    kept = np.array(times[WARM_UP:])
    return float(np.median(kept)), float(np.quantile(kept, 0.95))


def again(frame: RGBDFrame, n: int) -> RGBDFrame:
    """The frame with another stamp: a detector may keep what it knows of the last one."""
    return RGBDFrame(frame.color, frame.depth, frame.intrinsics, n + 1, frame.frame_id)


def enroll(detector: LearnedDetector, shot: RGBDFrame, clicks: NDArray[np.float64]) -> None:
    """Click these points, (N, 2) px."""
    detector.forget()
    detector.enroll([Annotation(f"p{n}", u, v, shot) for n, (u, v) in enumerate(clicks.tolist())])


def frames(folder: Path | None) -> tuple[RGBDFrame, RGBDFrame, NDArray[np.float64], str]:
    """Two frames of one scene, clicks on the largest object of the first, and what is in view."""
    if folder is not None:
        pack: Pack = make_pack(folder)
        scene = pack.views["scene"]
        first = int(np.flatnonzero(scene == scene[0])[0])
        one, two = frame_of(pack, first), frame_of(pack, first + 1)
        mine = pack.things[pack.things["view"] == first]
        largest = mine[int(mine["pixels"].argmax())]
        clicks = largest["point_pixel"][: int(largest["count"])].astype(np.float64)
        count = int((pack.things["view"] == first + 1).sum())
        return one, two, clicks, f"{folder.name}, {count} objects in view"
    rng = np.random.default_rng(0)
    color = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    camera = CameraIntrinsics(640, 480, 615, 615, 319.5, 239.5)
    frame = RGBDFrame(color, np.full((480, 640), 0.5, np.float32), camera, 1, "camera")
    clicks = np.array([319.5, 239.5]) + rng.uniform(-40, 40, (256, 2))
    return frame, frame, clicks, "a picture of noise"


if __name__ == "__main__":
    main()
