# SPDX-License-Identifier: Apache-2.0
"""The settings of a recording."""

from __future__ import annotations

import dataclasses

from tack_perception.configuration import Configuration, setting

POSES = ("auto", "tf", "depth", "board")
THINGS = ("object", "objects", "scene")


@dataclasses.dataclass(frozen=True)
class RecordConfig(Configuration):
    """What is taken from a recording, and when it is too poor to learn from."""

    poses: str = setting(
        "auto", "where the camera was: as TF says, from depth and colour, or by a ChArUco or"
        " AprilTag board; auto: TF where the recording has it, else depth", choices=POSES,
    )  # fmt: skip
    things: str = setting(
        "object", "what is learned: the object that the camera looks at, every object on the table,"
        " or the scene as a whole (a shelf, a full box)", choices=THINGS,
    )  # fmt: skip
    most_views: int = setting(80, "views that are kept, at most", low=4, high=2000)
    every: int = setting(1, "look at every n-th frame only", low=1, high=1000)
    step_m: float = setting(
        0.015, "a view is kept once the camera has moved so far", unit="m", low=0, high=1
    )
    step_deg: float = setting(3.0, "or has turned so far", unit="°", low=0, high=90)
    sharpness: float = setting(
        0.35, "a frame less sharp than this share of the usual is blurred", low=0, high=1
    )
    depth_share: float = setting(
        0.1, "a frame of which less has a depth is left out", low=0, high=1
    )
    reach_m: float = setting(1.2, "depth beyond this is not used", unit="m", low=0.1, high=10)
    voxel_m: float = setting(0.003, "of the fused surface", unit="m", low=0.0005, high=0.05)
    above_m: float = setting(
        0.006, "what rises so far above the table belongs to an object", unit="m", low=0.001, high=1
    )
    held_out: float = setting(
        0.2, "share of the views that are kept back, to see what training has brought",
        low=0, high=0.5,
    )  # fmt: skip
    fewest_views: int = setting(8, "with fewer views nothing is learned", low=3)
    least_angle_deg: float = setting(
        15.0, "the directions of view must span so much", unit="°", low=0, high=180
    )
    worst_px: float = setting(
        4.0, "typical error of the poses, in the pictures, above which they are of no use",
        unit="px", low=0.1, high=100,
    )  # fmt: skip
