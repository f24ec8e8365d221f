# SPDX-License-Identifier: Apache-2.0
"""From frames to a data set: all steps of a recording, and what it leaves on disk."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_perception import geometry
from tack_perception.correspondence import (
    CanonicalMap,
    ClassInfo,
    CorrespondenceWriter,
    InstanceInfo,
    Manifest,
    SeenObject,
    View,
)
from tack_perception.correspondence.manifest import HELD_OUT, RECORDED
from tack_perception.correspondence.view import NOT_KNOWN
from tack_perception.errors import InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.frame import RGBDFrame
from tack_perception.recording import parts as part_finding
from tack_perception.recording.board import Board
from tack_perception.recording.features import Features, describe
from tack_perception.recording.gripper import moving_with_camera
from tack_perception.recording.parts import Part
from tack_perception.recording.poses import track
from tack_perception.recording.quality import (
    Quality,
    depth_residual_mm,
    pose_residuals_px,
    seen_share,
    span_deg,
)
from tack_perception.recording.settings import RecordConfig
from tack_perception.recording.taking import PoseOf, Taken, Taking, take, thinned
from tack_perception.recording.undistortion import undistorted
from tack_perception.recording.volume import Renderer, Rendering, Surface, fuse

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
QUALITY = "quality.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_EDGE_PX = 8  # how far inside the edges of things a depth camera may lose them
_STEP_M = 0.02  # of the depth, that is an edge
_BEFORE_M = 0.02  # what a sensor sees so much nearer than the surface is something else


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded:
    """A recording that has become a data set.

    Attributes:
        views: the frames, with poses.
        held_out: of each, whether it was kept back.
        surface: fused of all of them.
        parts: what is learned of it.
        renderings: the surface as each view sees it.
        gripper: (H, W) pixels that move with the camera.
        quality: how good it is.
    """

    views: tuple[Taken, ...]
    held_out: NDArray[np.bool_]
    surface: Surface
    parts: tuple[Part, ...]
    renderings: tuple[Rendering, ...]
    gripper: Mask
    quality: Quality

    def poses(self) -> list[FloatArray]:
        """World from camera of each view."""
        return [one.world_from_camera for one in self.views if one.world_from_camera is not None]


def check_name(name: str) -> str:
    """A name of a class that can be the name of a file.

    Raises:
        InvalidInputError: it is not.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"name {name!r}: letters, digits, - and _ are expected")
    return name


def record(
    frames: Iterable[RGBDFrame],
    name: str,
    config: RecordConfig | None = None,
    *,
    pose_of: PoseOf | None = None,
    board: Board | None = None,
    gripper: Mask | None = None,
    background: Surface | None = None,
    progress: bool = False,
) -> Recorded:
    """Make of frames what a data set needs; nothing is written.

    Args:
        frames: in order; one camera throughout.
        name: of what is learned.
        config: settings.
        pose_of: frame → world_from_camera, from TF; None where there is none.
        board: that the camera sees in every view, with `poses` = board.
        gripper: (H, W) pixels that move with the camera; None: they are found out.
        background: the same place without what is to be learned (`surface` of another recording
            with poses in the same frame): objects are then what is new, and no table is needed.
        progress: show progress bars.

    Raises:
        InvalidInputError: nothing can be made of the recording, or settings do not fit it.
        DependencyError: Open3D is not installed.
    """
    config = config or RecordConfig()
    check_name(name)
    source = _pose_source(config, pose_of, board)
    straight = (undistorted(frame) for frame in frames)
    watched = tqdm(straight, desc="looking", unit="frame", disable=not progress)
    taking = take(watched, pose_of if source == "tf" else None, config)
    if len(taking.views) < 3:
        why = ", ".join(f"{count} {reason}" for reason, count in taking.rejected.most_common())
        raise InvalidInputError(
            f"{len(taking.views)} of {taking.looked_at} frames are of use ({why or 'no frames'}):"
            " record with the camera moving around the object"
            + ("; if it did move, TF does not know: --poses depth" if source == "tf" else "")
        )
    _check_one_camera(taking)
    shots = [one.frame for one in taking.views]
    if gripper is None:
        gripper = moving_with_camera(shots)
    elif gripper.shape != shots[0].depth.shape:
        raise InvalidInputError(
            f"mask of the gripper: {gripper.shape}, the pictures are {shots[0].depth.shape}"
        )
    if background is not None and source == "depth":
        raise InvalidInputError(
            "a background needs poses in a frame that both recordings share: by TF or by a board"
        )
    views = _posed(taking, source, board, gripper, config, progress)
    return _fused(views, taking, source, gripper, background, config, progress)


