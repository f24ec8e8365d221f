# SPDX-License-Identifier: Apache-2.0
"""The cell's cameras as realsense-ros publishes them, and what a user of them makes of faults."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from control_msgs.action import FollowJointTrajectory
from geometry_msgs.msg import PoseStamped
from rclpy.parameter import Parameter
from scipy.spatial import cKDTree
from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection3DArray

from tack_perception import geometry
from tack_perception.encodings import decode_color
from tack_perception.keypoint import Keypoint
from tack_perception.transforms import TransformError
from tack_ros import qos
from tack_ros.conversions.detections import to_detections
from tack_ros.conversions.images import to_intrinsics
from tack_ros.conversions.stamps import to_header, to_ns
from tack_ros.conversions.trajectories import to_robot_trajectory
from tack_ros.conversions.transforms import from_pose
from tack_ros.frame_subscriber import FrameInputConfig, FrameSubscriber
from tack_ros.node import TackNode
from tack_ros.nodes.pick_place import PickPlaceNode
from tack_ros.transform_listener import TransformListener
from tack_sim.cameras.cell_camera import CellCamera
from tack_sim.cell.path import joint_move

pytestmark = pytest.mark.ros
SIZE = {"width": 160, "height": 120}
TOPICS = ("color/image_raw", "color/camera_info", "aligned_depth_to_color/image_raw")
COLOR_FRAME = "wrist_color_optical_frame"


class Eye:
    """A node that looks through the wrist camera."""

    def __init__(self, cell):
        self.cell = cell
        self.frames = []
        remaps = [word for topic in TOPICS for word in ("-r", f"{topic}:=/wrist/{topic}")]
        self.node = TackNode(
            "eye",
            context=cell.context,
            cli_args=["--ros-args", *remaps],
            parameter_overrides=[Parameter("use_sim_time", value=True)],
        )
        FrameSubscriber(self.node, self.frames.append, FrameInputConfig)
        self.transforms = TransformListener(self.node)
        cell.add(self.node)

    def wait_for(self, count):
        """So many frames from now on."""
        first = len(self.frames)
        self.cell.wait(lambda: len(self.frames) >= first + count, "images")
        return self.frames[first : first + count]

    def dropped(self, words):
        return sum(n for reason, n in self.node.drops.counts().items() if words in reason)

    def pose(self, stamp_ns, seconds=60.0):
        base = self.cell.profile.base_frame
        return self.transforms.wait_for(base, COLOR_FRAME, stamp_ns, seconds)

    def since(self, stamp_ns):
        """Frames that were taken after a stamp."""
        return [messages for messages in tuple(self.frames) if messages.stamp_ns > stamp_ns]


@pytest.fixture(scope="module")
def shared(start_cell):
    # At half speed: even where rendering is slow, images are young by the cell's time.
    graph = start_cell(
        cameras=["wrist"], noise=False, shadows=False, speed=0.5, camera_rate=20.0, **SIZE
    )
    eye = Eye(graph)
    eye.wait_for(1)
    return eye


@pytest.fixture
def eye(shared):
    shared.cell.home()
    return shared


def fault(eye, *texts):
    assert eye.cell.set_parameter(eye.cell.cell, "faults", list(texts or [""])).successful


def surface(cell):
    """Points all over the target's true surface, (N, 3) in the base frame, m."""
    target = cell.world.layout.target
    mesh, rng = target.model.mesh, np.random.default_rng(0)
    corners = mesh.vertices[mesh.faces]
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    chosen = rng.choice(len(corners), 40_000, p=areas / areas.sum())
    weights = rng.dirichlet((1, 1, 1), len(chosen))
    points = np.einsum("nk,nkd->nd", weights, corners[chosen])
    return geometry.apply(cell.world.object_pose(target.name), points)


def distances(eye, messages):
    """How far the points that the camera sees of the target lie from its true surface, m."""
    frame, truth = messages.frame(), surface(eye.cell)
    rows, columns = np.nonzero(np.isfinite(frame.depth))
    pixels = np.stack([columns, rows], axis=1).astype(float)
    cloud = frame.intrinsics.deproject(pixels, frame.depth[rows, columns])
    cloud = geometry.apply(eye.pose(messages.stamp_ns), cloud)
    low, high = truth.min(axis=0) - 0.02, truth.max(axis=0) + 0.02
    of_target = ((cloud > low) & (cloud < high)).all(axis=1) & (cloud[:, 2] > 0.012)
    return cKDTree(truth).query(cloud[of_target])[0]


