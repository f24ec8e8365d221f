# SPDX-License-Identifier: Apache-2.0
"""A wall at 2 m with a box at 1 m in its right half; the camera moves between the pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.annotations import ClickSettings, FrameHistory, pixel_from_click
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.transforms import TransformBuffer

CAMERA = CameraIntrinsics(64, 48, 60.0, 60.0, 31.5, 23.5, "plumb_bob", (0.05, -0.02, 0, 0, 0))
OPTICAL = "camera_color_optical_frame"
SECOND = 10**9


def frame(stamp_ns: int) -> RGBDFrame:
    depth = np.full((48, 64), 2.0, np.float32)
    depth[:, 32:] = 1.0
    depth[:4] = np.nan
    return RGBDFrame(np.zeros((48, 64, 3), np.uint8), depth, CAMERA, stamp_ns, OPTICAL)


def map_from_camera(stamp_ns: int) -> np.ndarray:
    """The camera looks along the map's x axis and moves 0.1 m to the left each second."""
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    pose[:3, 3] = [0.5, 0.1 * stamp_ns / SECOND, 1.2]
    return pose


@pytest.fixture(scope="module")
def history() -> FrameHistory:
    history = FrameHistory()
    for second in (1, 2, 3):
        history.add(frame(second * SECOND))
    return history


@pytest.fixture(scope="module")
def transforms() -> TransformBuffer:
    buffer = TransformBuffer()
    for second in (1, 2, 3):
        buffer.add("map", OPTICAL, second * SECOND, map_from_camera(second * SECOND))
    return buffer


def in_map(u: float, v: float, z: float, stamp_ns: int) -> np.ndarray:
    pose = map_from_camera(stamp_ns)
    return pose[:3, :3] @ CAMERA.deproject([u, v], z) + pose[:3, 3]


@given(u=st.floats(0, 63), v=st.floats(5, 47), second=st.sampled_from([1, 2, 3]))
def test_a_click_in_the_map_leads_to_its_pixel_in_its_picture(history, transforms, u, v, second):
    z = float(frame(0).depth[round(v), int(u + 0.5)])
    found = pixel_from_click(
        in_map(u, v, z, second * SECOND), "/map", second * SECOND + 1000, history, transforms
    )
    assert found.frame.stamp_ns == second * SECOND
    assert (found.u, found.v) == pytest.approx((u, v), abs=1e-4)
    assert found.note == ""


def test_the_transform_is_that_of_the_picture_not_of_now(history, transforms) -> None:
    point = in_map(10.0, 20.0, 2.0, SECOND)
    at_click = pixel_from_click(point, "map", SECOND, history, transforms)
    later = pixel_from_click(point, "map", 2 * SECOND, history, transforms)
    assert (at_click.u, at_click.v) == pytest.approx((10, 20), abs=1e-6)
    assert abs(later.u - 10.0) > 2


def test_a_click_in_the_optical_frame_needs_no_transform(history) -> None:
    found = pixel_from_click(CAMERA.deproject([40, 30], 1.0), OPTICAL, 2 * SECOND, history, None)
    assert (found.u, found.v) == pytest.approx((40, 30))


def test_stamp_zero_means_the_newest_and_says_so(history) -> None:
    found = pixel_from_click(CAMERA.deproject([40, 30], 1.0), OPTICAL, 0, history, None)
    assert found.frame.stamp_ns == 3 * SECOND
    assert "newest picture was taken" in found.note


def test_beside_a_silhouette_or_in_a_hole_the_nearest_pixel_of_the_surface_is_taken(history):
    on_edge = pixel_from_click(CAMERA.deproject([30.2, 30], 1.0), OPTICAL, SECOND, history, None)
    assert (on_edge.u, on_edge.v) == (32.0, 30.0)
    in_hole = pixel_from_click(CAMERA.deproject([10, 2], 2.0), OPTICAL, SECOND, history, None)
    assert (in_hole.u, in_hole.v) == (10.0, 4.0)


