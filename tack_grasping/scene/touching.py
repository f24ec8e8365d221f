# SPDX-License-Identifier: Apache-2.0
"""What a straight way among things may touch, by its name in the planning scene."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

from tack_grasping.robot import RobotProfile
from tack_grasping.scene.fixed import TABLE
from tack_grasping.scene.naming import UNNAMED


class Touching(enum.Enum):
    """What the fingers may touch where there is no free way. Never: keep-out boxes, and the robot.

    Nor whatever else somebody has put into the planning scene. Things are padded, so that fingers
    between two "touch" them, and whether they fit was looked at before; of no other link that was.
    """

    NOTHING = "nothing"
    THINGS = "the table, and what depth shows on it: one of them is to be grasped"
    BINS = "these, and the walls of bins: something is put down among them"
    OUT = "all of these, and by any link: out of where the arm already touches them"


def wall_name(container: str, number: int) -> str:
    """What a wall of a bin is called."""
    return f"{container}_wall_{number}"


def touchable(profile: RobotProfile, names: Iterable[str], touching: Touching) -> set[str]:
    """Those of some names of the planning scene that may be touched.

    Args:
        profile: the robot, with its boxes to `keep_out` of, whatever they are called.
        names: to choose from.
        touching: what may be touched.
    """
    things = rf"{TABLE}|{UNNAMED}(_\d+)?"
    among_bins = rf"{things}|.*_wall_\d+"
    pattern = {
        Touching.NOTHING: r"(?!)",
        Touching.THINGS: things,
        Touching.BINS: among_bins,
        Touching.OUT: among_bins,
    }[touching]
    kept = {box.name for box in profile.keep_out}
    return {name for name in names if name not in kept and re.fullmatch(pattern, name)}
