# SPDX-License-Identifier: Apache-2.0
"""Pictures of what happened in a cell, rendered from its log."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_cli.report.video import VideoWriter
from tack_perception import geometry, overlay
from tack_perception.camera import CameraIntrinsics
from tack_sim.cameras.scene_renderer import SceneRenderer
from tack_sim.cell.build import build_cell
from tack_sim.cell.log import CellLog
from tack_sim.cell.world import Snapshot
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

FILM = CameraIntrinsics(768, 480, 640.0, 640.0, 383.5, 239.5)
CLOSE = CameraIntrinsics(640, 480, 760.0, 760.0, 319.5, 239.5)
_LOOK_AT = np.array([0.40, 0.0, 0.24])
_STAND = np.array([1.62, 1.02, 0.88])  # the stand of the scene camera is on the other side
_SPEED, _LONGEST_S = 2.0, 45.0  # of a film against the cell's time; it is sped up above that
_RATE = 10.0  # pictures per second of the film
_SECOND_NS = 1_000_000_000


class Studio:
    """Renders states of a log. A context manager; use it from one thread.

    Args:
        log: what happened.
    """

    def __init__(self, log: CellLog) -> None:
        self._layout = log.setup.layout()
        self._model = build_cell(self._layout)
        self._data = import_mujoco().MjData(self._model)
        self._snapshots = log.snapshots()
        self._renderer = SceneRenderer(
            self._model, max(FILM.width, CLOSE.width), max(FILM.height, CLOSE.height),
            samples=2, shadow_size=1024,
        )  # fmt: skip

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *error: object) -> None:
        self._renderer.close()

    def picture(
        self, snapshot: Snapshot, base_from_camera: FloatArray, camera: CameraIntrinsics = FILM
    ) -> Image:
        """A state from a pose: (H, W, 3) uint8 RGB."""
        snapshot.apply(self._model, self._data)
        return self._renderer.color(self._data, camera, base_from_camera)

    def at(self, time: float) -> Snapshot:
        """The state that was logged nearest to a time, s."""
        return min(self._snapshots, key=lambda snapshot: abs(snapshot.time - time))

    def film(
        self,
        moments: Sequence[tuple[str, float]],
        start: float,
        speed: float = _SPEED,
        *,
        progress: bool = True,
    ) -> bytes:
        """MP4 of everything from a time on, with the stage written into the corner.

        Args:
            moments: what was begun, and when, s; in order.
            start: s.
            speed: of the film against the cell's time.
            progress: show a bar on the terminal.
        """
        stream = io.BytesIO()
        view = looking_at(_STAND, _LOOK_AT)
        chosen = list(_spaced((s for s in self._snapshots if s.time >= start), speed / _RATE))
        bar = tqdm(chosen, unit="picture", desc="film", leave=False, disable=not progress)
        with VideoWriter(stream) as writer:
            for number, snapshot in enumerate(bar):
                picture = self.picture(snapshot, view)
                stage = _stage(moments, snapshot.time)
                if stage:
                    corner = (-14.0, float(FILM.height) - 2)
                    overlay.draw_label(picture, stage, corner, overlay.PALETTE[0])
                writer.add(picture, round(number * _SECOND_NS / _RATE))
        return stream.getvalue()

    def grasp(
        self, time: float, point: FloatArray, base_from_gripper: FloatArray, opening: float
    ) -> list[Image]:
        """The grasp from two sides before it closes, the planned gripper drawn over it.

        Args:
            time: s.
            point: (3,) that is grasped, m.
            base_from_gripper: (4, 4) of the goal, m.
            opening: m.
        """
        pictures = []
        across = base_from_gripper[:3, 0] * (1, 1, 0)
        along = base_from_gripper[:3, 1] * (1, 1, 0)
        for side in (across, along):
            side = side * (1 if side[0] >= 0 else -1)  # never from where the arm is
            stand = point + 0.55 * geometry.unit(np.add(geometry.unit(side), (0, 0, 0.45)))
            view = looking_at(stand, np.add(point, (0, 0, 0.03)))
            picture = self.picture(self.at(time), view, CLOSE)
            camera_from_base = geometry.inverse(view)
            pose = camera_from_base @ base_from_gripper
            overlay.draw_gripper(picture, CLOSE, pose, opening, overlay.PALETTE[0])
            overlay.draw_axes(picture, CLOSE, pose, length=0.03)
            pixel = CLOSE.project(geometry.apply(camera_from_base, point))
            overlay.draw_click(picture, (float(pixel[0]), float(pixel[1])), overlay.PALETTE[1])
            pictures.append(picture)
        return pictures


def looking_at(stand: FloatArray, target: FloatArray) -> FloatArray:
    """(4, 4) base_from_camera of an upright camera that stands somewhere and looks at a point."""
    ahead = np.asarray(target, dtype=np.float64) - stand
    pose: FloatArray = geometry.frame_from_axes(
        ahead, np.cross(ahead, (0.0, 0.0, 1.0)), np.asarray(stand)
    )
    return pose


def _spaced(snapshots: Iterable[Snapshot], step: float) -> Iterator[Snapshot]:
    """Snapshots at least so many seconds apart."""
    due = -np.inf
    for snapshot in snapshots:
        if snapshot.time >= due - 1e-6:
            due = (
                max(due + step, snapshot.time + step / 2)
                if np.isfinite(due)
                else (snapshot.time + step)
            )
            yield snapshot


def film_speed(seconds: float) -> float:
    """How fast a film of so many seconds of the cell's time runs against it."""
    return float(max(_SPEED, np.ceil(seconds / _LONGEST_S)))


def _stage(moments: Sequence[tuple[str, float]], time: float) -> str:
    """The stage that a time, s, lies in; "" before the first."""
    begun = [name for name, start in moments if start <= time]
    return begun[-1] if begun else ""
