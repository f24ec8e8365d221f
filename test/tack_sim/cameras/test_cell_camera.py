# SPDX-License-Identifier: Apache-2.0
"""Rendering: truth against rays, one pass against two, cameras on moving bodies, threads."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tack_grasping.robot import CameraMount
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_sim import shapes
from tack_sim.cameras.cell_camera import CellCamera
from tack_sim.cameras.ids import RayScene, Surface
from tack_sim.cameras.look import Light
from tack_sim.cameras.models import D435
from tack_sim.cameras.scene_renderer import SceneRenderer
from tack_sim.cell.world import Snapshot
from tack_sim.dataset import props
from tack_sim.objects.body import add_object
from tack_sim.objects.model import Material
from tack_sim.renderer import import_mujoco

CAMERA = CameraIntrinsics(160, 120, 150.0, 151.0, 77.0, 61.5)
LOOKING = geometry.frame_from_axes((0.25, 0.3, -0.5), (1, -0.8, 0), (-0.2, -0.25, 0.5))
LAMP = (Light((0, 0, 1), (0, 0, -1), (0, 0, 0), (1.0, 1.0, 1.0)),)


def plain(mesh, level):
    texture = np.full((8, 8, 3), level, np.uint8)
    return props.prop(mesh, texture, Material(0.0, 0.0))


THINGS = {
    "table": (plain(shapes.box(0.8, 0.8, 0.02), 40), (0, 0, -0.02)),
    "box": (plain(shapes.box(0.09, 0.06, 0.1), 250), (0.02, 0.01, 0.0)),
    "can": (plain(shapes.can(0.03, 0.1), 250), (0.12, -0.08, 0.0)),
}


def pose_of(place):
    return geometry.from_axis_angle((0, 0, 1), 0.7, place)


@pytest.fixture(scope="module")
def model():
    mujoco = import_mujoco()
    spec = mujoco.MjSpec()
    spec.visual.headlight.active = 0
    for name, (thing, place) in THINGS.items():
        add_object(spec, thing, name, pose_of(place), free=False, collision=False)
    arm = spec.worldbody.add_body(name="arm")
    arm.add_joint(name="slide", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1, 0, 0])
    arm.add_geom(size=[0.01, 0, 0], pos=[0, 0, 2.0])
    return spec.compile()


@pytest.fixture(scope="module")
def data(model):
    mujoco = import_mujoco()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return data


@pytest.fixture(scope="module")
def hits():
    surfaces = [
        Surface(thing.mesh.vertices, thing.mesh.faces, pose_of(place))
        for thing, place in THINGS.values()
    ]
    return RayScene(surfaces).view(CAMERA, LOOKING)


@pytest.mark.parametrize("samples", [0, 4])
def test_depth_is_that_of_the_rays(model, data, hits, samples):
    with SceneRenderer(model, 160, 120, samples=samples, shadow_size=256) as renderer:
        _, depth = renderer.color_and_depth(data, CAMERA, LOOKING)
    error = np.abs(depth - hits.depth)
    assert np.nanmedian(error) < 1e-5
    assert (error > 1e-4).mean() < 0.02  # silhouettes
    assert np.array_equal(np.isnan(depth), np.isnan(hits.depth))


def test_color_lies_where_the_ids_say(model, data, hits):
    with SceneRenderer(model, 160, 120, samples=4, shadow_size=0) as renderer:
        color = renderer.color(data, CAMERA, LOOKING, LAMP)[..., 0].astype(float)
    shown = hits.surface > 0  # the bright box and can on the dark table
    share = np.clip((color - 40) / (250 - 40), 0, 1)
    rows, columns = np.mgrid[0:120, 0:160]
    assert share.sum() == pytest.approx(shown.sum(), rel=0.01)
    for axis in (rows, columns):
        assert (share * axis).sum() / share.sum() == pytest.approx(axis[shown].mean(), abs=0.05)


def test_what_cannot_be_rendered_is_refused(model, data):
    with SceneRenderer(model, 32, 24, shadow_size=0) as renderer:
        with pytest.raises(InvalidInputError, match=r"160×120.*32×24"):
            renderer.depth(data, CAMERA, LOOKING)
        bent = CameraIntrinsics(32, 24, 30, 30, 16, 12, "plumb_bob", (0.1, 0, 0, 0))
        with pytest.raises(InvalidInputError, match="distortion"):
            renderer.color(data, bent, LOOKING)


def state(x=0.0, time=1.0):
    return Snapshot(time, np.array([x]), np.zeros((0, 3)), np.zeros((0, 4)))


def mount(camera="d435", parent="world", pose=LOOKING):
    return CameraMount("camera", camera, parent, pose)


def shoot(model, snapshot=None, camera="d435", parent="world", pose=LOOKING, **options):
    options = {"width": 160, "height": 120, "shadow_size": 256, **options}
    with CellCamera(model, mount(camera, parent, pose), **options) as cell_camera:
        return cell_camera.shoot(snapshot or state())


def test_an_aligned_shot_is_a_frame(model):
    images = shoot(model, state(time=1.25))
    frame = images.frame("camera_color_optical_frame")
    assert frame.stamp_ns == 1_250_000_000
    assert frame.intrinsics == D435.scaled(160, 120).color
    truth = shoot(model, noise=False).frame("x").depth
    error = np.abs(frame.depth - truth)
    assert np.nanmedian(error) < 0.003
    assert np.isfinite(frame.depth).mean() > 0.8


def test_depth_on_a_grid_of_its_own(model):
    images = shoot(model, aligned=False, noise=False)
    assert images.depth_intrinsics == D435.scaled(160, 120).depth
    with pytest.raises(InvalidInputError, match="aligned"):
        images.frame("x")
    # Both see the same surface: a depth pixel's point is where colour's depth has it.
    pixels = np.array([(80.0, 60.0), (60.0, 75.0), (95.0, 52.0)])
    depth = images.depth[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
    points = geometry.apply(D435.color_from_depth, images.depth_intrinsics.deproject(pixels, depth))
    with CellCamera(model, mount(), width=160, height=120, noise=False) as camera:
        aligned = camera.shoot(state()).depth
    there = np.rint(images.color_intrinsics.project(points)).astype(int)
    assert_allclose(aligned[there[:, 1], there[:, 0]], points[:, 2], atol=0.004)


def test_colour_and_depth_of_one_imager(model):
    images = shoot(model, camera="d405", aligned=False, noise=False)
    assert images.aligned
    assert images.depth_intrinsics == images.color_intrinsics


def test_a_camera_moves_with_its_body(model):
    still = shoot(model, state(0.0), parent="arm", noise=False)
    moved = shoot(model, state(0.1), parent="arm", noise=False)
    assert_allclose(moved.world_from_color[:3, 3] - still.world_from_color[:3, 3], (0.1, 0, 0))
    shifted = LOOKING.copy()
    shifted[0, 3] += 0.1
    assert_array_equal(moved.depth, shoot(model, pose=shifted, noise=False).depth)


def test_a_moving_camera_blurs_along_its_motion(model):
    def sharpness(step):
        options = {"width": 160, "height": 120, "shadow_size": 0, "exposure": 0.01}
        with CellCamera(model, mount(parent="arm"), **options) as camera:
            camera.shoot(state(-step, time=1.0))
            color = camera.shoot(state(0.0, time=1.05)).color.astype(float)
        return [float(np.square(np.diff(color, axis=axis)).mean()) for axis in (0, 1)]

    still, moving = sharpness(0.0), sharpness(0.1)
    assert max(moving) < 0.6 * max(still)


def test_the_same_seed_gives_the_same_pictures(model):
    first, second, other = (shoot(model, seed=seed) for seed in (3, 3, 4))
    assert_array_equal(first.color, second.color)
    assert_array_equal(first.depth, second.depth)
    assert not np.array_equal(first.depth, other.depth, equal_nan=True)


def test_pictures_from_another_thread(model):
    here = shoot(model, noise=False)
    there = []
    thread = threading.Thread(target=lambda: there.append(shoot(model, noise=False)))
    thread.start()
    thread.join()
    assert_array_equal(there[0].color, here.color)
    assert_array_equal(there[0].depth, here.depth)


def test_a_state_of_another_model_is_refused(model):
    wrong = Snapshot(0.0, np.zeros(3), np.zeros((0, 3)), np.zeros((0, 4)))
    with pytest.raises(InvalidInputError, match=r"3 positions.*has 1"):
        shoot(model, wrong)
