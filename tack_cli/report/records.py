# SPDX-License-Identifier: Apache-2.0
"""Keypoints and goals as JSON lines, with numbers rounded so that equal runs give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tack_cli.report.findings import FrameFindings
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry
from tack_perception.keypoint import Keypoint

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

METRES, PIXELS, FRACTION, UNIT = 6, 3, 4, 9
"""Decimals written: micrometres, thousandths of a pixel, confidences, rotations."""


def keypoint_lines(frame: FrameFindings) -> Iterator[str]:
    """One JSON line for each keypoint of a frame."""
    for keypoint in frame.keypoints:
        yield _line(_keypoint_record(frame, keypoint))


def goal_lines(frame: FrameFindings) -> Iterator[str]:
    """One JSON line for each candidate, best first; one with the reason where there is none."""
    for label, plan in frame.plans.items():
        head = {"frame": frame.index, "stamp_ns": frame.stamp_ns, "label": label}
        if not plan.goals:
            yield _line({**head, "refusal": plan.refusal})
        for rank, goal in enumerate(plan.goals, 1):
            yield _line({**head, "rank": rank, **_goal_record(goal)})


def rounded(values: ArrayLike, decimals: int) -> Any:
    """Numbers as (nested lists of) floats with so many decimals, without negative zeros."""
    number: Any = values
    if isinstance(number, float):
        return round(float(number), decimals) + 0.0
    return (np.round(np.asarray(values, dtype=np.float64), decimals) + 0.0).tolist()


def significant(values: ArrayLike, digits: int = 5) -> Any:
    """Numbers as (nested lists of) floats with so many significant digits, without negative zeros.

    For covariances, whose sizes span many decades.
    """
    array = np.asarray(values, dtype=np.float64)
    flat = [float(f"{value:.{digits - 1}e}") + 0.0 for value in array.ravel()]
    return np.array(flat).reshape(array.shape).tolist()


def _keypoint_record(frame: FrameFindings, keypoint: Keypoint) -> dict[str, Any]:
    record: dict[str, Any] = {
        "frame": frame.index,
        "stamp_ns": frame.stamp_ns,
        "label": keypoint.label,
        "pixel": rounded((keypoint.u, keypoint.v), PIXELS),
        "pixel_covariance": _optional(keypoint.pixel_covariance, significant),
        "confidence": rounded(keypoint.confidence, FRACTION),
        "visible": keypoint.visible,
        "frame_id": frame.frame_id,
        "xyz": _optional(keypoint.xyz, lambda xyz: rounded(xyz, METRES)),
        "xyz_covariance": _optional(keypoint.xyz_covariance, significant),
        "normal": _optional(keypoint.normal, lambda normal: rounded(normal, UNIT)),
        "refusal": keypoint.refusal,
    }
    position = frame.position(keypoint)
    if position is not None and frame.goal_frame != frame.frame_id:
        record["position"] = {"frame_id": frame.goal_frame, "xyz": rounded(position, METRES)}
    return record


def _goal_record(goal: PickPlaceGoal) -> dict[str, Any]:
    turns: dict[bytes, Any] = {}  # the poses of a goal mostly differ in their position alone
    for pose in goal.poses.values():
        if (turn := pose[:3, :3].tobytes()) not in turns:
            turns[turn] = rounded(geometry.to_quaternion(pose), UNIT)
    return {
        "frame_id": goal.frame_id,
        "score": rounded(goal.score, FRACTION),
        "terms": {name: rounded(value, FRACTION) for name, value in goal.terms.items()},
        "why": goal.why,
        "width": rounded(goal.width, METRES),
        "position_covariance": significant(goal.position_covariance),
        "poses": {
            name: {
                "position": rounded(pose[:3, 3], METRES),
                "quaternion_xyzw": turns[pose[:3, :3].tobytes()],
                "matrix": rounded(pose, UNIT),
            }
            for name, pose in goal.poses.items()
        },
    }


def _optional(value: Any, convert: Any) -> Any:
    return None if value is None else convert(value)


def _line(record: dict[str, Any]) -> str:
    return _ENCODER.encode(record) + "\n"
