# SPDX-License-Identifier: Apache-2.0
"""Two detectors: one for kinds of things that were learned, one for all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tack_perception.annotation import Annotation
from tack_perception.detectors.base import KeypointDetector, not_enrolled
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint


class KnowingDetector(KeypointDetector, Protocol):
    """A detector that knows which things it has learned of."""

    def knows(self, shot: Annotation) -> bool:
        """Whether the clicked thing is of a kind that was learned."""
        ...


class CombinedDetector:
    """Asks the detector that knows the clicked thing's kind, else the one that needs no kinds.

    The learned detectors know kinds of things, turned and half hidden; of anything else they may be
    sure and wrong. The hand-crafted one knows any texture that looks much the same again. So a
    label belongs to the first if that knows the kind of one of its shots; the second is asked for
    what the first does not believe to see, and counts where it believes to see it.

    Args:
        first: knows kinds.
        second: may refuse shots (an even surface); those are left to the first.
    """

    def __init__(self, first: KnowingDetector, second: KeypointDetector) -> None:
        self.first, self.second = first, second
        self._labels: dict[str, None] = {}  # in the order of their first shot

    @property
    def labels(self) -> tuple[str, ...]:
        """The enrolled labels, in the order of their first shot."""
        return tuple(self._labels)

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Add shots. Several of one label are used together; enrolling never forgets.

        Raises:
            InvalidInputError: the first detector cannot use a shot of a kind that it knows.
        """
        known = {*self.first.labels, *(shot.label for shot in shots if self.first.knows(shot))}
        self.first.enroll([shot for shot in shots if shot.label in known])
        for shot in shots:
            try:
                self.second.enroll([shot])
            except InvalidInputError:
                if shot.label not in known:
                    self.first.enroll([shot])
            self._labels[shot.label] = None

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Find every enrolled label in one frame, by the one or the other detector."""
        several = self.first.detect(frame)
        found = {one.label: one for one in several if not one.instance}
        if not all(label in found and found[label].visible for label in self._labels):
            for other in self.second.detect(frame):
                one = found.get(other.label)
                # Of unsure answers the one counts that knows what it is about.
                if one is None or (other.visible and not one.visible):
                    found[other.label] = other
        return [found[label] for label in self._labels] + [one for one in several if one.instance]

    def forget(self, label: str | None = None) -> None:
        """Drop all shots of one label, or of all labels.

        Raises:
            InvalidInputError: the label is not enrolled; the message lists the enrolled ones.
        """
        if label is not None and label not in self._labels:
            raise not_enrolled(label, self._labels)
        for one in (self.first, self.second):
            if label is None or label in one.labels:
                one.forget(label)
        if label is None:
            self._labels.clear()
        else:
            del self._labels[label]
