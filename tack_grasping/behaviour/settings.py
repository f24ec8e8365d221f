# SPDX-License-Identifier: Apache-2.0
"""What is to be done, and with how much patience."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.candidates import GraspPlan
from tack_perception.annotation import check_label
from tack_perception.configuration import Configuration, setting

FloatArray = NDArray[np.float64]


class Planner(Protocol):
    """Makes goals for a thing that is seen."""

    def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
        """Goals in the base frame, the best first, or why there are none.

        Args:
            sight: that the thing was found in.
            thing: to be grasped.
            task: says where, and where it is to be put.
        """
        ...


@dataclasses.dataclass(frozen=True)
class PickPlaceTask:
    """What is to be done.

    Attributes:
        label: the point to grasp at.
        place: name of the place; "" for a pick alone, which ends with the thing lifted.
        near: (3,) in the base frame, m: of several things the one nearest to it is taken; None for
            the surest that can be grasped.
        doubtful: confidence below that of the planner's settings that will do all the same; None
            for none.
    """

    label: str
    place: str = ""
    near: tuple[float, float, float] | None = None
    doubtful: float | None = None

    def __post_init__(self) -> None:
        check_label(self.label)


@dataclasses.dataclass(frozen=True)
class BehaviourConfig(Configuration):
    """How much patience the behaviour has."""

    tries: int = setting(10, "looks and grasps in all, before it gives up", low=1, high=50)
    looks: int = setting(
        20, "looks beyond these, that only compare what stands around", low=0, high=200
    )
    candidates: int = setting(6, "grasps that are tried on what one look has shown", low=1, high=50)
    repeats: int = setting(1, "how often a stage is done again at once", low=0, high=20)
    returns: int = setting(
        4, "how often it tries to get clear of where a failure has left it", low=1, high=50
    )
    pause: float = setting(0.5, "before a stage is done again", unit="s", low=0.0, high=60.0)
    empty: float = setting(
        0.002, "fingers closer than this hold nothing", unit="m", low=0.0, high=0.05
    )
    slip: float = setting(
        0.01, "fingers that close by more than this while they hold have lost it",
        unit="m", low=0.0005, high=0.1,
    )  # fmt: skip
    moved: float = setting(
        0.5, "share of the seen surface that must still be there before it is grasped",
        low=0.0, high=1.0,
    )  # fmt: skip
    left: float = setting(
        0.6, "share of the seen surface that is still there when the grasp has failed",
        low=0.0, high=1.0,
    )  # fmt: skip
    stands: float = setting(
        0.2, "share of the seen surface that must be measured where it was put, unless that is a"
        " bin: of what has fallen over less is there",
        low=0.0, high=1.0,
    )  # fmt: skip
    astray: float = setting(
        0.02, "so far beside its place it may stand", unit="m", low=0.0, high=0.2
    )
    sure: float = setting(
        0.35, "confidence of a point that is grasped at once; below it the point is looked at once"
        " more, then all of the table is looked over for a better one",
        low=0.0, high=1.0,
    )  # fmt: skip
    certain: float = setting(
        0.8, "the same where other things stand around: below it each of them is looked at from"
        " near first, and the likeliest is taken",
        low=0.0, high=1.0,
    )  # fmt: skip
    likely: float = setting(
        0.6, "the same once each was looked at from near: below it, from one more side",
        low=0.0, high=1.0,
    )  # fmt: skip
    doubtful: float = setting(
        0.1, "confidence of a point that will do in the last third of the tries, where no view has"
        " shown it better; a wrong one is mostly noticed before it is lifted",
        low=0.0, high=1.0,
    )  # fmt: skip
    verify: bool = setting(True, "look before the grasp, after the lift and after the place")
    home: bool = setting(True, "go home in the end")


Clock = Callable[[], float]
