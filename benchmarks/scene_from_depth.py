# SPDX-License-Identifier: Apache-2.0
"""How true is the planning scene that is read from depth? Coverage, false volume, safe motions.

    python benchmarks/scene_from_depth.py [--scenes 20] [--clutter 6] [--robot panda_2f85]
                                          [--plans 2] [--json FILE] [--picture FILE]

Every scene is a seeded cell with a target, clutter, an occluder and a bin. It is read from the
noisy image of the camera on a stand (`scene`), of the one at the wrist (`wrist`), and from both,
one look after the other (`both`). Given are depth, the profile, a true point on what is visible of
the target (a click), and the places of the arm's links. It is compared with rays against the true
meshes:

- covered: share of the true surface points (not the target's) that the camera sees, within the
  region that is read, that lie in an obstacle;
- blocked: share of the workspace's free space (beside and above all things by more than the
  padding) that lies in an obstacle;
- the target must be no obstacle: one counts as such where most of what is truly visible in it is
  the target's.

With `--plans`, motions across the scene are planned around the obstacles of `both` and checked
against the true cell, as physics sees it; and, so that the check is known to find something, once
more around the table alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.profiles import load_profile
from tack_grasping.robot import RobotProfile
from tack_grasping.scene import (
    SceneConfig,
    SceneModel,
    chain_shapes,
    draw_scene,
    gripper_shapes,
    read_scene,
)
from tack_perception import geometry
from tack_sim.cameras.cell_camera import CameraImages, CellCamera
from tack_sim.cell.layout import sample_layout
from tack_sim.cell.scene_truth import SceneTruth, VisiblePoints
from tack_sim.cell.world import CellWorld
from tack_sim.objects.families import FAMILIES
from tack_sim.planning.change import Operation, SceneChange, apply_change
from tack_sim.planning.inverse import pose_constraints
from tack_sim.planning.path_check import fine_states
from tack_sim.planning.planner import MotionPlanner
from tack_sim.planning.requests import IKRequest, PlanRequest
from tack_sim.planning.scene import CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive, TriangleMesh
from tack_sim.renderer import import_mujoco
from tack_sim.robots.arms import arm_of
from tack_sim.robots.spec import set_joints

FloatArray = NDArray[np.float64]
VIEWS = ("scene", "wrist", "both")
SAMPLES = 60_000
CELL = 0.005  # m, of the true map of heights
REPEATS = 3  # of which the quickest counts


def images(world: CellWorld, camera: str, seed: int) -> tuple[CameraImages, CameraImages]:
    """One shot with noise and one without."""
    shots = []
    for noise in (True, False):
        mount = world.profile.cameras[camera]
        with CellCamera(world.model, mount, seed=seed, noise=noise, shadow_size=0) as eye:
            shots.append(eye.shoot(world.snapshot()))
    return shots[0], shots[1]


def robot_of(world: CellWorld) -> tuple[Any, ...]:
    """The robot's solids: the gripper by the profile, the arm by the places of its links."""
    places = [world.base_from_link(link.name)[:3, 3] for link in arm_of(world.profile).links]
    return (*gripper_shapes(world.profile, world.base_from_gripper()), *chain_shapes(places))


def target_point(world: CellWorld, seen: list[VisiblePoints]) -> FloatArray | None:
    """(3,) the visible point nearest to the target's first named one, m: a click; None unseen."""
    placed = world.layout.target
    local = placed.model.position(next(iter(placed.model.points)))
    named = geometry.apply(world.object_pose(placed.name), local)
    points = np.concatenate([one.points[one.owner == 0] for one in seen])
    if not len(points):
        return None
    nearest: FloatArray = points[int(np.linalg.norm(points - named, axis=1).argmin())]
    return nearest


def measure(
    model: SceneModel,
    truth: SceneTruth,
    seen: list[VisiblePoints],
    profile: RobotProfile,
    config: SceneConfig,
) -> dict[str, Any]:
    """How a model compares with the truth."""
    low, high = (corner.copy() for corner in profile.workspace)
    points = np.concatenate([one.points for one in seen])
    owner = np.concatenate([one.owner for one in seen])
    region = (
        (points[:, :2] >= low[:2] - config.beside) & (points[:, :2] < high[:2] + config.beside)
    ).all(axis=1)
    points, owner = points[region], owner[region]
    inside = np.array([one.contains(points) for one in model.obstacles]).reshape(-1, len(points))
    in_any = inside.any(axis=0)
    other = owner != 0
    in_target = np.zeros(len(points), bool)
    if model.target is not None:
        in_target = model.target.contains(points)
    mine = [int(hit[~other].sum()) > int(hit[other].sum()) for hit in inside if hit.any()]
    rng = np.random.default_rng(0)
    low[2] = profile.table_height + 0.005
    samples = rng.uniform(low, high, (SAMPLES, 3))
    tops = truth.heights(low[:2] - 0.3, high[:2] + 0.3, CELL, config.padding)
    cells = np.floor((samples[:, :2] - (low[:2] - 0.3)) / CELL).astype(int)
    free = samples[:, 2] > tops[cells[:, 0], cells[:, 1]]
    blocked = np.zeros(SAMPLES, bool)
    for one in model.obstacles:
        blocked |= one.contains(samples)
    high_up = points[:, 2] > profile.table_height + 0.008
    missed = other & ~in_any
    taken = float(in_target[missed].sum() / max(other.sum(), 1))
    return {
        "table_mm": 1e3 * model.table.error,
        "tilt": model.table.tilt,
        "covered": float(in_any[other].mean()) if other.any() else math.nan,
        "covered_high": float(in_any[other & high_up].mean()) if other.any() else math.nan,
        "taken_for_target": taken,
        "target_points_blocked": float(in_any[~other].mean()) if (~other).any() else math.nan,
        "target_found": model.target is not None,
        "target_visible": int((~other).sum()),
        "target_covered": float(in_target[~other].mean()) if (~other).any() else math.nan,
        "target_as_obstacle": int(sum(mine)),
        "empty": int(sum(not hit.any() for hit in inside)),
        "obstacles": len(model.obstacles),
        "blocked": float((blocked & free).sum() / free.sum()),
        "taken_truly": float((~free).mean()),
        "seen": model.seen,
        "notes": list(model.notes),
    }


