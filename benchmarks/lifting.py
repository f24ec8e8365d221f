# SPDX-License-Identifier: Apache-2.0
"""How good is a lifted point? On scenes with a known truth, and on real recordings.

    python benchmarks/lifting.py [--frames 2] [--json FILE] [--data FOLDER]

Every number is printed as it comes out. Errors are distances in space between the lifted and the
true point; `noise` is the sensor's own: the RMS depth noise of one pixel, by the formula
z²·σ / (f·B) and as measured on the simulated pixels of the same surface.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_perception.geometry import apply, nearest_transform
from tack_perception.lifting import LiftingConfig, Refusal, lift
from tack_sim import analytic
from tack_sim.analytic import Plane, Rod, Sphere, Surface
from tack_sim.depth_noise import (
    D405,
    D405_INTRINSICS,
    D435,
    D435_INTRINSICS,
    StereoNoise,
    noisy_depth,
)

FloatArray = NDArray[np.float64]
Row = dict[str, Any]
RED, BLUE = (190, 60, 50), (60, 80, 170)
CLICKS_PER_FRAME = 25
FLYING_SIGMAS = 6  # an error beyond this is a flying pixel, not noise
DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[2] / "shared" / "data"))
REAL_CONFIG = LiftingConfig(depth_unit_m=1e-4)


@dataclasses.dataclass(frozen=True)
class Camera:
    """A depth camera, the ranges it is tried at, and the settings that go with it."""

    name: str
    intrinsics: CameraIntrinsics
    noise: StereoNoise
    ranges: tuple[float, ...]
    config: LiftingConfig


CAMERAS = (
    Camera("D435", D435_INTRINSICS, D435, (0.3, 0.5, 0.8, 1.2), LiftingConfig()),
    Camera(
        "D405",
        D405_INTRINSICS,
        D405,
        (0.15, 0.3, 0.5),
        LiftingConfig(noise_at_1m_m=0.0116, depth_unit_m=0.0001),
    ),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """A scene, where it is clicked, and the surface that the clicks are on.

    Attributes:
        name: of the row.
        surfaces: the first is the one that is clicked.
        clicks: (N, 2) px.
        hole_px: radius of a hole that is cut into the depth at each click; 0 for none.
        hole_offset_px: shift of the hole from the click, to the left.
    """

    name: str
    surfaces: list[Surface]
    clicks: FloatArray
    hole_px: float = 0.0
    hole_offset_px: float = 0.0


def trials(camera: Camera, z: float, rng: np.random.Generator) -> Iterator[Trial]:
    """All scenes at one range."""
    focal = camera.intrinsics.fx
    disparity = focal * camera.noise.baseline_m / z
    # Left of the disparity the second imager sees nothing.
    free = rng.uniform((max(disparity + 40, 170), 90), (470, 390), (CLICKS_PER_FRAME, 2))
    for tilt in (0, 30, 60):
        wall = analytic.tilted_plane(z, np.radians(tilt), np.radians(20))
        yield Trial(f"plane {tilt}°", [wall], free)
    radius = 0.04
    ball = Sphere((0.0, 0.0, z + radius), radius, RED)
    reach = 0.8 * radius / (z + radius) * focal
    angle, share = rng.uniform(0, 2 * np.pi, CLICKS_PER_FRAME), rng.random(CLICKS_PER_FRAME)
    inside = reach * np.sqrt(share)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inside = inside[np.abs(inside[:, 1]) < 200]
    clicks = inside + np.array([319.5, 239.5])
    yield Trial("sphere 40 mm", [ball, Plane((0, 0, z + 0.3), color=BLUE)], clicks)
    rows = np.linspace(40, 440, CLICKS_PER_FRAME) + rng.uniform(-5, 5, CLICKS_PER_FRAME)
    for colors, paint in (((RED, BLUE), "two colours"), ((BLUE, BLUE), "one colour")):
        for gap in (0.05, 0.3):
            edge = analytic.step(z, z + gap, colors)
            for inset in (0.0, 0.5, 1.0, 2.0, 4.0):
                clicks = np.stack([np.full_like(rows, 319.5 - inset), rows], axis=1)
                yield Trial(f"step {gap * 100:g} cm, {paint}, {inset:g} px inside", edge, clicks)
        for hole in (3.0, 6.0):
            clicks = np.stack([np.full_like(rows, 317.5), rows], axis=1)
            yield Trial(f"step, {paint}, hole {hole:g} px at the edge", edge, clicks, hole)
    wall = analytic.tilted_plane(z, np.radians(30), np.radians(20))
    for hole in (2.0, 4.0, 6.0, 8.0, 10.0):
        yield Trial(f"plane 30°, hole {hole:g} px", [wall], free, hole, 1.0)
    for radius in (0.0025, 0.005):
        rod: Surface = Rod((0.0, 0.0, z), (0.2, 1.0, 0.0), radius, RED)
        v = np.linspace(60, 420, CLICKS_PER_FRAME)
        clicks = np.stack([319.5 + 0.2 * (v - 239.5), v], axis=1)
        wall = Plane((0, 0, z + 0.2), color=BLUE)
        yield Trial(f"rod ⌀ {radius * 2000:g} mm", [rod, wall], clicks)


def run(camera: Camera, z: float, frames: int, seed: int) -> list[Row]:
    """One row for each scene at one range."""
    rows: list[Row] = []
    for trial in trials(camera, z, np.random.default_rng(seed)):
        rng = np.random.default_rng((seed, len(rows)))
        seen = analytic.view(trial.surfaces, camera.intrinsics, rng)
        truth = np.array([_truth(trial, camera, click) for click in trial.clicks])
        own = camera.noise.depth_sigma(truth[:, 2], camera.intrinsics)
        errors, ratios, raw, refused, background = [], [], [], Counter[str](), 0
        for _ in range(frames):
            depth = noisy_depth(seen.depth, camera.intrinsics, camera.noise, rng)
            off = (depth - seen.depth) / camera.noise.depth_sigma(seen.depth, camera.intrinsics)
            raw.append(off[(seen.surface == 0) & (np.abs(off) < FLYING_SIGMAS)])
            if trial.hole_px:
                centres = trial.clicks - (trial.hole_offset_px, 0.0)
                depth = analytic.with_holes(depth, centres, trial.hole_px)
            frame = seen.frame(depth)
            for (u, v), true, sigma in zip(trial.clicks, truth, own, strict=True):
                result = lift(frame, u, v, config=camera.config)
                if isinstance(result, Refusal):
                    refused[result.reason.value] += 1
                    continue
                errors.append(float(np.linalg.norm(result.xyz - true)))
                ratios.append(errors[-1] / sigma)
                background += _is_background(trial, camera, (u, v), result.xyz, true)
        theory = float(np.median(own))
        simulated = theory * float(np.sqrt(np.mean(np.concatenate(raw) ** 2)))
        lifts = frames * len(trial.clicks)
        rows.append(
            {
                "camera": camera.name,
                "range_m": z,
                "scene": trial.name,
                "trials": lifts,
                "median_mm": 1e3 * float(np.median(errors or np.nan)),
                "p95_mm": 1e3 * float(np.percentile(errors or np.nan, 95)),
                "noise_theory_mm": 1e3 * theory,
                "noise_simulated_mm": 1e3 * simulated,
                "ratio": float(np.median(ratios or np.nan)),
                "refused": sum(refused.values()) / lifts,
                "background": background / lifts,
                "reasons": dict(refused),
            }
        )
    return rows


def _truth(trial: Trial, camera: Camera, click: FloatArray) -> FloatArray:
    """The point of the clicked surface on the click's ray (or nearest to it, at its very edge)."""
    for inset in (0.0, 1e-6, 1e-3):
        ray = camera.intrinsics.rays(click - (inset, 0.0))
        depth = trial.surfaces[0].depths(ray[None])[0]
        if np.isfinite(depth):
            point: FloatArray = ray * depth
            return point
    raise ValueError(f"{trial.name}: the click {click} is not on the surface")


