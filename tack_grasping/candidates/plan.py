# SPDX-License-Identifier: Apache-2.0
"""What comes of planning: goals, and of everything else the reason why it is none."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tack_grasping.goal import PickPlaceGoal

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Rejected:
    """A candidate that is no goal.

    Attributes:
        reason: one sentence with numbers.
        frame_from_gripper: (4, 4) where it would have been, m.
    """

    reason: str
    frame_from_gripper: FloatArray


@dataclasses.dataclass(frozen=True, eq=False)
class GraspPlan:
    """The outcome of planning one grasp.

    Attributes:
        goals: candidates, best first; empty when refused.
        rejected: all candidates that are none, in the order in which they were proposed.
        refusal: why there is no goal at all, "" when there is one.
    """

    goals: tuple[PickPlaceGoal, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    refusal: str = ""


def counted(reasons: Iterable[str]) -> str:
    """Reasons in one sentence; those that differ in their numbers alone count under the first."""
    first: dict[str, str] = {}
    counts: dict[str, int] = {}
    for reason in reasons:
        words = re.sub(r"^turn \d+ of \d+: ", "", reason)
        kind = first.setdefault(re.sub(r"\d+(\.\d+)?", "#", words), words)
        counts[kind] = counts.get(kind, 0) + 1
    most = sorted(counts.items(), key=lambda item: -item[1])
    return "; ".join(f"{count} × {words}" if count > 1 else words for words, count in most)
