# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from tack_grasping.behaviour.sight import SightError
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim import shapes
from tack_sim.cell.eyes import CellEyes, TruePoints, with_holes
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.layout import sample_layout
from tack_sim.cell.world import CellWorld
from tack_sim.objects.model import ObjectModel, SurfacePoint


@pytest.fixture(scope="module")
def seen(profile: RobotProfile, block: ObjectModel) -> Iterator[tuple[CellWorld, CellEyes]]:
    world = CellWorld(sample_layout(profile, block, 6), meshes=False)
    with CellEyes(world, TruePoints(world)) as eyes:
        yield world, eyes


@pytest.fixture
def world(seen: tuple[CellWorld, CellEyes]) -> CellWorld:
    seen[0].faults.clear()
    seen[0].reset()
    seen[0].step(0.2)
    return seen[0]


@pytest.fixture
def eyes(seen: tuple[CellWorld, CellEyes]) -> CellEyes:
    return seen[1]


def top(world: CellWorld) -> np.ndarray:
    """(3,) where the point really is in the base frame, m."""
    target = world.layout.target
    return geometry.apply(world.object_pose(target.name), target.model.position("top"))


def test_a_point_is_seen_where_it_is(world: CellWorld, eyes: CellEyes) -> None:
    sight = eyes.look()
    assert len(sight.things) == 1
    point = sight.things[0].points["top"]
    assert np.linalg.norm(point.position - top(world)) < 0.004
    assert point.normal is not None
    assert point.normal[2] > 0.98
    assert sight.having("top") == sight.things
    assert sight.having("bottom") == ()


def test_it_is_known_where_the_camera_was(world: CellWorld, eyes: CellEyes) -> None:
    """The table that the image shows is at the height that the table has."""
    view = eyes.glance()
    rows, columns = np.mgrid[100:400:40, 100:550:40]
    pixels = np.column_stack([columns.ravel(), rows.ravel()])
    depth = view.frame.depth[pixels[:, 1], pixels[:, 0]].astype(float)
    heights = geometry.apply(view.base_from_camera, view.frame.intrinsics.deproject(pixels, depth))[
        :, 2
    ]
    assert abs(np.nanmedian(heights) - world.profile.table_height) < 0.003


def test_each_image_is_of_a_later_time_than_the_call(world: CellWorld, eyes: CellEyes) -> None:
    stamps = []
    for _ in range(3):
        before = world.time
        frame = eyes.glance().frame
        assert frame.stamp_s > before
        assert frame.stamp_s <= world.time + 1e-9
        stamps.append(frame.stamp_ns)
    assert stamps == sorted(set(stamps))


def test_a_point_out_of_view_is_not_claimed(world: CellWorld, eyes: CellEyes) -> None:
    world.place_object(
        world.layout.target.name, geometry.make_transform(np.eye(3), (-0.6, 0.5, 0.03))
    )
    sight = eyes.look()
    assert sight.having("top") == ()
    assert sight.things[0].missing("top") == "'top' is believed to be hidden or absent"
    assert "nobody has clicked on 'lid'; known points: top" in sight.things[0].missing("lid")


def test_a_hidden_point_is_not_taken_from_what_hides_it(
    profile: RobotProfile, block: ObjectModel
) -> None:
    under = SurfacePoint(2 * shapes.BOX_CELLS.index("bottom"), (0.5, 0.5, 0.0))
    model = dataclasses.replace(block, points={**block.points, "under": under})
    world = CellWorld(sample_layout(profile, model, 6), meshes=False)
    with CellEyes(world, TruePoints(world)) as eyes:
        thing = eyes.look().things[0]
    assert list(thing.points) == ["top"]
    assert not thing.keypoints["under"].visible
    assert thing.keypoints["under"].xyz is None


def test_without_depth_a_point_has_a_reason_instead_of_a_place(
    world: CellWorld, eyes: CellEyes
) -> None:
    world.faults.append(Fault(FaultKind.DEPTH_NAN))
    sight = eyes.look()
    assert np.isnan(sight.frame.depth).all()
    thing = sight.things[0]
    assert "top" not in thing.points
    assert thing.keypoints["top"].visible
    assert "depth" in thing.missing("top")


def test_holes_are_holes_and_leave_the_rest(world: CellWorld, eyes: CellEyes) -> None:
    world.faults.append(Fault(FaultKind.DEPTH_HOLES))
    lost = np.isnan(eyes.glance().frame.depth).mean()
    assert 0.4 < lost < 0.7
    depth = np.arange(96 * 96, dtype=np.float32).reshape(96, 96)
    holed = with_holes(depth)
    kept = ~np.isnan(holed)
    assert kept.sum() == depth.size / 2
    np.testing.assert_array_equal(holed[kept], depth[kept])


@pytest.mark.parametrize(
    ("kind", "code", "lasts", "waited"),
    [
        (FaultKind.CAMERA_DROPOUT, Code.UNABLE_TO_AQUIRE_SENSOR_DATA, 20.0, 5.0),
        (FaultKind.CAMERA_DELAY, Code.SENSOR_INFO_STALE, 20.0, 5.0),
        (FaultKind.TF_SILENCE, Code.FRAME_TRANSFORM_FAILURE, 20.0, 0.0),
    ],
)
def test_what_the_camera_lacks_has_a_code_of_its_own(
    world: CellWorld, eyes: CellEyes, kind: FaultKind, code: Code, lasts: float, waited: float
) -> None:
    world.faults.append(Fault(kind, world.time, lasts))
    for call in (eyes.look, eyes.glance):
        before = world.time
        with pytest.raises(SightError) as raised:
            call()
        assert raised.value.code is code
        assert "wrist camera" in raised.value.sentence
        assert waited <= world.time - before < waited + 0.5
    world.faults.clear()
    assert eyes.look().having("top")


def test_a_camera_that_comes_back_in_time_is_waited_for(world: CellWorld, eyes: CellEyes) -> None:
    before = world.time
    world.faults.append(Fault(FaultKind.CAMERA_DROPOUT, before, 2.0))
    assert eyes.look().having("top")
    assert 2.0 <= world.time - before < 2.5


def test_the_same_seed_gives_the_same_image(profile: RobotProfile, block: ObjectModel) -> None:
    layout = sample_layout(profile, block, 6)
    images = []
    for seed in (3, 3, 4):
        world = CellWorld(layout, meshes=False)
        with CellEyes(world, TruePoints(world), seed=seed) as eyes:
            frame = eyes.look().frame
            images.append((frame.color.tobytes(), frame.depth.tobytes(), frame.stamp_ns))
    assert images[0] == images[1]
    assert images[0] != images[2]


def test_only_the_points_that_were_asked_for_are_seen(world: CellWorld, eyes: CellEyes) -> None:
    view = eyes.glance()
    assert TruePoints(world, ())(view.frame, view.base_from_camera) == []
    assert [k.label for k in TruePoints(world)(view.frame, view.base_from_camera)] == ["top"]
