# SPDX-License-Identifier: Apache-2.0
"""Chooses views from a source of frames: sharp, with depth, each from another place."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.frame import RGBDFrame
from tack_perception.recording.features import Features
from tack_perception.recording.settings import RecordConfig

FloatArray = NDArray[np.float64]
T = TypeVar("T")
PoseOf = Callable[[RGBDFrame], tuple[FloatArray | None, str]]
_SPARE = 3  # so many times the wanted views are kept until it is known which are sharp
_SMALL = (320, 240)


@dataclasses.dataclass(frozen=True, eq=False)
class Taken:
    """A frame that may become a view.

    Attributes:
        number: of the frame in the recording.
        frame: the frame.
        world_from_camera: (4, 4), m; None where nothing tells yet.
        sharpness: variance of its Laplacian.
        features: where they were needed for its pose.
    """

    number: int
    frame: RGBDFrame
    world_from_camera: FloatArray | None
    sharpness: float
    features: Features | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Taking:
    """What was chosen.

    Attributes:
        views: in the order of the recording.
        rejected: how many frames were left out, by reason.
        looked_at: frames in all.
    """

    views: tuple[Taken, ...]
    rejected: Counter[str]
    looked_at: int


def take(frames: Iterable[RGBDFrame], pose_of: PoseOf | None, config: RecordConfig) -> Taking:
    """Choose views.

    Args:
        frames: of the recording, in order.
        pose_of: frame → (4, 4) world_from_camera, or None and the reason; None: poses come later.
        config: settings.
    """
    kept: list[Taken] = []
    rejected: Counter[str] = Counter()
    stride, number = config.every, -1
    limit = _SPARE * config.most_views
    for number, frame in enumerate(frames):
        if number % stride:
            continue
        if np.isfinite(frame.depth).mean() < config.depth_share:
            rejected["too little depth"] += 1
            continue
        pose = None
        if pose_of is not None:
            pose, reason = pose_of(frame)
            if pose is None:
                rejected[_in_short(reason)] += 1
                continue
            last = kept[-1].world_from_camera if kept else None
            if last is not None and not _moved(last, pose, config):
                rejected["hardly moved since the view before"] += 1
                continue
        kept.append(Taken(number, frame, pose, _sharpness(frame)))
        if len(kept) > limit:  # a long recording: every other one, and from now on half as many
            kept, stride = kept[::2], stride * 2
    usual = float(np.median([one.sharpness for one in kept])) if kept else 0.0
    sharp = [one for one in kept if one.sharpness >= config.sharpness * usual]
    if len(kept) > len(sharp):
        rejected["blurred"] += len(kept) - len(sharp)
    return Taking(tuple(sharp), rejected, number + 1)


def thinned(several: Sequence[T], most: int) -> tuple[T, ...]:
    """At most so many of several, spread over them."""
    if len(several) <= most:
        return tuple(several)
    chosen = np.unique(np.linspace(0, len(several) - 1, most).round().astype(int))
    return tuple(several[int(i)] for i in chosen)


def _moved(last: FloatArray, pose: FloatArray, config: RecordConfig) -> bool:
    change = geometry.inverse(last) @ pose
    turn = np.degrees(geometry.rotation_angle(change))
    return bool(np.linalg.norm(change[:3, 3]) >= config.step_m or turn >= config.step_deg)


def _sharpness(frame: RGBDFrame) -> float:
    grey = cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, _SMALL, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_64F).var())


def _in_short(reason: str) -> str:
    """A reason without the numbers that differ from frame to frame."""
    return "no pose: " + reason.partition(":")[0] if reason else "no pose at its stamp"
