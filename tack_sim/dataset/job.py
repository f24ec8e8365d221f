# SPDX-License-Identifier: Apache-2.0
"""Renders a planned data set into a folder: what is missing there, in one process or in several."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from tack_perception.correspondence import CorrespondenceWriter
from tack_sim.dataset.label import SceneCamera
from tack_sim.dataset.plan import MakeObject, RenderPlan, ScenePlan, instance_name
from tack_sim.dataset.scene import Scene, make_scene
from tack_sim.objects.families import make_object
from tack_sim.objects.model import ObjectModel

_KEPT_OBJECTS = 64  # a companion of one scene is the main object of another that is near


@dataclasses.dataclass(frozen=True)
class RenderSummary:
    """What a run did.

    Attributes:
        made: views that it rendered.
        kept: views that were there before.
    """

    made: int
    kept: int


def render(
    plan: RenderPlan,
    folder: Path | str,
    *,
    workers: int = 1,
    progress: bool = False,
    make: MakeObject | None = None,
) -> RenderSummary:
    """Render what the folder lacks. A killed run continues; the result is the same, byte for byte.

    Args:
        plan: what to render.
        folder: of the data set.
        workers: processes; with one, everything happens in this one.
        progress: show a progress bar.
        make: instead of `make_object`; with one worker only.

    Raises:
        InvalidInputError: the folder holds another data set.
        TackError: the folder cannot be written.
        DependencyError: MuJoCo, OpenGL or embreex is missing; says what to install.
    """
    writer = CorrespondenceWriter(folder, plan.manifest, color=plan.config.color)
    writer.tidy()
    missing = {
        scene.number: [view for view in scene.views if not writer.has(view)]
        for scene in plan.scenes
    }
    waiting = [scene for scene in plan.scenes if missing[scene.number]]
    count = sum(map(len, missing.values()))
    total = sum(len(scene.views) for scene in plan.scenes)
    with tqdm(total=total, initial=total - count, unit="view", disable=not progress) as bar:
        for done in _run(plan, waiting, missing, writer, min(workers, len(waiting)), make):
            bar.update(done)
    return RenderSummary(count, total - count)


def _run(
    plan: RenderPlan,
    scenes: Sequence[ScenePlan],
    missing: dict[int, list[int]],
    writer: CorrespondenceWriter,
    workers: int,
    make: MakeObject | None,
) -> Iterator[int]:
    """Render scenes; yields numbers of finished views."""
    if workers <= 1:
        for scene in scenes:
            yield from render_scene(plan, scene, missing[scene.number], writer, make)
        return
    # A forked process would inherit an OpenGL context that it cannot use.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(plan, writer.folder)
    ) as pool:
        tasks = [pool.submit(_work, scene, missing[scene.number]) for scene in scenes]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def render_scene(
    plan: RenderPlan,
    scene_plan: ScenePlan,
    views: Sequence[int],
    writer: CorrespondenceWriter,
    make: MakeObject | None = None,
) -> Iterator[int]:
    """Render and write some views of one scene; yields 1 after each.

    Args:
        plan: the data set.
        scene_plan: the scene.
        views: their numbers in the data set.
        writer: of the data set.
        make: instead of `make_object`.
    """
    scene = make_scene(scene_plan, plan.config, make or _make_object)
    _write_shapes(scene, writer)
    with SceneCamera(scene, scene_plan, plan.config, plan.look) as camera:
        for view in views:
            writer.write(view, camera.shoot(view - scene_plan.views.start))
            yield 1


def _write_shapes(scene: Scene, writer: CorrespondenceWriter) -> None:
    for thing in scene.labelled:
        mesh, model = thing.model.mesh, thing.model
        writer.write_vertices(instance_name(model.family, model.seed), mesh.vertices)
        writer.write_faces(model.family, mesh.faces, model.part_of_face)


@functools.lru_cache(maxsize=_KEPT_OBJECTS)
def _make_object(family: str, seed: int) -> ObjectModel:
    return make_object(family, seed)


_worker: list[tuple[RenderPlan, CorrespondenceWriter]] = []


def _start_worker(plan: RenderPlan, folder: Path) -> None:
    _worker[:] = [(plan, CorrespondenceWriter(folder, plan.manifest, color=plan.config.color))]


def _work(scene: ScenePlan, views: Sequence[int]) -> int:
    plan, writer = _worker[0]
    return sum(render_scene(plan, scene, views, writer))
