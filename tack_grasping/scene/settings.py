# SPDX-License-Identifier: Apache-2.0
"""Settings of the planning scene that is read from depth."""

from __future__ import annotations

import dataclasses

from tack_perception.configuration import Configuration, setting
from tack_perception.errors import TackError


class SceneError(TackError):
    """A depth image that no planning scene can be read from; says what to check."""


@dataclasses.dataclass(frozen=True)
class SceneConfig(Configuration):
    """How depth becomes a table and obstacles."""

    beside: float = setting(
        0.15, "how far around the workspace things count, to all sides and up", unit="m",
        low=0.0, high=1.0,
    )  # fmt: skip
    table_search: float = setting(
        0.25, "the table is looked for so far above and below where it should be", unit="m",
        low=0.02, high=0.5,
    )  # fmt: skip
    table_tolerance: float = setting(
        0.015, "how far the table may be from the profile's height", unit="m", low=0.001, high=0.1
    )
    table_tilt: float = setting(
        2.0, "how much the table may be tilted", unit="°", low=0.1, high=15.0
    )
    table_share: float = setting(
        0.05, "of the image of the region that must be table; with less the profile's is taken",
        low=0.01, high=0.9,
    )  # fmt: skip
    above: float = setting(
        0.005, "what stands out of the table by more is a thing", unit="m", low=0.002, high=0.1
    )
    sigmas: float = setting(
        3.0, "and by more than so many standard deviations of the depth", low=1.0, high=10.0
    )
    cell: float = setting(
        0.006, "of the map from above in which things are told apart", unit="m",
        low=0.002, high=0.02,
    )  # fmt: skip
    join: float = setting(
        0.006, "things that are nearer to each other count as one", unit="m", low=0.0, high=0.1
    )
    least_area: float = setting(
        1.5e-4, "seen from above, below which a thing is taken for noise", unit="m²",
        low=0.0, high=0.01,
    )  # fmt: skip
    padding: float = setting(
        0.010, "around everything, but not below the table", unit="m", low=0.0, high=0.1
    )
    robot_padding: float = setting(
        0.02, "around the robot's shapes, in which nothing counts", unit="m", low=0.0, high=0.2
    )
    most: int = setting(40, "things; of more, near ones are joined", low=1, high=500)
    hull_below: float = setting(
        0.7, "share of its box that a thing has to fill to become a box; others become convex"
        " hulls (0: only boxes, 1: only hulls)",
        low=0.0, high=1.0,
    )  # fmt: skip
    split_below: float = setting(
        0.35, "share of its solid that a thing has to fill; others are cut into parts, so that an"
        " open bin stays open",
        low=0.0, high=1.0,
    )  # fmt: skip
    parts: int = setting(8, "of one thing at most; 1: nothing is cut", low=1, high=100)
    largest_target: float = setting(
        0.45, "a target that is longer is said to be several things", unit="m", low=0.05, high=2.0
    )
    keep_shape: float = setting(
        0.006, "an obstacle keeps its old shape while what is seen differs by less", unit="m",
        low=0.0, high=0.1,
    )  # fmt: skip
    report_unseen: bool = setting(True, "say how much of the workspace's table no camera has seen")
