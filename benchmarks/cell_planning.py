# SPDX-License-Identifier: Apache-2.0
"""How well does the cell plan around clutter? Success, time, and whether the paths are free.

    python benchmarks/cell_planning.py [--queries 100] [--robot panda_2f85] [--json FILE]

Each query asks for a pose of the gripper on the other side of an obstacle: a wall, a heap of boxes,
or from beside a bin into it. Queries whose start or goal has no solution free of collision are not
counted: another one is drawn. Every path that comes back is checked again, by means that the
planner does not share: a MuJoCo model of its own as physics would see it, and steps between which
no corner of any part of the robot moves by more than 1 mm and no joint by more than 0.2°.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.profiles import load_profile
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim.planning.change import Operation, SceneChange, apply_change
from tack_sim.planning.inverse import pose_constraints
from tack_sim.planning.planner import MotionPlanner
from tack_sim.planning.requests import IKRequest, PlanRequest
from tack_sim.planning.scene import CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive
from tack_sim.renderer import import_mujoco
from tack_sim.robots.spec import robot_spec

FloatArray = NDArray[np.float64]
Box = tuple[tuple[float, float, float], FloatArray]  # lengths, m, and base_from_box (4, 4)

STEP_M, STEP_RAD = 1e-3, math.radians(0.2)
KINDS = ("wall", "boxes", "bin")


def at(x: float, y: float, z: float, yaw: float = 0.0) -> FloatArray:
    return geometry.from_axis_angle((0, 0, 1), yaw, (x, y, z))


def obstacles(kind: str, rng: np.random.Generator) -> list[Box]:
    """Boxes between the robot's left and its right, on a table."""
    boxes: list[Box] = [((1.6, 1.8, 0.1), at(0.4, 0, -0.052))]
    if kind == "wall":
        height, yaw = rng.uniform(0.2, 0.45), rng.uniform(-0.4, 0.4)
        boxes.append(((rng.uniform(0.3, 0.5), 0.03, height), at(0.5, 0, height / 2, yaw)))
    elif kind == "boxes":
        for _ in range(rng.integers(6, 12)):
            x, y, z = rng.uniform((0.05, 0.05, 0.1), (0.15, 0.15, 0.4))
            place = at(rng.uniform(0.3, 0.75), rng.uniform(-0.25, 0.25), z / 2, rng.uniform(0, 3))
            boxes.append(((x, y, z), place))
    else:
        length, width, height = 0.36, 0.30, rng.uniform(0.10, 0.22)
        middle = at(rng.uniform(0.45, 0.55), -0.28, 0, rng.uniform(-0.3, 0.3))
        for x, y, dx, dy in (
            (length / 2, 0, 0.012, width),
            (-length / 2, 0, 0.012, width),
            (0, width / 2, length, 0.012),
            (0, -width / 2, length, 0.012),
        ):
            boxes.append(((dx, dy, height), middle @ at(x, y, height / 2)))
        boxes.append(((0.3, 0.05, 0.35), at(0.5, 0.02, 0.175)))
    return boxes


def ends(kind: str, boxes: list[Box], rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """(4, 4) base_from_gripper at the start and at the goal, looking down, m."""

    def somewhere(side: float) -> FloatArray:
        place = (rng.uniform(0.38, 0.62), side * rng.uniform(0.14, 0.32), rng.uniform(0.03, 0.2))
        return at(*place, rng.uniform(-math.pi, math.pi)) @ np.diag([1.0, -1, -1, 1])

    goal = somewhere(-1)
    if kind == "bin":
        walls = np.mean([place[:3, 3] for _, place in boxes[1:5]], axis=0)
        goal[:3, 3] = walls + rng.uniform((-0.06, -0.04, 0), (0.06, 0.04, 0))
        goal[2, 3] = rng.uniform(0.04, 0.10)
    return somewhere(1), goal


def planning_scene(planner: MotionPlanner, boxes: list[Box]) -> PlanningScene:
    objects = [
        (
            CollisionObject(
                f"box{index}", pose=pose, shapes=((Primitive("box", size), np.eye(4)),)
            ),
            Operation.ADD,
        )
        for index, (size, pose) in enumerate(boxes)
    ]
    change = apply_change(PlanningScene.empty(planner.robot), SceneChange(objects=tuple(objects)))
    assert change.success, change.problems
    return change.scene


class Judge:
    """Finds collisions in the model that physics would use, without the planner's help."""

    def __init__(self, profile: RobotProfile, boxes: list[Box]) -> None:
        self._mujoco = mujoco = import_mujoco()
        spec = robot_spec(profile, meshes=False)
        for size, pose in boxes:
            x, y, z, w = geometry.to_quaternion(pose)
            spec.worldbody.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[length / 2 for length in size],
                pos=pose[:3, 3],
                quat=[w, x, y, z],
            )
        self._model = model = spec.compile()
        self._data = mujoco.MjData(model)
        self._arm = [int(model.joint(name).qposadr[0]) for name in profile.joints]
        self._parts = np.flatnonzero((model.geom_contype > 0) & (model.geom_bodyid > 0))
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        boxes_of = model.geom_aabb[self._parts]
        self._corners = boxes_of[:, None, :3] + signs * boxes_of[:, None, 3:]

    def _place(self, q: FloatArray) -> FloatArray:
        """(K, 3) the corners of all parts of the robot, m."""
        data = self._data
        data.qpos[self._arm] = q
        self._mujoco.mj_kinematics(self._model, data)
        turns = data.geom_xmat[self._parts].reshape(-1, 3, 3)
        placed = np.einsum("nij,nkj->nki", turns, self._corners)
        corners: FloatArray = (placed + data.geom_xpos[self._parts][:, None]).reshape(-1, 3)
        return corners

    def depth(self, path: FloatArray) -> float:
        """The deepest overlap anywhere along straight lines between way-points, m; 0 for none."""
        deepest = 0.0
        for q in self._steps(path):
            self._data.qpos[self._arm] = q
            self._mujoco.mj_kinematics(self._model, self._data)
            self._mujoco.mj_collision(self._model, self._data)
            if self._data.ncon:
                deepest = max(deepest, -float(self._data.contact.dist.min()))
        return deepest

    def _steps(self, path: FloatArray) -> Iterator[FloatArray]:
        yield path[0]
        corners = self._place(path[0])
        for first, second in itertools.pairwise(path):
            moved = self._place(second)
            distance = float(np.linalg.norm(moved - corners, axis=1).max())
            turn = float(np.abs(second - first).max())
            # An arc is longer than its chord, by less than this over the 10 ms of a step.
            count = max(1, math.ceil(max(1.1 * distance / STEP_M, turn / STEP_RAD)))
            for index in range(1, count + 1):
                yield first + (second - first) * (index / count)
            corners = moved


