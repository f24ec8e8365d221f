# SPDX-License-Identifier: Apache-2.0
"""How fast are labelled views made, and how fast does a cell camera take pictures?

    python benchmarks/render_speed.py [--classes mug,hammer] [--instances 6] [--views 12]

`tack render`: everything from the object's shape to the files on disk, by CPU time of one process
(all its threads), so that other work on the machine counts as little as may be. `steady` leaves out
what comes once per run (imports, the first OpenGL context, the pools of noise): that is the rate of
a set of thousands of views. The cell camera: colour with shadows and depth with noise, 640×480.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tack_grasping.robot import CameraMount
from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceWriter
from tack_sim.cameras.cell_camera import CellCamera
from tack_sim.cell.world import Snapshot
from tack_sim.dataset.job import render_scene
from tack_sim.dataset.plan import RenderConfig, RenderPlan, make_plan
from tack_sim.dataset.scene import make_scene
from tack_sim.objects.families import make_object

WARM_UP_SCENES = 1


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of some work."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def report_data_set(name: str, config: RenderConfig) -> None:
    plan = make_plan(config)
    with tempfile.TemporaryDirectory() as folder:
        writer = CorrespondenceWriter(Path(folder) / "set", plan.manifest)

        def scenes(chosen: Sequence[int]) -> Callable[[], None]:
            def work() -> None:
                for number in chosen:
                    scene = plan.scenes[number]
                    list(render_scene(plan, scene, scene.views, writer))

            return work

        first, _ = spent(scenes(range(WARM_UP_SCENES)))
        numbers = range(WARM_UP_SCENES, len(plan.scenes))
        cpu, wall = spent(scenes(numbers))
        made = len(numbers) * config.views
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        each = size / (len(plan.scenes) * config.views) / 1e3
    print(
        f"  {name:30}{made / cpu:10.1f}{made / wall:10.1f}{1e3 * cpu / made:10.1f}{first:10.2f}"
        f"{each:10.0f}"
    )


def report_camera(plan: RenderPlan, model: str, *, samples: int, shadow_size: int) -> None:
    scene = make_scene(plan.scenes[0], plan.config, make_object)
    pose = geometry.frame_from_axes((0.3, 0.3, -0.5), (1, -1, 0), (-0.3, -0.3, 0.55))
    mount = CameraMount("camera", model, "world", pose)
    state = Snapshot(0.0, np.zeros(0), np.zeros((0, 3)), np.zeros((0, 4)))
    with CellCamera(scene.model, mount, samples=samples, shadow_size=shadow_size) as camera:
        camera.shoot(state)
        pictures = 12
        cpu, wall = spent(lambda: [camera.shoot(state) for _ in range(pictures)])
    name = f"{model}, shadows {shadow_size or 'off'}, samples {samples}"
    print(f"  {name:30}{pictures / cpu:10.1f}{pictures / wall:10.1f}{1e3 * cpu / pictures:10.1f}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", default="mug,hammer", help="comma between them")
    parser.add_argument("--instances", type=int, default=4, help="of each class")
    parser.add_argument("--views", type=int, default=12, help="of each instance")
    options = parser.parse_args(arguments)
    classes = tuple(options.classes.split(","))

    def config(**changes: object) -> RenderConfig:
        values = {"classes": classes, "instances": options.instances, "views": options.views}
        return RenderConfig.from_mapping({**values, **changes})

    print("tack render, 320×240            views per second          ms    once, s   kB/view")
    print("                                 of CPU   of wall  CPU/view       CPU")
    report_data_set("default", config())
    report_data_set("shadows in every view", config(shadow_share=1.0))
    report_data_set("no shadows", config(shadow_share=0.0))
    report_data_set("clutter, occluders", config(clutter=4, occluders=2))
    report_data_set("D405", config(camera="d405"))
    print("\nCell camera, 640×480 RGB-D      pictures per second       ms")
    plan = make_plan(config(clutter=4))
    for model in ("d435", "d405"):
        for samples, shadow_size in ((0, 1024), (4, 1024), (0, 0)):
            report_camera(plan, model, samples=samples, shadow_size=shadow_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
