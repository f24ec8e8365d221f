# SPDX-License-Identifier: Apache-2.0
"""A colour and a depth image as they came, on their way to where they are looked at."""

from __future__ import annotations

import dataclasses

from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings.raw import RawImage, decode_color, decode_depth
from tack_perception.frame import RGBDFrame


@dataclasses.dataclass(frozen=True, eq=False)
class RawFrame:
    """A frame that is not decoded yet: most of them may never be looked at.

    Attributes:
        color: of any colour encoding.
        depth: registered to colour, 16UC1 or 32FC1.
        intrinsics: the colour camera.
        stamp_ns: of the colour image, ns.
        frame_id: the optical frame of both.
        depth_unit: length of one step of a 16UC1 depth image, m.
    """

    color: RawImage
    depth: RawImage
    intrinsics: CameraIntrinsics
    stamp_ns: int
    frame_id: str
    depth_unit: float

    def frame(self) -> RGBDFrame:
        """Decode.

        Raises:
            InvalidInputError: encodings or sizes that do not fit; the message says which.
        """
        return RGBDFrame(
            decode_color(self.color),
            decode_depth(self.depth, self.depth_unit),
            self.intrinsics,
            self.stamp_ns,
            self.frame_id,
        )