def query(planner: MotionPlanner, index: int, seed: int) -> dict[str, Any]:
    """One query that has a free start and a free goal, its answer and the judge's verdict."""
    rng = np.random.default_rng((seed, index))
    kind = KINDS[index % len(KINDS)]
    kinematics = planner.robot.kinematics
    while True:
        boxes = obstacles(kind, rng)
        scene = planning_scene(planner, boxes)
        start, goal = (kinematics.tip_pose(pose) for pose in ends(kind, boxes, rng))
        answers = [
            planner.inverse_kinematics(
                IKRequest(planner.robot.profile.group, pose, avoid_collisions=True, timeout=2),
                scene,
            )
            for pose in (start, goal)
        ]
        if all(answer.code == MoveItErrorCode.SUCCESS for answer in answers):
            break
    q_start, q_goal = (planner.robot.arm_positions(answer.positions) for answer in answers)
    judge = Judge(planner.robot.profile, boxes)
    straight = np.linspace(q_start, q_goal, 100)
    request = PlanRequest(
        planner.robot.profile.group,
        (pose_constraints("", "", goal),),
        allowed_time=10.0,
        seed=index,
    )
    before = time.process_time()
    result = planner.plan(request, scene.with_positions(answers[0].positions))
    row: dict[str, Any] = {
        "kind": kind,
        "code": result.code.name,
        "message": result.message,
        "wall_s": result.planning_time,
        "cpu_s": time.process_time() - before,
        "straight_blocked": judge.depth(straight) > 0,
        "overlap_m": 0.0,
    }
    if result.trajectory is not None:
        row["overlap_m"] = judge.depth(result.trajectory.positions)
        row["duration_s"] = result.trajectory.duration
        row["length_rad"] = result.path_length
    return row


def report(rows: list[dict[str, Any]]) -> None:
    solved = [row for row in rows if row["code"] == "SUCCESS"]
    free = [row for row in solved if row["overlap_m"] <= 0]
    blocked = sum(row["straight_blocked"] for row in rows)
    print(f"queries: {len(rows)}, of which the straight joint path is blocked in {blocked}")
    print(f"solved: {len(solved)} ({len(solved) / len(rows):.1%})")
    print(f"free at 1 mm / 0.2 deg, by the judge: {len(free)} of {len(solved)}")
    for kind in KINDS:
        chosen = [row for row in rows if row["kind"] == kind]
        good = sum(row["code"] == "SUCCESS" for row in chosen)
        print(f"  {kind:6} {good} of {len(chosen)}")
    for name, label in (
        ("wall_s", "plan time, s"),
        ("cpu_s", "plan CPU time, s"),
        ("duration_s", "motion, s"),
        ("length_rad", "path, rad"),
    ):
        values = [row[name] for row in solved]
        if values:
            median, high = np.percentile(values, [50, 95])
            print(f"{label:17} median {median:.3f}, 95th percentile {high:.3f}")
    for code, count in Counter(row["code"] for row in rows).items():
        print(f"  {code}: {count}")
    for row in rows:
        if row not in free:
            print(f"  {row['kind']}: {row['message']} (overlap {row['overlap_m'] * 1e3:.2f} mm)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=100, help="number of queries")
    parser.add_argument("--robot", default="panda_2f85", help="name or file of a robot profile")
    parser.add_argument("--seed", type=int, default=0, help="decides scenes and queries")
    parser.add_argument("--json", type=Path, help="also write every row to this file")
    options = parser.parse_args()
    planner = MotionPlanner(load_profile(options.robot))
    rows = [query(planner, index, options.seed) for index in tqdm(range(options.queries))]
    report(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
