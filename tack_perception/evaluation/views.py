# SPDX-License-Identifier: Apache-2.0
"""The one-click protocol: click in one view of a recording, find the point in all others."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.detectors.base import KeypointDetector
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import LiftingConfig, lift_keypoint
from tack_perception.sources.case import CASE_FILE
from tack_perception.sources.folder import FolderSource

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Views:
    """Views of one scene in which the same points are known.

    Attributes:
        frames: V frames.
        world_from_camera: (V, 4, 4), m.
        labels: names of the L points.
        pixels: (L, V, 2) true pixels (u, v).
        visible: (L, V) bool, whether the point itself is seen there.
        points: (L, 3) true positions in the world, m.
    """

    frames: tuple[RGBDFrame, ...]
    world_from_camera: FloatArray
    labels: tuple[str, ...]
    pixels: FloatArray
    visible: NDArray[np.bool_]
    points: FloatArray


@dataclasses.dataclass(frozen=True)
class Trial:
    """One label, clicked in one view and looked for in another.

    Attributes:
        label: the point.
        shot, view: index of the clicked and of the searched view.
        visible: whether the point is truly seen in the searched view.
        u, v: where it was found; NaN where the detector refused the shot.
        error_px: distance to the true pixel; infinite where the shot was refused.
        confidence: as stated.
        accepted: whether the detector believed the point visible.
        error_m: distance of the lifted point to the truth, m; NaN where it was not lifted.
        lift_here_m: the same for a lift at the true pixel: what depth and poses alone cost; NaN
            where that is refused.
        refusal: why it was not lifted, "" where it was.
        seconds: time of detection for the view, all labels together.
    """

    label: str
    shot: int
    view: int
    visible: bool
    u: float
    v: float
    error_px: float
    confidence: float
    accepted: bool
    error_m: float
    lift_here_m: float
    refusal: str
    seconds: float


def load_views(path: Path | str) -> Views:
    """Read a folder with a `case.json` that holds poses and named points.

    Raises:
        FileFormatError: a part that the protocol needs is missing.
        SourceError: the folder cannot be read.
    """
    path = Path(path)
    with FolderSource(path) as source:
        frames = tuple(source)
    try:
        case = json.loads((path / CASE_FILE).read_text(encoding="utf-8"))
        poses = np.stack([geometry.nearest_transform(i["T_world_cam"]) for i in case["images"]])
        labels = tuple(case["keypoints"])
        points = np.array([case["keypoints"][label]["xyz_world"] for label in labels])
        pixels = np.full((len(labels), len(frames), 2), np.nan)
        visible = np.zeros((len(labels), len(frames)), dtype=bool)
        index = {image["id"]: number for number, image in enumerate(case["images"])}
        for annotation in case["annotations"]:
            place = labels.index(annotation["keypoint"]), index[annotation["image"]]
            pixels[place] = annotation["uv"]
            visible[place] = annotation["visible"] == 1
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path / CASE_FILE}: poses and named points needed: {error}"
        ) from error
    return Views(frames, poses, labels, pixels, visible, points)


def one_click_trials(
    views: Views,
    make_detector: Callable[[], KeypointDetector],
    lifting: LiftingConfig | None = None,
    *,
    shots: Sequence[int] | None = None,
    searched: Sequence[int] | None = None,
) -> Iterator[list[Trial]]:
    """Click every visible point of one view, look for all of them in every other view.

    Args:
        views: the recording.
        make_detector: a detector without shots, as often as called.
        lifting: settings of the lift.
        shots, searched: numbers of the views that are clicked in, and of those that are searched;
            None: all.

    Yields:
        For each ordered pair of views the trials of its labels.
    """
    at_truth: dict[tuple[int, int], float] = {}  # by point and view: the same for every shot
    every = range(len(views.frames))
    for shot in every if shots is None else shots:
        frame = views.frames[shot]
        detector = make_detector()
        wanted = [n for n in range(len(views.labels)) if views.visible[n, shot]]
        enrolled = {}
        for n in wanted:
            u, v = views.pixels[n, shot].tolist()
            try:
                detector.enroll([Annotation(views.labels[n], u, v, frame)])
                enrolled[views.labels[n]] = n
            except InvalidInputError:
                continue
        for view in every if searched is None else searched:
            other = views.frames[view]
            if view == shot:
                continue
            start = time.perf_counter()
            found = {keypoint.label: keypoint for keypoint in detector.detect(other)}
            seconds = time.perf_counter() - start
            known = [n for n in wanted if np.isfinite(views.pixels[n, view]).all()]
            for n in known:
                if (n, view) not in at_truth:
                    at_truth[n, view] = _lift_at_truth(views, n, view, lifting)
            yield [
                _trial(
                    views, n, shot, view, found.get(views.labels[n]), lifting,
                    at_truth[n, view], seconds,
                )
                for n in known
            ]  # fmt: skip


def _trial(
    views: Views,
    n: int,
    shot: int,
    view: int,
    keypoint: Keypoint | None,
    lifting: LiftingConfig | None,
    at_truth: float,
    seconds: float,
) -> Trial:
    label, truth = views.labels[n], views.pixels[n, view]
    visible = bool(views.visible[n, view])
    if keypoint is None:
        refusal = "the shot was refused"
        return Trial(
            label, shot, view, visible, math.nan, math.nan, math.inf, 0.0, False,
            math.nan, at_truth, refusal, seconds,
        )  # fmt: skip
    error_m, refusal = _lift_error(views, n, view, keypoint, lifting)
    return Trial(
        label=label,
        shot=shot,
        view=view,
        visible=visible,
        u=keypoint.u,
        v=keypoint.v,
        error_px=math.hypot(keypoint.u - truth[0], keypoint.v - truth[1]),
        confidence=keypoint.confidence,
        accepted=keypoint.visible,
        error_m=error_m,
        lift_here_m=at_truth,
        refusal=refusal,
        seconds=seconds,
    )


def _lift_at_truth(views: Views, n: int, view: int, lifting: LiftingConfig | None) -> float:
    u, v = views.pixels[n, view].tolist()
    return _lift_error(views, n, view, Keypoint(views.labels[n], u, v, confidence=1.0), lifting)[0]


def _lift_error(
    views: Views, n: int, view: int, keypoint: Keypoint, lifting: LiftingConfig | None
) -> tuple[float, str]:
    if not keypoint.visible:
        return math.nan, "believed hidden or absent"
    frame = views.frames[view]
    if not frame.intrinsics.contains(keypoint.u, keypoint.v):
        return math.nan, "outside the image"
    lifted = lift_keypoint(frame, keypoint, lifting)
    if lifted.xyz is None:
        return math.nan, lifted.refusal
    world = geometry.apply(views.world_from_camera[view], lifted.xyz)
    return float(np.linalg.norm(world - views.points[n])), ""
