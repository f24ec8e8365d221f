# SPDX-License-Identifier: Apache-2.0
"""One RGB-D image: what every source yields and every detector reads."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError


@dataclasses.dataclass(frozen=True, eq=False)
class RGBDFrame:
    """Colour and depth on one pixel grid, at one instant.

    Depth is always registered to the colour image: a source whose depth camera differs
    registers it first (`tack_perception.registration`).

    Attributes:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32, distance along the optical axis, m; NaN where unknown.
        intrinsics: the colour camera.
        stamp_ns: time of exposure, ns since the epoch of the ROS clock in use.
        frame_id: the optical frame of the colour camera (x right, y down, z forward).

    The arrays are made read-only: a frame can be shared between threads and stages.

    Raises:
        InvalidInputError: on construction, for wrong shapes or types, a size that differs from the
            intrinsics, infinite, zero or negative depths, an empty frame or a negative stamp.
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    intrinsics: CameraIntrinsics
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        shape = (self.intrinsics.height, self.intrinsics.width)
        if self.color.dtype != np.uint8 or self.color.shape != (*shape, 3):
            raise InvalidInputError(
                f"colour image is {self.color.dtype} {self.color.shape};"
                f" uint8 {(*shape, 3)} is expected for these intrinsics"
            )
        if self.depth.dtype != np.float32 or self.depth.shape != shape:
            raise InvalidInputError(
                f"depth image is {self.depth.dtype} {self.depth.shape};"
                f" float32 {shape} in metres is expected (register it to the colour image first)"
            )
        # NaN compares false on both sides, so only real wrong values are caught.
        if bool(((self.depth <= 0) | (self.depth == np.inf)).any()):
            raise InvalidInputError(
                "depth holds zero, negative or infinite values; unknown depth must be NaN"
            )
        if not isinstance(self.frame_id, str) or not self.frame_id.strip():
            raise InvalidInputError(f"frame_id {self.frame_id!r}: the camera's TF frame is needed")
        if int(self.stamp_ns) != self.stamp_ns or self.stamp_ns < 0:
            raise InvalidInputError(f"stamp {self.stamp_ns!r}: ns ≥ 0 is expected")
        object.__setattr__(self, "stamp_ns", int(self.stamp_ns))
        for name in ("color", "depth"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @property
    def stamp_s(self) -> float:
        """The stamp in seconds (for display; rounding loses nanoseconds)."""
        return self.stamp_ns * 1e-9
