# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from tack_perception.annotation import Annotation
from tack_perception.annotations import FrameRecord, cropped, frame_key
from tack_perception.annotations.records import Entry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import FileFormatError
from tack_perception.frame import RGBDFrame


def test_a_picture_comes_back_as_it_was_but_for_the_depth_unit(make_frame) -> None:
    frame = make_frame()
    back = FrameRecord.of(frame).frame()
    assert (back.color == frame.color).all()
    assert (np.isnan(back.depth) == np.isnan(frame.depth)).all()
    assert np.nanmax(np.abs(back.depth - frame.depth)) <= 0.5e-4 + 1e-6
    assert (back.intrinsics, back.stamp_ns, back.frame_id) == (
        frame.intrinsics,
        frame.stamp_ns,
        frame.frame_id,
    )


def test_a_picture_that_was_stored_once_keeps_its_key_and_bytes(make_frame) -> None:
    first = FrameRecord.of(make_frame())
    second = FrameRecord.of(first.frame())
    assert (second.key, second.pngs()) == (first.key, first.pngs())


def test_every_count_of_depth_survives() -> None:
    counts = np.arange(256 * 256, dtype=np.uint32).reshape(256, 256)
    depth = (counts * 1e-4).astype(np.float32)
    depth[0, 0] = np.nan
    camera = CameraIntrinsics(256, 256, 200, 200, 127.5, 127.5)
    frame = RGBDFrame(np.zeros((256, 256, 3), np.uint8), depth, camera, 0, "camera")
    back = FrameRecord.of(frame).frame().depth
    assert np.array_equal(np.rint(back * 1e4), np.rint(depth * 1e4), equal_nan=True)


def test_depth_out_of_reach_of_16_bits_becomes_unknown_not_wrong(make_frame) -> None:
    frame = make_frame()
    depth = frame.depth.copy()
    depth[0, :4] = [6.5535, 6.5536, 30.0, 0.00004]
    back = FrameRecord.of(dataclasses.replace(frame, depth=depth)).frame().depth
    assert back[0, 0] == pytest.approx(6.5535)
    assert np.isnan(back[0, 1:4]).all()


def test_the_key_changes_with_anything_in_the_frame(make_frame) -> None:
    frame = make_frame()
    depth = frame.depth.copy()
    depth[0, 0] = 1.0
    color = frame.color.copy()
    color[0, 0, 0] ^= 1
    others = [
        dataclasses.replace(frame, color=color),
        dataclasses.replace(frame, depth=depth),
        dataclasses.replace(frame, stamp_ns=1),
        dataclasses.replace(frame, frame_id="other"),
        dataclasses.replace(frame, intrinsics=dataclasses.replace(frame.intrinsics, fx=50.0)),
    ]
    assert frame_key(frame) == frame_key(make_frame())
    assert len({frame_key(f) for f in [frame, *others]}) == 6


@pytest.mark.parametrize(("u", "v"), [(31.5, 23.5), (-0.5, -0.5), (63.49, 47.49), (10.0, 40.0)])
@pytest.mark.parametrize("size", [1, 16, 48, 200])
def test_a_crop_leaves_points_in_space_where_they_are(make_frame, u, v, size) -> None:
    whole = Annotation("handle", u, v, make_frame())
    crop = cropped(whole, size)
    camera = crop.frame.intrinsics
    assert (camera.width, camera.height) == (min(size, 64), min(size, 48))
    assert np.allclose(
        camera.rays(crop.pixel), whole.frame.intrinsics.rays(whole.pixel), atol=1e-12
    )
    row, column = round(crop.v), round(crop.u)
    assert np.array_equal(crop.frame.color[row, column], whole.frame.color[round(v), round(u)])
    entry = Entry("x", "handle", crop.u, crop.v, FrameRecord.of(crop.frame))
    found = entry.pixel_on(whole.frame, frame_key(whole.frame))
    assert found == pytest.approx((u, v))


def test_an_entry_is_not_shown_on_another_frame(make_frame) -> None:
    entry = Entry("x", "handle", 1.0, 1.0, FrameRecord.of(make_frame(0)))
    assert entry.pixel_on(make_frame(0), frame_key(make_frame(0))) == (1.0, 1.0)
    assert entry.pixel_on(make_frame(1), frame_key(make_frame(1))) is None
    other_time = make_frame(1, stamp_ns=7)
    crop = cropped(Annotation("a", 9, 9, make_frame(0)), 8)
    entry = Entry("x", "handle", 1.0, 1.0, FrameRecord.of(crop.frame))
    assert entry.pixel_on(other_time, frame_key(other_time)) is None


def png(image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"color": b""}, "not an image"),
        ({"color": b"\x89PNG garbage"}, "not an image"),
        ({"color": png(np.zeros((48, 64), np.uint8))}, "a colour image is uint8"),
        ({"depth": png(np.zeros((48, 64), np.uint8))}, "a depth image is uint8"),
        ({"color": png(np.zeros((48, 60, 3), np.uint8))}, "picture .* colour image is uint8"),
    ],
)
def test_a_wrong_image_is_named(make_frame, changes, message) -> None:
    record = dataclasses.replace(FrameRecord.of(make_frame()), **changes)
    with pytest.raises(FileFormatError, match=message):
        record.frame()


def test_a_missing_image_is_named_with_what_to_do(make_frame, tmp_path) -> None:
    record = dataclasses.replace(FrameRecord.of(make_frame()), depth=tmp_path / "gone.png")
    with pytest.raises(FileFormatError, match=r"gone\.png: cannot be read: No such file.*restore"):
        record.frame()