def planning_scene(planner: MotionPlanner, model: SceneModel) -> PlanningScene:
    """The planner's scene of a model."""
    objects = []
    for one in model.solids:
        shape: Primitive | TriangleMesh
        if one.size is not None:
            shape = Primitive("box", tuple(one.size))
        else:
            assert one.vertices is not None
            assert one.triangles is not None
            shape = TriangleMesh(one.vertices, one.triangles)
        item = CollisionObject(one.name, pose=one.base_from_shape, shapes=((shape, np.eye(4)),))
        objects.append((item, Operation.ADD))
    change = apply_change(PlanningScene.empty(planner.robot), SceneChange(objects=tuple(objects)))
    assert change.success, change.problems
    return change.scene


def true_depth(world: CellWorld, path: FloatArray, reaches: FloatArray) -> tuple[float, str]:
    """The deepest overlap of robot and cell on a path, m, and with what."""
    mujoco = import_mujoco()
    model, data = world.model, mujoco.MjData(world.model)
    world.snapshot().apply(model, data)
    start = data.qpos.copy()
    names = [model.body(int(body)).name for body in model.geom_bodyid]
    things = {"world", "table", "floor", "bin", *(one.name for one in world.layout.objects)}
    links = {name for name in names if name not in things}
    deepest, what = 0.0, ""
    for q in fine_states(path, reaches):
        data.qpos[:] = start
        set_joints(model, data, world.profile, q)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        for contact in data.contact:
            pair = names[contact.geom[0]], names[contact.geom[1]]
            if (pair[0] in links) != (pair[1] in links) and -contact.dist > deepest:
                other = pair[1] if pair[0] in links else pair[0]
                if other != world.layout.target.name:  # it is no obstacle: it is to be touched
                    deepest, what = -float(contact.dist), " and ".join(pair)
    return deepest, what


def plans(
    world: CellWorld, model: SceneModel, planner: MotionPlanner, count: int, seed: int
) -> list[dict[str, Any]]:
    """Motions across the scene at the height of things, planned in the model, judged in truth."""
    rng = np.random.default_rng((seed, 7))
    scene = planning_scene(planner, model)
    bare = planning_scene(planner, dataclasses.replace(model, obstacles=()))
    low, high = world.profile.workspace
    rows: list[dict[str, Any]] = []
    for _ in range(200):
        if len(rows) >= count:
            break
        ends = []
        for side in (1.0, -1.0):
            place = rng.uniform(low, high)
            place[1] = side * rng.uniform(0.10, 0.30)
            place[2] = world.profile.table_height + rng.uniform(0.02, 0.10)
            turned = geometry.from_axis_angle((0, 0, 1), rng.uniform(-math.pi, math.pi), place)
            pose = turned @ np.diag([1.0, -1, -1, 1])
            tip = planner.robot.kinematics.tip_pose(pose)
            request = IKRequest(world.profile.group, tip, avoid_collisions=True, timeout=1)
            ends.append((tip, planner.inverse_kinematics(request, scene)))
        if any(answer.code != MoveItErrorCode.SUCCESS for _, answer in ends):
            continue
        (_, start), (goal, _) = ends
        request = PlanRequest(
            world.profile.group, (pose_constraints("", "", goal),), allowed_time=10.0, seed=seed
        )
        result = planner.plan(request, scene.with_positions(start.positions))
        row: dict[str, Any] = {"code": result.code.name, "overlap_mm": 0.0, "with": ""}
        if result.trajectory is not None:
            reaches = planner.checker(scene).reaches
            depth, what = true_depth(world, result.trajectory.positions, reaches)
            row |= {"overlap_mm": 1e3 * depth, "with": what}
        blind = planner.plan(request, bare.with_positions(start.positions))
        if blind.trajectory is not None:
            reaches = planner.checker(bare).reaches
            row["blind_mm"] = 1e3 * true_depth(world, blind.trajectory.positions, reaches)[0]
        rows.append(row)
    return rows


