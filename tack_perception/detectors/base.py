# SPDX-License-Identifier: Apache-2.0
"""The port that every keypoint detector stands behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from tack_perception.annotation import Annotation
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint


@runtime_checkable
class KeypointDetector(Protocol):
    """Learns points from a few clicks and finds them again."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The enrolled labels, in the order of their first shot."""
        ...

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Add shots. Several of one label are used together; enrolling never forgets.

        Raises:
            InvalidInputError: a shot cannot be used (e.g. too close to the border); the message
                names it, and none of the given shots is enrolled.
        """
        ...

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Find every enrolled label in one frame, by that frame alone.

        Several threads may do so at once, while none enrols or forgets.

        Returns:
            One `Keypoint` for each label, in the order of `labels`, in pixels and with
            `pixel_covariance`, not lifted. A label that is believed hidden or absent comes with
            `visible=False`, at its most likely pixel. A detector that was told to report several
            things of a kind goes on with those of the others that it has found (`instance` > 0).
        """
        ...

    def forget(self, label: str | None = None) -> None:
        """Drop all shots of one label, or of all labels.

        Raises:
            InvalidInputError: the label is not enrolled; the message lists the enrolled ones.
        """
        ...


def not_enrolled(label: str, labels: Iterable[str]) -> InvalidInputError:
    """What `forget` raises for a label that is not among those enrolled."""
    known = ", ".join(labels) or "none"
    return InvalidInputError(f"label {label!r} is not enrolled; enrolled are: {known}")
