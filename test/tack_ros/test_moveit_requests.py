# SPDX-License-Identifier: Apache-2.0
"""The client's requests, recorded from a run, hold all that a real move_group needs."""

from __future__ import annotations

import contextlib
import copy
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from control_msgs.action import GripperCommand, ParallelGripperCommand
from geometry_msgs.msg import Point, Pose, Quaternion
from moveit_msgs.action import ExecuteTrajectory, MoveGroup
from moveit_msgs.msg import (
    AllowedCollisionEntry,
    AllowedCollisionMatrix,
    BoundingVolume,
    CollisionObject,
    Constraints,
    RobotTrajectory,
    WorkspaceParameters,
)
from moveit_msgs.srv import ApplyPlanningScene, GetCartesianPath, GetPositionIK
from moveit_requirements import REQUIREMENTS, Requirement, values
from sensor_msgs.msg import JointState
from shape_msgs.msg import SolidPrimitive
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.motion import MotionConfig, MotionError
from tack_grasping.profiles import load_profile
from tack_grasping.scene import Obstacle, SceneModel, Table
from tack_grasping.scene.obstacle import hull_of
from tack_grasping.scene.touching import Touching
from tack_perception import geometry
from tack_ros.calls import Calls
from tack_ros.moveit import requests
from tack_ros.moveit.client import MoveItMotion
from tack_ros.moveit.scene_messages import MoveItScene

pytestmark = pytest.mark.ros
CONFIG = MotionConfig(planning_time=60.0, attempts=1, patience=120.0, server_patience=60.0)
SIDE = np.array([0.0, 0.1, -0.1])
TABLE = Table(np.eye(4), 0.0, 0.0, 0.0, float("nan"), False)
Recorded = dict[Any, list[Any]]


