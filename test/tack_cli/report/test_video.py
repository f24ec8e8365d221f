# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import av
import numpy as np
import pytest

from tack_cli.report.video import VideoWriter

STAMPS = [10_000_000_000, 10_100_000_000, 10_300_000_000, 25_000_000_000]


def pictures(height: int = 48, width: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 60, (height, width, 3))
    return [np.asarray(noise + 40 * i, np.uint8) for i in range(len(STAMPS))]


def encode(images: list[np.ndarray]) -> bytes:
    stream = io.BytesIO()
    with VideoWriter(stream) as video:
        for image, stamp in zip(images, STAMPS, strict=True):
            video.add(image, stamp)
    return stream.getvalue()


def test_the_pictures_come_back_at_the_pace_of_their_stamps() -> None:
    images = pictures()
    with av.open(io.BytesIO(encode(images))) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = list(container.decode(stream))
    times = [float(frame.pts * frame.time_base) for frame in frames]
    # The long pause of the recording is cut to one second.
    assert times == pytest.approx([0.0, 0.1, 0.3, 1.3], abs=1e-3)
    for frame, image in zip(frames, images, strict=True):
        back = frame.to_ndarray(format="rgb24").astype(float)
        assert np.abs(back.mean() - image.mean()) < 3


def test_the_same_pictures_give_the_same_bytes() -> None:
    assert encode(pictures()) == encode(pictures())


def test_odd_sizes_are_cut_to_even_ones() -> None:
    with av.open(io.BytesIO(encode(pictures(49, 65)))) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (64, 48)


def test_no_picture_gives_no_error() -> None:
    with VideoWriter(io.BytesIO()):
        pass