def test_names_encodings_and_sizes_are_those_of_realsense(eye):
    messages = eye.wait_for(1)[0]
    color, depth = messages.color, messages.depth
    assert (color.encoding, depth.encoding) == ("rgb8", "16UC1")
    assert (color.width, color.height) == (depth.width, depth.height) == (160, 120)
    assert color.header.frame_id == depth.header.frame_id == COLOR_FRAME
    assert color.header.stamp == depth.header.stamp
    infos = eye.cell.listen(CameraInfo, "/wrist/aligned_depth_to_color/camera_info", qos.SENSOR)
    info = eye.cell.wait(lambda: infos, "depth's camera info")[0]
    assert to_intrinsics(info) == messages.intrinsics
    assert info.header.frame_id == COLOR_FRAME


def test_colour_is_what_the_camera_sees(eye):
    seen = decode_color(eye.wait_for(1)[0].color).astype(int)
    mount = eye.cell.profile.cameras["wrist"]
    with CellCamera(eye.cell.world.model, mount, noise=False, shadow_size=0, **SIZE) as camera:
        truth = camera.shoot(eye.cell.world.snapshot()).color.astype(int)
    assert np.abs(seen - truth).mean() < 2
    assert np.abs(seen[::-1] - truth).mean() > 5  # the measure can tell


def test_depth_lies_on_the_true_surface_by_tf_at_the_images_stamp(eye):
    off = distances(eye, eye.wait_for(1)[0])
    assert off.size > 50
    assert np.percentile(off, 95) < 4e-3


def test_and_while_the_arm_moves(eye):
    cell = eye.cell
    step = np.array([0.0, 0.12, 0.0, 0.12, 0.0, 0.0, 1.2])
    way = joint_move(cell.profile, cell.profile.home, cell.profile.home + step)
    goal = FollowJointTrajectory.Goal(trajectory=to_robot_trajectory(way).joint_trajectory)
    sent = cell.calls.send(FollowJointTrajectory, cell.profile.arm_controller, goal)
    cell.wait(lambda: cell.speed() > 0.3, "the arm to move fast")
    frames = eye.wait_for(6)
    assert sent.result(20.0).error_code == 0
    poses = [eye.pose(messages.stamp_ns) for messages in frames]
    moving = [
        frames[i] for i in range(1, len(frames)) if np.abs(poses[i] - poses[i - 1]).max() > 0.02
    ]
    assert len(moving) >= 2
    for messages in moving:
        off = distances(eye, messages)
        assert off.size > 50
        assert np.percentile(off, 95) < 4e-3


# Faults: no stale frame is used, and all is well again when they end.


def rising(frames):
    stamps = [messages.stamp_ns for messages in frames]
    return all(late > early for early, late in itertools.pairwise(stamps))


def recovers(eye):
    fault(eye)
    eye.cell.pass_time(0.2)
    frames = eye.wait_for(3)
    assert rising(frames)
    assert np.isfinite(frames[-1].frame().depth).mean() > 0.8


def test_drop_out(eye):
    fault(eye, "camera_dropout")
    since_ns = eye.cell.now_ns()
    eye.cell.pass_time(0.5)
    assert eye.since(since_ns) == []
    recovers(eye)


def test_delayed_frames_are_dropped_for_their_age(eye):
    fault(eye, "camera_delay")
    since_ns, dropped = eye.cell.now_ns(), eye.dropped("s old, max_age is 1 s")
    eye.cell.wait(lambda: eye.dropped("s old, max_age is 1 s") > dropped + 3, "drops")
    assert eye.since(since_ns) == []
    recovers(eye)


def test_duplicated_frames_are_used_once(eye):
    before = eye.dropped("stamp not newer than the last one used")
    fault(eye, "camera_duplicate")
    first = len(eye.frames)
    eye.cell.wait(
        lambda: eye.dropped("stamp not newer than the last one used") > before + 3, "drops"
    )
    assert len(eye.frames) > first
    assert rising(eye.frames[first:])
    recovers(eye)


