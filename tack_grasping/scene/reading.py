# SPDX-License-Identifier: Apache-2.0
"""A depth image → the planning scene: table, obstacles, and the target, which is none of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.extent import Extent
from tack_grasping.robot import RobotProfile
from tack_grasping.scene.fitting import fit_obstacle, fit_parts
from tack_grasping.scene.fixed import fixed_obstacles
from tack_grasping.scene.model import TARGET, SceneModel
from tack_grasping.scene.naming import UNNAMED, keep_names
from tack_grasping.scene.obstacle import Obstacle
from tack_grasping.scene.plan_map import Region, things
from tack_grasping.scene.robot_shapes import RobotShape, on_robot
from tack_grasping.scene.settings import SceneConfig, SceneError
from tack_grasping.scene.standing import standing_pixels
from tack_grasping.scene.table import Table, find_table
from tack_grasping.scene.target import take_target
from tack_grasping.scene.unseen import share_seen
from tack_grasping.scene.view import View, view_of
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]
Cells = NDArray[np.int64]

_STEP = 4  # px, of the points that the table is found in
_FEWEST = 100  # points of the region, without which an image tells nothing


def read_scene(
    frame: RGBDFrame,
    base_from_camera: FloatArray,
    profile: RobotProfile,
    *,
    target: ArrayLike | None = None,
    robot: Sequence[RobotShape] = (),
    previous: SceneModel | None = None,
    config: SceneConfig | None = None,
) -> SceneModel:
    """Read the planning scene from a depth image.

    Things are told apart from above: what is nearer to each other than `config.join` is one thing,
    so things that touch the target are taken for a part of it.

    Args:
        frame: the image.
        base_from_camera: (4, 4) pose of its optical frame in the base frame, m.
        profile: the robot; its workspace says where to look, its table_height what to expect.
        target: (3,) a point on what is to be grasped, or (K, 3) several, in the base frame, m.
            Where only pieces of it are to be seen, each is known by a point on it.
        robot: solids of the robot, and of what the planning scene knows anyway: no obstacles.
        previous: the scene so far. What this image does not show is kept, what it shows to be free
            is dropped, and names stay.
        config: settings.

    Raises:
        SceneError: no depth in the region, or the table is not where the profile has it.
        InvalidInputError: the pose or the target is not valid, the image has no depth, or the scene
            so far is in another frame.
    """
    config = config or SceneConfig()
    wanted_at = None if target is None else _target_points(target)
    if previous is not None and previous.frame_id != profile.base_frame:
        raise InvalidInputError(
            f"the scene so far is in {previous.frame_id!r}, that of {profile.name} would be in"
            f" {profile.base_frame!r}: begin anew, without `previous`"
        )
    view = view_of(frame, base_from_camera)
    points, depths = view.points(_STEP)
    near = _near_region(points, profile, config)
    if np.count_nonzero(near) < _FEWEST:
        raise SceneError(
            f"the depth image shows nothing of the workspace of {profile.name} and its"
            " surroundings: check where the camera looks, and base_from_camera"
        )
    free = near & ~on_robot(points, robot, config.robot_padding)
    table = find_table(points[free], depths[free], profile, config)
    region = Region.around(profile, table, config)
    standing = _standing(view, table, region, robot, config)
    tops = region.tops(standing)
    if previous is not None:
        kept = _kept(view, table, region, robot, previous, config)
        tops = np.maximum(tops, region.tops(kept))
    spacing = view.spacing(points[free], depths[free], table)
    found, specks = things(tops, region, spacing, config)
    notes = _table_notes(table, config)
    if tops.max() > region.high[2] - config.padding:
        notes.append(
            f"something is as high as the region that is looked at, {region.high[2]:.2f} m above"
            " the table: it may be higher than its obstacle"
        )
    wanted = None
    if wanted_at is not None:
        places = geometry.apply(geometry.inverse(table.base_from_table), wanted_at)
        noise = view.noise_at(wanted_at[0], table.noise)
        wanted, found, gap = take_target(found, tops, region, places, noise)
        if wanted is None:
            notes.append(_no_target(wanted_at[0], gap))
    others = [
        part
        for cells in found
        for part in fit_parts(UNNAMED, region.columns(tops, cells), region.cell, table, config)
    ]
    old = () if previous is None else previous.obstacles
    obstacles, numbered = keep_names(
        [(obstacle, _places(table, thing, 0.5)) for obstacle, thing in others],
        old,
        0 if previous is None else previous.numbered,
        config.keep_shape,
    )
    taken, extent, surface = None, None, np.zeros((0, 3))
    if wanted is not None:
        mine = region.columns(tops, wanted)
        surface = _places(table, mine, 1.0)
        taken = fit_obstacle(TARGET, mine, region.cell, table, config)
        extent = _extent(standing, wanted, region, table, tops)
        _note_size(taken, notes, config)
    fixed, more = fixed_obstacles(
        profile, table, region, () if previous is None else previous.fixed, config
    )
    return SceneModel(
        frame_id=profile.base_frame,
        stamp_ns=frame.stamp_ns,
        table=table,
        fixed=fixed,
        obstacles=obstacles,
        target=taken,
        extent=extent,
        seen=share_seen(view, profile) if config.report_unseen else float("nan"),
        specks=specks,
        notes=(*notes, *more),
        surface=_stacked([_places(table, thing, 1.0) for _, thing in others]),
        target_surface=surface,
        numbered=numbered,
    )


def _target_points(target: ArrayLike) -> FloatArray:
    points = np.asarray(target, dtype=np.float64)
    if points.ndim == 1:
        points = points[None]
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points).all():
        raise InvalidInputError(
            f"target of shape {points.shape}: finite (3,) or (K, 3) in the base frame (m) expected"
        )
    return points


def _near_region(
    points: FloatArray, profile: RobotProfile, config: SceneConfig
) -> NDArray[np.bool_]:
    low, high = (corner[:2] for corner in profile.workspace)
    flat = points[:, :2]
    inside = ((flat >= low - config.beside) & (flat < high + config.beside)).all(axis=1)
    return np.asarray(inside & (points[:, 2] > profile.table_height - config.table_search))


def _standing(
    view: View,
    table: Table,
    region: Region,
    robot: Sequence[RobotShape],
    config: SceneConfig,
) -> FloatArray:
    """(N, 3) points of things in the table's frame, m."""
    mask = standing_pixels(view.heights(table), view.depth, table.noise, config)
    points = view.on_table(table, mask)
    if robot:
        mine = geometry.apply(table.base_from_table, points)
        points = points[~on_robot(mine, robot, config.robot_padding)]
    return region.clipped(points)


