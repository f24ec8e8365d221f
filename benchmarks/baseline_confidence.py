# SPDX-License-Identifier: Apache-2.0
"""Fits the confidence of the hand-crafted detector, away from the trials that are reported.

    python benchmarks/baseline_confidence.py [--data FOLDER] [--points 12] [--save FILE]

Right and wrong answers come from three kinds of trials, none with the named points of the shelf:

- `shelf`: random correspondences of its view pairs,
- `warp`: random points on the single-object pictures, looked for in warped copies of them,
- `absent`: each of those points looked for in a picture that does not hold it.

It prints the weights for `tack_perception/detectors/confidence.py`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import cv2
import numpy as np

from tack_perception.annotation import Annotation
from tack_perception.detectors import DenseDescriptorConfig
from tack_perception.detectors.confidence import evidence_of
from tack_perception.detectors.features import DenseFeatures
from tack_perception.detectors.matching import find
from tack_perception.detectors.template import make_template
from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.statistics import area_under_roc, expected_calibration_error
from tack_perception.frame import RGBDFrame
from tack_perception.sources.folder import FolderSource

DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[2] / "shared" / "data"))
RIGHT_PX = 10.0
CONFIG = DenseDescriptorConfig()


def frames_of(folder: Path) -> list[RGBDFrame]:
    with FolderSource(folder) as source:
        return list(source)


def features_of(frame: RGBDFrame) -> DenseFeatures:
    return DenseFeatures(frame.color, 2 * CONFIG.step_px, CONFIG.cells_px)


def warped(frame: RGBDFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A picture seen from elsewhere, noisy and in other light, and the (2, 3) map to it."""
    height, width = frame.depth.shape
    angle, scale = rng.uniform(-30, 30), rng.uniform(0.7, 1.4)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, :2] = matrix[:, :2] @ np.array([[rng.uniform(0.7, 1), 0], [0, 1]])
    matrix[:, 2] += np.array([width, height]) / 2 - matrix @ [width / 2, height / 2, 1]
    matrix[:, 2] += rng.uniform(-60, 60, 2)
    image = cv2.warpAffine(frame.color, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    image = image * rng.uniform(0.6, 1.3) + rng.normal(0, 6, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--points", type=int, default=12, help="random points of each picture")
    parser.add_argument("--save", type=Path, help="write the trials there (.npz)")
    args = parser.parse_args()
    rng = np.random.default_rng(20)
    shelf, objects = frames_of(args.data / "apc_shelf"), frames_of(args.data / "rgbd_objects")
    described = {frame: features_of(frame) for frame in (*shelf, *objects)}
    pairs = json.loads((args.data / "apc_shelf" / "case.json").read_text())["pairs"]
    rows: list[tuple[str, list[float], bool, float]] = []

    def trial(kind: str, shot: Annotation, searched: DenseFeatures, truth: np.ndarray) -> bool:
        try:
            template = make_template(shot, described[shot.frame], CONFIG)
        except InvalidInputError:
            return False
        (found,) = find(searched, [template])
        error = float(np.linalg.norm(found.pixel - truth))
        rows.append((kind, evidence_of(found), error <= RIGHT_PX, error))
        return True

    for index in rng.choice(len(pairs), 4 * args.points, replace=False):
        pair = pairs[index]
        for ua, va, ub, vb, *_ in rng.permutation(pair["points"])[: max(2, args.points // 2)]:
            shot = Annotation("point", ua, va, shelf[pair["a"]])
            if trial("shelf", shot, described[shelf[pair["b"]]], np.array([ub, vb])):
                elsewhere = objects[int(rng.integers(len(objects)))]
                trial("absent", shot, described[elsewhere], np.full(2, -1e6))
    for frame in objects:
        image, matrix = warped(frame, rng)
        searched = DenseFeatures(image, 2 * CONFIG.step_px, CONFIG.cells_px)
        near = np.argwhere(frame.depth < np.nanpercentile(frame.depth, 25))
        for v, u in rng.permutation(near)[: args.points]:
            truth = matrix @ [u, v, 1.0]
            if not ((truth > 20) & (truth < [620, 460])).all():
                continue
            shot = Annotation("point", float(u), float(v), frame)
            if trial("warp", shot, searched, truth):
                elsewhere = shelf[int(rng.integers(len(shelf)))]
                trial("absent", shot, described[elsewhere], np.full(2, -1e6))
    kinds = np.array([row[0] for row in rows])
    evidence, right = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    if args.save:
        errors = np.array([row[3] for row in rows])
        np.savez(args.save, kinds=kinds, evidence=evidence, right=right, errors=errors)
    weights = fit(evidence, right)
    said = 1 / (1 + np.exp(-(evidence @ weights[1:] + weights[0])))
    print("weights", np.round(weights, 2).tolist())
    for kind in ("shelf", "warp", "absent"):
        mine = kinds == kind
        print(f"{kind}: {mine.sum()} trials, right {right[mine].mean():.2f},", end=" ")
        print(f"said {said[mine].mean():.2f}")
    print(f"area under ROC {area_under_roc(said[right], said[~right]):.3f},", end=" ")
    print(f"calibration error {expected_calibration_error(said, right):.3f}")


def fit(evidence: np.ndarray, right: np.ndarray, ridge: float = 0.1) -> np.ndarray:
    """Logistic regression by Newton's method, slightly shrunk."""
    design = np.column_stack([np.ones(len(evidence)), evidence])
    weights = np.zeros(design.shape[1])
    for _ in range(30):
        said = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (said - right) + ridge * weights
        bend = (design * (said * (1 - said))[:, None]).T @ design + ridge * np.eye(len(weights))
        weights -= np.linalg.solve(bend, slope)
    return weights


if __name__ == "__main__":
    main()
