# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from tack_perception import overlay
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint

CAMERA = CameraIntrinsics(200, 120, 150.0, 150.0, 99.5, 59.5)
RED, GREEN = (255, 0, 0), (0, 255, 0)


def blank() -> np.ndarray:
    return np.full((120, 200, 3), 128, np.uint8)


def changed(picture: np.ndarray) -> np.ndarray:
    """(N, 2) pixels (u, v) that differ from the blank image."""
    return np.argwhere((picture != 128).any(axis=2))[:, ::-1]


def test_a_mark_is_centred_on_its_pixel_at_every_scale() -> None:
    keypoint = Keypoint("cup", 60.0, 40.0, 0.9)
    for scale in (1, 2, 3):
        picture = overlay.draw_keypoints(blank(), [keypoint], scale=scale, labels=False)
        assert picture.shape == (120 * scale, 200 * scale, 3)
        centre = changed(picture).mean(axis=0)
        assert centre == pytest.approx(
            [(60 + 0.5) * scale - 0.5, (40 + 0.5) * scale - 0.5], abs=0.6
        )


def test_the_ellipse_has_the_size_and_direction_of_two_sigma() -> None:
    along, across = 8.0, 2.0
    angle = np.radians(30)
    axis = np.array([np.cos(angle), np.sin(angle)])
    normal = np.array([-axis[1], axis[0]])
    covariance = along**2 * np.outer(axis, axis) + across**2 * np.outer(normal, normal)
    keypoint = Keypoint("cup", 100.0, 60.0, 0.9, pixel_covariance=covariance)
    picture = overlay.draw_keypoints(blank(), [keypoint], labels=False)
    offsets = changed(picture) - (100.0, 60.0)
    assert np.abs(offsets @ axis).max() == pytest.approx(2 * along, abs=1.5)
    outside_the_mark = offsets[np.abs(offsets @ axis) > 9]
    assert np.abs(outside_the_mark @ normal).max() <= 2 * across + 1.5


def test_hidden_refused_and_good_points_look_different() -> None:
    good = Keypoint("cup", 100.0, 60.0, 0.9)
    hidden = Keypoint("cup", 100.0, 60.0, 0.9, visible=False)
    refused = Keypoint("cup", 100.0, 60.0, 0.9, refusal="no depth")
    drawn = [
        overlay.draw_keypoints(blank(), [keypoint], labels=False)
        for keypoint in (good, hidden, refused)
    ]
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[1], drawn[2])


def test_labels_stay_in_the_picture_and_cover_no_mark() -> None:
    corners = [(2.0, 2.0), (197.0, 2.0), (2.0, 117.0), (197.0, 117.0), (100.0, 60.0)]
    keypoints = [Keypoint(f"p{i}", u, v, 0.5) for i, (u, v) in enumerate(corners)]
    bare = overlay.draw_keypoints(blank(), keypoints, labels=False)
    full = overlay.draw_keypoints(blank(), keypoints)
    assert full.shape == bare.shape
    for u, v in corners:
        around = np.s_[max(0, int(v) - 6) : int(v) + 7, max(0, int(u) - 6) : int(u) + 7]
        np.testing.assert_array_equal(full[around], bare[around])
    assert len(changed(full)) > len(changed(bare)) + 5 * 200


def test_points_off_the_image_are_left_out_and_the_input_is_untouched() -> None:
    image = blank()
    image.flags.writeable = False
    outside = [Keypoint("a", -20.0, 5.0, 0.5), Keypoint("b", 1e7, -1e7, 0.5)]
    np.testing.assert_array_equal(overlay.draw_keypoints(image, outside), blank())


def test_a_huge_covariance_does_not_disturb() -> None:
    keypoint = Keypoint("cup", 50.0, 50.0, 0.1, pixel_covariance=np.eye(2) * 1e14)
    overlay.draw_keypoints(blank(), [keypoint])


def test_axes_start_at_the_projected_origin_in_the_colours_of_rviz() -> None:
    pose = np.eye(4)
    pose[:3, 3] = (0.05, -0.02, 0.5)
    picture = blank()
    overlay.draw_axes(picture, CAMERA, pose, length=0.1)
    for axis, color in enumerate(overlay.AXIS_COLORS[:2]):
        middle = pose[:3, 3] + 0.05 * np.eye(3)[axis]
        u, v = np.rint(CAMERA.project(middle)).astype(int)
        assert tuple(picture[v, u]) == color


def test_nothing_is_drawn_behind_the_camera() -> None:
    picture = blank()
    overlay.draw_path(picture, CAMERA, [(0, 0, -0.5), (0.1, 0, -0.5)], RED)
    np.testing.assert_array_equal(picture, blank())


def test_the_gripper_is_as_wide_as_its_opening() -> None:
    pose = np.eye(4)
    pose[:3, 3] = (0, 0, 0.5)
    picture = blank()
    overlay.draw_gripper(picture, CAMERA, pose, 0.1, GREEN)
    height = np.ptp(changed(picture)[:, 1])
    # The fingers' roots are nearer to the camera than the tips, so they span the most.
    assert height == pytest.approx(150 * 0.1 / (0.5 - 0.045), abs=5)


def test_a_click_leaves_the_clicked_pixel_visible_at_its_place() -> None:
    picture = blank()
    overlay.draw_click(picture, (70.0, 50.0), RED)
    assert changed(picture).mean(axis=0) == pytest.approx((70, 50), abs=0.5)


def test_the_same_input_gives_the_same_bytes() -> None:
    keypoint = Keypoint("cup", 60.3, 40.7, 0.9, pixel_covariance=np.array([[9, 2], [2, 4.0]]))
    first, second = (overlay.draw_keypoints(blank(), [keypoint], scale=2) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize(
    ("image", "scale"),
    [
        (np.zeros((10, 10), np.uint8), 1),
        (np.zeros((10, 10, 3), np.float32), 1),
        (np.zeros((10, 10, 3), np.uint8), 0),
        (np.zeros((10, 10, 3), np.uint8), 9),
    ],
)
def test_wrong_images_and_scales_are_refused(image: np.ndarray, scale: int) -> None:
    with pytest.raises(InvalidInputError):
        overlay.draw_keypoints(image, [], scale=scale)


def test_the_palette_follows_the_order_of_labels() -> None:
    colors = overlay.palette(["b", "a", "b"])
    assert list(colors) == ["b", "a"]
    assert colors["b"] == overlay.PALETTE[0] != colors["a"]
