# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import time

import numpy as np
import pytest

from tack_perception.errors import SourceError

WIDTH, HEIGHT = 64, 48
COUNT = 6


@pytest.fixture
def recording(rs, soft_camera, tmp_path):
    """A .db3 that librealsense's recorder wrote: frame k has colour k and depth 1 m + k mm."""
    path = tmp_path / "camera.db3"
    camera = soft_camera()
    recorder = rs.recorder(str(path), camera.device)
    pipeline, config = rs.pipeline(rs.context()), rs.config()
    pipeline.set_device(recorder)
    config.enable_stream(rs.stream.depth)
    config.enable_stream(rs.stream.color)
    pipeline.start(config)
    for index in range(1, COUNT + 1):
        depth = np.full((HEIGHT, WIDTH), 1000 + index, np.uint16)
        camera.send(depth=depth)
        pipeline.wait_for_frames(2000)
        time.sleep(0.05)  # the recorder drops what comes faster than it writes
    pipeline.stop()
    del recorder, pipeline
    gc.collect()  # the file is finished when the recorder goes
    return path


def play(path):
    from tack_perception.sources.realsense import RealSenseSource

    with RealSenseSource(file=path) as source:
        return list(source), source


def test_a_recording_is_played_without_loss(recording):
    frames, source = play(recording)
    assert source.name == "camera.db3"
    numbers = [int(frame.color[0, 0, 0]) for frame in frames]
    assert numbers == list(range(1, COUNT + 1))
    assert not source.drops
    for number, frame in zip(numbers, frames, strict=True):
        assert (frame.color == number).all()
        np.testing.assert_allclose(np.nanmedian(frame.depth), 1 + number / 1000, rtol=1e-6)
        assert frame.stamp_ns == 1_700_000_000_000_000_000 + number * 33_250_000
        assert frame.intrinsics.fx == 60.0


def test_playing_twice_gives_the_same(recording):
    first, second = play(recording)[0], play(recording)[0]
    assert [frame.stamp_ns for frame in first] == [frame.stamp_ns for frame in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.color, other.color)
        np.testing.assert_array_equal(one.depth, other.depth)


def test_a_slow_reader_loses_nothing(recording):
    from tack_perception.sources.realsense import RealSenseSource

    numbers = []
    with RealSenseSource(file=recording) as source:
        time.sleep(0.3)
        for frame in source:
            numbers.append(int(frame.color[0, 0, 0]))
            time.sleep(0.05)
    assert numbers == list(range(1, COUNT + 1))


def test_iterating_again_starts_again(recording):
    from tack_perception.sources.realsense import RealSenseSource

    with RealSenseSource(file=recording) as source:
        assert len(list(source)) == len(list(source)) == COUNT


def test_a_reader_that_stops_early_is_let_go(recording):
    from tack_perception.sources.realsense import RealSenseSource

    for _ in range(20):  # librealsense aborts the process where its threads are torn from work
        with RealSenseSource(file=recording) as source:
            first = next(iter(source))
        assert first.color[0, 0, 0] == 1


def test_open_source_knows_the_recording(recording):
    from tack_perception.sources.opening import open_source
    from tack_perception.sources.realsense import RealSenseSource

    assert isinstance(open_source(recording), RealSenseSource)


def test_files_that_cannot_be_played(tmp_path, rs):
    from tack_perception.sources.realsense import RealSenseSource

    with pytest.raises(SourceError, match="no such file"), RealSenseSource(file=tmp_path / "a.db3"):
        pass
    for name in ("a.db3", "a.bag"):
        (tmp_path / name).write_bytes(b"not a recording")
        with (
            pytest.raises(SourceError, match="cannot play it"),
            RealSenseSource(file=tmp_path / name),
        ):
            pass


def test_the_watch_sees_devices_come_and_go(rs, recording):
    # A recording that is loaded into the context comes and goes as a plugged camera does.
    from tack_perception.sources.realsense.devices import DeviceWatch

    context = rs.context()
    watch = DeviceWatch(context)
    assert watch.serials() == ()
    device = context.load_device(str(recording))
    assert watch.serials() == ("soft-1",)
    assert watch.find("soft-1") is not None
    assert watch.find("") is not None
    assert watch.find("soft-2") is None
    del device
    context.unload_device(str(recording))
    assert watch.serials() == ()
