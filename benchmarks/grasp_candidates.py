# SPDX-License-Identifier: Apache-2.0
"""Grasps planned from one true point and one noisy depth image, judged by physics; and their speed.

    python benchmarks/grasp_candidates.py [--trials 160] [--seed 10] [--approach down]
                                          [--insertion 0.02] [--profile panda_2f85] [--verbose]
    python benchmarks/grasp_candidates.py --speed
    python benchmarks/grasp_candidates.py --picture grasps.jpg [--families hammer] [--seed 3]

Every trial puts a held-out instance somewhere on the table of the cell, takes one image with the
wrist camera from home, lifts one of its graspable points from its true pixel, plans, and executes
the best candidate that the arm reaches. Points outside the image are left out. A pick counts when
the object is lifted and held (see `cell_grasps.py`). The picture shows the goals of one trial in
colours, the best in orange, and what was rejected in grey.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
import timeit
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tack_cli.report.pictures import jpeg
from tack_grasping.candidates import (
    AtPoint,
    GraspConfig,
    GraspPlan,
    SurfacePlannerConfig,
    plan_grasps,
    plan_surface_grasps,
)
from tack_grasping.fingers import Surroundings, cloud_around
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.points import NamedPoint
from tack_grasping.profiles import load_profile, profile_names
from tack_perception import geometry, overlay
from tack_perception.evaluation.statistics import Share, quantile
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import lift_keypoint
from tack_sim.cameras.cell_camera import CellCamera
from tack_sim.cell.executor import TrajectoryExecutor
from tack_sim.cell.layout import sample_layout
from tack_sim.cell.path import joint_move, straight_move
from tack_sim.cell.pick import PickPlan, execute_pick
from tack_sim.cell.world import CellWorld
from tack_sim.objects.families import FAMILIES, make_object
from tack_sim.objects.model import SPLITS
from tack_sim.robots.kinematics import Kinematics

HALF_TURN = geometry.from_axis_angle((0, 0, 1), math.pi)
TIP_CLEARANCE = 0.004  # m
PIXEL_SIGMA = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """One object on the table, seen once, with what was planned for one of its points."""

    world: CellWorld
    frame: RGBDFrame
    base_from_camera: np.ndarray
    keypoint: Keypoint
    plan: GraspPlan
    seconds: float


def look(family: str, seed: int, args: argparse.Namespace) -> Scene | None:
    """Plan for a point of a scene; None where the point is outside the image."""
    profile = load_profile(args.profile)
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    held_out = SPLITS["held_out"]
    model = make_object(family, int(rng.integers(held_out.start, held_out.stop)))
    rests = sorted({grasp.rest for grasp in model.grasps})
    rest = rests[int(rng.integers(len(rests)))]
    points = sorted({grasp.point for grasp in model.grasps if grasp.rest == rest})
    point = points[int(rng.integers(len(points)))]
    layout = sample_layout(profile, model, seed, rest=rest, clearance=0.10)
    world = CellWorld(layout, meshes=False)
    world.step(0.1)
    wrist = profile.cameras["wrist"]
    with CellCamera(world.model, wrist, shadow_size=1024 if args.picture else 0, seed=seed) as eye:
        shot = eye.shoot(world.snapshot())
    frame, base_from_camera = shot.frame("camera"), shot.world_from_color
    true = geometry.apply(world.object_pose(layout.target.name), model.position(point))
    u, v = frame.intrinsics.project(geometry.apply(geometry.inverse(base_from_camera), true))
    if not frame.intrinsics.contains(u, v):
        return None
    found = Keypoint(point, u, v, 0.9, pixel_covariance=np.eye(2) * PIXEL_SIGMA**2)
    keypoint = lift_keypoint(frame, found)
    if keypoint.xyz is None:
        return Scene(
            world, frame, base_from_camera, keypoint, GraspPlan(refusal=keypoint.refusal), 0
        )
    cloud = cloud_around(frame, keypoint.xyz, base_from_camera)
    start = time.perf_counter()
    plan = plan_surface_grasps(
        keypoint,
        base_from_camera,
        profile.base_frame,
        0,
        up=(0, 0, 1),
        surroundings=Surroundings(cloud, profile.gripper, profile.table_height + TIP_CLEARANCE),
        config=SurfacePlannerConfig(approach=args.approach, insertion=args.insertion),
    )
    return Scene(world, frame, base_from_camera, keypoint, plan, time.perf_counter() - start)


def motions(world: CellWorld, goal: PickPlaceGoal) -> PickPlan | None:
    """The motions to a goal, either half turn; None where no joint positions reach it."""
    profile = world.profile
    kinematics = Kinematics(profile)
    for turn in (np.eye(4), HALF_TURN):
        above, grasp, lift = (p @ turn for p in (goal.pregrasp, goal.grasp, goal.lift))
        first = kinematics.inverse(kinematics.tip_pose(above), profile.home)
        if first is None:
            continue
        down = straight_move(kinematics, profile, first, above, grasp)
        if down is None:
            continue
        up = straight_move(kinematics, profile, down.positions[-1], grasp, lift)
        if up is not None:
            approach = joint_move(profile, world.arm_motion()[0], first)
            return PickPlan(grasp, goal.width, approach, down, up)
    return None


def run_trial(scene: Scene) -> tuple[str, str]:
    """What came of it, and why."""
    if scene.plan.refusal:
        return "refused", scene.plan.refusal
    for goal in scene.plan.goals:
        pick = motions(scene.world, goal)
        if pick is not None:
            target = scene.world.layout.target.name
            result = execute_pick(scene.world, target, pick, TrajectoryExecutor(scene.world))
            return result.cause, f"{goal.why}; {result.message}"
    return "unreachable", ""


def physics(args: argparse.Namespace) -> None:
    outcomes: dict[str, Counter[str]] = {family: Counter() for family in args.families}
    seconds = []
    for index in tqdm(range(args.trials), unit="pick"):
        family = args.families[index % len(args.families)]
        seed = args.seed + index // len(args.families)
        scene = look(family, seed, args)
        if scene is None:
            continue
        seconds.append(scene.seconds)
        cause, why = run_trial(scene)
        outcomes[family][cause] += 1
        if args.verbose and cause != "success":
            tqdm.write(f"{family} (layout {seed}), {scene.keypoint.label}: {cause}; {why}")
    for family, counts in (*outcomes.items(), ("all", sum(outcomes.values(), Counter()))):
        share = Share.of(
            [True] * counts["success"] + [False] * (counts.total() - counts["success"])
        )
        others = ", ".join(
            f"{cause} {n}" for cause, n in counts.most_common() if cause != "success"
        )
        print(f"{family:<12}{share.hits}/{share.trials} {share}  {others}")
    print(
        f"planning: median {1000 * quantile(seconds, 0.5):.0f} ms,"
        f" p95 {1000 * quantile(seconds, 0.95):.0f} ms"
    )


def speed(args: argparse.Namespace) -> None:
    rng = np.random.default_rng(args.seed)
    along, around = rng.uniform(-0.055, 0.075, 3000), rng.uniform(-1.9, 1.9, 3000)
    rod = np.column_stack([along, 0.012 * np.sin(around), 0.038 + 0.012 * np.cos(around)])
    table = np.column_stack([*rng.uniform(-0.08, 0.08, (2, 2000)), np.zeros(2000)])
    around_it = Surroundings(
        np.concatenate([rod, table]), load_profile(args.profile).gripper, 0.004
    )
    points = {"rod": NamedPoint("rod", np.array([0, 0, 0.05]), np.eye(3) * 1e-6)}
    config = GraspConfig(turns=30, insertion=args.insertion)

    def once() -> GraspPlan:
        return plan_grasps(
            points, AtPoint("rod", "down"), "base", 0, up=(0, 0, 1), surroundings=around_it,
            config=config,
        )  # fmt: skip

    plan = once()
    count = len(plan.goals) + len(plan.rejected)
    best = min(timeit.repeat(once, timer=time.process_time, number=5, repeat=7)) / 5
    cloud = len(around_it.points)
    print(f"{count} candidates, {cloud} points: {1000 * best:.0f} ms of one core (best of 7)")


def picture(args: argparse.Namespace) -> None:
    scene = look(args.families[0], args.seed, args)
    if scene is None or not scene.plan.goals:
        raise SystemExit(f"nothing to draw: {scene.plan.refusal if scene else 'outside the image'}")
    scale = 2
    canvas = overlay.enlarged(scene.frame.color, scale)
    camera, camera_from_base = scene.frame.intrinsics, geometry.inverse(scene.base_from_camera)
    for rejected in scene.plan.rejected:
        pose = camera_from_base @ rejected.frame_from_gripper
        overlay.draw_gripper(canvas, camera, pose, args.opening, (150, 150, 150), scale=scale)
    for rank, goal in reversed(list(enumerate(scene.plan.goals))):
        color = overlay.PALETTE[0] if rank == 0 else overlay.PALETTE[1]
        pose = camera_from_base @ goal.grasp
        overlay.draw_gripper(canvas, camera, pose, goal.width, color, scale=scale)
    u, v = (int(value * scale) for value in (scene.keypoint.u, scene.keypoint.v))
    half = 260
    top, left = max(v - half, 0), max(u - half * 3 // 2, 0)
    args.picture.write_bytes(jpeg(canvas[top : top + 2 * half, left : left + 3 * half]))
    for goal in scene.plan.goals:
        terms = ", ".join(f"{name} {value:.2f}" for name, value in goal.terms.items())
        print(f"{goal.score:.2f} {goal.why} ({terms})")
    for rejected in scene.plan.rejected:
        print(f"rejected: {rejected.reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=160, help="in all, spread over the classes")
    parser.add_argument("--seed", type=int, default=10, help="of the first layout")
    parser.add_argument("--approach", default="down", choices=("down", "normal"))
    parser.add_argument("--insertion", type=float, default=0.02, help="of the tips, m")
    parser.add_argument("--opening", type=float, default=0.08, help="that rejected ones show, m")
    parser.add_argument("--profile", default="panda_2f85", help=f"of {', '.join(profile_names())}")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--verbose", action="store_true", help="name every failure")
    parser.add_argument("--speed", action="store_true", help="time one plan and end")
    parser.add_argument("--picture", type=Path, help="draw one plan and end")
    args = parser.parse_args()
    if args.speed:
        speed(args)
    elif args.picture:
        picture(args)
    else:
        physics(args)


if __name__ == "__main__":
    main()
