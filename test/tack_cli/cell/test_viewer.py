# SPDX-License-Identifier: Apache-2.0
"""The page without a browser and without a graph: what it is made of, fed from a world."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tack_cli.cell.observer import Observer
from tack_cli.cell.viewer import clicks
from tack_cli.cell.viewer.cloud import Cloud
from tack_cli.cell.viewer.feed import Feed
from tack_cli.cell.viewer.meshes import body_glb
from tack_cli.cell.viewer.panel import findings
from tack_cli.cell.viewer.scene import ellipsoid, gripper_outline
from tack_cli.cell.viewer.viewer import HOST, Viewer, depth_at
from tack_cli.main import EXIT_ERROR, main
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import TackError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_sim.cell.log import CellSetup
from tack_sim.cell.world import CellWorld

pytest.importorskip("viser", reason="needs viser: pip install tack[sim]")

CAMERA = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)


def frame_of(world: CellWorld, stamp_ns: int = 1) -> RGBDFrame:
    """A made-up image: a ramp of colours, half a metre away, with a hole."""
    v, u = np.mgrid[0:240, 0:320]
    color = np.stack([u * 255 // 319, v * 255 // 239, np.full_like(u, 90)], axis=-1)
    depth = np.full((240, 320), 0.5, np.float32)
    depth[:40, :40] = np.nan
    return RGBDFrame(color.astype(np.uint8), depth, CAMERA, stamp_ns, "wrist_color_optical_frame")


class WorldSource:
    """Answers from a world as a graph would."""

    def __init__(self, world: CellWorld) -> None:
        self.world, self.silent = world, False
        mount = world.profile.cameras["wrist"]
        self.base_from_camera = world.base_from_link(mount.parent) @ mount.parent_from_optical

    def now_ns(self) -> int:
        return 10**9

    def transform(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        if self.silent:
            raise TackError("silence")
        if source.endswith("optical_frame"):
            return self.base_from_camera
        base_from = self.world.base_from_link
        return geometry.nearest_transform(geometry.inverse(base_from(target)) @ base_from(source))

    def frame(self, after_ns: int = -1, seconds: float = 30.0) -> RGBDFrame:
        return frame_of(self.world, after_ns + 2)

    def ask(self, service: str) -> Any:
        assert service == "/cell/truth"
        objects = {
            placed.name: {"base_from_object": self.world.object_pose(placed.name).tolist()}
            for placed in self.world.layout.objects
        }
        return json.loads(json.dumps({"objects": objects}))


@pytest.fixture(scope="module")
def world() -> CellWorld:
    world = CellWorld(CellSetup(object_class="box", seed=3).layout(), meshes=False)
    world.step(0.1)
    return world


@pytest.fixture
def viewer(world: CellWorld) -> Iterator[Viewer]:
    with Viewer(world.layout, "wrist", "a box", port=8350, meshes=False) as page:
        yield page


def goal_at(position: np.ndarray, place: np.ndarray) -> PickPlaceGoal:
    down = geometry.frame_from_axes((0, 0, -1), (1, 0, 0), position)

    def above(where: np.ndarray, height: float) -> np.ndarray:
        return geometry.make_transform(down[:3, :3], np.add(where, (0, 0, height)))

    return PickPlaceGoal(
        "lid", "panda_link0", 1, above(position, 0.1), down, above(position, 0.15),
        np.eye(3) * 1e-6, 0.08, 1.0, {}, "a test",
        above(place, 0.2), above(place, 0.05), above(place, 0.2),
    )  # fmt: skip


def keypoint() -> Keypoint:
    return Keypoint(
        "lid", 200.0, 100.0, 0.9,
        xyz=CAMERA.deproject((200.0, 100.0), 0.5), xyz_covariance=np.diag([1.0, 4.0, 9.0]) * 1e-6,
    )  # fmt: skip


def test_a_body_becomes_a_valid_glb_with_texture_and_normals(world: CellWorld) -> None:
    data = body_glb(world.model, world.model.body(world.layout.target.name).id)
    assert data is not None
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    (size,) = struct.unpack_from("<I", data, 12)
    tree = json.loads(data[20 : 20 + size])
    assert {image["mimeType"] for image in tree["images"]} == {"image/jpeg"}
    for mesh in tree["meshes"]:
        assert {"POSITION", "NORMAL", "TEXCOORD_0"} <= mesh["primitives"][0]["attributes"].keys()


def test_a_glb_has_the_surface_of_the_object_and_its_colours(world: CellWorld) -> None:
    import io

    import trimesh

    placed = world.layout.target
    data = body_glb(world.model, world.model.body(placed.name).id)
    scene = trimesh.load(io.BytesIO(data), file_type="glb")
    parts = list(scene.geometry.values())
    placed_parts = [scene.graph.get(name)[0] for name in scene.graph.nodes_geometry]
    vertices = np.concatenate(
        [
            geometry.apply(pose, scene.geometry[scene.graph.get(name)[1]].vertices)
            for name, pose in zip(scene.graph.nodes_geometry, placed_parts, strict=True)
        ]
    )
    uv = np.concatenate(
        [scene.geometry[scene.graph.get(name)[1]].visual.uv for name in scene.graph.nodes_geometry]
    )
    model = placed.model
    for vertex in range(0, len(model.mesh.vertices), 7):
        here = np.linalg.norm(vertices - model.mesh.vertices[vertex], axis=1) < 1e-5
        s, t = model.mesh.texture[vertex]  # t runs down here, and up in trimesh
        assert np.abs(uv[here] - (s, 1 - t)).max(axis=1).min() < 1e-3
    image = np.asarray(parts[0].visual.material.baseColorTexture).astype(float)
    assert np.abs(image - model.texture).mean() < 6  # JPEG


def test_a_body_without_looks_has_no_glb(world: CellWorld) -> None:
    assert body_glb(world.model, 0) is None


def test_the_cloud_lies_where_depth_says(world: CellWorld) -> None:
    pose = WorldSource(world).base_from_camera
    cloud = Cloud.of(frame_of(world), pose)
    assert cloud.points.shape == cloud.colors.shape
    assert 0.9 * 320 * 240 / 9 < len(cloud.points) < 320 * 240 / 9  # less the hole
    np.testing.assert_allclose(cloud.points[:, 2], 0.5)


@pytest.mark.parametrize("pixel", [(200.0, 100.0), (57.25, 201.5)])
def test_a_ray_through_the_cloud_gives_its_pixel(
    world: CellWorld, pixel: tuple[float, float]
) -> None:
    pose = WorldSource(world).base_from_camera
    cloud = Cloud.of(frame_of(world), pose)
    target = geometry.apply(pose, CAMERA.deproject(pixel, 0.5))
    stand = np.add(target, (0.1, 0.2, 0.6))
    found = cloud.pixel(stand, 3 * (target - stand))
    assert found is not None
    np.testing.assert_allclose(found, pixel, atol=2.0)
    assert cloud.pixel(stand, stand - target) is None
    assert cloud.pixel(stand, np.array([1.0, 0, 0])) is None


def test_a_ray_to_the_screen_gives_the_pixel_it_meets() -> None:
    shape, (x, y, z) = (240, 320), clicks._MIDDLE
    eye = np.array([x + 2, y, z])
    assert clicks.screen_pixel(shape, eye, np.array([-1.0, 0, 0])) == pytest.approx((159.5, 119.5))
    # The image's right is at +y for who looks towards -x, its top is up.
    corner = np.array([x, y + 0.5, z + 0.375])
    assert clicks.screen_pixel(shape, eye, (corner - eye) * (1, 0.999, 0.999)) == pytest.approx(
        (319.5 - 0.16, -0.5 + 0.12), abs=0.02
    )
    assert clicks.screen_pixel(shape, eye, np.array([1.0, 0, 0])) is None
    assert clicks.screen_pixel(shape, eye, np.array([0, 1.0, 0])) is None
    assert clicks.screen_pixel(shape, eye, (corner - eye) * (1, 1.01, 1)) is None


def test_the_ellipsoid_has_two_sigma_along_the_right_axes() -> None:
    turn = geometry.from_axis_angle((1, 2, 3), 0.7)[:3, :3]
    radii, axes = ellipsoid(turn @ np.diag([1e-6, 4e-6, 9e-6]) @ turn.T)
    np.testing.assert_allclose(radii, [2e-3, 4e-3, 6e-3])
    assert np.linalg.det(axes) == pytest.approx(1)
    np.testing.assert_allclose(np.abs(np.sum(axes * turn, axis=0)), 1)


def test_the_gripper_is_as_wide_as_it_opens() -> None:
    outline = gripper_outline(0.07)
    assert outline.shape[1:] == (2, 3)
    assert np.ptp(outline[..., 1]) == pytest.approx(0.07)
    assert outline[..., 2].max() == 0


def test_depth_at_a_pixel_ignores_holes(world: CellWorld) -> None:
    frame = frame_of(world)
    assert depth_at(frame, (100.2, 0.0)) == pytest.approx(0.5)
    assert depth_at(frame, (41.0, 39.0)) == pytest.approx(0.5)
    assert depth_at(frame, (5.0, 5.0)) is None


def test_the_page_is_served_on_this_machine_alone(viewer: Viewer, world: CellWorld) -> None:
    import socket

    port = int(viewer.address.rpartition(":")[2])
    assert viewer.address == f"http://{HOST}:{port}"
    socket.create_connection((HOST, port), 5).close()
    # Bound to one address of the loopback, not to all: another one of it is refused.
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 5)
    with Viewer(world.layout, "wrist", "b", port=port, meshes=False) as second:
        assert second.address != viewer.address


def test_a_job_is_shown_as_it_is_told(viewer: Viewer, world: CellWorld) -> None:
    source = WorldSource(world)
    frame, pose = source.frame(), source.base_from_camera
    scene, panel = viewer._scene, viewer._panel
    viewer.stage("start")
    viewer.show_frame(frame, pose)
    assert scene._cloud is not None
    viewer.stage("click")
    viewer.clicked("lid", (200.0, 100.0), frame, pose)
    viewer.show_frame(frame, pose)
    clicked = np.array(panel._image.image)
    viewer.stage("find again")
    viewer.show_frame(frame, pose)
    np.testing.assert_array_equal(panel._image.image, frame.color)
    viewer.detected(keypoint(), pose)
    position = geometry.apply(pose, keypoint().xyz)
    viewer.planned(goal_at(position, np.array([0.5, 0.3, 0.0])))
    viewer.show_frame(frame, pose)
    found = np.array(panel._image.image)
    for picture in (clicked, found):
        changed = np.argwhere((picture != frame.color).any(axis=-1))
        assert np.linalg.norm(changed - (100, 200), axis=1).min() < 8  # (v, u)
    point = next(p for p in scene._pieces["found"] if p.name.endswith("/point"))
    np.testing.assert_allclose(point.position, position, atol=1e-6)
    assert {"click", "found", "plan"} == set(scene._pieces)
    viewer.planned(goal_at(position, np.array([0.5, 0.3, 0.0])))  # replaces the first
    viewer.stage("lift")  # what was found is carried away: the image no longer shows it
    viewer.show_frame(frame, pose)
    np.testing.assert_array_equal(panel._image.image, frame.color)
    assert list(panel.seconds) == ["start", "click", "find again", "lift"]
    for name in panel.seconds:
        assert f">{name}</td>" in panel._table.content


def test_the_verdict_is_written(viewer: Viewer) -> None:
    outcome = SimpleNamespace(
        success=False, sentence="the mug <slipped>", point_error=0.0021, held=False,
        keypoint=keypoint(), verdict={"in_bin": False, "at_rest": True, "collisions": ["a met b"]},
    )  # fmt: skip
    viewer.done(outcome)  # type: ignore[arg-type]
    said = viewer._panel._head.content
    assert "Failed" in said
    assert "The mug &lt;slipped&gt;." in said
    for words in findings(outcome):  # type: ignore[arg-type]
        assert words in said
    assert "not in the bin" in said
    assert "2.1 mm" in said
    viewer.failed("no camera")
    assert "no camera" in viewer._panel._head.content


def test_the_feed_brings_robot_objects_and_images(world: CellWorld) -> None:
    moved: dict[str, np.ndarray] = {}
    frames: list[tuple[int, bool]] = []
    shown = SimpleNamespace(
        move=moved.update,
        show_frame=lambda frame, pose: frames.append((frame.stamp_ns, pose is not None)),
    )
    source = WorldSource(world)
    target = world.layout.target.name
    links = {"panda_link1": "panda_link0", "panda_link2": "panda_link1"}
    feed = Feed(source, shown, links, "panda_link0", frozenset([target]))
    feed.bring_robot()
    feed.bring_objects()
    feed.bring_image()
    assert set(moved) == {*links, target}
    np.testing.assert_allclose(moved[target], world.object_pose(target), atol=1e-6)
    source.silent = True  # an image without a pose is shown all the same
    feed.bring_image()
    assert frames == [(1, True), (3, False)]
    moved.clear()
    with feed.running():
        pass
    assert set(moved) == {target}  # once more at the end; the silent robot is left alone
    assert feed.error is None


def test_a_page_of_a_robot_shows_all_that_moves(viewer: Viewer, world: CellWorld) -> None:
    source = WorldSource(world)
    with viewer.watching(source):
        pass
    bodies = viewer._scene._bodies
    link = bodies["panda_link1"]
    expected = source.transform("panda_link0", "panda_link1", 0)
    np.testing.assert_allclose(link.position, expected[:3, 3], atol=1e-6)
    assert {"table", "bin", "panda_link7", world.layout.target.name} <= set(bodies)


def test_an_observer_that_does_not_look_does_nothing(world: CellWorld) -> None:
    observer, source = Observer(), WorldSource(world)
    with observer.watching(source):
        observer.stage("start")
        assert observer.choose(source.frame()) is None


def test_nobody_is_asked_unless_wanted(viewer: Viewer, world: CellWorld) -> None:
    assert viewer.choose(frame_of(world)) is None


def test_waiting_for_a_click_ends_when_the_images_end(world: CellWorld) -> None:
    with Viewer(world.layout, "wrist", "a box", port=8350, ask=True, meshes=False) as page:
        page._feed = SimpleNamespace(error=TackError("no more images"))  # type: ignore[assignment]
        with pytest.raises(TackError, match="no more images"):
            page.choose(frame_of(world))
        assert not page._screen.is_open


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--wait-click"], "--view"), (["--view", "--wait-click", "--click", "3,4"], "choose")],
)
def test_wrong_options_of_the_page_are_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rclpy")
    assert main(["demo", *words]) == EXIT_ERROR
    assert said in capsys.readouterr().err


def test_a_found_point_without_space_is_not_shown(viewer: Viewer) -> None:
    flat = dataclasses.replace(keypoint(), xyz=None, xyz_covariance=None)
    viewer.detected(flat, np.eye(4))
    assert "found" not in viewer._scene._pieces
