# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tack_cli.report.findings import Findings, FrameFindings
from tack_cli.report.plan_view import plan_view
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

IMAGE = RGBDFrame(
    np.zeros((8, 8, 3), np.uint8),
    np.ones((8, 8), np.float32),
    CameraIntrinsics(8, 8, 5.0, 5.0, 3.5, 3.5),
    0,
    "camera",
)
POINTS = {"a": (0.6, 0.2, 0.0), "b": (0.5, -0.1, 0.1)}
COLORS = {"a": "red", "b": "blue"}


def findings(goal_frame: str = "base_link") -> Findings:
    frames = []
    for i in range(3):
        pose = geometry.make_transform(np.eye(3), (0.1, 0.05 * i, -0.5))
        keypoints = tuple(
            Keypoint(
                label, 1, 1, 0.9,
                xyz=geometry.apply(geometry.inverse(pose), point),
                xyz_covariance=np.eye(3) * 1e-6,
            )
            for label, point in POINTS.items()
        )  # fmt: skip
        frames.append(FrameFindings(i, i, "camera", keypoints, goal_frame, pose, {}))
    shots = [(0, Annotation(label, 1, 1, IMAGE)) for label in POINTS]
    return Findings("t", "d", shots, goal_frame, frames=frames)


def draw(found: Findings) -> str:
    return plan_view(found, [found.track(label) for label in POINTS], COLORS)


def test_distances_on_the_plan_have_one_scale() -> None:
    svg = ET.fromstring(draw(findings()))
    marks = {
        c.get("stroke"): np.array([float(c.get("cx", "")), float(c.get("cy", ""))])
        for c in svg.findall("circle")
        if c.get("stroke")
    }
    across, up = (marks["red"] - marks["blue"]) * (1, -1)
    assert up / across == pytest.approx(0.3 / 0.1, rel=0.02)
    assert across > 0


def test_the_way_of_the_camera_is_drawn() -> None:
    [way] = ET.fromstring(draw(findings())).findall("polyline")
    assert len(re.findall(r"[\d.]+,[\d.]+", way.get("points", ""))) == 3


def test_the_truth_is_a_cross_on_its_point() -> None:
    found = findings()
    found.truth = {"a": np.array(POINTS["a"])}
    [cross] = ET.fromstring(draw(found)).findall("path")
    [(x, y)] = re.findall(r"M([\d.]+) ([\d.]+)h8", cross.get("d", ""))
    mark = next(c for c in ET.fromstring(draw(found)).findall("circle") if c.get("stroke") == "red")
    assert float(x) + 4 == pytest.approx(float(mark.get("cx", "")), abs=0.2)
    assert float(y) == pytest.approx(float(mark.get("cy", "")), abs=0.2)


def test_without_a_base_there_is_no_plan() -> None:
    assert draw(findings("camera")) == ""


def test_without_any_point_there_is_no_plan() -> None:
    found = findings()
    found.frames = [
        FrameFindings(f.index, f.stamp_ns, f.frame_id, (), "base_link", f.frame_from_camera, {})
        for f in found.frames
    ]
    assert draw(found) == ""