def write(recorded: Recorded, folder: Path, name: str, settings: dict[str, Any]) -> None:
    """Write a recording as a data set; the views that were kept back as another within it.

    Args:
        recorded: the recording.
        folder: new or empty.
        name: of what is learned: of the class; several parts are numbered.
        settings: for the manifest.

    Raises:
        InvalidInputError: something else is in the folder.
        TackError: it cannot be written.
    """
    for split, target in (("train", folder), (HELD_OUT, folder / HELD_OUT)):
        chosen = np.flatnonzero(recorded.held_out == (split == HELD_OUT))
        names = part_names(name, len(recorded.parts))
        manifest = Manifest(
            views=len(chosen),
            classes={one: ClassInfo() for one in names},
            instances={f"{one}_recorded": InstanceInfo(one, None, split) for one in names},
            split=split,
            settings={RECORDED: settings},
        )
        writer = CorrespondenceWriter(target, manifest)
        for one, part in zip(names, recorded.parts, strict=True):
            faces = part.surface.faces
            writer.write_faces(one, faces, np.zeros(len(faces), np.int16))
            writer.write_vertices(f"{one}_recorded", part.surface.vertices)
        for place, number in enumerate(chosen.tolist()):
            writer.write(place, _view(recorded, number, names))
    write_atomically(folder / QUALITY, json.dumps(recorded.quality.as_dict(), indent=1) + "\n")


def part_names(name: str, count: int) -> list[str]:
    """Names of the classes of parts: one has the name itself, several are numbered."""
    return [name] if count == 1 else [f"{name}_{n + 1}" for n in range(count)]


def instance_map(recorded: Recorded, number: int) -> NDArray[np.uint8]:
    """(H, W) what of a view shows which part: 0, or 1 + its number; 255 where it is not known."""
    rendering, frame = recorded.renderings[number], recorded.views[number].frame
    part_of_face = np.zeros(len(recorded.surface.faces) + 1, np.uint8)  # the last one: no face
    for n, part in enumerate(recorded.parts):
        part_of_face[part.faces] = n + 1
    shown = part_of_face[rendering.face]
    with np.errstate(invalid="ignore"):
        covered = frame.depth < rendering.depth - _BEFORE_M
    shown = np.where(covered | recorded.gripper, 0, shown)
    return np.where(doubtful(rendering.depth), NOT_KNOWN, shown).astype(np.uint8)


def doubtful(depth: NDArray[np.float32]) -> Mask:
    """(H, W) where a picture may show something nearer than a surface says.

    Cameras see no depth along the edges of things, so a fused surface ends some pixels within
    them, and shows there what lies behind.
    """
    filled = np.where(np.isfinite(depth), depth, np.inf).astype(np.float32)
    around = cv2.erode(filled, np.ones((3, 3), np.uint8))
    with np.errstate(invalid="ignore"):
        edge = filled - around > _STEP_M
        between = np.where(edge, (filled + around) / 2, np.inf).astype(np.float32)
        nearest = cv2.erode(between, np.ones((2 * _EDGE_PX + 1,) * 2, np.uint8))
        behind: Mask = np.isfinite(depth) & (filled > nearest)
    return behind


def _pose_source(config: RecordConfig, pose_of: PoseOf | None, board: Board | None) -> str:
    source = config.poses
    if source == "auto":
        source = "board" if board is not None else "tf" if pose_of is not None else "depth"
    if source == "tf" and pose_of is None:
        raise InvalidInputError(
            "poses = tf: the recording has no transforms of its camera; record /tf and /tf_static,"
            " or take --poses depth"
        )
    if source == "board" and board is None:
        raise InvalidInputError("poses = board: say which board (--board)")
    return source


def _check_one_camera(taking: Taking) -> None:
    cameras = {dataclasses.astuple(one.frame.intrinsics)[:6] for one in taking.views}
    if len(cameras) > 1:
        raise InvalidInputError(
            f"the recording holds frames of {len(cameras)} cameras or sizes: one is expected"
        )


def _posed(
    taking: Taking, source: str, board: Board | None, gripper: Mask, config: RecordConfig,
    progress: bool,
) -> list[Taken]:  # fmt: skip
    """The views that have a pose, thinned to as many as are wanted."""
    if source == "tf":
        return list(thinned(taking.views, config.most_views))
    shots = [one.frame for one in taking.views]
    described: Sequence[Features | None] = [None] * len(shots)
    if source == "board":
        assert board is not None
        found: Sequence[FloatArray | None] = [board.world_from_camera(frame) for frame in shots]
        lost = "the board is not seen"
    else:
        with tqdm(total=len(shots), desc="tracking", unit="view", disable=not progress) as bar:
            tracked = track(shots, config.reach_m, gripper, lambda: bar.update())
        found, described, lost = tracked.world_from_camera, tracked.features, "lost track"
    kept: list[Taken] = []
    for one, pose, features in zip(taking.views, found, described, strict=True):
        if pose is None:
            taking.rejected[lost] += 1
        else:
            kept.append(dataclasses.replace(one, world_from_camera=pose, features=features))
    return list(thinned(kept, config.most_views))


