# SPDX-License-Identifier: Apache-2.0
"""Chooses the pictures of a page, and keeps within what a page may weigh."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tack_cli.report.pictures import jpeg_uri
from tack_grasping.behaviour.cycle import StageRecord
from tack_grasping.behaviour.runs import Cycle
from tack_grasping.behaviour.tally import ending, first_attempt_failed
from tack_perception.errors import TackError
from tack_perception.reasons import Reasons

PAGE_LETTERS = 8_000_000
"""Of all pictures in a page together."""

FAILURES, OF_FAILURE, SUCCESSES = 60, 3, 6
"""Failed cycles that are shown; pictures of each; cycles that succeeded and are shown."""

_WIDTH, _QUALITY = 640, 80


@dataclasses.dataclass(frozen=True)
class Shown:
    """A picture in the page.

    Attributes:
        stage: that it belongs to.
        uri: the picture itself; "" where its file is gone or damaged.
    """

    stage: StageRecord
    uri: str


class Album:
    """Which cycles are shown, and their pictures.

    Args:
        cycles: of the run.
        letters: that all pictures together may have; None for `PAGE_LETTERS`.

    Attributes:
        successes, failures: that are shown, by number.
        others: that failed, too.
    """

    def __init__(self, cycles: Sequence[Cycle], letters: int | None = None) -> None:
        self._left = PAGE_LETTERS if letters is None else letters
        self._shown: dict[int, tuple[Shown, ...]] = {}
        ranked = one_of_each_kind_first([one for one in cycles if not one.record.success])
        self.successes = some_successes(cycles)
        self.failures = sorted(ranked[:FAILURES], key=lambda cycle: cycle.number)
        self.others = sorted(ranked[FAILURES:], key=lambda cycle: cycle.number)
        for cycle in self.successes:
            self._add(cycle, telling_stages(cycle, 1))
        for cycle in ranked[:FAILURES]:
            self._add(cycle, telling_stages(cycle, OF_FAILURE))

    def of(self, cycle: Cycle) -> tuple[Shown, ...] | None:
        """In order of time; None where there was no room for them."""
        return self._shown.get(cycle.number)

    def _add(self, cycle: Cycle, stages: Sequence[tuple[StageRecord, str]]) -> None:
        shown = tuple(Shown(stage, _uri(cycle.folder / name)) for stage, name in stages)
        weight = sum(len(one.uri) for one in shown)
        if weight <= self._left:
            self._left -= weight
            self._shown[cycle.number] = shown


def telling_stages(cycle: Cycle, most: int) -> list[tuple[StageRecord, str]]:
    """Stages and pictures that tell most, in order of time.

    Those of the end first, then the last look, then what failed before, the latest first.
    """
    last = ending(cycle.record)
    stages = cycle.record.stages
    looks = [stage for stage in stages if stage.name == "look"]

    def rank(i: int) -> tuple[int, int]:
        if stages[i] is last:
            return (0, -i)
        if looks and stages[i] is looks[-1]:
            return (1, -i)
        return (2 + stages[i].success, -i)

    chosen = sorted((i for i, stage in enumerate(stages) if stage.pictures), key=rank)
    named = [(i, name) for i in chosen for name in stages[i].pictures]
    return [(stages[i], name) for i, name in sorted(named[:most])]


def one_of_each_kind_first(failed: Sequence[Cycle]) -> list[Cycle]:
    """Failed cycles so that rare ways to fail get their picture before frequent ones repeat."""
    reasons = Reasons()
    nth = [
        (reasons.counts[reasons.note(cycle.record.reason)], cycle.number, cycle) for cycle in failed
    ]
    return [cycle for _, _, cycle in sorted(nth, key=lambda one: one[:2])]


def some_successes(cycles: Sequence[Cycle], most: int = SUCCESSES) -> list[Cycle]:
    """Half of them won back after a failure where there are such, the others spread evenly."""
    done = [cycle for cycle in cycles if cycle.record.success]
    won = [cycle for cycle in done if first_attempt_failed(cycle.record)]
    smooth = [cycle for cycle in done if not first_attempt_failed(cycle.record)]
    chosen = _spread(won, max(most // 2, most - len(smooth)))
    chosen += _spread(smooth, most - len(chosen))
    return sorted(chosen, key=lambda cycle: cycle.number)


def _spread(cycles: Sequence[Cycle], most: int) -> list[Cycle]:
    step = max(1.0, len(cycles) / most) if most else 1.0
    return [cycles[int(i * step)] for i in range(min(most, len(cycles)))]


def _uri(path: Path) -> str:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            return ""
        return jpeg_uri(np.asarray(image[..., ::-1], np.uint8), _WIDTH, _QUALITY)
    except (OSError, cv2.error, TackError):
        return ""
