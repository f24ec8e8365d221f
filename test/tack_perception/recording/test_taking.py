# SPDX-License-Identifier: Apache-2.0
"""Which frames of a recording become views."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from tack_perception.recording.settings import RecordConfig
from tack_perception.recording.taking import take, thinned
from test.tack_perception.recording import scenes


@pytest.fixture(scope="module")
def filmed():
    return scenes.film(12)


def pose_of(frames, poses):
    known = {frame.stamp_ns: pose for frame, pose in zip(frames, poses, strict=True)}
    return lambda frame: (known[frame.stamp_ns], "")


def test_frames_from_other_places_are_kept(filmed):
    frames, poses = filmed
    taking = take(frames, pose_of(frames, poses), RecordConfig())
    assert [one.number for one in taking.views] == list(range(12))
    assert taking.looked_at == 12
    assert not taking.rejected


def test_a_camera_that_stands_still_gives_one_view(filmed):
    frames, poses = filmed
    still = pose_of(frames, [poses[0]] * 12)
    taking = take(frames, still, RecordConfig())
    assert [one.number for one in taking.views] == [0]
    assert taking.rejected == {"hardly moved since the view before": 11}


def test_turning_on_the_spot_is_moving(filmed):
    frames, poses = filmed
    turned = []
    for n in range(12):
        pose = poses[0].copy()
        pose[:3, :3] = pose[:3, :3] @ cv2.Rodrigues(np.radians([0, 0, 4.0 * n]))[0]
        turned.append(pose)
    assert len(take(frames, pose_of(frames, turned), RecordConfig()).views) == 12


def test_blurred_and_empty_frames_and_those_without_a_pose_are_counted(filmed):
    frames, poses = filmed
    spoilt = list(frames)
    soft = cv2.GaussianBlur(frames[2].color, (0, 0), 8)
    spoilt[2] = dataclasses.replace(frames[2], color=np.asarray(soft, np.uint8))
    blind = np.full(frames[5].depth.shape, np.nan, np.float32)
    spoilt[5] = dataclasses.replace(frames[5], depth=blind)
    known = pose_of(frames, poses)

    def lookup(frame):
        if frame is spoilt[8]:
            return None, "transform base ← camera: 1.2 s after the last one"
        return known(frame)

    taking = take(spoilt, lookup, RecordConfig())
    assert [one.number for one in taking.views] == [0, 1, 3, 4, 6, 7, 9, 10, 11]
    assert taking.rejected == {
        "blurred": 1, "too little depth": 1, "no pose: transform base ← camera": 1,
    }  # fmt: skip


def test_a_long_recording_is_thinned_while_it_runs(filmed):
    frames, _ = filmed
    many = [frames[n % 12] for n in range(200)]
    taking = take(many, None, RecordConfig(most_views=10))
    assert len(taking.views) <= 31
    numbers = [one.number for one in taking.views]
    assert numbers[0] == 0
    assert numbers[-1] > 150
    few = thinned(taking.views, 10)
    assert len(few) == 10
    assert (few[0].number, few[-1].number) == (numbers[0], numbers[-1])


def test_every_nth(filmed):
    assert [one.number for one in take(filmed[0], None, RecordConfig(every=5)).views] == [0, 5, 10]


def test_no_frames():
    taking = take([], None, RecordConfig())
    assert (taking.views, taking.looked_at) == ((), 0)
