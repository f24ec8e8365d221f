# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np

from tack_cli.report.findings import Findings, FrameFindings
from tack_cli.report.records import goal_lines, keypoint_lines, rounded, significant
from tack_grasping.candidates import GraspPlan, plan_surface_grasps
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

BASE_FROM_CAMERA = geometry.make_transform([[0, -1, 0], [-1, 0, 0], [0, 0, -1]], (0.5, 0.1, 0.8))
XYZ = np.array([0.1, 0.2, 0.6])


def keypoint(**changes: object) -> Keypoint:
    values: dict[str, object] = {
        "label": "cup", "u": 10.12345, "v": 20.0, "confidence": 0.87654321, "xyz": XYZ,
        "xyz_covariance": np.diag([1e-6, 2e-6, 4e-6]), "normal": (0, 0, -1),
    }  # fmt: skip
    return Keypoint(**(values | changes))  # type: ignore[arg-type]


def frame(
    index: int = 0, *keypoints: Keypoint, plans: dict[str, GraspPlan] | None = None
) -> FrameFindings:
    stamp = 1_000_000_000 + index * 100_000_000
    return FrameFindings(
        index,
        stamp,
        "camera",
        keypoints or (keypoint(),),
        "base_link",
        BASE_FROM_CAMERA,
        plans or {},
    )


def plan() -> GraspPlan:
    return plan_surface_grasps(
        keypoint(), BASE_FROM_CAMERA, "base_link", 1_000_000_000, up=(0, 0, 1), place_at=(0.3, 0, 0)
    )


def test_a_keypoint_line_holds_camera_and_base_positions() -> None:
    [line] = keypoint_lines(frame())
    record = json.loads(line)
    assert line.endswith("\n")
    assert record["pixel"] == [10.123, 20.0]
    assert record["confidence"] == 0.8765
    assert record["xyz"] == [0.1, 0.2, 0.6]
    assert record["refusal"] == ""
    np.testing.assert_allclose(record["xyz_covariance"], np.diag([1e-6, 2e-6, 4e-6]))
    expected = geometry.apply(BASE_FROM_CAMERA, XYZ)
    assert record["position"]["frame_id"] == "base_link"
    np.testing.assert_allclose(record["position"]["xyz"], expected, atol=1e-6)


def test_a_refused_keypoint_keeps_its_reason() -> None:
    refused = keypoint(xyz=None, xyz_covariance=None, normal=None, refusal="cup: no depth in reach")
    [line] = keypoint_lines(frame(0, refused))
    record = json.loads(line)
    assert record["xyz"] is None
    assert record["refusal"] == "cup: no depth in reach"
    assert "position" not in record


def test_goal_lines_are_ranked_and_their_forms_agree() -> None:
    lines = [json.loads(line) for line in goal_lines(frame(plans={"cup": plan()}))]
    assert [line["rank"] for line in lines] == list(range(1, 9))
    assert [line["score"] for line in lines] == sorted((g["score"] for g in lines), reverse=True)
    for line in lines:
        assert list(line["poses"]) == ["pregrasp", "grasp", "lift", "preplace", "place", "retreat"]
        for pose in line["poses"].values():
            rebuilt = geometry.from_quaternion(pose["quaternion_xyzw"], pose["position"])
            np.testing.assert_allclose(rebuilt, pose["matrix"], atol=2e-6)
            geometry.check_transform(geometry.nearest_transform(pose["matrix"]))


def test_a_refused_plan_leaves_a_line() -> None:
    [line] = goal_lines(frame(plans={"cup": GraspPlan(refusal="cup: too tilted")}))
    assert json.loads(line)["refusal"] == "cup: too tilted"


def test_numbers_are_rounded_without_negative_zeros() -> None:
    assert rounded([-1e-9, 1.23456789], 3) == [0.0, 1.235]
    assert str(rounded(-1e-12, 6)) == "0.0"
    assert significant([[1.23456789e-7, -0.0]]) == [[1.2346e-07, 0.0]]
    assert "-0.0" not in json.dumps(significant([-0.0]))


def make_findings(frames: list[FrameFindings]) -> Findings:
    camera = CameraIntrinsics(8, 8, 5.0, 5.0, 3.5, 3.5)
    image = RGBDFrame(
        np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.float32), camera, 0, "camera"
    )
    return Findings("t", "d", [(0, Annotation("cup", 1, 2, image))], "base_link", frames=frames)


def test_a_track_gathers_what_was_found() -> None:
    moved = keypoint(xyz=XYZ + np.array([0, 0, 0.01]))
    lost = keypoint(
        xyz=None, xyz_covariance=None, normal=None, refusal="cup: no depth within 12 px"
    )
    also = keypoint(xyz=None, xyz_covariance=None, normal=None, refusal="cup: no depth within 9 px")
    frames = [frame(0, plans={"cup": plan()}), frame(1, moved), frame(2, lost), frame(3, also)]
    track = make_findings(frames).track("cup")
    np.testing.assert_allclose(track.seconds, [0, 0.1, 0.2, 0.3])
    assert track.lifted.tolist() == [True, True, False, False]
    np.testing.assert_allclose(track.depth[:2], [0.6, 0.61])
    truth = geometry.apply(BASE_FROM_CAMERA, XYZ)
    np.testing.assert_allclose(track.errors(truth), [0.0, 0.01], atol=1e-12)
    assert track.goals == 8
    assert track.best is not None
    assert track.refusals == {"no depth within 12 px": 2}  # of one kind: only numbers differ
    # x and y change places on the way into the base frame, and so do their uncertainties.
    np.testing.assert_allclose(track.sigma[0], np.sqrt([2e-6, 1e-6, 4e-6]))


def test_without_a_transform_there_is_no_position() -> None:
    bare = FrameFindings(0, 0, "camera", (keypoint(),), "base_link", None, {})
    track = make_findings([bare]).track("cup")
    assert not track.lifted.any()
    assert track.median_position is None
    assert track.depth[0] == 0.6