class Recording(Calls):
    """Calls that keep what they send."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sent: Recorded = defaultdict(list)

    def send(self, kind: Any, name: str, goal: Any, **options: Any) -> Any:
        self.sent[kind].append(copy.deepcopy(goal))
        return super().send(kind, name, goal, **options)

    def call(self, kind: Any, name: str, request: Any, **options: Any) -> Any:
        self.sent[kind].append(copy.deepcopy(request))
        return super().call(kind, name, request, **options)


def scene_of(frame: str) -> SceneModel:
    """A slab, a box and a hull beside the arm."""
    points = np.random.default_rng(0).uniform(-0.03, 0.03, (40, 3))
    slab = Obstacle("table", geometry.make_transform(np.eye(3), (0.5, 0, -0.06)), (1, 1, 0.02))
    crate = Obstacle("seen_1", geometry.make_transform(np.eye(3), (0.5, 0.4, 0.05)), (0.1,) * 3)
    hull = hull_of("seen_2", points, geometry.make_transform(np.eye(3), (0.5, -0.4, 0.05)))
    return SceneModel(frame, 1, TABLE, (slab,), (crate, hull))


def do_all(motion: MoveItMotion, scene: MoveItScene, home: np.ndarray) -> None:
    """All that a pick-and-place asks for."""
    there = home.copy()
    there[:3, 3] += SIDE
    down = there.copy()
    down[2, 3] -= 0.05
    scene.show(scene_of("panda_link0"))
    assert motion.reach(there) > 0
    motion.move_to(there)
    motion.move_straight(down)
    motion.move_straight(there, touching=Touching.THINGS)
    motion.move_gripper(0.03, 20.0)
    motion.hold(np.eye(4), np.array([0.03, 0.03, 0.05]))
    motion.move_home()
    motion.let_go()
    motion.add_box("thing", there, np.array([0.05, 0.05, 0.05]))
    motion.attach("thing")
    motion.detach("thing")
    motion.remove("thing")
    scene.show(SceneModel("panda_link0", 2, TABLE, (), ()))
    motion.move_joints(motion._profile.home + np.array([0.2, 0, 0, 0, 0, 0, 0]))


@pytest.fixture(scope="module")
def recorded(start_cell: Any) -> Recorded:
    cell = start_cell(move_group=True)
    calls = Recording("recording", cell.context)
    try:
        motion = MoveItMotion(cell.profile, calls, CONFIG)
        do_all(motion, MoveItScene(motion), cell.world.base_from_gripper())
    finally:
        calls.close()
    return calls.sent


def made_for(name: str) -> Recorded:
    """Requests of each kind for another robot."""
    profile, there, size = load_profile(name), np.eye(4), np.array([0.1, 0.2, 0.3])
    home = dict(zip(profile.joints, profile.home.tolist(), strict=True))
    points = []
    for number in range(3):
        point = JointTrajectoryPoint(positions=profile.home.tolist())
        point.time_from_start.nanosec = number * 1000
        points.append(point)
    way = JointTrajectory(joint_names=list(profile.joints), points=points)
    item = requests.box("a box", profile.base_frame, there, size)
    held = requests.attached_box("held", profile, there, size)
    scene = requests.scene_change([item], [held])
    return {
        MoveGroup: [
            requests.pose_goal(profile, there, CONFIG), requests.joint_goal(profile, home, CONFIG)
        ],
        GetCartesianPath: [
            requests.straight_request(profile, [there], CONFIG)
        ],
        ExecuteTrajectory: [
            ExecuteTrajectory.Goal(trajectory=RobotTrajectory(joint_trajectory=way))
        ],
        GetPositionIK: [requests.ik_request(profile, there, avoid_collisions=True)],
        ApplyPlanningScene: [ApplyPlanningScene.Request(scene=scene)],
        GripperCommand: [requests.gripper_goal(profile.gripper, 0.01, 20.0)],
        ParallelGripperCommand: [requests.parallel_gripper_goal(profile.gripper, 0.01, 20.0)],
    }  # fmt: skip


def missing(requirement: Requirement, sent: Recorded, profile: Any) -> list[str]:
    """What does not meet a requirement; also where nothing was found that it speaks of."""
    found = [v for message in sent[requirement.kind] for v in values(message, requirement.path)]
    wrong = [value for value in found if not requirement.holds(value, profile)]
    if not found:
        return [f"nothing was sent with {requirement}"]
    return [f"{requirement} is not met by {value}" for value in wrong]


def test_what_was_sent_in_a_run_is_all_that_move_group_needs(recorded: Recorded) -> None:
    profile = load_profile("panda_2f85")
    kinds = {requirement.kind for requirement in REQUIREMENTS}
    assert kinds - set(recorded) == {ParallelGripperCommand}  # another driver's
    for requirement in REQUIREMENTS:
        if requirement.kind in recorded:
            assert missing(requirement, recorded, profile) == []


@pytest.mark.parametrize("name", ["panda_2f85", "panda_hand", "ur5e_2f85"])
def test_and_so_it_is_for_every_robot(name: str) -> None:
    profile, sent = load_profile(name), made_for(name)
    for requirement in REQUIREMENTS:
        if "meshes" not in requirement.path:
            assert missing(requirement, sent, profile) == []


BAD = (
    "", "elsewhere", "<octomap>", [], ["elsewhere"], 0, -1, 7, 0.0, -1.0, 7.0, float("nan"), True,
    False, b"\x07", Point(x=float("nan")), Quaternion(x=1.0, w=1.0), JointState(name=["a"]),
    BoundingVolume(primitive_poses=[Pose()]), WorkspaceParameters(), Constraints(),
    CollisionObject(operation=CollisionObject.ADD, mesh_poses=[Pose()]),
    CollisionObject(operation=CollisionObject.ADD, primitives=[SolidPrimitive()]),
)  # fmt: skip


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_every_requirement_has_a_source_and_can_fail(requirement: Requirement) -> None:
    assert requirement.says
    assert requirement.source
    profile = load_profile("ur5e_2f85")
    failed = []
    for bad in BAD:
        with contextlib.suppress(TypeError, AttributeError):  # of another type than the field
            failed.append(not requirement.holds(bad, profile))
    assert any(failed)


def test_a_straight_way_that_swings_is_not_gone(start_cell: Any, recorded: Recorded) -> None:
    """Releases of move_group without thresholds answer an arm that turns over as a success."""
    cell = start_cell(move_group=False)
    start, end = cell.profile.home.copy(), cell.profile.home.copy()
    end[4] += 3.0
    moved: list[Any] = []

    class Turning(Calls):
        def call(self, kind: Any, name: str, request: Any, **options: Any) -> Any:
            answer = GetCartesianPath.Response(fraction=1.0)
            answer.error_code.val = int(Code.SUCCESS)
            points = [JointTrajectoryPoint(positions=q.tolist()) for q in (start, end)]
            answer.solution.joint_trajectory.points = points
            return answer

        def send(self, *args: Any, **options: Any) -> Any:
            moved.append(args)
            raise AssertionError

    calls = Turning("turning", cell.context)
    try:
        with pytest.raises(MotionError, match=r"would turn by 3\.0 rad") as raised:
            MoveItMotion(cell.profile, calls, CONFIG).move_straight(np.eye(4))
    finally:
        calls.close()
    assert raised.value.code is Code.PLANNING_FAILED
    assert moved == []


def matrix(names: list[str], allowed: set[frozenset[str]], **defaults: bool):
    return AllowedCollisionMatrix(
        entry_names=names,
        entry_values=[
            AllowedCollisionEntry(enabled=[frozenset((a, b)) in allowed for b in names])
            for a in names
        ],
        default_entry_names=list(defaults),
        default_entry_values=list(defaults.values()),
    )


def allows(changed: AllowedCollisionMatrix, first: str, second: str) -> bool:
    at = changed.entry_names.index
    there, back = (
        changed.entry_values[at(a)].enabled[at(b)] for a, b in ((first, second), (second, first))
    )
    assert there == back
    return bool(there)


def test_fingers_alone_are_let_touch_things_and_all_else_stays_as_it_was() -> None:
    known = matrix(["finger", "arm", "palm", "thing_1"], {frozenset(("arm", "palm"))}, mat=True)
    changed = requests.opened(known, ["finger", "tip"], ["thing_1", "thing_2"])
    assert set(changed.entry_names) == {
        "finger", "arm", "palm", "thing_1", "thing_2", "tip", requests.OCTOMAP,
    }  # fmt: skip
    for finger in ("finger", "tip"):
        for thing in ("thing_1", "thing_2", requests.OCTOMAP):
            assert allows(changed, finger, thing)
        assert not allows(changed, finger, "arm")
    for link in ("arm", "palm"):
        assert not allows(changed, link, "thing_1")
        assert not allows(changed, link, requests.OCTOMAP)
    assert allows(changed, "arm", "palm")
    assert changed.default_entry_names == ["mat"]
    assert list(changed.default_entry_values) == [True]


def test_a_new_row_says_for_others_what_the_defaults_said() -> None:
    """An entry counts more than a default, and would take back what somebody has allowed."""
    known = matrix(["arm"], set(), thing_1=True)
    changed = requests.opened(known, ["finger"], ["thing_1"])
    assert allows(changed, "arm", "thing_1")
    assert allows(changed, "finger", "thing_1")
    assert not allows(changed, "arm", "finger")
