# SPDX-License-Identifier: Apache-2.0
"""Where a camera was, from its pictures and depth alone.

Features with depth in one view are found in another, which gives the motion between the two (PnP
with RANSAC); where there are too few of them, RGB-D odometry takes over (Park, Zhou and Koltun,
ICCV 2017, in Open3D). Views that see the same place again are joined too, and a pose graph
(Choi, Zhou and Koltun, CVPR 2015) makes one of it all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.frame import RGBDFrame
from tack_perception.recording.features import Features, describe, matches
from tack_perception.recording.volume import import_open3d, usable_depth

FloatArray = NDArray[np.float64]
_FEWEST = 15  # matches that agree, below which a motion is not believed
_REPROJECTION_PX = 2.5
_AHEAD = 3  # views after one that it is joined to in any case
_TRIED = 20  # views before one that is hard to join, with which that is tried
_LOOPS = 6  # further views that it is joined to
_LOOP_M, _LOOP_DEG = 0.25, 40.0  # how near they must be, by the first estimate
_GOOD = 0.3  # share of the picture that RGB-D odometry must explain


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """Poses of views.

    Attributes:
        world_from_camera: one (4, 4) for each view, m; None where it could not be joined to the
            others. The world is the first view's camera.
        joined: how many pairs of views were joined.
        features: of each view.
    """

    world_from_camera: tuple[FloatArray | None, ...]
    joined: int
    features: tuple[Features, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class _Edge:
    first: int
    second: int
    second_from_first: FloatArray
    weight: float
    loop: bool


def track(
    frames: Sequence[RGBDFrame],
    reach_m: float,
    ignore: NDArray[np.bool_] | None = None,
    advance: Callable[[], object] | None = None,
) -> Track:
    """Find the poses of views, in the order of a recording.

    Args:
        frames: without lens distortion.
        reach_m: larger depths are not used.
        ignore: (H, W) pixels that are not used: what moves with the camera.
        advance: called after each view.

    Raises:
        DependencyError: Open3D is not installed.
    """
    described = [describe(frame, reach_m, ignore) for frame in frames]
    odometry = _Odometry(frames, reach_m, ignore)
    edges: list[_Edge] = []
    poses: list[FloatArray | None] = [np.eye(4)]
    for n in range(1, len(frames)):
        found = None
        for back, m in enumerate(m for m in reversed(range(n)) if poses[m] is not None):
            if back >= (_AHEAD if found else _TRIED):
                break
            edge = _joined(frames, described, m, n, loop=False)
            if edge is None and m == n - 1:
                edge = odometry.join(m, n)
            if edge is not None:
                edges.append(edge)
                found = found or edge
        known = None if found is None else poses[found.first]
        if found is None or known is None:
            poses.append(None)
        else:
            poses.append(known @ geometry.inverse(found.second_from_first))
        if advance is not None:
            advance()
    for first, second in _near(poses):
        edge = _joined(frames, described, first, second, loop=True)
        if edge is not None:
            edges.append(edge)
    return Track(_optimised(poses, edges), len(edges), tuple(described))


def _joined(
    frames: Sequence[RGBDFrame], described: Sequence[Features], first: int, second: int, *,
    loop: bool,
) -> _Edge | None:  # fmt: skip
    """The motion between two views by their features; None where too few agree."""
    one, two = described[first], described[second]
    pairs = matches(one, two)
    pairs = pairs[np.isfinite(one.points[pairs[:, 0]]).all(axis=1)]
    if len(pairs) < _FEWEST:
        return None
    matrix = frames[second].intrinsics.matrix
    cv2.setRNGSeed(0)  # the same recording gives the same poses
    ok, turn, shift, inliers = cv2.solvePnPRansac(
        one.points[pairs[:, 0]], two.pixels[pairs[:, 1]], matrix, None,
        iterationsCount=300, reprojectionError=_REPROJECTION_PX, confidence=0.999,
        flags=cv2.SOLVEPNP_SQPNP,
    )  # fmt: skip
    if not ok or inliers is None or len(inliers) < _FEWEST:
        return None
    kept = pairs[inliers[:, 0]]
    turn, shift = cv2.solvePnPRefineLM(
        one.points[kept[:, 0]], two.pixels[kept[:, 1]], matrix, None, turn, shift
    )
    moved = geometry.make_transform(cv2.Rodrigues(turn)[0], shift.ravel())
    return _Edge(first, second, moved, float(len(kept)), loop)


class _Odometry:
    """RGB-D odometry, for views with too few features."""

    def __init__(
        self, frames: Sequence[RGBDFrame], reach_m: float, ignore: NDArray[np.bool_] | None
    ) -> None:
        self._frames, self._reach_m, self._ignore = frames, reach_m, ignore
        self._o3d = import_open3d()

    def join(self, first: int, second: int) -> _Edge | None:
        """The motion between two neighbouring views; None where it explains too little."""
        o3d = self._o3d
        odometry = o3d.t.pipelines.odometry
        images = [self._image(n) for n in (first, second)]
        camera = o3d.core.Tensor(self._frames[second].intrinsics.matrix)
        try:
            said = odometry.rgbd_odometry_multi_scale(
                *images, camera, o3d.core.Tensor(np.eye(4)), 1.0, self._reach_m,
                method=odometry.Method.Hybrid,
            )  # fmt: skip
        except RuntimeError:  # nothing in common: its equations cannot be solved
            return None
        moved, fitness = said.transformation.numpy(), float(said.fitness)
        if fitness < _GOOD or not np.isfinite(moved).all():
            return None
        return _Edge(first, second, geometry.nearest_transform(moved), _FEWEST * fitness, False)

    def _image(self, number: int) -> Any:
        geometry3d, core = self._o3d.t.geometry, self._o3d.core
        frame = self._frames[number]
        depth = usable_depth(frame, self._reach_m, self._ignore)
        color = frame.color.astype(np.float32) / 255
        return geometry3d.RGBDImage(
            geometry3d.Image(core.Tensor(color)), geometry3d.Image(core.Tensor(depth))
        )


def _near(poses: Sequence[FloatArray | None]) -> list[tuple[int, int]]:
    """Pairs of views that are near to each other, but not neighbours in the recording."""
    found: list[tuple[int, int]] = []
    for second, pose in enumerate(poses):
        if pose is None:
            continue
        ranked = []
        for first in range(second - _AHEAD):
            other = poses[first]
            if other is None:
                continue
            apart = float(np.linalg.norm(pose[:3, 3] - other[:3, 3]))
            turn = float(np.degrees(np.arccos(np.clip(pose[:3, 2] @ other[:3, 2], -1, 1))))
            if apart < _LOOP_M and turn < _LOOP_DEG:
                ranked.append((apart / _LOOP_M + turn / _LOOP_DEG, first))
        found += [(first, second) for _, first in sorted(ranked)[:_LOOPS]]
    return found


def _optimised(
    poses: Sequence[FloatArray | None], edges: Sequence[_Edge]
) -> tuple[FloatArray | None, ...]:
    """The poses that agree best with all motions between views."""
    registration = import_open3d().pipelines.registration
    number = {n: i for i, n in enumerate(n for n, pose in enumerate(poses) if pose is not None)}
    graph = registration.PoseGraph()
    for pose in poses:
        if pose is not None:
            graph.nodes.append(registration.PoseGraphNode(pose))
    for edge in edges:
        graph.edges.append(
            registration.PoseGraphEdge(
                number[edge.first],
                number[edge.second],
                edge.second_from_first,
                np.eye(6) * edge.weight,
                uncertain=edge.loop,
            )
        )
    options = registration.GlobalOptimizationOption(
        max_correspondence_distance=0.01, edge_prune_threshold=0.25, reference_node=0
    )
    registration.global_optimization(
        graph, registration.GlobalOptimizationLevenbergMarquardt(),
        registration.GlobalOptimizationConvergenceCriteria(), options,
    )  # fmt: skip
    found = [geometry.nearest_transform(node.pose) for node in graph.nodes]
    return tuple(found[number[n]] if n in number else None for n in range(len(poses)))
