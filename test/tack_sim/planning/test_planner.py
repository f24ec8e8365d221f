# SPDX-License-Identifier: Apache-2.0
"""Plans: free of collision, within the limits, and the right answer to a query that cannot be."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from planning_scenes import GROUP, at, box, down, planner, scene, table, wall

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_perception import geometry
from tack_sim.planning.change import Operation, RobotStateChange, SceneChange, apply_change
from tack_sim.planning.collision import CollisionChecker
from tack_sim.planning.inverse import pose_constraints
from tack_sim.planning.path_check import fine_states
from tack_sim.planning.requests import (
    Constraints,
    IKRequest,
    JointConstraint,
    OrientationConstraint,
    PlanRequest,
    PlanResult,
    PositionConstraint,
)
from tack_sim.planning.scene import AttachedObject, CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive

LEFT, RIGHT = down(0.5, 0.25, 0.1), down(0.5, -0.25, 0.1)


def to_pose(pose: np.ndarray, link: str = "", **rest: object) -> PlanRequest:
    rest = {"allowed_time": 60.0, **rest}
    return PlanRequest(GROUP, (pose_constraints(link, "", pose),), **rest)  # type: ignore[arg-type]


def to_joints(*joints: JointConstraint, **rest: object) -> PlanRequest:
    rest = {"allowed_time": 60.0, **rest}
    return PlanRequest(GROUP, (Constraints(joints=joints),), **rest)  # type: ignore[arg-type]


def standing(pose: np.ndarray, now: PlanningScene) -> PlanningScene:
    """The scene with the tip at a pose."""
    found = planner().inverse_kinematics(
        IKRequest(GROUP, pose, avoid_collisions=True, timeout=30), now
    )
    assert found.code is Code.SUCCESS, found.message
    return now.with_positions(found.positions)


def check_motion(result: PlanResult, now: PlanningScene) -> None:
    """It starts where the robot is, is free, at rest at both ends, and within the limits."""
    assert result.code is Code.SUCCESS, result.message
    trajectory, profile = result.trajectory, planner().robot.profile
    assert trajectory is not None
    assert trajectory.joints == tuple(profile.joints)
    start = [result.start[name] for name in trajectory.joints]
    assert np.allclose(trajectory.positions[0], start, atol=1e-6)
    checker = CollisionChecker(now)
    checker.keep_margin(0.0)
    assert all(map(checker.is_free, fine_states(trajectory.positions, checker.reaches)))
    limits = [profile.joints[name] for name in trajectory.joints]
    assert (np.abs(trajectory.velocities) <= [one.velocity for one in limits]).all()
    assert (np.abs(trajectory.accelerations) <= [one.acceleration * 1.0001 for one in limits]).all()
    assert (np.diff(trajectory.times) > 0).all()
    assert not trajectory.velocities[[0, -1]].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_wall_is_gone_around(seed: int) -> None:
    now = standing(LEFT, scene(table(), wall()))
    result = planner().plan(to_pose(RIGHT, seed=seed), now)
    check_motion(result, now)
    assert "around obstacles" in result.message
    end = planner().robot.kinematics.forward(result.trajectory.positions[-1])
    assert np.allclose(end, RIGHT, atol=2e-4)
    assert result.path_length > 1


def test_the_straight_way_is_taken_where_it_is_free() -> None:
    now = scene(table())
    result = planner().plan(to_joints(JointConstraint("panda_joint1", 1.0)), now)
    check_motion(result, now)
    assert result.path_length == pytest.approx(1.0, abs=1e-6)
    assert np.allclose(result.trajectory.positions[:, 1:], planner().robot.profile.home[1:])


def test_the_same_seed_gives_the_same_motion_and_another_seed_another() -> None:
    now = standing(LEFT, scene(table(), wall()))
    goal = planner().inverse_kinematics(
        IKRequest(GROUP, RIGHT, avoid_collisions=True, timeout=30), now
    )
    joints = [JointConstraint(name, goal.positions[name]) for name in planner().robot.joints]
    first, again, other = (
        planner().plan(to_joints(*joints, seed=seed), now).trajectory for seed in (1, 1, 2)
    )
    assert np.array_equal(first.positions, again.positions)
    assert np.array_equal(first.times, again.times)
    assert first.positions.shape != other.positions.shape or not np.allclose(
        first.positions, other.positions
    )


def test_scaling_slows_down_and_values_outside_of_0_to_1_do_nothing() -> None:
    now, joint = scene(), JointConstraint("panda_joint1", 1.0)
    durations = [
        planner()
        .plan(to_joints(joint, velocity_scaling=v, acceleration_scaling=a), now)
        .trajectory.duration
        for v, a in ((1, 1), (0, -1), (2, math.nan), (0.5, 0.25))
    ]
    assert durations[1] == durations[2] == durations[0]
    assert durations[3] == pytest.approx(2 * durations[0], rel=1e-3)


def test_a_goal_that_is_reached_already_takes_no_time() -> None:
    result = planner().plan(to_joints(JointConstraint("panda_joint1", 0.0)), scene())
    check_motion(result, scene())
    assert result.trajectory.duration < 0.01
    assert result.path_length == 0


def test_any_of_several_goals_will_do() -> None:
    blocked, far = pose_constraints("", "", down(0.5, 0.25, -0.03)), down(2.0, 0, 0.3)
    goals = (pose_constraints("", "", far), blocked, pose_constraints("", "", LEFT))
    result = planner().plan(PlanRequest(GROUP, goals, allowed_time=60), scene(table()))
    check_motion(result, scene(table()))


def test_a_goal_region_is_met_somewhere() -> None:
    region = Primitive("box", (0.1, 0.3, 0.05))
    goal = Constraints(
        positions=(PositionConstraint("panda_link8", "panda_link0", ((region, at(0.5, 0, 0.5)),)),),
        orientations=(
            OrientationConstraint("panda_link8", "", down(0, 0, 0), np.array([0.1, 0.1, 4.0])),
        ),
    )
    pillar = box("pillar", (0.04, 0.04, 0.4), (0.55, 0, 0.2))  # on the region's middle
    now = scene(table(), pillar)
    result = planner().plan(PlanRequest(GROUP, (goal,), allowed_time=60), now)
    check_motion(result, now)
    end = planner().robot.kinematics.forward(result.trajectory.positions[-1])
    assert (np.abs(end[:3, 3] - (0.5, 0, 0.5)) <= (0.05001, 0.15001, 0.02501)).all()
    assert math.acos(-end[2, 2]) < 0.15


def test_goals_are_understood_in_frames_of_links_and_objects() -> None:
    now = scene(box("tray", (0.1, 0.1, 0.02), (0.45, 0.2, 0.01)))
    tray_from_tip = np.linalg.inv(at(0.45, 0.2, 0.01)) @ LEFT
    request = PlanRequest(
        GROUP, (pose_constraints("panda_link8", "tray", tray_from_tip),), allowed_time=60
    )
    result = planner().plan(request, now)
    end = planner().robot.kinematics.forward(result.trajectory.positions[-1])
    assert np.allclose(end, LEFT, atol=2e-4)


def test_a_held_object_is_carried_around_and_can_be_put_at_a_pose() -> None:
    now = standing(LEFT, scene(table(), wall()))
    held = AttachedObject(
        "panda_link8",
        box("held", (0.03, 0.03, 0.12), (0, 0, 0.19), "panda_link8"),
        planner().robot.profile.gripper.touch_links,
    )
    change = RobotStateChange(attached=((held, Operation.ADD),))
    now = apply_change(now, SceneChange(robot_state=change)).scene
    base_from_held = RIGHT @ at(0, 0, 0.19)
    result = planner().plan(to_pose(base_from_held, "held"), now)
    check_motion(result, now)
    end = planner().robot.kinematics.forward(result.trajectory.positions[-1])
    assert np.allclose(end, RIGHT, atol=2e-4)


def test_a_goal_beside_an_object_can_be_entered_and_left() -> None:
    # 1 mm between a finger and the block: less than the margin that planning keeps elsewhere.
    block = box("block", (0.02, 0.02, 0.2), (0.5, 0.25, 0.1 - 0.1 - 0.001))
    now = scene(block)
    there = planner().plan(to_pose(LEFT), now)
    check_motion(there, now)
    end = dict(zip(there.trajectory.joints, there.trajectory.positions[-1], strict=True))
    home = [
        JointConstraint(n, v) for n, v in planner().robot.default_positions.items() if "pa" in n
    ]
    back = planner().plan(to_joints(*home, start=end), now)
    check_motion(back, now)


def test_the_gripper_stays_upright_where_the_path_has_to() -> None:
    now = standing(LEFT, scene(table(), wall()))
    upright = OrientationConstraint("", "", down(0, 0, 0), np.array([0.4, 0.4, math.pi]))
    request = to_pose(RIGHT, path_constraints=Constraints(orientations=(upright,)), allowed_time=60)
    result = planner().plan(request, now)
    check_motion(result, now)
    forward = planner().robot.kinematics.forward
    tilts = [math.acos(-forward(q)[2, 2]) for q in result.trajectory.positions]
    assert max(tilts) < 0.57  # both angles at their limit


def refused(request: PlanRequest, now: PlanningScene | None = None) -> tuple[Code, str]:
    result = planner().plan(request, now or scene(table()))
    assert result.trajectory is None
    return result.code, result.message


NAN_POSE = LEFT.copy()
NAN_POSE[0, 3] = math.nan


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (to_pose(down(0.5, 0.2, -0.02)), Code.GOAL_IN_COLLISION, "finger_tip_link and table"),
        (to_pose(down(1.5, 0.2, 0.2)), Code.NO_IK_SOLUTION, "1.5"),
        (to_pose(NAN_POSE), Code.INVALID_GOAL_CONSTRAINTS, "NaN"),
        (to_pose(np.ones((4, 4))), Code.INVALID_GOAL_CONSTRAINTS, "last row"),
        (to_pose(LEFT, "gripper_of_mine"), Code.INVALID_LINK_NAME, "gripper_of_mine"),
        (to_pose(LEFT, "panda_link3"), Code.UNRECOGNIZED_GOAL_TYPE, "panda_link3"),
        (
            PlanRequest(GROUP, (pose_constraints("", "map", LEFT),)),
            Code.FRAME_TRANSFORM_FAILURE,
            "'map'",
        ),
        (
            dataclasses.replace(to_pose(LEFT), group="arm"),
            Code.INVALID_GROUP_NAME,
            "'arm' is unknown; panda_2f85 has 'panda_arm'",
        ),
        (PlanRequest(GROUP, ()), Code.INVALID_GOAL_CONSTRAINTS, "no goal"),
        (PlanRequest(GROUP, (Constraints(),)), Code.INVALID_GOAL_CONSTRAINTS, "no constraints"),
        (
            to_joints(JointConstraint("panda_joint1", 3.1)),
            Code.GOAL_STATE_INVALID,
            "panda_joint1 = 3.1000 rad is outside its limits -2.8973 to 2.8973",
        ),
        (
            to_joints(JointConstraint("panda_joint1", math.nan)),
            Code.INVALID_GOAL_CONSTRAINTS,
            "nan",
        ),
        (to_joints(JointConstraint("elbow", 0)), Code.INVALID_GOAL_CONSTRAINTS, "'elbow'"),
        (
            to_joints(JointConstraint("panda_joint1", 0), JointConstraint("panda_joint1", 1)),
            Code.INVALID_GOAL_CONSTRAINTS,
            "contradict",
        ),
        (to_pose(LEFT, start={"elbow": 0.0}), Code.INVALID_ROBOT_STATE, "'elbow'"),
        (to_pose(LEFT, start={"panda_joint1": math.inf}), Code.INVALID_ROBOT_STATE, "inf"),
        (to_pose(LEFT, start={"panda_joint4": 0.5}), Code.START_STATE_INVALID, "panda_joint4"),
        (to_pose(LEFT, start={"panda_joint2": 1.7}), Code.START_STATE_IN_COLLISION, "table"),
        (
            to_pose(
                LEFT,
                path_constraints=Constraints(
                    joints=(JointConstraint("panda_joint1", 1, 0.1, 0.1),)
                ),
            ),
            Code.START_STATE_VIOLATES_PATH_CONSTRAINTS,
            "panda_joint1",
        ),
        (
            to_joints(
                JointConstraint("panda_joint1", 1),
                path_constraints=Constraints(
                    joints=(JointConstraint("panda_joint1", 0, 0.5, 0.5),)
                ),
            ),
            Code.GOAL_VIOLATES_PATH_CONSTRAINTS,
            "panda_joint1 = 1.0000",
        ),
    ],
)
def test_queries_that_cannot_be_get_their_code_and_a_sentence(
    request_: PlanRequest, code: Code, words: str
) -> None:
    answer, message = refused(request_)
    assert answer is code, message
    assert words in message


def test_a_goal_that_cannot_be_got_at_times_out() -> None:
    walls = []
    for name, angle in (("left", 1.05), ("right", -1.05)):
        turned = geometry.from_axis_angle((0, 0, 1), angle) @ at(0.65, 0, 1.0)
        shape = Primitive("box", (1.0, 0.02, 2.0))
        walls.append(CollisionObject(name, pose=turned, shapes=((shape, np.eye(4)),)))
    beyond = JointConstraint("panda_joint1", 2.1)
    code, message = refused(to_joints(beyond, allowed_time=0.4), scene(*walls))
    assert code is Code.TIMED_OUT, message
    assert "0.4 s" in message


def test_a_query_can_be_cancelled_while_it_searches() -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20

    now = standing(LEFT, scene(table(), wall()))
    result = planner().plan(to_pose(RIGHT), now, cancelled)
    assert result.code is Code.PREEMPTED
    assert result.trajectory is None


def test_inverse_kinematics_answers_for_links_and_refuses_what_collides() -> None:
    now = scene(table())
    link = "robotiq_85_base_link"
    pose = now.base_from_frame(link) @ at(0.02, 0, 0)
    found = planner().inverse_kinematics(IKRequest(GROUP, pose, link, timeout=30), now)
    assert found.code is Code.SUCCESS
    assert np.allclose(now.with_positions(found.positions).base_from_frame(link), pose, atol=1e-4)
    low = down(0.5, 0.2, -0.03)
    assert planner().inverse_kinematics(IKRequest(GROUP, low, timeout=30), now).code is Code.SUCCESS
    blocked = planner().inverse_kinematics(
        IKRequest(GROUP, low, avoid_collisions=True, timeout=30), now
    )
    assert blocked.code is Code.GOAL_IN_COLLISION
    assert "table" in blocked.message
    assert not blocked.positions
    far = planner().inverse_kinematics(IKRequest(GROUP, down(2, 0, 0), timeout=30), now)
    assert far.code is Code.NO_IK_SOLUTION


def test_inverse_kinematics_prefers_the_branch_of_its_seed() -> None:
    robot, now = planner().robot, scene()
    rng = np.random.default_rng(5)
    for _ in range(5):
        q = np.clip(
            robot.profile.home + rng.normal(0, 0.4, 7),
            robot.kinematics.lower,
            robot.kinematics.upper,
        )
        seed = robot.with_arm(robot.default_positions, q)
        found = planner().inverse_kinematics(
            IKRequest(GROUP, robot.kinematics.forward(q), seed_state=seed, timeout=30), now
        )
        assert np.allclose(robot.arm_positions(found.positions), q, atol=1e-3)
