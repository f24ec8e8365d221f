# SPDX-License-Identifier: Apache-2.0
"""Clicking, moving and finding again, with a world instead of the graph."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("mujoco", reason="the cell needs MuJoCo")

from tack_cli.cell.looking import (
    SEARCHED,
    ClickPlan,
    Looker,
    Sighting,
    Stages,
    true_position,
    visible_pixel,
)
from tack_cli.cell.observer import Observer, Pixel
from tack_cli.cell.outcome import JobFailedError
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_ros.cell.probe import NotFoundError
from tack_sim.cell.layout import CellLayout, with_target_moved
from tack_sim.cell.log import CellSetup

CAMERA = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)


class Graph:
    """Answers as the probe does: a camera over a table whose target can be moved.

    The detector knows a point only on the side from which it was clicked `needs` times.
    """

    def __init__(self, layout: CellLayout, needs: int = 1) -> None:
        self.layout, self.needs = layout, needs
        self.clicks: list[tuple[str, Pixel]] = []
        self.moves = 0
        self.time = 10**9
        self.refuses = 0
        self.base_from_camera = geometry.frame_from_axes((0, 0, -1), (0, -1, 0), (0.5, 0.0, 0.75))

    def now_ns(self) -> int:
        return self.time

    def frame(self, after_ns: int = -1, seconds: float = 30.0) -> RGBDFrame:
        self.time = max(self.time, after_ns) + 1
        depth = np.full((240, 320), 0.75, np.float32)  # the table: nothing hides anything
        color = np.zeros((240, 320, 3), np.uint8)
        return RGBDFrame(color, depth, CAMERA, self.time, "wrist_color_optical_frame")

    def transform(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        return self.base_from_camera

    def trigger(self, service: str) -> str:
        assert service == "/cell/move_target"
        self.moves += 1
        self.layout = with_target_moved(self.layout, self.moves)
        return ""

    def ask(self, service: str) -> Any:
        assert service == "/cell/truth"
        target = self.layout.target
        points = {
            name: geometry.apply(target.base_from_object, target.model.position(name)).tolist()
            for name in target.model.points
        }
        return {"target": target.name, "objects": {target.name: {"points": points}}}

    def annotate(self, label: str, pixel: Pixel, stamp_ns: int) -> str:
        if self.refuses:
            self.refuses -= 1
            raise TackError("no image of that stamp")
        self.clicks.append((label, pixel))
        return ""

    def keypoints(self, after_ns: int, label: str) -> tuple[int, Keypoint]:
        assert after_ns <= self.time
        if len(self.clicks) < self.needs:
            raise NotFoundError(f"'{label}' was in none of 10 images")
        position = true_position(self.ask("/cell/truth"), label)
        assert position is not None
        xyz = geometry.apply(geometry.inverse(self.base_from_camera), position)
        self.time += 5
        # The pixel does not come over the graph.
        found = Keypoint(label, 0, 0, 0.8, xyz=tuple(xyz), xyz_covariance=np.eye(3) * 1e-6)
        return self.time, found


class Watcher(Observer):
    def __init__(self, answers: tuple[Pixel, ...] = ()) -> None:
        self.stages: list[str] = []
        self.whys: list[str] = []
        self.answers = list(answers)

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def choose(self, frame: RGBDFrame, why: str = "") -> tuple[RGBDFrame, Pixel] | None:
        self.whys.append(why)
        return (frame, self.answers.pop(0)) if self.answers else None


@pytest.fixture(scope="module")
def layout() -> CellLayout:
    return CellSetup(object_class="box", seed=3).layout()


def look(
    graph: Graph, plan: ClickPlan, observer: Watcher | None = None
) -> tuple[Sighting, Watcher, list[str]]:
    watcher, said = observer or Watcher(), list[str]()
    looker = Looker(plan, graph.layout, graph, Stages(watcher), said.append, watcher)
    return looker.look(), watcher, said


def test_one_click_is_enough_where_it_is_found_again(layout: CellLayout) -> None:
    graph = Graph(layout)
    sighting, watcher, said = look(graph, ClickPlan("top_center"))
    assert watcher.stages == ["click", "move it", SEARCHED]
    assert [label for label, _ in graph.clicks] == ["top_center"] == [sighting.label]
    assert len(sighting.clicks) == 1
    target = graph.layout.target
    truly = geometry.apply(target.base_from_object, target.model.position("top_center"))
    np.testing.assert_allclose(sighting.xyz, truly, atol=1e-9)
    seen = visible_pixel(sighting.frame, graph.base_from_camera, truly)
    np.testing.assert_allclose((sighting.keypoint.u, sighting.keypoint.v), seen, atol=0.51)
    assert "One click on 'top_center'" in said[0]


def test_what_is_not_found_again_is_clicked_on_where_it_is_then(layout: CellLayout) -> None:
    graph = Graph(layout, needs=3)
    sighting, watcher, said = look(graph, ClickPlan("top_center", most=3))
    assert watcher.stages == 3 * ["click", "move it", SEARCHED]
    assert {label for label, _ in graph.clicks} == {"top_center"}
    pixels = [pixel for _, pixel in graph.clicks]
    assert len(set(pixels)) == 3
    assert [(click.u, click.v) for click in sighting.clicks] == pixels
    assert sum("not found again" in line for line in said) == 2


@pytest.mark.parametrize(
    ("plan", "clicks"),
    [
        (ClickPlan("top_center", most=2), 2),
        (ClickPlan("top_center", move=False), 1),
        (ClickPlan("lid", pixel=(160.0, 120.0)), 1),
    ],
)
def test_it_gives_up_with_the_reason_and_the_clicks(
    layout: CellLayout, plan: ClickPlan, clicks: int
) -> None:
    with pytest.raises(JobFailedError, match="in none of 10 images") as raised:
        look(Graph(layout, needs=9), plan)
    assert raised.value.stage == SEARCHED
    assert len(raised.value.clicks) == clicks


def test_a_person_is_asked_and_told_why_it_is_asked_again(layout: CellLayout) -> None:
    graph = Graph(layout, needs=2)
    graph.refuses = 1
    answers = ((100.0, 90.0), (101.0, 91.0), (200.0, 150.0))
    sighting, watcher, _ = look(graph, ClickPlan("top_center"), Watcher(answers))
    assert graph.clicks == [("top_center", answers[1]), ("top_center", answers[2])]
    assert [bool(why) for why in watcher.whys] == [False, True, True]
    assert "no image of that stamp" in watcher.whys[1]
    assert "in none of 10 images" in watcher.whys[2]
    assert len(sighting.clicks) == 2


def test_a_point_that_does_not_exist_is_named(layout: CellLayout) -> None:
    with pytest.raises(InvalidInputError, match=r"box has no point 'lid'; it has .*top_center"):
        look(Graph(layout), ClickPlan("lid"))


def test_what_is_out_of_the_image_is_moved_until_it_is_seen(layout: CellLayout) -> None:
    graph = Graph(layout)
    away = geometry.make_transform(np.eye(3), (3.0, 0.0, 0.0))
    target = dataclasses.replace(layout.target, base_from_object=away)
    others = tuple(placed for placed in layout.objects if placed.name != target.name)
    graph.layout = dataclasses.replace(layout, objects=(target, *others))
    sighting, _, _ = look(graph, ClickPlan("top_center", move=False))
    assert graph.moves >= 1
    assert len(sighting.clicks) == 1


@pytest.mark.parametrize(
    ("point", "depth", "pixel"),
    [
        ((0.03, -0.02, 0.6), 0.6, (174.0, 110.0)),  # 159.5 + 300 · 0.05 = 174.5, to the even one
        ((0.03, -0.02, 0.6), 0.57, None),  # something is in front of it
        ((0.03, -0.02, 0.6), np.nan, None),
        ((0.32, 0.0, 0.6), 0.6, None),  # beside the image
        ((0.0, 0.0, -0.6), 0.6, None),
    ],
)
def test_a_point_has_a_pixel_where_it_is_seen(
    point: tuple[float, float, float], depth: float, pixel: Pixel | None
) -> None:
    image = np.full((240, 320), depth, np.float32)
    frame = RGBDFrame(np.zeros((240, 320, 3), np.uint8), image, CAMERA, 1, "camera")
    assert visible_pixel(frame, np.eye(4), np.array(point)) == pixel