def test_frames_out_of_order_are_dropped(eye):
    before = eye.dropped("stamp not newer than the last one used")
    fault(eye, "camera_disorder")
    first = len(eye.frames)
    eye.cell.wait(
        lambda: eye.dropped("stamp not newer than the last one used") > before + 3, "drops"
    )
    assert len(eye.frames) > first
    assert rising(eye.frames[first:])
    recovers(eye)


@pytest.mark.parametrize(("text", "low", "high"), [("depth_nan", 0, 0), ("depth_holes", 0.3, 0.7)])
def test_lost_depth_is_unknown_depth(eye, text, low, high):
    fault(eye, text)
    eye.cell.pass_time(0.3)
    for messages in eye.wait_for(3):
        # NaN is really on the wire, in the encoding that can say so.
        assert messages.depth.encoding == ("32FC1" if text == "depth_nan" else "16UC1")
        depth = messages.frame().depth
        assert low <= np.isfinite(depth).mean() <= high
        assert (depth[np.isfinite(depth)] > 0).all()
    recovers(eye)


def test_without_tf_the_pose_at_a_stamp_is_not_known(eye):
    fault(eye, "tf_silence")
    eye.cell.pass_time(0.2)
    messages = eye.wait_for(1)[0]
    with pytest.raises(TransformError, match="after the newest"):
        eye.pose(messages.stamp_ns, 1.0)
    fault(eye)
    eye.pose(eye.wait_for(1)[0].stamp_ns)


def test_pick_place_makes_no_goal_without_a_pose_of_its_image(eye):
    cell = eye.cell
    planner = cell.start(PickPlaceNode, base_frame=cell.profile.base_frame, use_sim_time=True)
    grasps = cell.listen(PoseStamped, "/pick_place/grasp_pose", qos.RESULT)
    detections = cell.publisher(Detection3DArray, "/detections", qos.RESULT)
    target = cell.world.layout.target
    point = geometry.apply(cell.world.object_pose(target.name), target.model.position("rim_back"))

    def detect():
        """Where the point truly is, in an image of now; its stamp."""
        stamp_ns = eye.wait_for(1)[0].stamp_ns
        mount = cell.profile.cameras["wrist"]
        base_from_camera = cell.world.base_from_link(mount.parent) @ mount.parent_from_optical
        seen = Keypoint(
            "rim", 80.0, 60.0, 0.9, normal=(0, 0, -1), xyz_covariance=np.eye(3) * 1e-6,
            xyz=tuple(geometry.apply(geometry.inverse(base_from_camera), point).tolist()),
        )  # fmt: skip
        detections.publish(to_detections([seen], to_header(stamp_ns, COLOR_FRAME)))
        return stamp_ns

    def grasp_of(stamp_ns):
        return [g for g in grasps if to_ns(g.header.stamp) == stamp_ns]

    def grasp_of_now():
        """Of one image; none where its pose came too late for the planner's patience."""
        stamp_ns, end = detect(), time.monotonic() + 5.0
        while not (found := grasp_of(stamp_ns)) and time.monotonic() < end:
            time.sleep(0.01)
        return found

    known = planner._transforms.buffer.can_transform
    cell.wait(lambda: known(cell.profile.base_frame, COLOR_FRAME, None), "the tree")
    cell.pass_time(0.2)
    [grasp] = cell.wait(grasp_of_now, "a grasp")
    assert grasp.header.frame_id == cell.profile.base_frame
    np.testing.assert_allclose(from_pose(grasp.pose)[:3, 3], point, atol=0.03)
    fault(eye, "tf_silence")
    cell.pass_time(0.2)
    dropped, silent_ns = planner.drops.unexpected, detect()
    cell.wait(lambda: planner.drops.unexpected > dropped, "a drop")
    assert [r for r in planner.drops.counts() if "after the newest" in r]
    assert not grasp_of(silent_ns)
    fault(eye)
    cell.pass_time(0.2)
    cell.wait(grasp_of_now, "a grasp again")