def run(index: int, options: argparse.Namespace, planner: MotionPlanner | None) -> dict[str, Any]:
    """One scene."""
    profile, config = load_profile(options.robot), SceneConfig()
    family = FAMILIES[index % len(FAMILIES)]
    seed = options.seed + index
    layout = sample_layout(profile, family, seed, clutter=options.clutter, occluders=1)
    world = CellWorld(layout, meshes=False)
    world.step(0.3)
    truth, robot = SceneTruth(world), robot_of(world)
    row: dict[str, Any] = {"seed": seed, "family": family}
    before: SceneModel | None = None
    seen = []
    for camera in ("scene", "wrist"):
        noisy, clean = images(world, camera, seed)
        frame = noisy.frame(camera)
        now = truth.visible(clean)
        seen.append(now)
        arguments: dict[str, Any] = {"target": target_point(world, [now]), "robot": robot}
        seconds = []
        for _ in range(REPEATS):
            start = time.process_time()
            model = read_scene(frame, noisy.world_from_color, profile, **arguments)
            seconds.append(time.process_time() - start)
        row[camera] = {**measure(model, truth, [now], profile, config), "ms": 1e3 * min(seconds)}
        arguments["target"] = target_point(world, seen)
        start = time.process_time()
        before = read_scene(frame, noisy.world_from_color, profile, previous=before, **arguments)
        spent = time.process_time() - start
        if options.picture and index == 0 and camera == "scene":
            drawn = draw_scene(frame.color, frame.intrinsics, noisy.world_from_color, before)
            small = cv2.resize(drawn, (960, 720), interpolation=cv2.INTER_AREA)
            quality = [cv2.IMWRITE_JPEG_QUALITY, 78]
            cv2.imwrite(str(options.picture), cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
    assert before is not None
    row["both"] = {**measure(before, truth, seen, profile, config), "ms": 1e3 * spent}
    if planner is not None:
        row["plans"] = plans(world, before, planner, options.plans, seed)
    return row


def report(rows: list[dict[str, Any]]) -> None:
    def spread(name: str, view: str, scale: float = 1.0) -> str:
        values = np.array([scale * row[view][name] for row in rows])
        return f"{np.nanmean(values):8.2f} {np.nanmin(values):8.2f} {np.nanmax(values):8.2f}"

    for view in VIEWS:
        print(f"{view}{'mean':>32}{'least':>9}{'most':>9}")
        for name, label, scale in (
            ("table_mm", "table height error, mm", 1.0),
            ("tilt", "table tilt, deg", 1.0),
            ("covered", "covered, %", 100),
            ("covered_high", "  of what is above 8 mm, %", 100),
            ("taken_for_target", "taken for the target, %", 100),
            ("blocked", "free space blocked, %", 100),
            ("taken_truly", "(truly taken, padded, %)", 100),
            ("target_points_blocked", "target points in obstacles, %", 100),
            ("target_covered", "target points in the target, %", 100),
            ("obstacles", "obstacles", 1.0),
            ("empty", "of them with nothing in view", 1.0),
            ("seen", "workspace seen, %", 100),
            ("ms", "CPU time, ms", 1.0),
        ):
            print(f"  {label:<30} {spread(name, view, scale)}")
        wrong = [row["seed"] for row in rows if row[view]["target_as_obstacle"]]
        lost = [
            row["seed"]
            for row in rows
            if not row[view]["target_found"] and row[view]["target_visible"] > 100
        ]
        print(
            f"  target as an obstacle: {len(wrong)} of {len(rows)} {wrong or ''};"
            f" not found though seen: {len(lost)} {lost or ''}"
        )
    made = [plan for row in rows for plan in row.get("plans", ())]
    solved = [plan for plan in made if plan["code"] == "SUCCESS"]
    hit = [plan for plan in solved if plan["overlap_mm"] > 0]
    if made:
        print(f"plans: {len(solved)} of {len(made)} solved, {len(solved) - len(hit)} free in truth")
        blind = [plan["blind_mm"] for plan in made if "blind_mm" in plan]
        hits = sum(depth > 0 for depth in blind)
        print(f"around the table alone: {hits} of {len(blind)} would have hit something")
        for plan in hit:
            print(f"  overlap {plan['overlap_mm']:.1f} mm: {plan['with']}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=20, help="number of cells")
    parser.add_argument("--clutter", type=int, default=6, help="other objects on each table")
    parser.add_argument("--robot", default="panda_2f85", help="name or file of a robot profile")
    parser.add_argument("--seed", type=int, default=0, help="of the first cell")
    parser.add_argument("--plans", type=int, default=0, help="motions in each scene")
    parser.add_argument("--json", type=Path, help="also write every row to this file")
    parser.add_argument("--picture", type=Path, help="draw the first scene here, as JPEG")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    planner = MotionPlanner(load_profile(options.robot)) if options.plans else None
    rows = [run(options_index, options, planner) for options_index in tqdm(range(options.scenes))]
    report(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
