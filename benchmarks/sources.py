# SPDX-License-Identifier: Apache-2.0
"""How long does it take to get a frame out of a message, a bag and a camera?

    python benchmarks/sources.py [--repeat 20] [--frames 60] [--json FILE]

Prints the median over the repetitions, for 640×480 images of a rendered scene with sensor-like
noise. Times depend on what else the computer does; the ratios are steadier.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tack_perception import encodings, geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import DependencyError
from tack_perception.frame import RGBDFrame
from tack_perception.registration import register_depth
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.rosbag2 import BagSource

WIDTH, HEIGHT = 640, 480
CAMERA = CameraIntrinsics(WIDTH, HEIGHT, 615.0, 615.0, 319.5, 239.5)
DEPTH_CAMERA = CameraIntrinsics(WIDTH, HEIGHT, 385.0, 385.0, 319.5, 239.5)
COLOR_FROM_DEPTH = geometry.make_transform(np.eye(3), (-0.015, 0, 0))


def scene() -> tuple[encodings.raw.ColorArray, encodings.raw.DepthArray]:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 5)
    color = np.interp(smooth, (smooth.min(), smooth.max()), (0, 245))
    color = (color + rng.integers(0, 10, color.shape, np.uint8)).astype(np.uint8)
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    depth = 0.6 + 0.4 * v / HEIGHT + 0.25 * ((u // 80) % 2)
    depth += rng.normal(0, 0.002, depth.shape)
    depth[rng.random(depth.shape) < 0.08] = np.nan
    return color, (np.round(depth * 1000) / 1000).astype(np.float32)


def median_ms(call: Callable[[], Any], repeat: int) -> float:
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def measure_decoding(repeat: int) -> Iterator[tuple[str, float]]:
    color, depth = scene()
    for name in encodings.COLOR_ENCODINGS:
        image = encodings.encode_color(color, name)
        yield f"decode {name}", median_ms(partial(encodings.decode_color, image), repeat)
    for name in encodings.DEPTH_ENCODINGS:
        image = encodings.encode_depth(depth, name)
        yield f"decode {name}", median_ms(partial(encodings.decode_depth, image), repeat)
    for codec in ("jpeg", "png"):
        packed = encodings.encode_compressed_color(color, codec)
        decode = partial(encodings.decode_compressed_color, packed)
        yield f"decode colour {codec}", median_ms(decode, repeat)
    for name in ("16UC1", "32FC1"):
        for codec in ("png", "rvl"):
            packed = encodings.encode_compressed_depth(depth, name, codec)
            unpack = partial(encodings.decode_compressed_depth, packed)
            yield f"decode {name} {codec}", median_ms(unpack, repeat)


def measure_bags(frames: int) -> Iterator[tuple[str, float]]:
    color, depth = scene()
    with tempfile.TemporaryDirectory() as folder:
        for storage, compressed in (("mcap", False), ("sqlite3", False), ("mcap", True)):
            path = Path(folder) / f"{storage}-{compressed}"
            name = f"{storage} {'JPEG + PNG' if compressed else 'raw'}"
            start = time.perf_counter()
            with BagWriter(path, storage, compressed) as writer:
                for index in range(frames):
                    stamp = 10**18 + index * 33_000_000
                    writer.write_transform("world", "camera", stamp, np.eye(4))
                    writer.write(RGBDFrame(color, depth, CAMERA, stamp, "camera"))
            yield f"write {name}, per frame", (time.perf_counter() - start) / frames * 1e3
            start = time.perf_counter()
            with BagSource(path) as source:
                count = sum(1 for _ in source)
            assert count == frames
            yield f"read {name}, per frame", (time.perf_counter() - start) / frames * 1e3


def measure_alignment(repeat: int) -> Iterator[tuple[str, float]]:
    _, depth = scene()

    def register() -> Any:
        return register_depth(depth, DEPTH_CAMERA, CAMERA, COLOR_FROM_DEPTH)

    yield "align depth (register_depth)", median_ms(register, repeat)
    try:
        from tack_perception.sources.realsense.sdk import rs
    except DependencyError:
        return
    frames, _device = librealsense_frames(rs, depth)
    align = rs.align(rs.stream.color)
    yield "align depth (rs.align)", median_ms(lambda: align.process(frames), repeat)


def librealsense_frames(rs: Any, depth: encodings.raw.DepthArray) -> tuple[Any, Any]:
    """A frame set of a software device, and what has to live as long."""
    device = rs.software_device()
    streams = []
    for name, kind, layout, size, camera in (
        ("Stereo Module", rs.stream.depth, rs.format.z16, 2, DEPTH_CAMERA),
        ("RGB Camera", rs.stream.color, rs.format.rgb8, 3, CAMERA),
    ):
        sensor = device.add_sensor(name)
        stream = rs.video_stream()
        stream.type, stream.uid, stream.fmt, stream.bpp = kind, size, layout, size
        stream.width, stream.height, stream.fps = WIDTH, HEIGHT, 30
        lens = rs.intrinsics()
        lens.width, lens.height, lens.model = WIDTH, HEIGHT, rs.distortion.none
        lens.fx, lens.fy, lens.ppx, lens.ppy = camera.fx, camera.fy, camera.cx, camera.cy
        stream.intrinsics = lens
        if kind == rs.stream.depth:
            sensor.add_read_only_option(rs.option.depth_units, encodings.MILLIMETRE)
        streams.append((sensor, sensor.add_video_stream(stream, True), size))
    for (_, one, _), (_, other, _), shift in (
        (streams[0], streams[1], -0.015),
        (streams[1], streams[0], 0.015),
    ):
        extrinsics = rs.extrinsics()
        extrinsics.rotation = [1, 0, 0, 0, 1, 0, 0, 0, 1]
        extrinsics.translation = [shift, 0, 0]
        one.register_extrinsics_to(other, extrinsics)
    device.create_matcher(rs.matchers.default)
    context = rs.context()
    device.add_to(context)
    pipeline, config = rs.pipeline(context), rs.config()
    config.enable_stream(rs.stream.depth)
    config.enable_stream(rs.stream.color)
    pipeline.set_device(device)
    pipeline.start(config)
    units = np.nan_to_num(depth * 1000).astype(np.uint16)
    pixels = (units, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    for (sensor, profile, size), data in zip(streams, pixels, strict=True):
        frame = rs.software_video_frame()
        frame.pixels, frame.stride, frame.bpp = data, WIDTH * size, size
        frame.timestamp, frame.frame_number = 1000.0, 1
        frame.domain = rs.timestamp_domain.system_time
        frame.profile = profile.as_video_stream_profile()
        if size == 2:
            frame.depth_units = encodings.MILLIMETRE
        sensor.on_video_frame(frame)
    return pipeline.wait_for_frames(2000), (device, pipeline, context, pixels, streams)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeat", type=int, default=20, help="repetitions of each decoding")
    parser.add_argument("--frames", type=int, default=60, help="frames in each bag")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    results: dict[str, float] = {}
    for measure, argument in (
        (measure_decoding, options.repeat),
        (measure_alignment, options.repeat),
        (measure_bags, options.frames),
    ):
        for name, milliseconds in measure(argument):
            results[name] = milliseconds
            print(f"{name:36} {milliseconds:8.2f} ms", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
