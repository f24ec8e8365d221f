# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tack_perception.errors import SourceError
from tack_perception.sources.base import FrameSource

WIDTH, HEIGHT = 64, 48
SIZE = {"width": WIDTH, "height": HEIGHT, "depth_width": WIDTH, "depth_height": HEIGHT}


@pytest.fixture
def opened(rs):
    """Makes a source that sees a soft camera; its stream is started on entering."""
    from tack_perception.sources.realsense import RealSenseConfiguration, RealSenseSource

    def make(camera=None, **settings):
        context = rs.context()
        source = RealSenseSource(RealSenseConfiguration(**SIZE, **settings), context=context)
        if camera is not None:
            camera.device.add_to(context)
        return source

    return make


def take(source, count):
    return list(itertools.islice(source, count))


def test_frames_come_through(opened, soft_camera, pump):
    camera = soft_camera()
    with opened(camera) as source, pump(camera):
        assert isinstance(source, FrameSource)
        frames = take(source, 3)
        assert source.name == "soft-1"
        assert len(source) == 0
        assert source.transforms is None
    for frame in frames:
        number = frame.color[0, 0, 0]
        assert (frame.color == number).all()
        assert frame.stamp_ns == 1_700_000_000_000_000_000 + int(number) * 33_250_000
        assert frame.frame_id == "camera_color_optical_frame"
        assert frame.intrinsics.fx == 60.0
        known = frame.depth[np.isfinite(frame.depth)]
        np.testing.assert_allclose(known, 1.0, rtol=1e-6)
    assert frames[0].stamp_ns < frames[1].stamp_ns < frames[2].stamp_ns


def test_frames_keep_their_pixels_while_later_ones_arrive(opened, soft_camera, pump):
    camera = soft_camera()
    with opened(camera) as source, pump(camera):
        frames = take(source, 40)
    assert len({frame.stamp_ns for frame in frames}) == 40
    for frame in frames:
        number = (frame.stamp_ns - 1_700_000_000_000_000_000) // 33_250_000
        assert (frame.color == number % 256).all()


