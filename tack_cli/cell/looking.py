# SPDX-License-Identifier: Apache-2.0
"""A person at the cell: clicks on the object, has it moved, and sees whether it is found again."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.observer import Observer, Pixel
from tack_cli.cell.outcome import JobFailedError
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_sim.cell.layout import CellLayout

FloatArray = NDArray[np.float64]
Say = Callable[[str], None]

MOVED, SEARCHED = "move it", "find again"
"""The stages in which the object is moved, and in which the point is looked for."""

_SETTLE_NS = 400_000_000
_SEEN_NS = 300_000_000  # after which a node that is there has seen an image as well
_MOVES = 8
_TRIES = 8
_HIDDEN = 0.01  # m; a surface so much nearer than the point hides it
_MARGIN = 8  # px


class Stages:
    """How long each stage took, s of the wall clock; the observer hears when one begins."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.seconds: dict[str, float] = {}

    def add(self, name: str, seconds: float) -> None:
        """Count time for a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The block is a stage."""
        self._observer.stage(name)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began)


@dataclasses.dataclass(frozen=True, eq=False)
class Sighting:
    """The point, found again.

    Attributes:
        clicks: that it took, on one label, in order.
        frame: the image it was found in.
        keypoint: the detection, with a position in the camera's frame.
        base_from_camera: (4, 4) at the image's stamp, m.
    """

    clicks: tuple[Annotation, ...]
    frame: RGBDFrame
    keypoint: Keypoint
    base_from_camera: FloatArray

    @property
    def label(self) -> str:
        """Of the point."""
        return self.clicks[0].label

    @property
    def xyz(self) -> FloatArray:
        """(3,) the point in the base frame, m."""
        assert self.keypoint.xyz is not None
        return geometry.apply(self.base_from_camera, self.keypoint.xyz)


@dataclasses.dataclass(frozen=True)
class ClickPlan:
    """How the click is made.

    Attributes:
        point: name of the point; "" for one that can be grasped and is seen well.
        pixel: (u, v) of a person's own click instead; then `point` is only its name.
        move: move and turn the object after the click.
        most: clicks at most: where the point is not found again, it is clicked on once more.
    """

    point: str = ""
    pixel: Pixel | None = None
    move: bool = True
    most: int = 3


