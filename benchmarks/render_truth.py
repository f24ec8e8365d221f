# SPDX-License-Identifier: Apache-2.0
"""How true are the synthetic data sets and the simulated cameras?

    python benchmarks/render_truth.py [--classes mug,hammer] [--instances 6] [--views 8]

1. Canonical maps. A small data set is rendered, written and read again. The surface point that a
   pixel shows is projected back (own view), to another view of the same scene, and to another
   instance of its class, by the poses and intrinsics that the files state; there the other view's
   map is asked. Errors in px, with the 8-bit and 16-bit rounding of the files.
2. Depth. What OpenGL renders against what the rays hit, away from silhouettes, in mm; and pixels on
   which the two disagree about the object.
3. Depth noise on flat walls against z²·σ / (f·B), for both cameras, at two sizes.

Exits with 1 where a bound is exceeded: 0.5 px at the 99th percentile, 0.1 mm, 20 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_perception.correspondence import CorrespondenceSet
from tack_perception.correspondence.consistency import reprojection_errors, transfer_errors
from tack_sim.analytic import Plane, view
from tack_sim.cameras.models import CAMERA_MODELS, CameraModel
from tack_sim.cameras.scene_renderer import SceneRenderer
from tack_sim.dataset.job import render
from tack_sim.dataset.label import SceneCamera
from tack_sim.dataset.plan import RenderConfig, RenderPlan, make_plan
from tack_sim.dataset.scene import Scene, make_scene
from tack_sim.depth_noise import noisy_depth
from tack_sim.objects.families import FAMILIES, make_object
from tack_sim.renderer import import_mujoco

PIXEL_BOUND, DEPTH_BOUND_MM, NOISE_BOUND = 0.5, 0.1, 0.2
RANGES = (0.3, 0.5, 1.0)
_EDGE_MM = 8.0  # depth steps between neighbours beyond which a pixel is at a silhouette


@dataclasses.dataclass
class Verdict:
    """Whether all bounds were kept."""

    kept: bool = True

    def judge(self, good: bool) -> str:
        self.kept &= good
        return "" if good else "  <-- too large"


def report_maps(data: CorrespondenceSet, scenes: Sequence[Scene], verdict: Verdict) -> None:
    own, scene, across = [], [], []
    views = [data.view(i) for i in tqdm(range(len(data)), desc="reading", leave=False)]
    for i, first in enumerate(tqdm(views, desc="maps", leave=False)):
        own.append(reprojection_errors(data, first))
        for j in (i + 1, i + 3, i + len(views) // 3, i + len(views) // 2):
            second = views[j % len(views)]
            if second is not first:
                rays, pose = scenes[second.scene].rays, second.world_from_camera
                assert pose is not None
                visible = functools.partial(rays.sees, world_from_camera=pose)
                (scene if second.scene == first.scene else across).append(
                    transfer_errors(data, first, second, visible)
                )
    print("\nCanonical maps, px            points    median      99 %       max")
    for name, parts in (("own view", own), ("other view", scene), ("other scene", across)):
        errors = np.concatenate([*parts, np.zeros(0)])
        if not errors.size:
            print(f"  {name:24}         0   nothing to compare: give more instances or views")
            verdict.judge(False)
            continue
        middle, high = np.percentile(errors, (50, 99))
        mark = verdict.judge(high <= PIXEL_BOUND)
        print(f"  {name:24}{errors.size:10d}{middle:10.4f}{high:10.4f}{errors.max():10.3f}{mark}")


def report_depth(plan: RenderPlan, scenes: Sequence[Scene], verdict: Verdict) -> None:
    mujoco = import_mujoco()
    errors, wrong, looked_at = [], 0, 0
    pairs = zip(plan.scenes, scenes, strict=True)
    for scene_plan, scene in tqdm(pairs, total=len(scenes), desc="depth", leave=False):
        data = mujoco.MjData(scene.model)
        mujoco.mj_kinematics(scene.model, data)
        with SceneCamera(scene, scene_plan, plan.config, plan.look) as camera:
            seen = camera.shoot(0)
        width, height = seen.intrinsics.width, seen.intrinsics.height
        assert seen.world_from_camera is not None
        with SceneRenderer(scene.model, width, height, samples=0, shadow_size=0) as renderer:
            rendered = renderer.depth(data, seen.intrinsics, seen.world_from_camera)
        hits = scene.rays.view(seen.intrinsics, seen.world_from_camera)
        inside = away_from_edges(hits.depth, hits.surface)
        difference = np.abs(rendered - hits.depth)[inside] * 1e3
        errors.append(difference)
        wrong += int((difference > _EDGE_MM).sum())
        looked_at += difference.size
    all_errors = np.concatenate(errors)
    high = float(np.nanpercentile(all_errors, 99.9))
    print("\nRendered depth against rays, mm   pixels    median    99.9 %       max")
    mark = verdict.judge(high <= DEPTH_BOUND_MM)
    print(
        f"  away from silhouettes      {all_errors.size:10d}{np.nanmedian(all_errors):10.5f}"
        f"{high:10.5f}{np.nanmax(all_errors):10.4f}{mark}"
    )
    print(f"  another surface in {wrong} of {looked_at} pixels{verdict.judge(wrong == 0)}")


def away_from_edges(depth: NDArray[np.float32], surface: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Pixels whose neighbours show the same object without a step in depth."""
    kernel = np.ones((3, 3), np.uint8)
    filled = np.nan_to_num(depth, nan=99.0)
    step = cv2.dilate(filled, kernel) - cv2.erode(filled, kernel)
    owner = surface.astype(np.float32)
    same = cv2.dilate(owner, kernel) == cv2.erode(owner, kernel)
    inside: NDArray[np.bool_] = (step < _EDGE_MM * 1e-3 * np.maximum(1, filled)) & same
    return inside


