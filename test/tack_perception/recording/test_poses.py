# SPDX-License-Identifier: Apache-2.0
"""Poses of a camera from its pictures and depth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("open3d", reason="Open3D is not installed")

from tack_perception import geometry
from tack_perception.recording.poses import track
from test.tack_perception.recording import scenes


def reprojection(frames, found, true):
    """Median distance, px, between where found and true poses put a pixel of another view."""
    errors = []
    for i in range(len(frames)):
        for j in range(0, len(frames), 3):
            rows, columns = np.mgrid[10:230:30, 10:310:30]
            pixels = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
            depth = frames[i].depth[rows.ravel(), columns.ravel()].astype(float)
            local = frames[i].intrinsics.deproject(pixels, depth)
            places = [
                frames[j].intrinsics.project(
                    geometry.apply(geometry.inverse(poses[j]) @ poses[i], local)
                )
                for poses in (found, true)
            ]
            errors.append(np.linalg.norm(places[0] - places[1], axis=1))
    return float(np.nanmedian(np.concatenate(errors)))


def test_a_textured_scene_is_tracked_to_a_fraction_of_a_pixel():
    frames, poses = scenes.film(14)
    found = track(frames, 2.0)
    assert all(pose is not None for pose in found.world_from_camera)
    np.testing.assert_allclose(found.world_from_camera[0], np.eye(4), atol=1e-6)
    assert reprojection(frames, found.world_from_camera, poses) < 0.7


def test_the_same_frames_give_the_same_poses():
    frames, _ = scenes.film(6, span_deg=30.0)
    one, two = track(frames, 2.0), track(frames, 2.0)
    np.testing.assert_array_equal(one.world_from_camera, two.world_from_camera)


def test_a_view_that_joins_nothing_has_no_pose_and_harms_none():
    frames, poses = scenes.film(8, span_deg=40.0)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, frames[3].color.shape, np.uint8)
    blind = np.full(frames[3].depth.shape, np.nan, np.float32)
    frames[3] = dataclasses.replace(frames[3], color=noise, depth=blind)
    found = track(frames, 2.0).world_from_camera
    assert found[3] is None
    kept = [n for n in range(8) if n != 3]
    error = reprojection(
        [frames[n] for n in kept], [found[n] for n in kept], [poses[n] for n in kept]
    )
    assert error < 0.7


def test_nothing_to_see_gives_no_poses_but_the_first():
    grey = [
        dataclasses.replace(
            frame, color=np.full_like(frame.color, 128),
            depth=np.full(frame.depth.shape, np.nan, np.float32),
        )
        for frame in scenes.film(4)[0]
    ]  # fmt: skip
    found = track(grey, 2.0).world_from_camera
    assert [pose is None for pose in found] == [False, True, True, True]