def test_alignment_of_a_step_edge(opened, soft_camera, pump):
    # Depth camera: f 40, colour camera: f 60, 15 mm to its right. A pixel u_d at depth z lands on
    #   u_c = 60 ((u_d - 31.5) / 40 - 0.015 / z) + 31.5.
    depth = np.full((HEIGHT, WIDTH), 500, np.uint16)
    depth[:, 32:] = 1000
    camera = soft_camera()
    with opened(camera) as source, pump(camera, depth=depth):
        (frame,) = take(source, 1)

    def lands(u_depth, z):
        return 60 * ((u_depth - 31.5) / 40 - 0.015 / z) + 31.5

    near_edge, far_edge = lands(31.5, 0.5), lands(31.5, 1.0)
    row = frame.depth[HEIGHT // 2]
    u = np.arange(WIDTH)
    near, far = row[u < near_edge - 1.5], row[u > far_edge + 1.5]
    np.testing.assert_allclose(near[np.isfinite(near)], 0.5, rtol=1e-6)
    np.testing.assert_allclose(far[np.isfinite(far)], 1.0, rtol=1e-6)
    assert np.isfinite(near).mean() > 0.9
    assert np.isfinite(far).mean() > 0.9


@pytest.mark.parametrize("units", [0.001, 0.0001])
def test_depth_units_of_the_camera(opened, soft_camera, pump, units):
    camera = soft_camera(units=units)
    depth = np.full((HEIGHT, WIDTH), 4321, np.uint16)
    with opened(camera) as source, pump(camera, depth=depth):
        (frame,) = take(source, 1)
    np.testing.assert_allclose(np.nanmedian(frame.depth), 4321 * units, rtol=1e-6)


def test_a_silent_camera_is_restarted_and_its_return_is_noticed(opened, soft_camera, pump):
    camera = soft_camera()
    with opened(camera, frame_timeout=0.2, give_up=20.0) as source:
        with pump(camera):
            before = take(source, 2)
        revive = threading.Timer(0.6, lambda: None)
        revive.start()
        later = pump(camera)

        def return_later():
            revive.join()
            later.__enter__()

        thread = threading.Thread(target=return_later)
        thread.start()
        after = take(source, 2)
        thread.join()
        later.__exit__()
    assert after[0].stamp_ns > before[-1].stamp_ns
    assert source.drops["no frame for 0.2 s: stream restarted"] >= 1


def test_a_camera_that_stays_silent_is_an_error(opened, soft_camera):
    camera = soft_camera()
    started = time.monotonic()
    with (
        opened(camera, frame_timeout=0.1, give_up=0.5) as source,
        pytest.raises(SourceError, match=r"soft-1: no frame for 0\.5 s.*Connected are: soft-1"),
    ):
        next(iter(source))
    assert time.monotonic() - started >= 0.5


def test_a_missing_camera_is_an_error_that_lists_the_others(opened, soft_camera):
    source = opened(soft_camera(serial="other"), serial="mine", give_up=0.3)
    with (
        pytest.raises(SourceError, match=r"mine: .* not connected\. Connected are: other"),
        source,
    ):
        pass
    assert source.drops["camera not found: stream restarted"] == 1


def test_a_camera_that_is_plugged_in_late_is_waited_for(opened, soft_camera, pump, rs):
    from tack_perception.sources.realsense import RealSenseConfiguration, RealSenseSource

    context, camera = rs.context(), soft_camera()
    plug = threading.Timer(0.3, lambda: camera.device.add_to(context))
    plug.start()
    with RealSenseSource(RealSenseConfiguration(**SIZE), context=context) as source, pump(camera):
        assert len(take(source, 1)) == 1
    plug.join()


def test_of_two_cameras_one_must_be_chosen(rs, soft_camera, pump):
    from tack_perception.sources.realsense import RealSenseConfiguration, RealSenseSource

    context = rs.context()
    settings = {**SIZE, "give_up": 0.2}
    source = RealSenseSource(RealSenseConfiguration(**settings), context=context)
    left, right = soft_camera(serial="left"), soft_camera(serial="right")
    left.device.add_to(context)
    right.device.add_to(context)
    with pytest.raises(SourceError, match="Connected are: left, right"), source:
        pass
    chosen = RealSenseSource(RealSenseConfiguration(**SIZE, serial="right"), context=context)
    right.device.add_to(context)
    with chosen, pump(right):
        assert len(take(chosen, 1)) == 1


def test_a_size_that_the_camera_lacks_is_an_error(opened, soft_camera, rs):
    from tack_perception.sources.realsense import RealSenseConfiguration, RealSenseSource

    context, camera = rs.context(), soft_camera()
    settings = RealSenseConfiguration(width=1920, height=1080, give_up=0.2)
    source = RealSenseSource(settings, context=context)
    camera.device.add_to(context)
    with (
        pytest.raises(SourceError, match=r"colour 1920×1080.*it has colour 64×48 at 30 Hz"),
        source,
    ):
        pass


def test_frames_that_were_lost_on_the_way_are_counted(opened, soft_camera):
    camera = soft_camera()
    with opened(camera) as source:
        camera.send()
        frames = iter(source)
        next(frames)
        camera.send(skip=4)
        next(frames)
    assert source.drops["colour frame lost, late or without depth"] == 4


def test_depth_of_another_moment_is_not_paired(opened, soft_camera, pump):
    camera = soft_camera()
    with (
        opened(camera, slop=0.001, frame_timeout=0.3, give_up=0.5) as source,
        pump(camera, depth_late_ms=12.0),
        pytest.raises(SourceError, match=r"more than 0\.001 s apart"),
    ):
        next(iter(source))


def test_the_camera_clock_is_tied_to_the_host(opened, soft_camera, pump, rs):
    camera = soft_camera()
    before = time.time_ns()
    with opened(camera) as source, pump(camera, domain=rs.timestamp_domain.hardware_clock):
        first, second = take(source, 2)
    assert before <= first.stamp_ns <= time.time_ns()
    # Differences are those of the camera's clock.
    assert (second.stamp_ns - first.stamp_ns) % 33_250_000 == 0


def test_host_stamps(opened, soft_camera, pump):
    camera = soft_camera()
    before = time.time_ns()
    with opened(camera, stamps="host") as source, pump(camera):
        (frame,) = take(source, 1)
    assert before <= frame.stamp_ns <= time.time_ns()


def test_a_clock_that_runs_backwards_is_counted(opened, soft_camera, pump):
    camera = soft_camera()
    reason = "stamp is not newer than that of the frame before"
    with opened(camera) as source:
        frames = iter(source)
        camera.number = 500
        camera.send()
        last = next(frames).stamp_ns
        camera.number = 0
        stopper = threading.Timer(1.0, source.close)
        stopper.start()
        with pump(camera):
            later = [frame.stamp_ns for frame in frames]
        stopper.join()
    assert source.drops[reason] > 0
    assert all(stamp > last for stamp in later)


def test_wrong_intrinsics_are_counted(opened, soft_camera, pump, rs):
    camera = soft_camera(color_model=rs.distortion.brown_conrady, coefficients=(np.nan, 0, 0, 0, 0))
    with opened(camera, frame_timeout=0.3, give_up=0.5) as source:
        with pump(camera):
            stopper = threading.Timer(0.5, source.close)
            stopper.start()
            assert list(source) == []
        stopper.join()
    assert any("must be finite" in reason for reason in source.drops)


def test_closing_from_another_thread_ends_the_iteration(opened, soft_camera, pump):
    camera = soft_camera()
    source = opened(camera)
    with source, pump(camera):
        stopper = threading.Timer(0.2, source.close)
        stopper.start()
        frames = list(source)
        stopper.join()
    assert frames


def test_use_before_opening_is_refused(opened):
    with pytest.raises(SourceError, match="open the source first"):
        next(iter(opened()))


def test_filters(opened, soft_camera, pump):
    rng = np.random.default_rng(3)
    noisy = (1000 + rng.normal(0, 8, (HEIGHT, WIDTH))).astype(np.uint16)
    noisy[20:24, 30:33] = 0

    def centre(**settings):
        camera = soft_camera()
        with opened(camera, **settings) as source, pump(camera, depth=noisy):
            return take(source, 3)[-1].depth

    plain = centre()
    assert plain.shape == (HEIGHT, WIDTH)
    assert np.isnan(plain[18:26, 25:36]).any()
    assert np.nanstd(centre(spatial=True)) < 0.8 * np.nanstd(plain)
    assert np.nanstd(centre(decimation=2)) < 0.8 * np.nanstd(plain)
    assert centre(decimation=2).shape == (HEIGHT, WIDTH)
    filled = centre(hole_filling=True)
    assert np.isnan(filled[18:26, 25:36]).sum() < np.isnan(plain[18:26, 25:36]).sum()
    assert np.isfinite(centre(temporal=True)).mean() > 0.5


def test_without_librealsense_the_import_says_what_to_install():
    code = (
        "import sys; sys.modules['pyrealsense2'] = None\n"
        "from tack_perception.errors import DependencyError\n"
        "try:\n    import tack_perception.sources.realsense\n"
        "except DependencyError as error:\n    print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install pyrealsense2" in result.stdout
