# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import dataclasses
import resource
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tack_grasping.behaviour import run_witness
from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.behaviour.run_pictures import NEXT, TRIED, evidence_picture, look_picture
from tack_grasping.behaviour.run_witness import RunWitness
from tack_grasping.behaviour.runs import RunWriter, read_run
from tack_grasping.behaviour.sight import Sight, Thing, View
from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.points import NamedPoint, named_point
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

WIDTH, HEIGHT, DEPTH = 320, 240, 0.5
INTRINSICS = CameraIntrinsics(WIDTH, HEIGHT, 300.0, 300.0, 160.0, 120.0)
# The camera looks straight down from half a metre above the base's origin.
BASE_FROM_CAMERA = np.array(
    [[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, DEPTH], [0, 0, 0, 1]], dtype=np.float64
)
GREY = 90


def view() -> View:
    color = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    depth = np.full((HEIGHT, WIDTH), DEPTH, np.float32)
    return View(RGBDFrame(color, depth, INTRINSICS, 1, "camera"), BASE_FROM_CAMERA)


def thing() -> Thing:
    variance = 1e-6 * np.eye(3)
    found = Keypoint("handle", 80, 60, 0.9, xyz=np.array([-0.13, -0.1, DEPTH]),
                     xyz_covariance=variance)  # fmt: skip
    refused = Keypoint("rim", 240, 60, 0.8, refusal="rim: no depth there")
    hidden = Keypoint("foot", 240, 180, 0.1, visible=False)
    point = named_point(found, BASE_FROM_CAMERA)
    assert isinstance(point, NamedPoint)
    return Thing({"handle": point}, {k.label: k for k in (found, refused, hidden)})


def sight(*things: Thing) -> Sight:
    one = view()
    return Sight(one.frame, one.base_from_camera, things)


def goal(x: float) -> PickPlaceGoal:
    """A grasp straight down at (x, 0, 0) of the base."""
    pose = geometry.from_axis_angle((1, 0, 0), np.pi)
    pose[:3, 3] = (x, 0.0, 0.0)
    up = pose.copy()
    up[2, 3] += 0.1
    return PickPlaceGoal("handle", "base", 1, up, pose, up, 1e-6 * np.eye(3), 0.06, 0.8,
                         {"normal": 0.8}, "because")  # fmt: skip


def near(image: np.ndarray, pixel: tuple[int, int], color: tuple[int, int, int]) -> bool:
    u, v = pixel
    patch = image[v - 25 : v + 26, u - 25 : u + 26].reshape(-1, 3).astype(int)
    return bool((np.abs(patch - color).max(axis=1) < 12).any())


def record(*pictures: tuple[str, ...]) -> CycleRecord:
    stages = tuple(
        StageRecord("look", Work.PERCEPTION, 1, float(i), 1.0, pictures=names)
        for i, names in enumerate(pictures)
    )
    return CycleRecord("handle", "bin", MoveItErrorCode.SUCCESS, "", 1, stages)


def test_a_look_shows_points_grasps_and_refusals() -> None:
    picture = look_picture(sight(thing()), [goal(-0.1), goal(0.1)])
    assert picture.shape[0] > HEIGHT  # what is refused is told below
    for u, v in ((80, 60), (240, 60), (240, 180)):
        assert (picture[v - 8 : v + 9, u - 8 : u + 9] != GREY).any()
    # 0.1 m at 0.5 m and 300 px are 60 px; the base's x is the camera's.
    assert near(picture, (100, 120), TRIED)
    assert not near(picture, (100, 120), NEXT)
    assert near(picture, (220, 120), NEXT)


def test_a_look_that_found_nothing_and_one_that_found_all_differ_in_their_captions() -> None:
    whole = Thing(thing().points, {"handle": thing().keypoints["handle"]})
    assert look_picture(sight(whole)).shape == (HEIGHT, WIDTH, 3)
    assert look_picture(sight()).shape[0] > HEIGHT
    many = Thing({}, {f"p{i}": Keypoint(f"p{i}", 5, 5, 0.5, refusal=f"{'why ' * 30}{i}")
                      for i in range(40)})  # fmt: skip
    assert HEIGHT < look_picture(sight(many)).shape[0] < 2 * HEIGHT


def test_a_goal_in_the_frame_of_the_camera_is_drawn_where_it_is() -> None:
    in_base = goal(0.1)
    moved = {n: geometry.inverse(BASE_FROM_CAMERA) @ p for n, p in in_base.poses.items()}
    in_camera = dataclasses.replace(in_base, frame_id="camera", **moved)
    same = evidence_picture("close", view(), in_base)
    np.testing.assert_array_equal(evidence_picture("close", view(), in_camera), same)
    behind = dataclasses.replace(in_camera, **{n: p @ _back() for n, p in moved.items()})
    evidence_picture("close", view(), behind)


