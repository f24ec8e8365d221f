# SPDX-License-Identifier: Apache-2.0
"""How a thing is to be grasped, in terms of its named points.

One point says where; two say how the fingers close, or from where the gripper comes; three or more
carry a grasp that was shown once to wherever the thing is now. Files: `spec_files.py`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tack_grasping.points import NamedPoint
from tack_perception import geometry
from tack_perception.annotation import check_label
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

APPROACHES_AT = ("normal", "down")
APPROACHES_ACROSS = ("down", "normal", "around")
TIPS_AT = ("start", "middle", "end")
LEAST_WIDTH = 1e-3
"""Points that are nearer than this (RMS, m) to one line leave the turn about it open."""

_LONGEST_TITLE = 64


@dataclasses.dataclass(frozen=True)
class AtPoint:
    """At one point, with the fingers turned any way.

    Attributes:
        point: its label.
        approach: "normal" against the surface normal, or "down" against `up`.
        opening: of the gripper before closing, m; None: what suits.

    Raises:
        InvalidInputError: on construction, for an approach or an opening that is not allowed.
    """

    point: str
    approach: str = "normal"
    opening: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", check_label(self.point))
        _check_choice("approach", self.approach, APPROACHES_AT)
        _check_opening(self.opening)

    @property
    def labels(self) -> tuple[str, ...]:
        """The points that it speaks of."""
        return (self.point,)


@dataclasses.dataclass(frozen=True)
class AcrossPoints:
    """The fingers close from one point to the other; the gripper is centred between them.

    Attributes:
        first, second: labels of the points that the fingers touch.
        approach: "down" as nearly as the closing direction allows, "normal" against the mean of
            the two normals, or "around": from any side.
        opening: of the gripper before closing, m; None: the distance of the points and some room.

    Raises:
        InvalidInputError: on construction, for one point twice, or a value that is not allowed.
    """

    first: str
    second: str
    approach: str = "down"
    opening: float | None = None

    def __post_init__(self) -> None:
        _check_two(self, "first", "second")
        _check_choice("approach", self.approach, APPROACHES_ACROSS)
        _check_opening(self.opening)

    @property
    def labels(self) -> tuple[str, ...]:
        """The points that it speaks of."""
        return (self.first, self.second)


@dataclasses.dataclass(frozen=True)
class AlongPoints:
    """The gripper comes along the line from one point to the other, with its fingers any way.

    Attributes:
        start, end: labels; the approach is from start to end.
        at: where the gripper stops: at the "start", in the "middle", or at the "end".
        opening: of the gripper before closing, m; None: what suits.

    Raises:
        InvalidInputError: on construction, for one point twice, or a value that is not allowed.
    """

    start: str
    end: str
    at: str = "start"
    opening: float | None = None

    def __post_init__(self) -> None:
        _check_two(self, "start", "end")
        _check_choice("at", self.at, TIPS_AT)
        _check_opening(self.opening)

    @property
    def labels(self) -> tuple[str, ...]:
        """The points that it speaks of."""
        return (self.start, self.end)


@dataclasses.dataclass(frozen=True, eq=False)
class InFrame:
    """A grasp that is fixed to three or more points of the thing.

    Attributes:
        points: label → (3,) in the frame that it was taught in, m; any frame will do.
        taught_from_gripper: (4, 4) the grasp in that frame, m.
        opening: of the gripper before closing, m.

    Raises:
        InvalidInputError: on construction, for fewer than three points, points on one line, or
            values that are not finite or not allowed.
    """

    points: Mapping[str, FloatArray]
    taught_from_gripper: FloatArray
    opening: float

    def __post_init__(self) -> None:
        points = {}
        for label, position in self.points.items():
            array = np.array(position, dtype=np.float64)
            if array.shape != (3,) or not np.isfinite(array).all():
                raise InvalidInputError(
                    f"{label}: position {array.tolist()}: three finite numbers (m) are expected"
                )
            array.flags.writeable = False
            points[check_label(label)] = array
        if len(points) < 3:
            raise InvalidInputError(
                f"a grasp frame of {len(points)} points ({', '.join(points)}): three or more that"
                " do not lie on one line are needed"
            )
        if problem := line_problem(points):
            raise InvalidInputError(problem)
        object.__setattr__(self, "points", MappingProxyType(points))
        pose = geometry.check_transform(self.taught_from_gripper, "taught ← gripper").copy()
        pose.flags.writeable = False
        object.__setattr__(self, "taught_from_gripper", pose)
        _check_opening(self.opening)

    @property
    def labels(self) -> tuple[str, ...]:
        """The points that it speaks of."""
        return tuple(self.points)


GraspSpec = AtPoint | AcrossPoints | AlongPoints | InFrame


def teach_frame(
    points: Mapping[str, NamedPoint], frame_from_gripper: FloatArray, opening: float
) -> InFrame:
    """A grasp that was shown becomes a specification.

    Args:
        points: the thing's named points when it was shown, in one frame, m.
        frame_from_gripper: (4, 4) the gripper at that moment, in the same frame, m.
        opening: before closing, m.

    Raises:
        InvalidInputError: as `InFrame`.
    """
    # About the gripper, the numbers of a file say where the points are as the fingers see them.
    gripper_from_frame = geometry.inverse(geometry.check_transform(frame_from_gripper, "gripper"))
    seen = {
        label: geometry.apply(gripper_from_frame, point.position) for label, point in points.items()
    }
    return InFrame(seen, np.eye(4), opening)


def title(spec: GraspSpec) -> str:
    """What goals are called: the points, as far as a label has room for them."""
    first, *others = spec.labels
    if not others:
        return first
    words = f"{first} and {others[0]}" if len(others) == 1 else f"{first} and {len(others)} more"
    return words[:_LONGEST_TITLE].strip()


def line_problem(points: Mapping[str, FloatArray]) -> str:
    """Why points (3,), m, do not determine a frame, naming them; "" where they do."""
    centred = np.array(list(points.values()))
    centred = centred - centred.mean(axis=0)
    across = float(np.linalg.norm(np.linalg.svd(centred, compute_uv=False)[1:]))
    width = across / math.sqrt(len(centred))
    if width >= LEAST_WIDTH:
        return ""
    return (
        f"points {', '.join(points)} lie within {width * 1e3:.1f} mm (RMS) of one line: the turn"
        " about it is open; name a point beside it"
    )


def _check_two(spec: AcrossPoints | AlongPoints, *names: str) -> None:
    labels = [check_label(getattr(spec, name)) for name in names]
    if labels[0] == labels[1]:
        raise InvalidInputError(f"{names[0]} and {names[1]} are both {labels[0]!r}: two are needed")
    for name, label in zip(names, labels, strict=True):
        object.__setattr__(spec, name, label)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidInputError(f"{name} {value!r}: one of {', '.join(choices)} is expected")


def _check_opening(opening: float | None) -> None:
    if opening is not None and not (math.isfinite(opening) and opening > 0):
        raise InvalidInputError(f"opening {opening} m: a finite number above 0 is expected")
