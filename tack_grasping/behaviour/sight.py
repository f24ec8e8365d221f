# SPDX-License-Identifier: Apache-2.0
"""What the behaviour sees: an image, where the camera was, and the things that were found in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.points import NamedPoint, named_point
from tack_grasping.scene import Obstacle
from tack_perception import geometry
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

FloatArray = NDArray[np.float64]


class SightError(StageError):
    """There is no image, no transform, or nothing in it."""


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """One image, and where it was taken from.

    Attributes:
        frame: the image.
        base_from_camera: (4, 4) of the camera's optical frame at its stamp, m.
    """

    frame: RGBDFrame
    base_from_camera: FloatArray

    def __post_init__(self) -> None:
        geometry.check_transform(self.base_from_camera, "base ← camera")


@dataclasses.dataclass(frozen=True, eq=False)
class Thing:
    """One thing, by its named points.

    Attributes:
        points: label → point in the base frame, of those that have a position.
        keypoints: label → detection, of all that were looked for.
    """

    points: Mapping[str, NamedPoint]
    keypoints: Mapping[str, Keypoint] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", MappingProxyType(dict(self.points)))
        object.__setattr__(self, "keypoints", MappingProxyType(dict(self.keypoints)))

    def without(self, label: str, refusal: str) -> Thing:
        """The same with a label that has no position, for a reason, a sentence."""
        keypoints = dict(self.keypoints)
        if label in keypoints:
            keypoints[label] = dataclasses.replace(
                keypoints[label], xyz=None, xyz_covariance=None, normal=None, refusal=refusal
            )
        points = {name: point for name, point in self.points.items() if name != label}
        return Thing(points, keypoints)

    def missing(self, label: str) -> str:
        """Why a label has no position, a sentence."""
        keypoint = self.keypoints.get(label)
        if keypoint is None:
            known = ", ".join(sorted({*self.points, *self.keypoints})) or "none"
            return f"nobody has clicked on '{label}'; known points: {known}"
        if not keypoint.visible:
            return f"'{label}' is believed to be hidden or absent"
        return keypoint.refusal or f"'{label}' has no position in space"


def things_of(keypoints: Iterable[Keypoint], base_from_camera: FloatArray) -> tuple[Thing, ...]:
    """Things of detections, by the `instance` that each is on, the surest first.

    Of a detector that knows nothing of things, the best of each label is one, and so on.

    Args:
        keypoints: of one image, lifted or with a reason why not.
        base_from_camera: (4, 4) at its stamp, m.
    """
    things: dict[int, Thing] = {}
    for keypoint in sorted(keypoints, key=lambda one: (one.instance, -one.confidence)):
        number = keypoint.instance
        while number in things and keypoint.label in things[number].keypoints:
            number += 1
        thing = things.get(number, Thing({}))
        point = named_point(keypoint, base_from_camera)
        named = {} if point is None else {keypoint.label: point}
        things[number] = Thing(
            {**thing.points, **named}, {**thing.keypoints, keypoint.label: keypoint}
        )
    return tuple(things[number] for number in sorted(things))


@dataclasses.dataclass(frozen=True, eq=False)
class Sight(View):
    """What was found in one image.

    Attributes:
        things: all instances that were found, the most certain first.
    """

    things: tuple[Thing, ...] = ()

    def having(self, label: str) -> tuple[Thing, ...]:
        """The things on which a label was found, with its position."""
        return tuple(thing for thing in self.things if label in thing.points)

    def without(self, label: str, why: Callable[[NamedPoint], str]) -> Sight:
        """The same without points of a label that are none.

        Args:
            label: of the points.
            why: says why one is none, a sentence; "" for one that is kept.
        """

        def kept(thing: Thing) -> Thing:
            point = thing.points.get(label)
            refusal = "" if point is None else why(point)
            return thing.without(label, refusal) if refusal else thing

        return dataclasses.replace(self, things=tuple(kept(thing) for thing in self.things))

    def found(self, label: str, near: FloatArray | None = None) -> tuple[Thing, ...]:
        """The same, at least one, the surest first.

        Args:
            label: of the point.
            near: (3,) in the base frame, m: only the one whose point is nearest to it; None: all.

        Raises:
            SightError: there is none; says why.
        """
        things = tuple(
            sorted(self.having(label), key=lambda thing: -thing.points[label].confidence)
        )
        if not things:
            why = self.things[0].missing(label) if self.things else f"'{label}' is not seen"
            raise SightError(MoveItErrorCode.INVALID_OBJECT_NAME, why)
        if near is None:
            return things
        away = [np.linalg.norm(thing.points[label].position - near) for thing in things]
        return (things[int(np.argmin(away))],)


class Surroundings(Protocol):
    """What a planner knows of what stands around."""

    def update(self, view: View, target: FloatArray | None) -> tuple[Obstacle, ...]:
        """See what stands around a target, and let the planner know.

        Args:
            view: an image.
            target: (K, 3) points on the target in the base frame, m: it is no obstacle; None where
                all is one.

        Returns:
            What stands around it, as far as it was seen by now.

        Raises:
            StageError: the image shows nothing of it, or the planner does not take it.
        """
        ...


class Eyes(Protocol):
    """A camera with a detector behind it. Each call waits for an image taken after it was made."""

    def look(self) -> Sight:
        """Find the points in the next image.

        Raises:
            SightError: no image comes, or it is not known where the camera was.
        """
        ...

    def glance(self) -> View:
        """The next image alone.

        Raises:
            SightError: as `look`.
        """
        ...


class FreshEyes:
    """Eyes each of whose images has to be newer than the one before.

    One that was seen already says nothing of how things are now.

    Args:
        eyes: that see.
    """

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._stamp_ns = -1

    def look(self) -> Sight:
        """Find the points in the next image. Raises SightError."""
        sight = self._eyes.look()
        self._check(sight)
        return sight

    def glance(self) -> View:
        """The next image alone. Raises SightError."""
        view = self._eyes.glance()
        self._check(view)
        return view

    def _check(self, view: View) -> None:
        if view.frame.stamp_ns <= self._stamp_ns:
            raise SightError(
                MoveItErrorCode.SENSOR_INFO_STALE,
                f"the image is of {view.frame.stamp_s:.3f} s, no later than the one before",
            )
        self._stamp_ns = view.frame.stamp_ns