class Looker:
    """Clicks, has the object moved, and waits until the point is found again.

    Args:
        plan: how the click is made.
        layout: of the cell.
        probe: a `tack_ros.cell.probe.Probe`.
        clock: times the stages.
        say: told in words what happens.
        observer: looks on, and may ask a person for the click.
    """

    def __init__(
        self,
        plan: ClickPlan,
        layout: CellLayout,
        probe: Any,
        clock: Stages,
        say: Say,
        observer: Observer,
    ) -> None:
        self._plan, self._layout, self._probe = plan, layout, probe
        self._clock, self._say, self._observer = clock, say, observer

    def look(self) -> Sighting:
        """Do it.

        Raises:
            JobFailedError: the point was not found again.
            TackError: there is nothing to click on, or a node has ended.
        """
        from tack_ros.cell.probe import NotFoundError

        plan, clicks, why = self._plan, list[Annotation](), ""
        # A pixel that was given, and a thing that stays where it is, show nothing new.
        most = plan.most if plan.move and plan.pixel is None else 1
        while True:
            with self._clock.stage("click"):
                clicks.append(self._click(clicks, why))
            self._tell_of(clicks)
            if plan.move:
                with self._clock.stage(MOVED):
                    self._move(clicks[0].label)
                self._say("   Then somebody moves the object and turns it.")
            moved_ns = self._probe.now_ns()
            try:
                with self._clock.stage(SEARCHED):
                    return self._find(clicks, moved_ns)
            except NotFoundError as failure:
                why = str(failure)
                if len(clicks) >= most:
                    last = self._probe.frame(moved_ns)
                    raise JobFailedError(SEARCHED, why, clicks, last) from failure
                self._say(f"   It is not found again: {why}. So one more click, as it lies now.")

    def _tell_of(self, clicks: Sequence[Annotation]) -> None:
        click = clicks[-1]
        frame = click.frame
        pose = self._base_from_camera(frame)
        self._observer.clicked(click.label, (click.u, click.v), frame, pose)
        number = "One click" if len(clicks) == 1 else f"Click number {len(clicks)}"
        self._say(f"2. {number} on '{click.label}' at pixel ({click.u:.0f}, {click.v:.0f}).")

    def _base_from_camera(self, frame: RGBDFrame) -> FloatArray:
        pose: FloatArray = self._probe.transform(
            self._layout.profile.base_frame, frame.frame_id, frame.stamp_ns
        )
        return pose

    def _click(self, before: Sequence[Annotation], why: str) -> Annotation:
        """Click once.

        Args:
            before: earlier clicks: this one is on the same point.
            why: what is told to a person who is asked.

        Raises:
            TackError: no point to click on is seen, or the click is refused.
        """
        known = before[0].label if before else self._plan.point
        problem = TackError("there is nothing to click on")
        for _ in range(_TRIES):
            frame = self._probe.frame(self._probe.now_ns() + _SEEN_NS)
            asked = self._observer.choose(frame, why)
            try:
                if asked is not None:
                    label, (frame, pixel) = known or "point", asked
                elif self._plan.pixel is not None:
                    label, pixel = known or "point", self._plan.pixel
                else:
                    label, pixel = self._choose(frame, self._probe.ask("/cell/truth"), known)
            except _NotSeenError as error:
                problem = error
                self._probe.trigger("/cell/move_target")
                continue
            try:
                self._probe.annotate(label, pixel, frame.stamp_ns)
            except TackError as error:  # the node has only begun to see images
                problem, why = error, str(error)
                continue
            return Annotation(label, *pixel, frame)
        raise problem

    def _choose(self, frame: RGBDFrame, truth: Mapping[str, Any], known: str) -> tuple[str, Pixel]:
        """Label and pixel of a scripted click: on a true point that is seen well."""
        model = self._layout.target.model
        grasps = [grasp.point for grasp in model.grasps if grasp.rest == model.rests[0].name]
        names = [known] if known else list(dict.fromkeys(grasps))
        base_from_camera = self._base_from_camera(frame)
        seen: dict[str, tuple[float, Pixel]] = {}
        for name in names:
            position = true_position(truth, name)
            if position is None:
                there = truth["objects"][truth["target"]]["points"]
                raise InvalidInputError(
                    f"{model.family} has no point {name!r}; it has {', '.join(there)}"
                )
            pixel = visible_pixel(frame, base_from_camera, position)
            if pixel is not None:
                seen[name] = (_depth_support(frame, pixel), pixel)
        if seen:
            # As a person would: where the camera measures depth, not on a thin shining shaft.
            name = max(seen, key=lambda known: seen[known][0])
            return name, seen[name][1]
        raise _NotSeenError(
            f"none of {', '.join(names)} can be seen from here: try another --seed or --grasp"
        )

    def _move(self, label: str) -> None:
        """Put the object elsewhere, where the camera still sees the point (if it is a known one).

        Raises:
            TackError: no such place was found.
        """
        for _ in range(_MOVES):
            self._probe.trigger("/cell/move_target")
            frame = self._probe.frame(self._probe.now_ns() + _SETTLE_NS)
            position = true_position(self._probe.ask("/cell/truth"), label)
            pose = self._base_from_camera(frame)
            if position is None or visible_pixel(frame, pose, position) is not None:
                return
        raise TackError(f"'{label}' was hidden in each of {_MOVES} places: try another --seed")

    def _find(self, clicks: Sequence[Annotation], moved_ns: int) -> Sighting:
        stamp_ns, keypoint = self._probe.keypoints(moved_ns, clicks[0].label)
        frame = self._probe.frame(stamp_ns - 1)
        pose: FloatArray = self._probe.transform(
            self._layout.profile.base_frame, frame.frame_id, stamp_ns
        )
        u, v = frame.intrinsics.project(keypoint.xyz)  # which no message carries
        keypoint = dataclasses.replace(keypoint, u=u, v=v)
        self._observer.detected(keypoint, pose)
        return Sighting(tuple(clicks), frame, keypoint, pose)


class _NotSeenError(TackError):
    """No point to click on is on the image."""


def true_position(truth: Mapping[str, Any], label: str) -> FloatArray | None:
    """(3,) where a named point of the target truly is, in the base frame, m; None: no such name.

    Args:
        truth: what ~/truth of the cell answers.
        label: of the point.
    """
    points = truth["objects"][truth["target"]]["points"]
    return np.array(points[label]) if label in points else None


def visible_pixel(
    frame: RGBDFrame, base_from_camera: FloatArray, point: FloatArray
) -> Pixel | None:
    """The pixel of a point, if it is on the image and nothing is in front of it.

    Args:
        frame: the image.
        base_from_camera: (4, 4), m.
        point: (3,) in the base frame, m.
    """
    in_camera = geometry.apply(geometry.inverse(base_from_camera), point)
    if in_camera[2] <= 0:
        return None
    u, v = np.rint(frame.intrinsics.project(in_camera)).tolist()
    height, width = frame.depth.shape
    if not (_MARGIN <= u < width - _MARGIN and _MARGIN <= v < height - _MARGIN):
        return None
    patch = frame.depth[int(v) - 2 : int(v) + 3, int(u) - 2 : int(u) + 3]
    if not np.isfinite(patch).any() or np.nanmedian(patch) < in_camera[2] - _HIDDEN:
        return None
    return u, v


def _depth_support(frame: RGBDFrame, pixel: Pixel) -> float:
    """Share of the pixels around one that lie on the same surface."""
    u, v = map(int, pixel)
    patch = frame.depth[v - 6 : v + 7, u - 6 : u + 7]
    near = np.abs(patch - np.nanmedian(frame.depth[v - 1 : v + 2, u - 1 : u + 2])) < _HIDDEN
    return float(near.mean())