def _back() -> np.ndarray:
    pose = np.eye(4)
    pose[2, 3] = -3.0
    return pose


def test_cycles_are_written_with_their_pictures(tmp_path: Path) -> None:
    with RunWitness(RunWriter(tmp_path, {})) as witness:
        for _ in range(2):
            names = [witness.seen(sight(thing()))]
            witness.planned(goal(0.1))
            names += [witness.evidence("verify lift", view()), witness.seen(sight())]
            witness.finish(record(*names))
    assert names == [("01_look.jpg",), ("02_verify_lift.jpg",), ("03_look.jpg",)]
    assert not witness.errors
    run = read_run(tmp_path)
    assert len(run.cycles) == 2
    for cycle in run.cycles:
        assert cycle.record == record(*names)
        for (name,) in names:
            image = cv2.imread(str(cycle.folder / name))[..., ::-1]
            assert image.shape[1] == WIDTH
            assert (cycle.folder / name).stat().st_size < 60_000
        assert near(cv2.imread(str(cycle.folder / "01_look.jpg"))[..., ::-1], (220, 120), NEXT)


def test_a_cycle_that_was_not_finished_is_none(tmp_path: Path) -> None:
    with RunWitness(RunWriter(tmp_path, {})) as witness:
        witness.seen(sight(thing()))
    run = read_run(tmp_path)
    assert not run.cycles
    assert list(run.broken) == ["cycle_0001"]


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """A limit on the file size fails as a full disk does (EFBIG for ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def cycle(witness: RunWitness) -> None:
    names = [witness.seen(sight(thing()))]
    witness.planned(goal(0.1))
    names.append(witness.evidence("close", view()))
    witness.finish(record(*names))
    witness.flush()


def test_a_full_disk_is_counted_and_the_robot_goes_on(tmp_path: Path) -> None:
    with RunWitness(RunWriter(tmp_path, {})) as witness:
        cycle(witness)
        with full_disk(900):  # the record fits, pictures do not
            cycle(witness)
        with full_disk(10):
            cycle(witness)
        cycle(witness)
    run = read_run(tmp_path)
    assert [c.number for c in run.cycles] == [1, 2, 4]
    assert [len([n for s in r.stages for n in s.pictures]) for r in run.records] == [2, 0, 2]
    assert sum(witness.errors.values()) == 5
    assert any("a record was not written" in words for words in witness.errors)
    assert all("make room or choose another folder" in words for words in witness.errors)


def test_a_folder_that_is_gone_is_counted(tmp_path: Path) -> None:
    with RunWitness(RunWriter(tmp_path / "run", {})) as witness:
        shutil.rmtree(tmp_path / "run")
        cycle(witness)
    assert sum(witness.errors.values()) == 3


def test_a_record_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    odd = dataclasses.replace(record(()), stages=(
        StageRecord("look", Work.PERCEPTION, 1, float("nan"), 1.0),
    ))  # fmt: skip
    with RunWitness(RunWriter(tmp_path, {})) as witness:
        witness.finish(odd)
        witness.flush()
        assert ["not finite" in words for words in witness.errors] == [True]
        cycle(witness)
    assert len(read_run(tmp_path).cycles) == 1


def test_a_witness_that_was_closed_still_hurts_nobody(tmp_path: Path) -> None:
    witness = RunWitness(RunWriter(tmp_path, {}))
    witness.close()
    cycle(witness)
    witness.close()
    assert sum(witness.errors.values()) == 3
    assert all("closed already" in words for words in witness.errors)


def test_pictures_that_the_disk_cannot_keep_up_with_are_dropped_and_records_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, write = threading.Event(), run_witness.write_atomically

    def slow(path: Path, data: bytes) -> None:
        assert waits.wait(60)
        write(path, data)

    monkeypatch.setattr(run_witness, "write_atomically", slow)
    with RunWitness(RunWriter(tmp_path, {})) as witness:
        names = [witness.evidence("close", view()) for _ in range(run_witness.MOST_WAITING + 7)]
        witness.finish(record(*names))
        waits.set()
        witness.flush()
        monkeypatch.undo()
        cycle(witness)  # there is room again
    assert list(witness.errors.values()) == [7]
    first, second = read_run(tmp_path).records
    assert [bool(s.pictures) for s in first.stages] == [True] * run_witness.MOST_WAITING + [
        False
    ] * 7
    assert [len(s.pictures) for s in second.stages] == [1, 1]
