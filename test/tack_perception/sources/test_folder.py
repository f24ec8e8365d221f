# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tack_perception.errors import SourceError
from tack_perception.sources.base import FrameSource
from tack_perception.sources.folder import FolderSource

DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason=f"needs the recordings in {DATA} (or TACK_DATA)"
)
CAMERA = {"width": 8, "height": 6, "fx": 10.0, "fy": 11.0, "cx": 3.5, "cy": 2.5}


def write_folder(path, count=3, **changes):
    (path / "color").mkdir(parents=True)
    (path / "depth").mkdir()
    for index in range(count):
        color = np.full((6, 8, 3), (3, 2, 10 * index), np.uint8)  # OpenCV writes BGR
        depth = np.full((6, 8), 1000 + index, np.uint16)
        depth[0, 0] = 0
        cv2.imwrite(str(path / "color" / f"{index}.png"), color)
        cv2.imwrite(str(path / "depth" / f"{index}.png"), depth)
    (path / "camera.yaml").write_text(yaml.safe_dump({**CAMERA, **changes}))
    return path


def test_frames_of_a_folder(tmp_path):
    with FolderSource(write_folder(tmp_path / "f", count=11)) as source:
        assert isinstance(source, FrameSource)
        assert len(source) == 11
        assert source.transforms is None
        frames = list(source)
    assert [frame.color[0, 0, 0] for frame in frames] == [10 * index for index in range(11)]
    assert (frames[2].color[0, 0] == (20, 2, 3)).all()
    assert np.isnan(frames[2].depth[0, 0])
    np.testing.assert_allclose(frames[2].depth[1:], 1.002, rtol=1e-6)
    assert [frame.stamp_ns for frame in frames[:2]] == [10**9, 1_100_000_000]
    assert frames[0].frame_id == "camera_color_optical_frame"
    assert (frames[0].intrinsics.fx, frames[0].intrinsics.cy) == (10.0, 2.5)


def test_stamps_poses_and_units_are_read(tmp_path):
    pose = np.eye(4)
    pose[0, 3] = 0.5
    frames = [
        {"name": "1", "stamp_ns": 500, "world_from_camera": pose.tolist()},
        {"name": "0", "stamp_ns": 200, "world_from_camera": np.eye(4).tolist()},
    ]
    path = write_folder(tmp_path / "f", depth_unit=0.0001, frame_id="eye", frames=frames)
    with FolderSource(path) as source:
        first, second = source
        halfway = source.transforms.lookup("world", "eye", 350)
    assert (first.stamp_ns, second.stamp_ns) == (200, 500)
    np.testing.assert_allclose(second.depth[1, 1], 0.1001, rtol=1e-6)
    np.testing.assert_allclose(halfway[:3, 3], (0.25, 0, 0), atol=1e-12)


def test_a_camera_file_in_json(tmp_path):
    path = write_folder(tmp_path / "f")
    (path / "camera.yaml").unlink()
    (path / "camera.json").write_text(json.dumps({**CAMERA, "model": "none"}))
    with FolderSource(path) as source:
        assert len(list(source)) == 3


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda path: (path / "depth" / "1.png").unlink(), "No such file"),
        (lambda path: (path / "depth" / "1.png").write_bytes(b""), "damaged or cut off"),
        (lambda path: os.truncate(path / "color" / "1.png", 60), "damaged or cut off"),
        (
            lambda path: cv2.imwrite(str(path / "depth" / "1.png"), np.ones((6, 8), np.uint8)),
            "16 bits is expected",
        ),
        (
            lambda path: cv2.imwrite(str(path / "color" / "1.png"), np.ones((6, 9), np.uint8)),
            "uint8 (6, 8, 3) is expected",
        ),
    ],
)
def test_a_wrong_picture_costs_one_frame(tmp_path, break_it, reason):
    path = write_folder(tmp_path / "f")
    break_it(path)
    with FolderSource(path) as source:
        assert [frame.color[0, 0, 0] for frame in source] == [0, 20]
        ((text, count),) = source.drops.items()
    assert count == 1
    assert text.startswith("1: ")
    assert reason in text


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"fx": float("nan")}, "camera fx = nan"),
        ({"fy": float("inf")}, "camera fy = inf"),
        ({"fx": 0.0}, "must be positive"),
        ({"fx": "wide"}, "could not convert"),
        ({"model": "fisheye"}, "known are none, plumb_bob"),
        ({"focal": 3}, "unknown focal; known are width, height"),
        ({"depth_unit": 0}, "depth_unit = 0: a positive"),
        ({"frames": [{"name": "9"}]}, r"frames\[0\]: no picture color/9"),
        ({"frames": [{"name": "0", "stamp_ns": -1}]}, "stamp_ns = -1"),
        ({"frames": [{"name": "0", "stamp_ns": 5}, {"name": "1", "stamp_ns": 5}]}, "same stamp 5"),
        ({"frames": [{"name": "0", "world_from_camera": [[2, 0], [0, 2]]}]}, r"\(4, 4\)"),
        ({"frames": ["0"]}, "a mapping is expected"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path, changes, match):
    path = write_folder(tmp_path / "f", **changes)
    with pytest.raises(SourceError, match=match), FolderSource(path):
        pass