def wall_noise(camera: CameraModel, z: float, frames: int) -> tuple[float, float]:
    """RMS depth error (m) on a wall, over the middle of some frames: measured, and by formula."""
    truth = view([Plane((0, 0, z))], camera.depth).depth
    rng = np.random.default_rng(0)
    height, width = truth.shape
    middle = np.s_[height // 4 : -height // 4, width // 3 : -width // 4]
    squares = [
        np.nanmean(((noisy_depth(truth, camera.depth, camera.noise, rng) - truth)[middle]) ** 2)
        for _ in range(frames)
    ]
    return float(np.sqrt(np.mean(squares))), float(camera.noise.depth_sigma(z, camera.depth))


def report_noise(verdict: Verdict) -> None:
    print("\nDepth noise on a wall, mm RMS       z    measured   formula   ratio")
    for model in CAMERA_MODELS.values():
        for width, height in ((640, 480), (320, 240)):
            camera = model.scaled(width, height)
            for z in RANGES:
                measured, formula = wall_noise(camera, z, 6)
                ratio = measured / formula
                mark = verdict.judge(abs(ratio - 1) <= NOISE_BOUND)
                print(
                    f"  {model.name} {width}×{height}            {z:8.1f}{1e3 * measured:12.3f}"
                    f"{1e3 * formula:10.3f}{ratio:8.3f}{mark}"
                )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", default=",".join(FAMILIES), help="comma between them")
    parser.add_argument("--instances", type=int, default=3, help="of each class")
    parser.add_argument("--views", type=int, default=6, help="of each instance")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    config = RenderConfig(
        classes=tuple(options.classes.split(",")),
        instances=options.instances,
        views=options.views,
        seed=options.seed,
        companions=2,
        clutter=3,
        occluders=1,
    )
    plan, verdict = make_plan(config), Verdict()
    with tempfile.TemporaryDirectory() as folder:
        render(plan, Path(folder), progress=True)
        make = functools.lru_cache(64)(make_object)
        scenes = [make_scene(scene, config, make) for scene in plan.scenes]
        report_maps(CorrespondenceSet.open(folder), scenes, verdict)
    report_depth(plan, scenes, verdict)
    report_noise(verdict)
    print("\nall bounds kept" if verdict.kept else "\nBOUNDS EXCEEDED")
    return 0 if verdict.kept else 1


if __name__ == "__main__":
    sys.exit(main())
