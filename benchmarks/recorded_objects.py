# SPDX-License-Identifier: Apache-2.0
"""Objects of the cell that no model has seen, learned from recordings: what does that bring?

    python benchmarks/recorded_objects.py --output out/recorded [--classes mug shoe …]
                                          [--method don] [--steps N] [--only-poses]

Each object is recorded by the wrist camera of the simulated cell with a D435's noise, with poses
from TF and, separately, without TF: how far a pixel of one view is from where found and true poses
put it in another. From the recording with TF a model is trained on from the shipped one. Both
models are asked for the same clicks on views that were kept back.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from tack_cli import main as command
from tack_grasping.profiles import load_profile
from tack_perception import geometry
from tack_perception.files import write_atomically
from tack_perception.recording import RecordConfig, record
from tack_sim.cell.layout import sample_layout
from tack_sim.cell.orbit import CellOrbit, OrbitConfig

CLASSES = ("mug", "shoe", "hammer", "cap", "bottle")
SEED = 11


def without_tf(family: str, frames: int) -> dict[str, float]:
    """How well poses are found that TF does not tell."""
    profile = load_profile("panda_2f85")
    source = CellOrbit(sample_layout(profile, family, SEED), OrbitConfig(views=frames, seed=SEED))
    taken = list(source)
    began = time.perf_counter()
    made = record(taken, family, RecordConfig(), progress=True)
    seconds = time.perf_counter() - began
    true = {
        frame.stamp_ns: source.transforms.lookup(profile.base_frame, frame.frame_id, frame.stamp_ns)
        for frame in taken
    }
    errors = []
    for one in made.views:
        for other in made.views[::3]:
            rows, columns = np.mgrid[60:420:40, 80:560:40]
            depth = one.frame.depth[rows.ravel(), columns.ravel()].astype(float)
            pixels = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
            local = one.frame.intrinsics.deproject(pixels, depth)
            places = []
            for poses in (
                (one.world_from_camera, other.world_from_camera),
                (true[one.frame.stamp_ns], true[other.frame.stamp_ns]),
            ):
                moved = geometry.apply(geometry.inverse(poses[1]) @ poses[0], local)
                places.append(other.frame.intrinsics.project(moved))
            errors.append(np.linalg.norm(places[0] - places[1], axis=1))
    every = np.concatenate(errors)
    every = every[np.isfinite(every)]
    return {
        "views": len(made.views), "frames": len(taken), "seconds": round(seconds),
        "median_px": round(float(np.median(every)), 2),
        "p90_px": round(float(np.quantile(every, 0.9)), 2),
    }  # fmt: skip


def learned(family: str, output: Path, method: str, steps: int | None) -> dict[str, object]:
    """What training on a recording with TF brings."""
    data, run = output / f"{family}_data", output / f"{family}_{method}"
    if not data.exists():
        words = ["record", f"cell:{family}:{SEED}", "--name", f"my_{family}"]
        assert command.main([*words, "--output", str(data), "--quiet"]) == 0
    words = ["train", "--method", method, "--data", str(data), "--output", str(run), "--quiet"]
    began = time.perf_counter()
    assert command.main([*words, *(["--steps", str(steps)] if steps else [])]) == 0
    verdict = json.loads((run / "verdict.json").read_text())
    return {**verdict, "seconds": round(time.perf_counter() - began)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", default=CLASSES)
    parser.add_argument("--method", default="don")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--frames", type=int, default=160, help="of the recording without TF")
    parser.add_argument("--only-poses", action="store_true")
    parser.add_argument("--only-training", action="store_true")
    args = parser.parse_args()
    for family in args.classes:
        told: dict[str, object] = {}
        if not args.only_training:
            told["without_tf"] = without_tf(family, args.frames)
        if not args.only_poses:
            told["trained"] = learned(family, args.output, args.method, args.steps)
        print(family, json.dumps(told), flush=True)
        write_atomically(
            args.output / f"{family}_{args.method}.json", json.dumps(told, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
