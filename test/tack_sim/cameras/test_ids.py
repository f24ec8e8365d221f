# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_sim import shapes
from tack_sim.cameras.ids import NOTHING, OTHER, RayScene, Surface, surface_points

CAMERA = CameraIntrinsics(80, 60, 70.0, 71.0, 39.0, 30.5)
DOWN = geometry.frame_from_axes((0.1, 0.05, -1.0), (1, 0, 0), (-0.04, -0.02, 0.6))


def surface(mesh, x=0.0, y=0.0, z=0.0, turn=0.0):
    pose = geometry.from_axis_angle((0, 0, 1), turn, (x, y, z))
    return Surface(mesh.vertices, mesh.faces, pose)


BOX = surface(shapes.box(0.1, 0.06, 0.08), turn=0.4)
MUG = surface(shapes.mug(0.04, 0.09), 0.12, 0.05, turn=1.0)
TABLE = surface(shapes.box(0.5, 0.4, 0.02), z=-0.02)


@pytest.fixture(scope="module")
def scene():
    return RayScene([BOX, MUG], [TABLE])


def test_every_pixel_shows_the_point_that_projects_to_it(scene):
    hits = scene.view(CAMERA, DOWN)
    assert set(np.unique(hits.surface)) == {OTHER, NOTHING, 0, 1}
    for index, thing in enumerate((BOX, MUG)):
        rows, columns = np.nonzero(hits.surface == index)
        points = surface_points(thing, hits.face[rows, columns], hits.weights[rows, columns])
        local = geometry.apply(geometry.inverse(DOWN), points)
        assert_allclose(CAMERA.project(local), np.column_stack([columns, rows]), atol=2e-3)
        assert_allclose(local[:, 2], hits.depth[rows, columns], atol=2e-6)


def test_what_is_no_object_has_no_coordinate(scene):
    hits = scene.view(CAMERA, DOWN)
    assert np.isnan(hits.depth[hits.surface == NOTHING]).all()
    assert (hits.face[hits.surface == NOTHING] == -1).all()
    assert (hits.weights[hits.surface == NOTHING] == 0).all()
    table = hits.depth[hits.surface == OTHER]
    assert np.isfinite(table).all()


def test_which_points_are_seen(scene):
    top, bottom = (0.0, 0.0, 0.08), (0.0, 0.0, 0.0)
    behind = geometry.apply(BOX.world_from_object, (0.03, 0.03, 0.001))  # on the far side
    beyond = (0.3, 0.25, 0.3)  # in free air
    seen = scene.sees(np.array([top, bottom, beyond]), DOWN)
    assert seen.tolist() == [True, False, True]
    low = geometry.frame_from_axes((0.2, 1.0, -0.3), (1, 0, 0), (0.0, -0.6, 0.2))
    assert not scene.sees(behind[None], low)[0]


def test_an_occluder_hides():
    plate = surface(shapes.box(0.3, 0.3, 0.01), z=0.3)
    hits = RayScene([BOX], [plate]).view(CAMERA, DOWN)
    assert (hits.surface == OTHER).any()
    assert not (hits.surface == 0).any()


def test_an_empty_scene_is_refused():
    with pytest.raises(InvalidInputError, match="without any surface"):
        RayScene([])
