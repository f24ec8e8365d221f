# SPDX-License-Identifier: Apache-2.0
"""How good a recording is: its poses, its depth, and from how many sides it was seen."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.frame import RGBDFrame
from tack_perception.recording.features import Features, matches
from tack_perception.recording.settings import RecordConfig
from tack_perception.recording.volume import Rendering

FloatArray = NDArray[np.float64]
_ASTRAY_PX = 15.0  # matches of features that are farther apart are taken to be wrong ones
_PARTNERS = (1, 2, 4, 8)  # views after one, with which it is compared
_FEWEST = 10
_ASTRAY_SHARE = 0.15  # of the views, that may be


@dataclasses.dataclass(frozen=True, eq=False)
class Quality:
    """What is known of a recording's quality.

    Attributes:
        views: kept.
        looked_at: frames in all.
        rejected: frames that were left out, by reason.
        pose_px: median distance in the pictures between a feature and where surface and poses say
            that it is; NaN where there are no features.
        view_px: the same for each view.
        depth_mm: median difference of each view's depth to the surface.
        angle_deg: largest angle between two directions of view onto the middle.
        seen: share of the surface that three views or more have seen.
        poses: where they come from.
    """

    views: int
    looked_at: int
    rejected: Counter[str]
    pose_px: float
    view_px: tuple[float, ...]
    depth_mm: tuple[float, ...]
    angle_deg: float
    seen: float
    poses: str

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        values = dataclasses.asdict(self)
        values["rejected"] = dict(self.rejected)
        return values

    def faults(self, config: RecordConfig) -> list[str]:
        """Why nothing should be learned from it: a sentence for each reason; none if it is good."""
        found = []
        if self.views < config.fewest_views:
            left_out = ", ".join(f"{n} {why}" for why, n in self.rejected.most_common(3))
            found.append(
                f"{self.views} of {self.looked_at} frames are of use, {config.fewest_views} are"
                f" needed{f' ({left_out})' if left_out else ''}: move the camera on and around"
            )
        if self.angle_deg < config.least_angle_deg:
            found.append(
                f"it was seen within {self.angle_deg:.0f}° only, {config.least_angle_deg:g}° are"
                " needed: go around it"
            )
        known = [error for error in self.view_px if error == error]
        astray = sum(error > config.worst_px for error in known)
        if astray > _ASTRAY_SHARE * len(known):
            advice = (
                "is the camera calibrated to the robot, did the object move? Try --poses depth"
                if self.poses == "tf"
                else "move more slowly, with more texture around, or record TF"
            )
            found.append(
                f"in {astray} of {len(known)} views poses and pictures disagree by more than"
                f" {config.worst_px:g} px: {advice}"
            )
        return found


def depth_residual_mm(frame: RGBDFrame, rendering: Rendering) -> float:
    """Median difference of a view's depth to the surface, mm; NaN without depth."""
    with np.errstate(invalid="ignore"):
        away = np.abs(frame.depth - rendering.depth)
    known = away[np.isfinite(away)]
    return float(np.median(known) * 1e3) if len(known) else float("nan")


def pose_residuals_px(
    frames: Sequence[RGBDFrame],
    world_from_camera: Sequence[FloatArray],
    renderings: Sequence[Rendering],
    features: Sequence[Features],
) -> list[list[float]]:
    """For each view, how far features of others are from where surface and poses put them."""
    errors: list[list[float]] = [[] for _ in frames]
    for first in range(len(frames)):
        for step in _PARTNERS:
            second = first + step
            if second >= len(frames):
                continue
            pairs = matches(features[first], features[second])
            if len(pairs) < _FEWEST:
                continue
            pixels = features[first].pixels[pairs[:, 0]]
            cells = np.rint(pixels).astype(int)
            depth = renderings[first].depth[cells[:, 1], cells[:, 0]]
            known = np.isfinite(depth)
            local = frames[first].intrinsics.deproject(pixels[known], depth[known])
            moved = geometry.inverse(world_from_camera[second]) @ world_from_camera[first]
            there = frames[second].intrinsics.project(geometry.apply(moved, local))
            truth = features[second].pixels[pairs[known, 1]]
            away = np.linalg.norm(there - truth, axis=1)
            near = away[away < _ASTRAY_PX].tolist()
            errors[first] += near
            errors[second] += near
    return errors


def span_deg(middle: FloatArray, world_from_camera: Sequence[FloatArray]) -> float:
    """Largest angle between two directions from which a place is seen, degrees."""
    towards = np.stack([pose[:3, 3] for pose in world_from_camera]) - middle
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-9)
    return float(np.degrees(np.arccos(np.clip(towards @ towards.T, -1, 1)).max()))


def seen_share(faces: NDArray[np.int64], renderings: Sequence[Rendering], total: int) -> float:
    """Share of some triangles that three views or more have seen.

    Args:
        faces: (K,) the triangles.
        renderings: of all views.
        total: triangles of the whole surface.
    """
    counts = np.zeros(total, np.int64)
    for rendering in renderings:
        counts[np.unique(rendering.face[rendering.face >= 0])] += 1
    # A small triangle falls between the pixels of most views: its neighbours count for it.
    return float((counts[faces] >= min(3, len(renderings))).mean()) if len(faces) else 0.0
