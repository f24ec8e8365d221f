# SPDX-License-Identifier: Apache-2.0
"""Robots of the simulated cell: inverse kinematics, and how closely the solids follow the meshes.

For each profile: the share of random reachable poses that the inverse kinematics solves (from home,
joints drawn evenly from their limits) and its CPU time. For each arm and gripper whose meshes are
installed: how far a vertex of a mesh lies outside the solids that collide, per link.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from tack_grasping.profiles import load_profile, profile_names
from tack_perception import geometry
from tack_sim.robots.arms import ARMS, HANDS
from tack_sim.robots.assets import load_meshes
from tack_sim.robots.kinematics import Kinematics
from tack_sim.robots.link import FloatArray, Solid


def solve(name: str, poses: int, seed: int) -> None:
    """Print how the inverse kinematics of one robot does."""
    profile = load_profile(name)
    kinematics = Kinematics(profile)
    rng = np.random.default_rng(seed)
    solved, times = 0, []
    for _ in range(poses):
        target = kinematics.forward(rng.uniform(kinematics.lower, kinematics.upper))
        started = time.process_time()
        solved += kinematics.inverse(target, profile.home, rng=rng) is not None
        times.append(1e3 * (time.process_time() - started))
    print(
        f"{name:12} {solved} of {poses} poses solved; CPU time median {np.median(times):.2f} ms,"
        f" mean {np.mean(times):.2f} ms, 95th percentile {np.percentile(times, 95):.2f} ms"
    )


def outside(solid: Solid, points: FloatArray) -> FloatArray:
    """(N,) distance of points (N, 3) of the link from a solid, m; below 0 inside."""
    local = geometry.apply(geometry.inverse(solid.link_from_solid), points)
    rounding = 0.0
    if solid.kind == "box":
        beyond = np.abs(local) - solid.size
    elif solid.kind == "cylinder":
        across = np.hypot(local[:, 0], local[:, 1])
        beyond = np.stack([across, np.abs(local[:, 2])], axis=1) - solid.size
    else:  # all points within the radius of a line, or of a point
        rounding = solid.size[0]
        local[:, 2] -= np.clip(local[:, 2], -solid.size[-1], solid.size[-1]) * (
            solid.kind == "capsule"
        )
        beyond = np.linalg.norm(local, axis=1)[:, None]
    away = np.linalg.norm(np.maximum(beyond, 0), axis=1)
    distance: FloatArray = np.minimum(beyond.max(axis=1), 0) + away - rounding
    return distance


def cover(part: str) -> None:
    """Print how far the meshes of one arm or gripper stick out of its solids."""
    meshes = load_meshes(part)
    if not meshes:
        print(f"{part:12} no meshes installed")
        return
    links = ARMS[part].links if part in ARMS else HANDS[part].links
    for link in links:
        solids = [solid for solid in link.solids if solid.collides]
        if link.name not in meshes or not solids:
            continue
        points = np.concatenate([mesh.vertices for mesh in meshes[link.name]]).astype(np.float64)
        distance = 1e3 * np.min([outside(solid, points) for solid in solids], axis=0)
        print(
            f"{part:12} {link.name:36} sticks out by {max(0, distance.max()):4.1f} mm at most,"
            f" by over 5 mm at {(distance > 5).mean():6.1%} of its vertices"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poses", type=int, default=300, help="per robot (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the poses (default 0)")
    arguments = parser.parse_args()
    for name in profile_names():
        solve(name, arguments.poses, arguments.seed)
    for part in (*ARMS, *HANDS):
        cover(part)


if __name__ == "__main__":
    main()
