# SPDX-License-Identifier: Apache-2.0
"""Of all that went wrong in a cycle, what a person has to read."""

from __future__ import annotations

from tack_grasping.error_codes import MoveItErrorCode, StageError

_STAGES = (
    "view", "look", "compare", "plan", "choose", "open", "pregrasp", "check", "approach", "close",
    "lift", "hold", "verify lift", "carry", "place", "release", "retreat", "home", "verify place",
)  # fmt: skip
"""From the first to the last: what went wrong later was nearer to the aim."""


class Verdict:
    """Collects failures that were not mended by doing the same again.

    The one that counts is that of the stage that was nearest to the aim, and of several in the same
    stage the first: after it the world is no longer as it was. The last one is told beside it. What
    ends a cycle at once counts more than either.
    """

    def __init__(self) -> None:
        self._worst: tuple[str, StageError] | None = None
        self._last: tuple[str, StageError] | None = None
        self._ended = False
        self._notes: list[str] = []

    def failed(self, stage: str, error: StageError, *, ends: bool = False) -> None:
        """A stage went wrong; `ends` where nothing will follow."""
        if self._ended:
            return
        self._last, self._ended = (stage, error), ends
        if ends or self._worst is None or _rank(stage) > _rank(self._worst[0]):
            self._worst = self._last

    def stopped(self, stage: str) -> None:
        """A person has stopped it: nothing else counts."""
        stop = StageError(MoveItErrorCode.PREEMPTED, "stopped by a person")
        self._worst = self._last = (stage, stop)
        self._ended = True

    def note(self, sentence: str) -> None:
        """What else has to be known, such as what is still held."""
        self._notes.append(sentence)

    @property
    def code(self) -> MoveItErrorCode:
        """What went wrong; FAILURE where nobody has said."""
        return MoveItErrorCode.FAILURE if self._worst is None else self._worst[1].code

    @property
    def reason(self) -> str:
        """`stage: what happened`, and what happened at last where that was earlier on the way."""
        if self._worst is None or self._last is None:
            return "; ".join(["it failed", *self._notes])
        said = [_said(*self._worst)]
        if self._last[0] != self._worst[0]:
            said.append(f"in the end {_said(*self._last)}")
        return "; ".join([*said, *self._notes])


def _said(stage: str, error: StageError) -> str:
    return f"{stage}: {error.sentence}"


def _rank(stage: str) -> int:
    return _STAGES.index(stage) if stage in _STAGES else -1
