# SPDX-License-Identifier: Apache-2.0
"""Faults that the cell can be asked for, and when each is active.

A fault is written `FAULT[@START][+DURATION]`, both in seconds of the cell's time: `gripper_slip`
holds from the start for good, `controller_stall@3+0.5` from 3 s to 3.5 s.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from collections.abc import Iterable

from tack_perception.errors import InvalidInputError

_WRITTEN = re.compile(r"(?P<kind>[a-z_]+)(?:@(?P<start>[^@+]+))?(?:\+(?P<duration>[^@+]+))?")


class FaultKind(enum.Enum):
    """What can go wrong; the value is the name under which it is asked for."""

    CONTROLLER_STALL = "controller_stall"
    """The arm keeps its set-point: it stands still and follows no command."""
    GRIPPER_SLIP = "gripper_slip"
    """The pads lose nearly all friction and most of their force."""
    PLAN_REFUSED = "plan_refused"
    """Planning goals are refused."""
    PLAN_ABORTED = "plan_aborted"
    """Planning goals are accepted, then aborted."""
    CAMERA_DROPOUT = "camera_dropout"
    """No frame comes."""
    CAMERA_DELAY = "camera_delay"
    """Frames come late, with their true stamps."""
    CAMERA_DUPLICATE = "camera_duplicate"
    """Every frame comes twice."""
    CAMERA_DISORDER = "camera_disorder"
    """Neighbouring frames change places."""
    DEPTH_HOLES = "depth_holes"
    """Large parts of the depth image are empty."""
    DEPTH_NAN = "depth_nan"
    """The whole depth image is NaN, in the encoding that can say so (32FC1)."""
    TF_SILENCE = "tf_silence"
    """No transform is published."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault and its time.

    Attributes:
        kind: what goes wrong.
        start: from when, s of the cell's time.
        duration: for how long, s; infinite for good.

    Raises:
        InvalidInputError: on construction, for a negative start or a duration that is not positive.
    """

    kind: FaultKind
    start: float = 0.0
    duration: float = math.inf

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and self.start >= 0):
            raise InvalidInputError(
                f"{self.kind.value}: start {self.start} s must be 0 or more, and finite"
            )
        if not self.duration > 0:
            raise InvalidInputError(
                f"{self.kind.value}: duration {self.duration} s must be positive"
            )

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `FAULT[@START][+DURATION]`.

        Raises:
            InvalidInputError: not of that form, or no such fault; names those that exist.
        """
        match = _WRITTEN.fullmatch(text.strip())
        if not match:
            raise InvalidInputError(
                f"fault {text!r}: FAULT[@START][+DURATION] with seconds is expected,"
                " such as controller_stall@3+0.5"
            )
        kinds = {kind.value: kind for kind in FaultKind}
        if match["kind"] not in kinds:
            raise InvalidInputError(f"fault {match['kind']!r}: there are {', '.join(kinds)}")
        start = _seconds(text, match["start"], 0.0)
        return cls(kinds[match["kind"]], start, _seconds(text, match["duration"], math.inf))

    def active(self, time: float) -> bool:
        """Whether it holds at a time of the cell, s."""
        return self.start <= time < self.start + self.duration

    def __str__(self) -> str:
        start = f"@{self.start:g}" if self.start else ""
        return (
            self.kind.value
            + start
            + (f"+{self.duration:g}" if math.isfinite(self.duration) else "")
        )


def is_active(faults: Iterable[Fault], kind: FaultKind, time: float) -> bool:
    """Whether any of the faults is of that kind and holds at that time of the cell, s."""
    return any(fault.kind is kind and fault.active(time) for fault in faults)


def _seconds(text: str, written: str | None, default: float) -> float:
    if written is None:
        return default
    try:
        return float(written)
    except ValueError:
        raise InvalidInputError(f"fault {text!r}: {written!r} is not a number of seconds") from None
