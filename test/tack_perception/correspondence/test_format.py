# SPDX-License-Identifier: Apache-2.0
"""What is written is read again; what is damaged is named; what was stopped goes on."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tack_perception.correspondence import CorrespondenceSet, CorrespondenceWriter, Manifest, View
from tack_perception.correspondence.overview import contact_sheet
from tack_perception.errors import FileFormatError, InvalidInputError, TackError

from .conftest import CAMERA, FACES, MANIFEST, corners, make_views, write_set


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_view_comes_back(data):
    assert len(data) == 4
    for written, read in zip(make_views(), data, strict=True):
        assert read.scene == written.scene
        assert read.intrinsics == written.intrinsics
        assert_array_equal(read.color, written.color)
        assert_array_equal(read.instance, written.instance)
        assert_array_equal(read.canonical.face, written.canonical.face)
        assert_allclose(read.canonical.weights, written.canonical.weights, atol=2e-5)
        assert_allclose(read.world_from_camera, written.world_from_camera, atol=1e-9)
        assert_allclose(read.depth, written.depth, atol=0.51e-4)
        assert_allclose(read.true_depth, written.true_depth, atol=0.51e-4)
        assert read.objects[0].instance == written.objects[0].instance
        assert read.objects[0].pixels == np.count_nonzero(read.instance)
        assert_allclose(read.objects[0].world_from_object, written.objects[0].world_from_object)
        assert read.points[0].name == "corner"
        assert_allclose(read.points[0].pixel, written.points[0].pixel, atol=1e-3)
        assert_allclose(read.points[0].xyz, written.points[0].xyz, atol=1e-6)


def test_the_manifest_comes_back(data):
    assert data.manifest == MANIFEST
    assert data.manifest.difference(MANIFEST) is None
    assert_array_equal(data.faces("tile"), FACES)
    assert_array_equal(data.parts("tile"), [0, 0])
    assert_allclose(data.vertices("tile_1"), corners("tile_1"), atol=1e-7)
    point = data.manifest.classes["tile"].points["corner"]
    place = data.surface("tile_1", np.array([point[0]]), np.array([point[1]]))
    assert_allclose(place[0], corners("tile_1")[0], atol=1e-7)


def test_a_real_recording_lacks_most(tmp_path):
    color = np.zeros((48, 64, 3), np.uint8)
    depth = np.full((48, 64), 0.5, np.float32)
    write_set(tmp_path / "set", [View(0, color, CAMERA), View(0, color, CAMERA, depth=depth)],
              Manifest(), color="png")  # fmt: skip
    bare, measured = CorrespondenceSet.open(tmp_path / "set")
    for name in ("world_from_camera", "depth", "true_depth", "instance", "canonical"):
        assert getattr(bare, name) is None
    assert_allclose(measured.best_depth, 0.5)
    assert contact_sheet(CorrespondenceSet.open(tmp_path / "set")).shape[1] == 4 * 320


def test_colour_as_jpeg_is_smaller_and_close(tmp_path, data):
    write_set(tmp_path / "jpeg")
    read = CorrespondenceSet.open(tmp_path / "jpeg").view(0)
    assert np.abs(read.color.astype(int) - data.view(0).color).mean() < 6


def test_the_same_views_give_the_same_bytes_in_any_order(tmp_path):
    write_set(tmp_path / "first")
    writer = write_set(tmp_path / "second", [])
    for index in (2, 0, 3, 1):
        writer.write(index, make_views()[index])
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_a_stopped_run_goes_on(tmp_path):
    write_set(tmp_path / "whole")
    writer = write_set(tmp_path / "part", make_views()[:2])
    (writer.folder / "views" / ".part-0123").mkdir()
    cut = writer.folder / "views" / "000001" / "depth.png"
    cut.write_bytes(cut.read_bytes()[:50])
    again = CorrespondenceWriter(writer.folder, MANIFEST)
    again.tidy()
    missing = [index for index in range(4) if not again.has(index)]
    assert missing == [1, 2, 3]
    for index in missing:
        again.write(index, make_views()[index])
    assert content(tmp_path / "whole") == content(writer.folder)
    assert not (writer.folder / "views" / ".part-0123").exists()


def test_another_data_set_is_not_continued(tmp_path):
    write_set(tmp_path)
    with pytest.raises(InvalidInputError, match=r"another data set \(seed: 7 there, 8 here\)"):
        CorrespondenceWriter(tmp_path, dataclasses.replace(MANIFEST, seed=8))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(InvalidInputError, match="something else"):
        CorrespondenceWriter(tmp_path / "other", MANIFEST)
    assert not (tmp_path / "other" / "manifest.json").exists()


@pytest.mark.parametrize(
    "name",
    ["color.png", "depth.png", "true_depth.png", "instance.png", "canonical.npz", "view.json"],
)
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_file_is_named(data, name, damage):
    path = data.folder / "views" / "000002" / name
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "changed":
        path.write_bytes(bytes([*whole[:40], whole[40] ^ 255, *whole[41:]]))
    else:
        path.unlink()
    with pytest.raises(FileFormatError, match=rf"000002/.*{name}" if damage != "changed" else name):
        data.view(2)
    data.view(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, "version 99"),
        ({"format": "coco"}, "'coco'"),
        ({"classes": None}, "manifest.json"),
        ({"instances": {"cup": {"category": "mug", "seed": 1, "split": "train"}}}, "'mug'"),
    ],
)
def test_a_manifest_that_is_not_understood(data, change, message):
    path = data.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(TackError, match=message):
        CorrespondenceSet.open(data.folder)


def test_no_data_set(tmp_path):
    with pytest.raises(InvalidInputError, match="tack render"):
        CorrespondenceSet.open(tmp_path)


def test_a_missing_or_damaged_shape_is_named(data):
    path = data.folder / "meshes" / "tile_0.npz"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(FileFormatError, match=r"tile_0\.npz"):
        data.vertices("tile_0")
    shutil.rmtree(path.parent)
    with pytest.raises(InvalidInputError, match=r"tile_1\.npz.*missing"):
        data.vertices("tile_1")


def test_what_cannot_be_written(tmp_path):
    writer = write_set(tmp_path / "set")
    writer.write_vertices("tile_0", corners("tile_0"))
    with pytest.raises(InvalidInputError, match="another shape of tile_0"):
        writer.write_vertices("tile_0", 2 * corners("tile_0"))
    with pytest.raises(InvalidInputError, match=r"view 4.*4 views"):
        writer.write(4, make_views()[0])
    stranger = dataclasses.replace(make_views()[0].objects[0], instance="tile_9")
    with pytest.raises(InvalidInputError, match="tile_9"):
        writer.write(0, dataclasses.replace(make_views()[0], objects=(stranger,)))
    with pytest.raises(InvalidInputError, match=r"depth.*float64"):
        dataclasses.replace(make_views()[0], depth=np.zeros((48, 64)))


def test_the_contact_sheet_shows_every_view(data):
    sheet = contact_sheet(data, columns=4, rows=2)
    assert sheet.shape == (4 * 240, 4 * 320, 3)
    assert (sheet.reshape(4, 240, 4, 320, 3).std(axis=(1, 3, 4)) > 5).all()


def test_reading_needs_no_simulator():
    code = "import sys, tack_perception.correspondence.overview; print('mujoco' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
