# SPDX-License-Identifier: Apache-2.0
"""Two detectors: the second one counts for a label where it believes to see it, and is surer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from tack_perception.annotation import Annotation
from tack_perception.detectors.base import KeypointDetector
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint


class CombinedDetector:
    """A detector that takes every shot, and another that it asks for a second opinion.

    Both say how probable it is that they are right, so that their answers can be compared: the
    learned detectors know kinds of objects, turned and half hidden, the hand-crafted one knows any
    texture that looks much the same again.

    Args:
        first: takes every shot.
        second: may refuse some (an even surface); those labels it is not asked for.
    """

    def __init__(self, first: KeypointDetector, second: KeypointDetector) -> None:
        self.first, self.second = first, second

    @property
    def labels(self) -> tuple[str, ...]:
        """The enrolled labels, in the order of their first shot."""
        return self.first.labels

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Add shots. Several of one label are used together; enrolling never forgets.

        Raises:
            InvalidInputError: the first detector cannot use a shot; none is enrolled.
        """
        self.first.enroll(shots)
        for shot in shots:
            with contextlib.suppress(InvalidInputError):
                self.second.enroll([shot])

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Find every enrolled label in one frame, by the one or the other detector."""
        others = {one.label: one for one in self.second.detect(frame)}
        return [
            one if one.instance else _surer(one, others.get(one.label))
            for one in self.first.detect(frame)
        ]

    def forget(self, label: str | None = None) -> None:
        """Drop all shots of one label, or of all labels.

        Raises:
            InvalidInputError: the label is not enrolled; the message lists the enrolled ones.
        """
        self.first.forget(label)
        if label is None or label in self.second.labels:
            self.second.forget(label)


def _surer(one: Keypoint, other: Keypoint | None) -> Keypoint:
    # Unsure answers are not compared: where nothing is like the click, the second one guesses.
    if other is None or not other.visible or other.confidence <= one.confidence:
        return one
    return other
