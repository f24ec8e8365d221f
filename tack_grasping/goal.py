# SPDX-License-Identifier: Apache-2.0
"""What the perception side asks of an arm: a grasp and, where one is wanted, a place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tack_perception.annotation import check_label
from tack_perception.errors import InvalidInputError
from tack_perception.geometry import check_transform
from tack_perception.keypoint import check_covariance

FloatArray = NDArray[np.float64]
_FARTHER = (0.09, 0.18)  # m, to begin above things that stand beside
_WORTH = 0.005  # m, by which the opening has to become less to give room
POSES = ("pregrasp", "grasp", "lift", "preplace", "place", "retreat")


@dataclasses.dataclass(frozen=True, eq=False)
class PickPlaceGoal:
    """One candidate of a pick, with a place if a target was given.

    Poses are (4, 4) `frame_from_gripper`, m. The gripper frame sits between the finger tips: z is
    the approach direction, y the closing direction of the fingers (Franka's convention).

    Attributes:
        label: the keypoint that is grasped.
        frame_id: the frame of all poses (the robot's base, or the camera where TF is missing).
        stamp_ns: the stamp of the image that the goal comes from, ns.
        pregrasp, grasp, lift: before closing, at closing, and after.
        preplace, place, retreat: above the target, at release, and after; None without a target.
        position_covariance: (3, 3) of the grasped point, in the frame, m².
        width: opening of the gripper before closing, m.
        score: 0 to 1, the product of `terms`.
        terms: name → factor of the score, 0 to 1.
        why: one sentence for a person.
        least_width: opening that is enough to go around it with a little room, m; None where that
            is not known.
        pose_covariance: (6, 6) of the grasp in the gripper's own axes, translation (m) before
            rotation (rad); None where it is not known.

    Raises:
        InvalidInputError: on construction, for poses that are not rigid, place poses that do not
            come together, or numbers outside their range.
    """

    label: str
    frame_id: str
    stamp_ns: int
    pregrasp: FloatArray
    grasp: FloatArray
    lift: FloatArray
    position_covariance: FloatArray
    width: float
    score: float
    terms: Mapping[str, float]
    why: str
    preplace: FloatArray | None = None
    place: FloatArray | None = None
    retreat: FloatArray | None = None
    pose_covariance: FloatArray | None = None
    least_width: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))
        if not self.frame_id.strip():
            raise InvalidInputError(f"{self.label}: a goal needs a frame")
        for name in POSES:
            pose = getattr(self, name)
            if pose is None:
                continue
            matrix = check_transform(pose, f"{self.label}: {name}").copy()
            matrix.flags.writeable = False
            object.__setattr__(self, name, matrix)
        if len({pose is None for pose in (self.preplace, self.place, self.retreat)}) > 1:
            raise InvalidInputError(f"{self.label}: preplace, place and retreat come together")
        check_covariance(self.position_covariance, f"{self.label}: position covariance")
        if self.pose_covariance is not None:
            covariance = np.array(self.pose_covariance, dtype=np.float64)
            if covariance.shape != (6, 6) or not np.isfinite(covariance).all():
                raise InvalidInputError(
                    f"{self.label}: pose covariance of shape {covariance.shape}: finite (6, 6)"
                    " needed"
                )
            check_covariance(covariance, f"{self.label}: pose covariance")
            covariance.flags.writeable = False
            object.__setattr__(self, "pose_covariance", covariance)
        if not (math.isfinite(self.width) and self.width > 0):
            raise InvalidInputError(f"{self.label}: gripper width {self.width} m must be positive")
        if self.least_width is not None and not 0 < self.least_width <= self.width:
            raise InvalidInputError(
                f"{self.label}: least width {self.least_width} m: above 0, up to the width"
                f" {self.width} m"
            )
        for name, value in {"score": self.score, **self.terms}.items():
            if not 0 <= value <= 1:
                raise InvalidInputError(f"{self.label}: {name} = {value} is not in 0 to 1")
        object.__setattr__(self, "terms", MappingProxyType(dict(self.terms)))

    @property
    def poses(self) -> dict[str, FloatArray]:
        """Name → (4, 4) frame_from_gripper of the poses that the goal has, in order of motion."""
        return {name: getattr(self, name) for name in POSES if getattr(self, name) is not None}

    def ways_in(self) -> tuple[PickPlaceGoal, ...]:
        """This, and the same where there is no room for it: less open, and begun farther away."""
        ways, least = [self], self.least_width
        if least is not None and least < self.width - _WORTH:
            why = f"{self.why}; opened to {least * 1e3:.0f} mm only"
            ways.append(dataclasses.replace(self, width=least, why=why))
        last = ways[-1]
        for far in _FARTHER:
            pregrasp = self.pregrasp.copy()
            pregrasp[:3, 3] -= far * self.grasp[:3, 2]
            why = f"{last.why}; begun {far * 1e3:.0f} mm farther away"
            ways.append(dataclasses.replace(last, pregrasp=pregrasp, why=why))
        return tuple(ways)
