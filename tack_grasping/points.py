# SPDX-License-Identifier: Apache-2.0
"""Named points of a thing in the frame that grasps and places are planned in."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.annotation import check_label
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint, check_covariance

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class NamedPoint:
    """A named point in space.

    Attributes:
        label: its name.
        position: (3,) in the frame of the goals, m.
        covariance: (3, 3) of the position, m².
        confidence: estimate of the probability that it is the right point, 0 to 1.
        normal: (3,) unit normal of the surface there, away from the thing; None where not known.

    Raises:
        InvalidInputError: on construction, for what is not finite, of the wrong shape or outside
            its range.
    """

    label: str
    position: FloatArray
    covariance: FloatArray
    confidence: float = 1.0
    normal: FloatArray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))
        for name, shape in (("position", (3,)), ("covariance", (3, 3)), ("normal", (3,))):
            value = getattr(self, name)
            if value is None and name == "normal":
                continue
            array = np.array(value, dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise InvalidInputError(
                    f"{self.label}: {name} {array.tolist()}: finite values of shape {shape} needed"
                )
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        check_covariance(self.covariance, f"{self.label}: covariance")
        if not 0 <= self.confidence <= 1:
            raise InvalidInputError(f"{self.label}: confidence {self.confidence} is not in 0 to 1")
        if self.normal is not None and abs(np.linalg.norm(self.normal) - 1) > 1e-6:
            raise InvalidInputError(f"{self.label}: normal {self.normal} is not of unit length")

    def moved(self, by: FloatArray) -> NamedPoint:
        """The point after a rigid motion (4, 4) of the thing, or seen from another frame, m."""
        return dataclasses.replace(
            self,
            position=geometry.apply(by, self.position),
            covariance=geometry.rotate_covariance(by, self.covariance),
            normal=None if self.normal is None else geometry.rotate(by, self.normal),
        )


def named_point(keypoint: Keypoint, frame_from_camera: FloatArray) -> NamedPoint | None:
    """A lifted keypoint in the frame of the goals; None for one without a position.

    Args:
        keypoint: in the camera's optical frame.
        frame_from_camera: (4, 4), m.
    """
    if keypoint.xyz is None or keypoint.xyz_covariance is None:
        return None
    seen = NamedPoint(
        keypoint.label, keypoint.xyz, keypoint.xyz_covariance, keypoint.confidence, keypoint.normal
    )
    return seen.moved(frame_from_camera)