def _fused(
    views: Sequence[Taken], taking: Taking, source: str, gripper: Mask,
    background: Surface | None, config: RecordConfig, progress: bool,
) -> Recorded:  # fmt: skip
    if len(views) < 3:
        raise InvalidInputError(
            f"the poses of {len(views)} views only are known, out of {len(taking.views)}: give the"
            " camera something with texture to look at, move more slowly, or record TF"
        )
    shots = [one.frame for one in views]
    poses = [one.world_from_camera for one in views if one.world_from_camera is not None]
    surface = fuse(shots, poses, config.voxel_m, config.reach_m, gripper)
    parts = _parts(surface, poses, background, config)
    renderer = Renderer(surface)
    pairs = list(zip(shots, poses, strict=True))
    bar = tqdm(pairs, desc="rendering", unit="view", disable=not progress)
    renderings = [renderer.view(shot.intrinsics, pose) for shot, pose in bar]
    features = [one.features or describe(one.frame, config.reach_m, gripper) for one in views]
    errors = pose_residuals_px(shots, poses, renderings, features)
    every = [error for several in errors for error in several]
    middle = geometry.apply(
        parts[0].world_from_part, parts[0].surface.vertices.astype(float).mean(axis=0)
    )
    faces = np.concatenate([part.faces for part in parts])
    quality = Quality(
        views=len(views),
        looked_at=taking.looked_at,
        rejected=taking.rejected,
        pose_px=float(np.median(every)) if every else float("nan"),
        view_px=tuple(float(np.median(one)) if one else float("nan") for one in errors),
        depth_mm=tuple(map(depth_residual_mm, shots, renderings)),
        angle_deg=span_deg(middle, poses),
        seen=seen_share(faces, renderings, len(surface.faces)),
        poses=source,
    )
    return Recorded(
        tuple(views), _kept_back(len(views), config.held_out), surface, tuple(parts),
        tuple(renderings), gripper, quality,
    )  # fmt: skip


def _parts(
    surface: Surface, poses: Sequence[FloatArray], background: Surface | None, config: RecordConfig
) -> list[Part]:
    if config.things == "scene":
        return [part_finding.scene_part(surface)]
    if background is not None:
        found = part_finding.parts_beside(surface, background, config.above_m)
        if not found:
            raise InvalidInputError(
                "nothing is where the background had nothing: are both recordings of one place, in"
                " one frame?"
            )
    else:
        plane = part_finding.table_plane(surface, np.stack([pose[:3, 3] for pose in poses]))
        found = part_finding.parts_on(surface, plane, config.above_m)
    if not found:
        raise InvalidInputError(
            f"nothing rises more than {config.above_m * 1e3:g} mm above the table (above_m): is the"
            " object in all pictures, and does the camera see its depth?"
        )
    if config.things == "objects":
        return found
    return [found[part_finding.looked_at(found, poses)]]


def _kept_back(count: int, share: float) -> NDArray[np.bool_]:
    """Which of so many views are kept back: evenly, never the first or the last."""
    chosen = np.zeros(count, np.bool_)
    wanted = min(round(share * count), count - 2)
    if wanted > 0:
        chosen[np.linspace(0, count - 1, wanted + 2).round().astype(int)[1:-1]] = True
    return chosen


def _view(recorded: Recorded, number: int, names: Sequence[str]) -> View:
    taken, rendering = recorded.views[number], recorded.renderings[number]
    shown = instance_map(recorded, number)
    objects = tuple(
        SeenObject(f"{one}_recorded", part.world_from_part, int((shown == n + 1).sum()))
        for n, (one, part) in enumerate(zip(names, recorded.parts, strict=True))
    )
    return View(
        scene=0,
        color=np.ascontiguousarray(taken.frame.color),
        intrinsics=taken.frame.intrinsics,
        world_from_camera=taken.world_from_camera,
        depth=np.ascontiguousarray(taken.frame.depth),
        true_depth=np.where(shown == NOT_KNOWN, np.nan, rendering.depth).astype(np.float32),
        objects=objects,
        instance=shown,
        canonical=_canonical(recorded, rendering, shown),
    )


def _canonical(recorded: Recorded, rendering: Rendering, shown: NDArray[np.uint8]) -> CanonicalMap:
    """Which triangle of its part each pixel sees."""
    own = np.full(len(recorded.surface.faces) + 1, -1, np.int32)
    for part in recorded.parts:
        own[part.faces] = np.arange(len(part.faces), dtype=np.int32)
    mine = (shown > 0) & (shown != NOT_KNOWN)
    face = np.where(mine, own[rendering.face], -1).astype(np.int32)
    weights = np.where(mine[..., None], rendering.weights, 0).astype(np.float32)
    return CanonicalMap(face, weights)
