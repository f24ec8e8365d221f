# SPDX-License-Identifier: Apache-2.0
"""Real things on a table, seen by weights that have learned from rendered ones.

    python benchmarks/real_kinds.py [--data FOLDER] [--detectors tack don fused combined dense]

Of each thing of `rgbd_objects` the nearest class and how near it is are told: whether the detector
`combined` asks the network for clicks on it. Then points of one mug are clicked on and looked for
on the other, both ways. Few pictures: they tell what to expect, and not how well it works.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tack_perception.annotation import Annotation
from tack_perception.detectors import DETECTORS, make_detector
from tack_perception.detectors.shipped import make_learned
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.opening import open_source

DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[2] / "shared" / "data"))


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA / "rgbd_objects")
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS), choices=DETECTORS)
    args = parser.parse_args()
    case = json.loads((args.data / "case.json").read_text(encoding="utf-8"))
    with open_source(args.data) as source:
        frames = dict(zip([image["id"] for image in case["images"]], source, strict=True))
    tell_kinds(case, frames)
    tell_errors(case, frames, args.detectors)


def tell_kinds(case: dict[str, Any], frames: dict[str, RGBDFrame]) -> None:
    """The nearest class of each thing, clicked on in its middle."""
    detector = make_learned("fused", {})
    print(f"known from a cosine of {detector.judges.familiar:.2f} on")
    for image in case["images"]:
        frame = frames[image["id"]]
        middle = np.array([image["object_points_centroid_m"]])
        u, v = frame.intrinsics.project(middle)[0].tolist()
        likeness = detector.likeness(Annotation("middle", u, v, frame))
        best = max(likeness, key=lambda name: likeness[name])
        print(f"  {image['id']:12} {best:12} {likeness[best]:5.2f}")


def tell_errors(case: dict[str, Any], frames: dict[str, RGBDFrame], detectors: list[str]) -> None:
    """Distances to the clicks of a person, px, of points that two things share."""
    pixels = {one["keypoint"]: one["uv"] for one in case["annotations"]}
    pairs = case["cross_instance_keypoints"]
    for name in detectors:
        errors: dict[str, float] = {}
        for way in (0, 1):
            detector = make_detector(name)
            for pair in pairs:
                thing, label = pair[way].split(":")
                u, v = pixels[pair[way]]
                try:
                    detector.enroll([Annotation(label, u, v, frames[thing])])
                except InvalidInputError:
                    errors[pair[way]] = np.inf
            other = pairs[0][1 - way].split(":")[0]
            for found in detector.detect(frames[other]):
                if not found.instance:
                    true = pixels[f"{other}:{found.label}"]
                    far = float(np.hypot(found.u - true[0], found.v - true[1]))
                    errors[f"{other}:{found.label}"] = far
        told = ", ".join(f"{key.replace(':', ' ')} {far:.0f}" for key, far in errors.items())
        print(f"{name}: median {np.median([*errors.values()]):.1f} px of {len(errors)}: {told}")


if __name__ == "__main__":
    main()
