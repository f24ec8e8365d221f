# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `pick_place` beside those of its parts."""

from __future__ import annotations

import dataclasses

from tack_grasping.behaviour.pointing import Pointed
from tack_perception.configuration import setting
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_ros.stamp_check import StampConfig


@dataclasses.dataclass(frozen=True)
class PickPlaceConfig(StampConfig):
    """Parameters of the pick_place node beside those of the planner."""

    label: str = setting("", "the point to grasp; empty: whichever scores best")
    max_age: float = setting(
        5.0,
        "detections older than this are dropped; 0 accepts any age",
        unit="s",
        low=0.0,
        high=3600.0,
    )
    base_frame: str = setting(
        "base_link",
        "frame of the goals, its z axis against gravity; empty: the camera's optical frame, where"
        " gravity is not known",
    )
    robot: str = setting(
        "",
        "profile of the robot, whose gripper has to fit around what the depth image shows; empty:"
        " not known",
    )
    grasps: str = setting(
        "", "YAML file that says how things are grasped; a label without an entry is grasped at its"
        " point, straight down",
    )  # fmt: skip
    teach: str = setting(
        "", "the point that ~/teach looks at from all sides, so that one click becomes several"
    )
    place: str = setting(
        "", "where ~/pick_and_place puts things: the name of a specification that comes with tack,"
        " or a YAML file",
    )  # fmt: skip
    places: str = setting("", "YAML file with the bins and supports that a place may name")
    near: str = setting(
        "", "of several things the one nearest to here is taken: X,Y,Z in the base frame, m, or"
        " U,V, a pixel of the image in which a job begins; empty: the surest that can be grasped",
    )  # fmt: skip
    runs: str = setting("", "folder for the log and the pictures of every cycle; empty: none")
    patience: float = setting(
        10.0, "how long a job waits for an image", unit="s", low=0.1, high=600.0
    )
    tf_timeout: float = setting(
        0.2, "how long to wait for the transform at the image's stamp", unit="s", low=0.0, high=10.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self.pointed()
        except InvalidInputError as error:
            raise ConfigurationError(f"near {error}") from error

    def pointed(self) -> Pointed | None:
        """What `near` says; None for nothing."""
        return Pointed.parse(self.near) if self.near.strip() else None
