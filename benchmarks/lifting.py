# SPDX-License-Identifier: Apache-2.0
"""How good is a lifted point? On scenes with a known truth, and on real recordings.

    python benchmarks/lifting.py [--frames 8] [--json FILE] [--data FOLDER]

Every number is printed as it comes out. Errors are distances in space between the lifted and the
true point; `noise` is the sensor's own: the RMS depth noise of one pixel, by the formula
z²·σ / (f·B) and as measured on the simulated pixels of the same surface.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
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
RED, BLUE = (190, 60, 50), (60, 80, 170)
CLICKS_PER_FRAME = 25


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
    for gap in (0.05, 0.3):
        for colors, paint in (((RED, BLUE), "two colours"), ((BLUE, BLUE), "one colour")):
            edge = analytic.step(z, z + gap, colors)
            for inset in (0.0, 0.5, 1.0, 2.0, 4.0):
                clicks = np.stack([np.full_like(rows, 319.5 - inset), rows], axis=1)
                yield Trial(f"step {gap * 100:g} cm, {paint}, {inset:g} px inside", edge, clicks)
    for gap in (0.3,):
        for colors, paint in (((RED, BLUE), "two colours"), ((BLUE, BLUE), "one colour")):
            edge = analytic.step(z, z + gap, colors)
            for hole in (3.0, 6.0):
                clicks = np.stack([np.full_like(rows, 319.5 - 2.0), rows], axis=1)
                name = f"step, {paint}, hole {hole:g} px at the edge"
                yield Trial(name, edge, clicks, hole_px=hole)
    wall = analytic.tilted_plane(z, np.radians(30), np.radians(20))
    for hole in (2.0, 4.0, 6.0, 8.0, 10.0):
        yield Trial(f"plane 30°, hole {hole:g} px", [wall], free, hole_px=hole, hole_offset_px=1.0)
    for radius in (0.0025, 0.005):
        rod: Surface = Rod((0.0, 0.0, z), (0.2, 1.0, 0.0), radius, RED)
        v = np.linspace(60, 420, CLICKS_PER_FRAME)
        clicks = np.stack([319.5 + 0.2 * (v - 239.5), v], axis=1)
        wall = Plane((0, 0, z + 0.2), color=BLUE)
        yield Trial(f"rod ⌀ {radius * 2000:g} mm", [rod, wall], clicks)


def run(camera: Camera, z: float, frames: int, seed: int) -> list[dict[str, object]]:
    """One row for each scene at one range."""
    rows = []
    for trial in trials(camera, z, np.random.default_rng(seed)):
        rng = np.random.default_rng((seed, len(rows)))
        seen = analytic.view(trial.surfaces, camera.intrinsics, rng)
        truth = np.array([_truth(trial, camera, click) for click in trial.clicks])
        own = camera.noise.depth_sigma(truth[:, 2], camera.intrinsics)
        errors, ratios, raw, refused, background = [], [], [], Counter[str](), 0
        started, lifts = 0.0, 0
        for _ in range(frames):
            depth = noisy_depth(seen.depth, camera.intrinsics, camera.noise, rng)
            on_surface = (seen.surface == 0) & (np.abs(depth - seen.depth) < 0.1 * z)
            raw.append((depth - seen.depth)[on_surface])
            if trial.hole_px:
                centres = trial.clicks - (trial.hole_offset_px, 0.0)
                depth = analytic.with_holes(depth, centres, trial.hole_px)
            frame = seen.frame(depth)
            for (u, v), true, sigma in zip(trial.clicks, truth, own, strict=True):
                clock = time.perf_counter()
                result = lift(frame, u, v, config=camera.config)
                started += time.perf_counter() - clock
                lifts += 1
                if isinstance(result, Refusal):
                    refused[result.reason.value] += 1
                    continue
                errors.append(float(np.linalg.norm(result.xyz - true)))
                ratios.append(errors[-1] / sigma)
                background += _is_background(trial, camera, (u, v), result.xyz, true)
        theory = float(np.median(own))
        simulated = float(np.sqrt(np.mean(np.concatenate(raw).astype(np.float64) ** 2)))
        median = float(np.median(errors)) if errors else float("nan")
        relative = float(np.median(ratios)) if ratios else float("nan")
        rows.append(
            {
                "camera": camera.name,
                "range_m": z,
                "scene": trial.name,
                "trials": lifts,
                "median_mm": 1e3 * median,
                "p95_mm": 1e3 * float(np.percentile(errors, 95)) if errors else float("nan"),
                "noise_theory_mm": 1e3 * theory,
                "noise_simulated_mm": 1e3 * simulated,
                "ratio": relative,
                "refused": sum(refused.values()) / lifts,
                "background": background / lifts,
                "reasons": dict(refused),
                "ms_per_lift": 1e3 * started / lifts,
            }
        )
    return rows


def _truth(trial: Trial, camera: Camera, click: FloatArray) -> FloatArray:
    """The point of the clicked surface on the click's ray (or nearest to it, at its very edge)."""
    for inset in (0.0, 1e-6, 1e-3):
        ray = camera.intrinsics.rays(click - (inset, 0.0))
        depth = trial.surfaces[0].depths(ray[None])[0]
        if np.isfinite(depth):
            return ray * depth
    raise ValueError(f"{trial.name}: the click {click} is not on the surface")


def _is_background(
    trial: Trial, camera: Camera, click: tuple[float, float], xyz: FloatArray, true: FloatArray
) -> bool:
    if len(trial.surfaces) == 1:
        return False
    ray = camera.intrinsics.rays(click)[None]
    behind = min(float(surface.depths(ray)[0]) for surface in trial.surfaces[1:])
    return bool(xyz[2] > (true[2] + behind) / 2)


def table(rows: list[dict[str, object]], columns: dict[str, str]) -> str:
    """Markdown; columns maps a key of the rows to `title|format`."""
    titles = [spec.split("|")[0] for spec in columns.values()]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for row in rows:
        cells = [format(row[key], spec.split("|")[1]) for key, spec in columns.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


ANALYTIC_COLUMNS = {
    "camera": "camera|",
    "range_m": "range m|g",
    "scene": "scene|",
    "trials": "trials|",
    "median_mm": "median mm|.2f",
    "p95_mm": "p95 mm|.2f",
    "noise_theory_mm": "noise mm (formula)|.2f",
    "noise_simulated_mm": "noise mm (simulated)|.2f",
    "ratio": "median / noise|.2f",
    "refused": "refused|.1%",
    "background": "background|.2%",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=8, help="noisy frames for each scene")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all rows there as well")
    arguments = parser.parse_args()
    rows = [
        row
        for camera in CAMERAS
        for z in camera.ranges
        for row in run(camera, z, arguments.frames, arguments.seed)
    ]
    print("## Analytic scenes\n")
    print(table(rows, ANALYTIC_COLUMNS))
    if arguments.json:
        arguments.json.write_text(json.dumps({"analytic": rows}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