@pytest.mark.parametrize(
    ("point", "where", "stamp_ns", "message"),
    [
        ((np.nan, 0, 1), OPTICAL, SECOND, "click .*nan.*three finite coordinates"),
        ((0, np.inf, 1), OPTICAL, SECOND, "three finite coordinates"),
        ((0, 1), OPTICAL, SECOND, "three finite coordinates"),
        ((0, 0, 1), OPTICAL, -1, "click stamp -1"),
        ((0, 0, 1), OPTICAL, 9 * SECOND, "6.000 s after the newest picture"),
        ((0, 0, 1), OPTICAL, SECOND // 10, "0.900 s before the oldest"),
        ((0, 0, -1), OPTICAL, SECOND, r"\(0.000, 0.000, -1.000\) m .* 1.000 m behind the camera"),
        ((0, 0, 0), OPTICAL, SECOND, "behind the camera"),
        ((3, 0, 1), OPTICAL, SECOND, r"outside the 64×48 picture of stamp 1000000000; turn"),
        ((0, 0, 1), "", SECOND, "no frame_id"),
        ((0, 0, 1), "odom", SECOND, r"'odom' cannot be taken .* known are camera_color_opt.*map"),
        ((-0.4, 0, 1.4), OPTICAL, SECOND, r"at 1.400 m .* at 2.000 m .*floats in front"),
        ((0.3, 0, 1.4), OPTICAL, SECOND, r"at 1.400 m .* at 1.000 m .*hidden"),
        ((0, -0.39, 1), OPTICAL, SECOND, r"no depth within 1 px of pixel \(31.5, "),
    ],
)
def test_a_click_that_fits_nothing_is_refused_with_the_reason(
    history, transforms, point, where, stamp_ns, message
) -> None:
    narrow = ClickSettings(search_radius_px=1)
    with pytest.raises(InvalidInputError, match=message):
        pixel_from_click(point, where, stamp_ns, history, transforms, narrow)


def test_missing_and_late_transforms_are_named(history, transforms) -> None:
    with pytest.raises(InvalidInputError, match="there are no transforms, so only clicks in"):
        pixel_from_click((0, 0, 1), "map", SECOND, history, None)
    late = FrameHistory()
    late.add(frame(5 * SECOND))
    with pytest.raises(InvalidInputError, match="at its picture's stamp 5000000000: "):
        pixel_from_click((0, 0, 1), "map", 5 * SECOND, late, transforms)


def test_tolerances_are_settings(history) -> None:
    click = CAMERA.deproject([50, 30], 1.05)
    with pytest.raises(InvalidInputError, match=r"allowed are 0\.03 m"):
        pixel_from_click(click, OPTICAL, SECOND, history, None)
    pixel_from_click(click, OPTICAL, SECOND, history, None, ClickSettings(surface_tolerance_m=0.06))
    with pytest.raises(ConfigurationError, match="search_radius_px = 99: allowed is 0 to 50 px"):
        ClickSettings(search_radius_px=99)


DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.data
@pytest.mark.skipif(
    not (DATA / "apc_shelf").is_dir(), reason=f"the recording apc_shelf is not in {DATA}"
)
def test_world_points_of_a_real_recording_lead_to_their_hand_made_clicks() -> None:
    case = json.loads((DATA / "apc_shelf" / "case.json").read_text())
    history, transforms = FrameHistory(), TransformBuffer(keep_ns=None)
    for image in case["images"]:
        counts = cv2.imread(str(DATA / "apc_shelf" / image["depth"]), cv2.IMREAD_UNCHANGED)
        depth = np.where(counts > 0, counts * 1e-4, np.nan).astype(np.float32)
        camera = CameraIntrinsics.from_camera_info(image["width"], image["height"], image["K"])
        stamp_ns = (image["id"] + 1) * SECOND
        color = np.zeros((*depth.shape, 3), np.uint8)
        history.add(RGBDFrame(color, depth, camera, stamp_ns, OPTICAL))
        transforms.add("world", OPTICAL, stamp_ns, image["T_world_cam"])
    errors, hidden_and_taken = [], 0
    for truth in case["annotations"]:
        xyz = case["keypoints"][truth["keypoint"]]["xyz_world"]
        stamp_ns = (truth["image"] + 1) * SECOND
        try:
            found = pixel_from_click(xyz, "world", stamp_ns, history, transforms)
        except InvalidInputError:
            continue
        if truth["visible"]:
            errors.append(float(np.hypot(found.u - truth["uv"][0], found.v - truth["uv"][1])))
        else:
            hidden_and_taken += 1
    hidden = sum(not truth["visible"] for truth in case["annotations"])
    assert len(errors) >= 80  # of 113; the others are corners where the sensor saw no depth
    assert np.median(errors) < 0.1
    assert max(errors) < 6
    assert hidden_and_taken <= 0.25 * hidden