def _is_background(
    trial: Trial, camera: Camera, click: tuple[float, float], xyz: FloatArray, true: FloatArray
) -> bool:
    ray = camera.intrinsics.rays(click)[None]
    behind = [float(surface.depths(ray)[0]) for surface in trial.surfaces[1:]]
    return any(xyz[2] > (true[2] + depth) / 2 for depth in behind)


def table(rows: list[Row], columns: dict[str, str]) -> str:
    """Markdown; columns maps a key of the rows to `title|format`."""
    titles = [spec.split("|")[0] for spec in columns.values()]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for row in rows:
        cells = [format(row[key], spec.split("|")[1]) for key, spec in columns.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows: list[Row]) -> list[Row]:
    """One row for each camera and scene, with the ranges side by side and the worst ratio."""
    groups: dict[tuple[object, object], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["camera"], row["scene"]), []).append(row)
    result = []
    for (camera, scene), group in groups.items():

        def each(key: str, spec: str, group: list[Row] = group) -> str:
            return " / ".join(format(row[key], spec) for row in group)

        result.append(
            {
                "camera": camera,
                "scene": scene,
                "ranges": each("range_m", "g"),
                "trials": sum(row["trials"] for row in group),
                "median": each("median_mm", ".2f"),
                "formula": each("noise_theory_mm", ".2f"),
                "simulated": each("noise_simulated_mm", ".2f"),
                "worst": float(np.fmax.reduce([row["ratio"] for row in group])),
                "refused": float(np.mean([row["refused"] for row in group])),
                "background": float(np.mean([row["background"] for row in group])),
            }
        )
    return result


