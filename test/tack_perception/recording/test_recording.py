# SPDX-License-Identifier: Apache-2.0
"""A whole recording: from frames to a data set, and to a verdict."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("open3d", reason="Open3D is not installed")
from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet
from tack_perception.correspondence.consistency import reprojection_errors, transfer_errors
from tack_perception.correspondence.manifest import HELD_OUT
from tack_perception.correspondence.view import NOT_KNOWN
from tack_perception.errors import InvalidInputError
from tack_perception.recording import RecordConfig, preview, record, write
from tack_perception.recording.job import QUALITY, doubtful, instance_map
from tack_perception.sources.folder import FolderSource
from test.tack_perception.recording import scenes

CONFIG = RecordConfig(voxel_m=0.004, held_out=0.25)
SHELF = (
    Path(os.environ.get("TACK_DATA", Path(__file__).parents[4] / "shared" / "data")) / "apc_shelf"
)


def pose_of(frames, poses):
    known = {frame.stamp_ns: pose for frame, pose in zip(frames, poses, strict=True)}
    return lambda frame: (known.get(frame.stamp_ns), "no pose at its stamp")


@pytest.fixture(scope="module")
def filmed():
    return scenes.film(16)


@pytest.fixture(scope="module")
def recorded(filmed):
    return record(filmed[0], "box", CONFIG, pose_of=pose_of(*filmed))


@pytest.fixture(scope="module")
def written(recorded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded") / "set"
    write(recorded, folder, "box", {"note": "test"})
    return folder


def test_the_box_is_what_is_learned(recorded, filmed):
    assert len(recorded.parts) == 1
    (part,) = recorded.parts
    assert part.surface.vertices[:, 2].max() == pytest.approx(scenes.BOX[2], abs=1e-3)
    for number in (0, 5, 15):
        frame, pose = filmed[0][number], filmed[1][number]
        rows, columns = np.nonzero(np.isfinite(frame.depth))
        local = frame.intrinsics.deproject(
            np.column_stack([columns, rows]).astype(float), frame.depth[rows, columns]
        )
        height = geometry.apply(pose, local)[:, 2]
        truth = np.zeros(frame.depth.shape, bool)
        truth[rows, columns] = height > 0.002
        shown = instance_map(recorded, number) == 1
        known = instance_map(recorded, number) != NOT_KNOWN
        assert known[truth].mean() > 0.85
        assert (shown & truth)[known].sum() / (shown | truth)[known].sum() > 0.85


def test_behind_an_edge_nobody_knows_what_is_seen():
    depth = np.tile(np.linspace(0.5, 0.9, 100, dtype=np.float32), (80, 1))  # a slope is no edge
    assert not doubtful(depth).any()
    depth[:, :40] -= 0.1
    unsure = doubtful(depth)
    assert unsure[:, 40:46].all()
    assert not unsure[:, :40].any()
    assert not unsure[:, 52:].any()
    depth[:, 60:] = np.nan
    assert not doubtful(depth)[:, 60:].any()


def test_its_quality(recorded):
    quality = recorded.quality
    assert quality.poses == "tf"
    assert quality.pose_px < 0.5
    assert max(quality.depth_mm) < 1.0
    assert 70 < quality.angle_deg < 100
    assert quality.seen > 0.7
    assert quality.faults(CONFIG) == []


def test_the_set_fits_together(written):
    data = CorrespondenceSet.open(written)
    assert len(data) == 12
    assert data.manifest.instances["box_recorded"].category == "box"
    for view in (data.view(0), data.view(7)):
        assert np.median(reprojection_errors(data, view)) < 0.05
    errors = transfer_errors(data, data.view(2), data.view(6))
    assert len(errors) > 500
    assert np.median(errors) < 0.1
    pairs = data.pairs(2, 6, 50, np.random.default_rng(0))
    assert len(pairs) == 50


def test_views_are_kept_back_in_a_set_of_their_own(written, recorded):
    kept_back = CorrespondenceSet.open(written / HELD_OUT)
    assert len(kept_back) == 4
    assert kept_back.manifest.split == HELD_OUT
    seen = {tuple(view.world_from_camera.ravel()) for view in CorrespondenceSet.open(written)}
    assert not seen & {tuple(view.world_from_camera.ravel()) for view in kept_back}
    assert not recorded.held_out[[0, -1]].any()
    assert json.loads((written / QUALITY).read_text())["views"] == 16


def test_without_tf_it_finds_the_poses_itself(filmed):
    frames, poses = filmed
    made = record(frames, "box", CONFIG)
    assert made.quality.poses == "depth"
    assert made.quality.pose_px < 1.0
    for one, pose in zip(made.views, poses, strict=True):
        expected = geometry.inverse(poses[0]) @ pose
        np.testing.assert_allclose(one.world_from_camera, expected, atol=0.01)


def test_a_scene_as_a_whole(filmed, tmp_path):
    config = dataclasses.replace(CONFIG, things="scene")
    made = record(filmed[0], "desk", config, pose_of=pose_of(*filmed))
    write(made, tmp_path / "desk", "desk", {})
    view = CorrespondenceSet.open(tmp_path / "desk").view(0)
    assert (view.instance == 1).mean() > 0.45


def test_what_is_new_in_a_place_needs_no_table(filmed):
    empty = [scenes.shoot(pose, scenes.textures(), number=n, box=False)
             for n, pose in enumerate(filmed[1])]  # fmt: skip
    before = record(empty, "empty", dataclasses.replace(CONFIG, things="scene"),
                    pose_of=pose_of(empty, filmed[1]))  # fmt: skip
    made = record(filmed[0], "box", CONFIG, pose_of=pose_of(*filmed), background=before.surface)
    (part,) = made.parts
    size = np.ptp(part.surface.vertices, axis=0)
    np.testing.assert_allclose(sorted(size[:2]), sorted(scenes.BOX[:2]), atol=0.015)
    assert geometry.apply(part.world_from_part, part.surface.vertices.astype(float))[
        :, 2
    ].max() == (pytest.approx(scenes.BOX[2], abs=2e-3))
    with pytest.raises(InvalidInputError, match="nothing is where the background had nothing"):
        record(empty, "box", CONFIG, pose_of=pose_of(empty, filmed[1]), background=before.surface)
    with pytest.raises(InvalidInputError, match="by TF or by a board"):
        record(filmed[0], "box", CONFIG, background=before.surface)


def test_every_object_of_a_table(filmed):
    config = dataclasses.replace(CONFIG, things="objects")
    assert len(record(filmed[0], "thing", config, pose_of=pose_of(*filmed)).parts) == 1


def test_pictures_show_it(recorded):
    views, sides = preview.sheet(recorded), preview.surface_sides(recorded)
    assert views.shape[2] == sides.shape[2] == 3
    drawn = (sides != 245).any(axis=2).mean()
    assert 0.02 < drawn < 0.9


def test_too_small_a_motion_is_a_fault(filmed):
    frames, poses = scenes.film(10, span_deg=8.0)
    config = dataclasses.replace(CONFIG, step_m=0.0, step_deg=0.0)
    made = record(frames, "box", config, pose_of=pose_of(frames, poses))
    assert any("go around it" in fault for fault in made.quality.faults(config))


def test_poses_that_do_not_fit_the_pictures_are_a_fault(filmed):
    frames, poses = filmed
    rng = np.random.default_rng(3)
    wrong = [geometry.make_transform(pose[:3, :3], pose[:3, 3] + rng.normal(0, 0.006, 3))
             for pose in poses]  # fmt: skip
    made = record(frames, "box", CONFIG, pose_of=pose_of(frames, wrong))
    assert any("poses and pictures disagree" in fault for fault in made.quality.faults(CONFIG))


def test_too_few_views_are_a_fault(filmed):
    frames, poses = filmed[0][::3], filmed[1][::3]
    made = record(frames, "box", CONFIG, pose_of=pose_of(frames, poses))
    assert any("frames are of use" in fault for fault in made.quality.faults(CONFIG))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": []}, "no frames"),
        ({"name": "a/b"}, "letters, digits"),
        ({"config": dataclasses.replace(CONFIG, poses="tf"), "pose_of": None}, "no transforms"),
        ({"config": dataclasses.replace(CONFIG, poses="board")}, "which board"),
        ({"gripper": np.zeros((3, 4), bool)}, "mask of the gripper"),
        ({"config": dataclasses.replace(CONFIG, above_m=0.5)}, "nothing rises"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_recorded_is_refused(filmed, change, said):
    given = {"frames": filmed[0], "name": "box", "config": CONFIG, "pose_of": pose_of(*filmed)}
    given |= change
    with pytest.raises(InvalidInputError, match=said):
        record(given.pop("frames"), given.pop("name"), given.pop("config"), **given)


def test_frames_of_two_cameras_are_refused(filmed):
    frames, poses = list(filmed[0]), filmed[1]
    other = dataclasses.replace(frames[3].intrinsics, fx=310.0)
    frames[3] = dataclasses.replace(frames[3], intrinsics=other)
    with pytest.raises(InvalidInputError, match="2 cameras"):
        record(frames, "box", CONFIG, pose_of=pose_of(frames, poses))


@pytest.mark.skipif(not SHELF.is_dir(), reason="the real recordings are not there")
def test_a_real_shelf_with_its_gripper():
    with FolderSource(SHELF) as source:
        frames, transforms = list(source)[:10], source.transforms
    made = record(
        frames, "shelf", RecordConfig(things="scene", reach_m=1.0),
        pose_of=lambda f: (transforms.lookup("world", f.frame_id, f.stamp_ns), ""),
    )  # fmt: skip
    assert made.quality.pose_px < 2.5
    assert made.quality.faults(RecordConfig()) == []
    import cv2

    truth = cv2.imread(str(SHELF / "gripper_mask.png"), cv2.IMREAD_GRAYSCALE) > 0
    assert made.gripper[truth].mean() > 0.8
    assert made.gripper[~truth].mean() < 0.05
