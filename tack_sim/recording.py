# SPDX-License-Identifier: Apache-2.0
"""Records the rendered tabletop as a rosbag2, with the truth beside it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.configuration import Configuration, setting
from tack_perception.files import write_atomically
from tack_perception.frame import RGBDFrame
from tack_perception.sources.bag_writer import BagWriter
from tack_sim.depth_noise import D435, D435_INTRINSICS, noisy_depth
from tack_sim.tabletop import (
    BASE_FRAME,
    INTRINSICS,
    OPTICAL_FRAME,
    Tabletop,
    base_from_camera,
)

FloatArray = NDArray[np.float64]

TRUTH_FILE = "truth.json"
START_NS = 1_700_000_000_000_000_000

_TOOL_FRAME, _CAMERA_FRAME = "tool0", "camera_link"
_TF_RATE = 50.0
_HIDDEN_BEHIND = 0.004  # m; a surface so much nearer than the point hides it
_CAMERA_FROM_OPTICAL = geometry.make_transform(
    [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], (0.0, 0.015, 0.0)
)
_TOOL_FROM_CAMERA = geometry.make_transform(
    [[0, -1, 0], [0, 0, -1], [1, 0, 0]], (0.02, -0.07, 0.03)
)

# The depth camera's own f·B at the colour camera's pixels: its noise, registered to colour.
_NOISE = dataclasses.replace(D435, baseline_m=D435.baseline_m * D435_INTRINSICS.fx / INTRINSICS.fx)


@dataclasses.dataclass(frozen=True)
class RecordingConfig(Configuration):
    """How the tabletop is recorded."""

    seed: int = setting(0, "decides the scene and the noise", low=0)
    seconds: float = setting(3.5, "length of the camera's way", unit="s", low=0.1, high=60.0)
    rate: float = setting(12.0, "frames per second", unit="Hz", low=1.0, high=60.0)
    color_noise: float = setting(
        1.6, "RMS noise of the colour image", unit="of 255", low=0, high=50
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a recording beyond doubt.

    Attributes:
        frame_id: the frame of the points.
        points: name → (3,) m.
        pixels: name → (N, 2) true pixel in each frame, NaN where it is off the image.
        visible: name → (N,) whether it is on the image and nothing is in front of it.
    """

    frame_id: str
    points: dict[str, FloatArray]
    pixels: dict[str, FloatArray]
    visible: dict[str, NDArray[np.bool_]]


def record_tabletop(bag: Path, config: RecordingConfig | None = None) -> Iterator[int]:
    """Write the recording; the same settings give the same frames.

    Args:
        bag: folder of the new bag. `TRUTH_FILE` is written into its parent folder.
        config: settings.

    Yields:
        The number of frames that are to come, once, then the index of each frame written: for a
        progress bar. The truth is written at the end.

    Raises:
        DependencyError: MuJoCo or OpenGL is missing; says what to install.
        InvalidInputError: the bag exists.
        TackError: it cannot be written.
    """
    config = config or RecordingConfig()
    count = max(2, round(config.seconds * config.rate))
    times = np.arange(count) / config.rate
    length = float(times[-1])
    rng = np.random.default_rng([config.seed, 1])
    scene = Tabletop(config.seed)
    pixels = {name: np.full((count, 2), np.nan) for name in scene.points}
    visible = {name: np.zeros(count, dtype=bool) for name in scene.points}
    yield count
    with BagWriter(bag) as writer, scene.camera() as camera:
        _write_transforms(writer, length)
        for i, time in enumerate(times):
            pose = base_from_camera(time / length)
            color, depth = camera.render(pose)
            for name, point in scene.points.items():
                pixels[name][i], visible[name][i] = _seen(point, pose, depth)
            noise = rng.standard_normal(color.shape, dtype=np.float32) * config.color_noise
            writer.write(
                RGBDFrame(
                    np.clip(color + noise + 0.5, 0, 255).astype(np.uint8),
                    noisy_depth(depth, INTRINSICS, _NOISE, rng),
                    INTRINSICS,
                    START_NS + round(time * 1e9),
                    OPTICAL_FRAME,
                )
            )
            yield i
    truth = Truth(BASE_FRAME, scene.points, pixels, visible)
    write_atomically(bag.parent / TRUTH_FILE, _to_json(truth))


def load_truth(path: Path) -> Truth:
    """Read the truth that `record_tabletop` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    points = content["points"]
    return Truth(
        content["frame_id"],
        {name: np.array(entry["xyz"]) for name, entry in points.items()},
        {
            name: np.array([pixel or (np.nan, np.nan) for pixel in entry["pixels"]])
            for name, entry in points.items()
        },
        {name: np.array(entry["visible"], dtype=bool) for name, entry in points.items()},
    )


def _write_transforms(writer: BagWriter, length: float) -> None:
    """The robot's transforms: the moving tool, and the camera that is screwed to it."""
    for parent, child, matrix in (
        (_TOOL_FRAME, _CAMERA_FRAME, _TOOL_FROM_CAMERA),
        (_CAMERA_FRAME, OPTICAL_FRAME, _CAMERA_FROM_OPTICAL),
    ):
        writer.write_transform(parent, child, START_NS, matrix, static=True)
    optical_from_tool = geometry.inverse(_TOOL_FROM_CAMERA @ _CAMERA_FROM_OPTICAL)
    for step in range(int(np.ceil(length * _TF_RATE)) + 1):
        time = min(step / _TF_RATE, length)
        base_from_tool = base_from_camera(time / length) @ optical_from_tool
        stamp = START_NS + round(time * 1e9)
        writer.write_transform(BASE_FRAME, _TOOL_FRAME, stamp, base_from_tool)


def _seen(
    point: FloatArray, pose: FloatArray, depth: NDArray[np.float32]
) -> tuple[FloatArray, bool]:
    """The point's pixel (NaN off the image), and whether the rendered surface there is its own."""
    in_camera = geometry.apply(geometry.inverse(pose), point)
    pixel = INTRINSICS.project(in_camera)
    if not INTRINSICS.contains(*pixel):
        return np.full(2, np.nan), False
    u, v = np.rint(pixel).astype(int)
    return pixel, bool(depth[v, u] > in_camera[2] - _HIDDEN_BEHIND)


def _to_json(truth: Truth) -> str:
    points = {
        name: {
            "xyz": np.round(truth.points[name], 6).tolist(),
            "pixels": [
                np.round(pixel, 3).tolist() if np.isfinite(pixel).all() else None
                for pixel in truth.pixels[name]
            ],
            "visible": truth.visible[name].tolist(),
        }
        for name in truth.points
    }
    return json.dumps({"frame_id": truth.frame_id, "points": points}, indent=1) + "\n"
