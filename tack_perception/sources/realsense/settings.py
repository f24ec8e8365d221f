# SPDX-License-Identifier: Apache-2.0
"""The settings of a RealSense camera."""

from __future__ import annotations

import dataclasses

from tack_perception.configuration import Configuration, setting


@dataclasses.dataclass(frozen=True)
class RealSenseConfiguration(Configuration):
    """How a RealSense camera is opened, filtered and watched. Sizes do not matter for a file."""

    serial: str = setting("", "serial number of the camera; empty: the only one")
    width: int = setting(640, "width of the colour image", unit="px", low=16, high=4096)
    height: int = setting(480, "height of the colour image", unit="px", low=16, high=4096)
    depth_width: int = setting(848, "width of the depth image", unit="px", low=16, high=4096)
    depth_height: int = setting(480, "height of the depth image", unit="px", low=16, high=4096)
    fps: int = setting(30, "frames per second of both", low=1, high=300)
    decimation: int = setting(1, "side of the depth blocks that become one pixel", low=1, high=8)
    spatial: bool = setting(False, "smooth depth within a frame, along surfaces")
    temporal: bool = setting(False, "smooth depth over frames (smears what moves)")
    hole_filling: bool = setting(False, "invent depth where there is none, from the neighbours")
    stamps: str = setting(
        "camera",
        "whose clock stamps a frame: the camera's, mapped to the host's, or the host's on arrival",
        choices=("camera", "host"),
    )
    slop: float = setting(
        0.02, "farthest that colour and depth of a frame may lie apart", unit="s", low=0.0, high=1.0
    )
    frame_timeout: float = setting(
        1.0, "time without a frame after which the stream is restarted", unit="s", low=0.05
    )
    give_up: float = setting(
        30.0, "time without a frame after which the camera counts as lost", unit="s", low=0.1
    )
    frame_id: str = setting("camera_color_optical_frame", "TF frame of the colour camera")
