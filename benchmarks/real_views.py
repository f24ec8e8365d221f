# SPDX-License-Identifier: Apache-2.0
"""One click, all other views of a real recording: how near does each detector come?

    python benchmarks/real_views.py [--detectors fixed-sift dense don=out/shelf/model]
                                    [--data FOLDER] [--clicked 0:10] [--searched 10:15]
                                    [--json FILE] [--output FOLDER]

For every ordered pair of views, each point seen in the first is clicked there and looked
for in the second. Pixel figures are over the pairs in which the point is seen in both.
A learned detector may name its model. Views that a model has learned from should be clicked in
only: --clicked and --searched are ranges of views.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from tqdm import tqdm

from tack_perception.annotation import Annotation
from tack_perception.detectors import DETECTORS, make_detector
from tack_perception.detectors.base import KeypointDetector
from tack_perception.evaluation.statistics import Share
from tack_perception.evaluation.summary import (
    ASTRAY_PX,
    RIGHT_PX,
    THRESHOLDS_PX,
    Summary,
    summarise,
)
from tack_perception.evaluation.views import Trial, Views, load_views, one_click_trials
from tack_perception.files import write_atomically
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import LiftingConfig

DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[2] / "shared" / "data"))
FIXED_SIFT = "fixed-sift"
GALLERY = 24
CONFIDENCES = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 1)


class FixedSift:
    """The reference: SIFT of one size, upright, on a 4-px grid; the nearest descriptor wins.

    It believes everything, with confidence 1. OpenCV takes seconds for a frame of descriptors, so
    they are kept; its time in the table is that of the search alone.
    """

    _described: ClassVar[dict[RGBDFrame, np.ndarray]] = {}

    def __init__(self, size: float = 24.0, step: int = 4) -> None:
        u, v = np.meshgrid(np.arange(0, 640, step), np.arange(0, 480, step))
        self._grid = np.column_stack([u.ravel(), v.ravel()]).astype(float)
        self._size = size
        self._shots: dict[str, np.ndarray] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._shots)

    def enroll(self, shots: Sequence[Annotation]) -> None:
        for shot in shots:
            self._shots[shot.label] = self._describe(shot.frame, np.array([[shot.u, shot.v]]))[0]

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        if frame not in self._described:
            self._described[frame] = self._describe(frame, self._grid)
        descriptors = self._described[frame]
        keypoints = []
        for label, shot in self._shots.items():
            u, v = self._grid[int(((descriptors - shot) ** 2).sum(axis=1).argmin())]
            keypoints.append(Keypoint(label, u, v, 1.0))
        return keypoints

    def forget(self, label: str | None = None) -> None:
        self._shots.clear()

    def _describe(self, frame: RGBDFrame, pixels: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY)
        keypoints = [cv2.KeyPoint(float(u), float(v), self._size, 0.0) for u, v in pixels]
        return cv2.SIFT_create().compute(grey, keypoints)[1]


def maker(name: str) -> KeypointDetector:
    kind, _, model = name.partition("=")
    return (
        FixedSift()
        if kind == FIXED_SIFT
        else make_detector(kind, {"model": model} if model else {})
    )


def run(views: Views, name: str, clicked: range, searched: range) -> list[Trial]:
    config = LiftingConfig(depth_unit_m=1e-4)
    pairs = sum(shot != view for shot in clicked for view in searched)
    trials: list[Trial] = []
    batches = one_click_trials(views, lambda: maker(name), config, shots=clicked, searched=searched)
    for batch in tqdm(batches, total=pairs, desc=name, unit="pair", leave=False):
        trials.extend(batch)
    return trials


def table(summaries: dict[str, Summary]) -> str:
    rows = [
        ("trials (point seen in both views)", lambda s: f"{s.trials}"),
        ("median error, px", lambda s: f"{s.median_px:.1f}"),
        *(
            (f"within {limit} px", lambda s, limit=limit: str(s.within[limit]))
            for limit in THRESHOLDS_PX
        ),
        ("believed visible", lambda s: str(s.accepted)),
        *(
            (f"of those, within {limit} px", lambda s, limit=limit: str(s.accepted_within[limit]))
            for limit in THRESHOLDS_PX
        ),
        ("labelled hidden, believed visible", lambda s: f"{s.hidden} of {s.hidden.trials}"),
        (
            f"labelled hidden, believed over {ASTRAY_PX} px away from it",
            lambda s: str(s.hidden_astray),
        ),
        ("confidence: AUC right against wrong or hidden", lambda s: f"{s.auc:.3f}"),
        ("confidence: expected calibration error", lambda s: f"{s.calibration:.3f}"),
        ("lifted: 3D error median / p95, mm", lambda s: millimetres(s.median_m, s.p95_m)),
        ("not lifted", lambda s: str(s.refused)),
        (
            "lift at the true pixel: median / p95, mm",
            lambda s: millimetres(s.truth_median_m, s.truth_p95_m),
        ),
        ("not lifted at the true pixel", lambda s: str(s.truth_refused)),
        ("detection of a view, ms", lambda s: f"{s.ms:.0f}"),
    ]
    lines = [
        "| | " + " | ".join(summaries) + " |",
        "|---|" + "---|" * len(summaries),
        *(
            f"| {title} | " + " | ".join(cell(s) for s in summaries.values()) + " |"
            for title, cell in rows
        ),
    ]
    return "\n".join(lines)


def millimetres(median: float, p95: float) -> str:
    return f"{median * 1e3:.1f} / {p95 * 1e3:.1f}"


def by_label(trials: list[Trial], labels: Sequence[str]) -> str:
    lines = [
        "| point | trials | median px | within 5 / 10 / 20 px | believed |",
        "|---|---|---|---|---|",
    ]
    for label in labels:
        s = summarise([trial for trial in trials if trial.label == label])
        shares = " / ".join(f"{s.within[limit].value:.0%}" for limit in THRESHOLDS_PX)
        lines.append(
            f"| {label} | {s.trials} | {s.median_px:.1f} | {shares} | {s.accepted.value:.0%} |"
        )
    return "\n".join(lines)


def reliability(trials: list[Trial]) -> str:
    """What answers of each confidence were worth, over seen and hidden points together."""
    lines = [
        f"| confidence | trials | seen and within {RIGHT_PX} px |"
        f" seen, over {RIGHT_PX} px away | labelled hidden | of those over {ASTRAY_PX} px away |",
        "|---|---|---|---|---|---|",
    ]
    for low, high in itertools.pairwise(CONFIDENCES):
        mine = [t for t in trials if low <= t.confidence < high or t.confidence == high == 1]
        seen = [t for t in mine if t.visible]
        right = Share(sum(t.error_px <= RIGHT_PX for t in seen), len(mine))
        astray = sum(not t.visible and t.error_px > ASTRAY_PX for t in mine)
        lines.append(
            f"| {low:g} to {high:g} | {len(mine)} | {right if mine else '-'} |"
            f" {len(seen) - right.hits} | {len(mine) - len(seen)} | {astray} |"
        )
    return "\n".join(lines)


def gallery(views: Views, trials: list[Trial], folder: Path) -> None:
    """The worst answers that were believed: the click on the left, the answer on the right."""
    folder.mkdir(parents=True, exist_ok=True)
    wrong = [t for t in trials if t.accepted and (t.error_px > RIGHT_PX or not t.visible)]
    wrong.sort(key=lambda t: (t.error_px <= RIGHT_PX, -t.confidence))
    for rank, trial in enumerate(wrong[:GALLERY]):
        n = views.labels.index(trial.label)
        left = marked(views.frames[trial.shot], views.pixels[n, trial.shot], (0, 255, 0))
        right = marked(views.frames[trial.view], views.pixels[n, trial.view], (0, 255, 0))
        cv2.drawMarker(
            right, (round(trial.u), round(trial.v)), (0, 0, 255), cv2.MARKER_CROSS, 24, 2
        )
        what = f"{trial.error_px:.0f} px" if trial.visible else "hidden"
        name = f"{rank:02d}_{trial.label}_{trial.shot:02d}_{trial.view:02d}"
        text = f"{trial.label}: {what}, confidence {trial.confidence:.2f}"
        cv2.putText(right, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 255), 2)
        _, png = cv2.imencode(".png", np.hstack([left, right]))
        write_atomically(folder / f"{name}.png", png.tobytes())


def marked(frame: RGBDFrame, pixel: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    image = np.ascontiguousarray(frame.color[..., ::-1])
    cv2.circle(image, (round(pixel[0]), round(pixel[1])), 12, color, 2)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detectors", nargs="+", default=[FIXED_SIFT, *DETECTORS])
    parser.add_argument("--data", type=Path, default=DATA / "apc_shelf")
    parser.add_argument("--clicked", default=":", metavar="A:B", help="views that are clicked in")
    parser.add_argument("--searched", default=":", metavar="A:B", help="views that are searched")
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--output", type=Path, help="write pictures of the worst answers there")
    args = parser.parse_args()
    views = load_views(args.data)
    spans = [span(text, len(views.frames)) for text in (args.clicked, args.searched)]
    results = {name: run(views, name, *spans) for name in args.detectors}
    summaries = {name: summarise(trials) for name, trials in results.items()}
    print(table(summaries))
    last = args.detectors[-1]
    print(f"\n{last}, by point:\n\n{by_label(results[last], views.labels)}")
    print(f"\n{last}, by confidence:\n\n{reliability(results[last])}")
    if args.json:
        content = {name: finite(summary.as_dict()) for name, summary in summaries.items()}
        write_atomically(args.json, json.dumps(content, indent=1))
    if args.output:
        for name, trials in results.items():
            gallery(views, trials, args.output / name.replace("/", "_"))


def span(text: str, count: int) -> range:
    """A range of views, as a:b, where both may be missing."""
    low, _, high = text.partition(":")
    return range(count)[slice(int(low) if low else None, int(high) if high else None)]


def finite(value: object) -> object:
    """JSON has no NaN and no infinity."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
