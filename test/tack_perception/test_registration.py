# SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.geometry import from_axis_angle, make_transform, nearest_transform
from tack_perception.registration import register_depth
from tack_sim.analytic import Plane, step, tilted_plane, view

DEPTH = CameraIntrinsics(848, 480, 425.0, 425.0, 423.5, 239.5)
COLOR = CameraIntrinsics(1280, 720, 920.0, 918.0, 642.0, 356.0)
SMALL_COLOR = CameraIntrinsics(640, 360, 460.0, 459.0, 320.8, 177.8)
LENS = CameraIntrinsics(
    1280, 720, 920.0, 918.0, 642.0, 356.0, "plumb_bob", (-0.05, 0.06, 1e-3, -5e-4, -0.02)
)
OFFSET = (0.015, 0.0003, -0.0002)
SHELF = (
    Path(os.environ.get("TACK_DATA", Path(__file__).parents[3] / "shared" / "data")) / "apc_shelf"
)


def seen_from_color(plane, color_from_depth, camera):
    point = color_from_depth[:3, :3] @ plane.point + color_from_depth[:3, 3]
    normal = color_from_depth[:3, :3] @ plane.normal
    return view([Plane(tuple(point), tuple(normal))], camera).depth


def test_same_camera_gives_the_same_image():
    depth = view([tilted_plane(0.6, 0.5)], DEPTH).depth.copy()
    depth[100:120, 200:230] = np.nan
    result = register_depth(depth, DEPTH, DEPTH, np.eye(4))
    assert_array_equal(np.isnan(result), np.isnan(depth))
    assert_allclose(result, depth, rtol=1e-6)


@pytest.mark.parametrize("color", [COLOR, SMALL_COLOR, LENS], ids=["finer", "coarser", "lens"])
@pytest.mark.parametrize("tilt", [0.0, 0.5, 0.9])
def test_a_plane_stays_a_plane_without_holes(color, tilt):
    color_from_depth = make_transform(from_axis_angle((1, 2, 3), 0.01)[:3, :3], OFFSET)
    plane = tilted_plane(0.6, tilt, 0.4)
    result = register_depth(view([plane], DEPTH).depth, DEPTH, color, color_from_depth)
    truth = seen_from_color(plane, color_from_depth, color)
    inside = np.zeros(result.shape, dtype=bool)
    border = color.width // 10
    inside[border:-border, border:-border] = True
    assert not np.isnan(result[inside]).any()
    assert_allclose(result[inside], truth[inside], rtol=5e-4)


def test_the_nearest_surface_is_seen_and_nothing_is_bridged():
    depth = view(step(0.4, 0.8, ((0, 0, 0), (0, 0, 0))), DEPTH).depth
    result = register_depth(depth, DEPTH, COLOR, make_transform(np.eye(3), (-0.05, 0, 0)))
    known = result[np.isfinite(result)]
    assert (np.minimum(np.abs(known - 0.4), np.abs(known - 0.8)) < 1e-4).all()
    # Seen from 5 cm to the right, a band of the far wall lies open that depth has not seen.
    edge = 642 - 0.05 / 0.4 * 920
    gap = 0.05 * 920 * (1 / 0.4 - 1 / 0.8)
    row = result[360]
    assert_allclose(row[round(edge) - 40 : round(edge) - 2], 0.4, atol=1e-4)
    assert np.isnan(row[round(edge) + 3 : round(edge + gap) - 3]).all()
    # Seen from 5 cm to the left, the near wall hides a part of what depth has seen of the far one.
    other = register_depth(depth, DEPTH, COLOR, make_transform(np.eye(3), (0.05, 0, 0)))[360]
    edge = 642 + 0.05 / 0.4 * 920
    assert_allclose(other[round(edge) - 40 : round(edge) - 2], 0.4, atol=1e-4)
    assert_allclose(other[round(edge) + 3 : round(edge) + 40], 0.8, atol=1e-4)


def test_a_hole_stays_a_hole():
    depth = view([Plane((0, 0, 0.5))], DEPTH).depth.copy()
    depth[200:240, 400:440] = np.nan
    result = register_depth(depth, DEPTH, COLOR, np.eye(4))
    hole = np.isnan(result[200:520, 400:900])
    expected = 40 * 920 / 425 * 40 * 918 / 425
    assert hole.sum() == pytest.approx(expected, rel=0.05)


def test_a_camera_turned_by_a_right_angle():
    color_from_depth = from_axis_angle((0, 0, 1), np.pi / 2)
    plane = tilted_plane(0.6, 0.5, 0.2)
    result = register_depth(view([plane], DEPTH).depth, DEPTH, COLOR, color_from_depth)
    truth = seen_from_color(plane, color_from_depth, COLOR)
    assert_allclose(result[60:-60, 200:-200], truth[60:-60, 200:-200], atol=1e-4)


def test_what_is_behind_the_colour_camera_is_dropped():
    depth = view([Plane((0, 0, 0.3))], DEPTH).depth
    result = register_depth(depth, DEPTH, COLOR, make_transform(np.eye(3), (0, 0, -0.4)))
    assert np.isnan(result).all()


def test_no_depth_at_all():
    depth = np.full((480, 848), np.nan, dtype=np.float32)
    assert np.isnan(register_depth(depth, DEPTH, COLOR, np.eye(4))).all()


@pytest.mark.parametrize(
    ("depth", "transform"),
    [
        (np.zeros((480, 640), np.float32), np.eye(4)),
        (np.zeros((480, 848), np.uint16), np.eye(4)),
        (np.ones((480, 848), np.float32), 2 * np.eye(4)),
        (np.ones((480, 848), np.float32), np.full((4, 4), np.nan)),
    ],
    ids=["size", "type", "scaled", "nan"],
)
def test_bad_input_is_refused(depth, transform):
    with pytest.raises(InvalidInputError):
        register_depth(depth, DEPTH, COLOR, transform)


@pytest.mark.data
@pytest.mark.skipif(not SHELF.is_dir(), reason=f"the recording {SHELF} is not there")
def test_against_the_registered_depth_of_a_recording():
    case = json.loads((SHELF / "case.json").read_text())
    camera = CameraIntrinsics.from_camera_info(640, 480, case["depth_camera"]["K"])
    transform = nearest_transform(case["depth_camera"]["T_color_depth"])
    for image in case["images"][:3]:
        color = CameraIntrinsics.from_camera_info(640, 480, image["K"])
        raw, reference = (
            cv2.imread(str(SHELF / image[key]), cv2.IMREAD_UNCHANGED).astype(np.float32) * 1e-4
            for key in ("depth_raw", "depth")
        )
        raw[raw == 0] = np.nan
        reference[reference == 0] = np.nan
        result = register_depth(raw, camera, color, transform)
        both = np.isfinite(result) & np.isfinite(reference)
        error = np.abs(result - reference)[both]
        assert np.median(error) < 0.5e-3
        assert np.percentile(error, 95) < 4e-3
        # The reference paints 2 × 2 pixels for each point, which widens every edge.
        assert both.sum() > 0.93 * np.isfinite(reference).sum()