def _kept(
    view: View,
    table: Table,
    region: Region,
    robot: Sequence[RobotShape],
    previous: SceneModel,
    config: SceneConfig,
) -> FloatArray:
    """(N, 3) what earlier looks saw and this one does not contradict, in the table's frame, m."""
    places = np.concatenate([previous.surface, previous.target_surface])
    noise = 0.0 if np.isnan(table.noise) else table.noise
    places = places[~view.seen_through(places, noise)]
    places = places[~on_robot(places, robot, config.robot_padding)]
    return region.clipped(geometry.apply(geometry.inverse(table.base_from_table), places))


def _no_target(point: FloatArray, gap: float) -> str:
    where = ", ".join(f"{value:.3f}" for value in point)
    nearest = f": the nearest thing is {gap * 1e3:.0f} mm away" if math.isfinite(gap) else ""
    return f"nothing stands at the target's point ({where}) m{nearest}"


def _extent(
    standing: FloatArray, cells: Cells, region: Region, table: Table, tops: FloatArray
) -> Extent:
    """What is seen of the target now; the highest places of earlier looks where that is nothing."""
    mine = np.zeros(len(tops), dtype=np.bool_)
    mine[cells] = True
    points = standing[mine[region.cells(standing)]]
    if not len(points):
        points = region.columns(tops, cells)
    on_base = geometry.apply(table.base_from_table, points)
    x, y = on_base[:, :2].mean(axis=0)
    normal, origin = table.base_from_table[:3, 2], table.base_from_table[:3, 3]
    floor = origin[2] - (normal[0] * x + normal[1] * y) / normal[2]
    return Extent(on_base, float(floor))


def _places(table: Table, columns: FloatArray, share: float) -> FloatArray:
    """(N, 3) places in columns, at a share of their height, in the base frame, m."""
    return geometry.apply(table.base_from_table, columns * (1.0, 1.0, share))


def _stacked(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate([np.zeros((0, 3)), *parts])


def _table_notes(table: Table, config: SceneConfig) -> list[str]:
    if table.measured:
        return []
    return [
        "too little of the table is to be seen: table_height of the profile is taken as it is"
        f" ({table.expected:g} m; {config.table_share:.0%} of the region's image would do)"
    ]


def _note_size(target: Obstacle, notes: list[str], config: SceneConfig) -> None:
    corners = target.corners
    span = corners[:, :2].max(axis=0) - corners[:, :2].min(axis=0)
    length = float(np.hypot(*span)) - 2 * config.padding
    if length > config.largest_target:
        notes.append(
            f"what the target's point is on is {length:.2f} m long: it may be several things that"
            " touch; all of it is taken for the target and is no obstacle"
        )