def test_a_missing_intrinsic_is_named(tmp_path):
    path = write_folder(tmp_path / "f")
    (path / "camera.yaml").write_text("width: 8\nheight: 6\n")
    with pytest.raises(SourceError, match="'fx'"), FolderSource(path):
        pass


@pytest.mark.parametrize(
    ("content", "match"), [("[1, 2", "cannot be read as YAML"), ("7", "a mapping is expected")]
)
def test_a_damaged_description_is_refused(tmp_path, content, match):
    path = write_folder(tmp_path / "f")
    (path / "camera.yaml").write_text(content)
    with pytest.raises(SourceError, match=match), FolderSource(path):
        pass


def test_folders_without_anything(tmp_path):
    with (
        pytest.raises(SourceError, match=r"no camera\.yaml or camera\.json"),
        FolderSource(tmp_path),
    ):
        pass
    (tmp_path / "camera.yaml").write_text(yaml.safe_dump(CAMERA))
    with pytest.raises(SourceError, match="no pictures in color/"), FolderSource(tmp_path):
        pass


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "cannot be read as JSON"),
        ("{}", "lacks 'units'"),
        ('{"units": {"depth_png": "mm"}, "images": []}', "m per unit"),
        ('{"units": {"depth_png": "0.001 m per unit"}, "images": [{}]}', "lacks 'file'"),
    ],
)
def test_a_wrong_case_is_refused(tmp_path, content, match):
    (tmp_path / "case.json").write_text(content)
    with pytest.raises(SourceError, match=match), FolderSource(tmp_path):
        pass


@pytest.mark.data
@needs_data
def test_the_shelf_recording():
    with FolderSource(DATA / "apc_shelf") as source:
        frames = list(source)
        assert len(source) == len(frames) == 15
        assert not source.drops
        poses = [source.transforms.lookup("world", f.frame_id, f.stamp_ns) for f in frames]
    assert all(0.3 < np.nanmedian(frame.depth) < 1.0 for frame in frames)
    np.testing.assert_allclose(poses[0][:3, 3], (1.1702753, -0.1693896, 1.1545592), atol=1e-6)
    assert frames[0].intrinsics.fx == 615.1952


@pytest.mark.data
@needs_data
def test_the_object_recording():
    with FolderSource(DATA / "rgbd_objects") as source:
        names = [entry.color.stem for entry in source.entries]
        frames = dict(zip(names, source, strict=True))
        assert source.transforms is None
    # The mug's own points in case.json lie 0.43 m to 0.52 m away, at its centroid's pixel too.
    mug = frames["blue_mug"]
    u, v = np.rint(mug.intrinsics.project((0.0156, 0.002, 0.4719))).astype(int)
    assert 0.42 < np.nanmedian(mug.depth[v - 5 : v + 6, u - 5 : u + 6]) < 0.53