SUMMARY_COLUMNS = {
    "camera": "camera|",
    "scene": "scene|",
    "ranges": "ranges m|",
    "trials": "trials|",
    "median": "median error mm|",
    "formula": "noise mm, formula|",
    "simulated": "noise mm, simulated|",
    "worst": "worst median / noise|.2f",
    "refused": "refused|.1%",
    "background": "background|.2%",
}


def load(folder: Path, image: Row) -> RGBDFrame:
    """A frame of a recording with ground truth."""
    color = np.asarray(cv2.imread(str(folder / image["file"])), dtype=np.uint8)[..., ::-1]
    depth = np.asarray(cv2.imread(str(folder / image["depth"]), cv2.IMREAD_UNCHANGED)) * np.float32(
        1e-4
    )
    depth[depth == 0] = np.nan
    camera = CameraIntrinsics.from_camera_info(image["width"], image["height"], image["K"])
    return RGBDFrame(np.ascontiguousarray(color), depth, camera, 0, "camera")


def heights(folder: Path) -> list[Row]:
    """Heights of objects above their table, both from lifted points alone.

    The table is the plane that most points of a coarse grid over the image lie on (RANSAC); the
    height is the 99.8 percentile over a fine grid on the object, as in the reference.
    """
    case = json.loads((folder / "case.json").read_text())
    rows = []
    for image in case["images"]:
        reference = case["height_check"]["measured_m"].get(image["id"])
        if reference is None:
            continue
        frame = load(folder, image)
        everywhere, _ = _grid(frame, (0, 0), (639, 479), 30)
        normal, point = _table(everywhere, np.random.default_rng(0))
        low, high = (np.array(image[f"object_points_{end}_m"]) for end in ("min", "max"))
        corners = np.stack(np.meshgrid(*np.stack([low, high], axis=1)), axis=-1).reshape(-1, 3)
        pixels = frame.intrinsics.project(corners)
        points, refused = _grid(frame, pixels.min(axis=0) - 6, pixels.max(axis=0) + 6, 5)
        on_object = ((points > low - 0.015) & (points < high + 0.015)).all(axis=1)
        height = float(np.percentile((points[on_object] - point) @ normal, 99.8))
        rows.append(
            {
                "object": image["id"],
                "points": int(on_object.sum()),
                "refused": refused,
                "lifted_mm": 1e3 * height,
                "measured_mm": 1e3 * reference,
                "difference_mm": 1e3 * (height - reference),
                "nominal_mm": 1e3 * case["height_check"]["nominal_m"].get(image["id"], np.nan),
            }
        )
    return rows


def keypoints(folder: Path) -> list[Row]:
    """Visible keypoints lifted at their true pixels, against their true points."""
    case = json.loads((folder / "case.json").read_text())
    images = {image["id"]: image for image in case["images"]}
    frames = {number: load(folder, image) for number, image in images.items()}
    errors, refused = [], Counter[str]()
    for note in case["annotations"]:
        if not note["visible"]:
            continue
        u, v = note["uv"]
        result = lift(frames[note["image"]], u, v, np.eye(2), REAL_CONFIG)
        if isinstance(result, Refusal):
            refused[result.reason.value] += 1
            continue
        world = nearest_transform(images[note["image"]]["T_world_cam"])
        truth = np.array(case["keypoints"][note["keypoint"]]["xyz_world"])
        errors.append(1e3 * float(np.linalg.norm(apply(world, result.xyz) - truth)))
    trials_ = len(errors) + sum(refused.values())
    return [
        {
            "trials": trials_,
            "median_mm": float(np.median(errors)),
            "p95_mm": float(np.percentile(errors, 95)),
            "refused": 1 - len(errors) / trials_,
            "reasons": ", ".join(f"{count} {reason}" for reason, count in refused.items()),
        }
    ]


def _grid(
    frame: RGBDFrame, low: ArrayLike, high: ArrayLike, spacing: float
) -> tuple[FloatArray, float]:
    """Lifted points (N, 3) over a rectangle of pixels, and the share refused."""
    camera = frame.intrinsics
    (u0, v0), (u1, v1) = np.maximum(low, 0), np.minimum(high, (camera.width, camera.height))
    pixels = [(u, v) for v in np.arange(v0, v1, spacing) for u in np.arange(u0, u1, spacing)]
    results = [lift(frame, u, v, config=REAL_CONFIG) for u, v in pixels]
    points = np.array([result.xyz for result in results if not isinstance(result, Refusal)])
    return points, 1 - len(points) / len(pixels)


def _table(points: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """The plane that most points are within 6 mm of: normal towards the camera, and a point."""
    best = np.zeros(len(points), dtype=bool)
    for _ in range(300):
        a, b, c = points[rng.choice(len(points), 3, replace=False)]
        normal = np.cross(b - a, c - a)
        near = np.abs((points - a) @ normal) < 0.006 * np.linalg.norm(normal)
        best = near if near.sum() > best.sum() else best
    centre = points[best].mean(axis=0)
    normal = np.linalg.svd(points[best] - centre)[2][2]
    return -normal * np.sign(normal @ centre), centre


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2, help="noisy frames for each scene")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all rows there as well")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the recordings")
    arguments = parser.parse_args()
    report: dict[str, list[Row]] = {
        "analytic": [
            row
            for camera in CAMERAS
            for z in camera.ranges
            for row in run(camera, z, arguments.frames, arguments.seed)
        ]
    }
    print("## Analytic scenes\n")
    print(table(summary(report["analytic"]), SUMMARY_COLUMNS))
    for name, title, measure, columns in (
        ("rgbd_objects", "Object heights", heights, HEIGHT_COLUMNS),
        ("apc_shelf", "Keypoints of a shelf", keypoints, KEYPOINT_COLUMNS),
    ):
        print(f"\n## {title} (recording {name})\n")
        if (arguments.data / name).is_dir():
            report[name] = measure(arguments.data / name)
            print(table(report[name], columns))
        else:
            print(f"not measured: {arguments.data / name} is not there (--data, TACK_DATA)")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0


HEIGHT_COLUMNS = {
    "object": "object|",
    "points": "points|",
    "lifted_mm": "lifted mm|.1f",
    "measured_mm": "reference mm|.1f",
    "difference_mm": "difference mm|+.1f",
    "nominal_mm": "nominal mm|.1f",
    "refused": "refused|.1%",
}
KEYPOINT_COLUMNS = {
    "trials": "trials|",
    "median_mm": "median mm|.1f",
    "p95_mm": "p95 mm|.1f",
    "refused": "refused|.1%",
    "reasons": "reasons|",
}


if __name__ == "__main__":
    sys.exit(main())
