# SPDX-License-Identifier: Apache-2.0
"""Detectors that guess: every figure must give them the score of chance.

They are no products, so `tack_perception.detectors` does not know them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tack_perception.annotation import Annotation
from tack_perception.detectors.base import KeypointDetector
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

Box = tuple[float, float, float, float]


class UniformGuess:
    """Answers a uniformly random pixel of the frame, with a uniformly random confidence.

    Its covariance is that of the distance between two uniform pixels, W²/6 and H²/6, so that over
    truths that lie anywhere the mean of the normalised squared error is 2.

    Args:
        seed: of the guesses.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng([seed, 17])
        self._labels: dict[str, None] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The enrolled labels."""
        return tuple(self._labels)

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Remember the labels, not the pictures."""
        self._labels.update(dict.fromkeys(shot.label for shot in shots))

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Guess for every label."""
        camera = frame.intrinsics
        return self._guesses((-0.5, -0.5, camera.width - 0.501, camera.height - 0.501))

    def forget(self, label: str | None = None) -> None:
        """Drop one label, or all.

        Raises:
            InvalidInputError: the label is not enrolled.
        """
        if label is None:
            self._labels.clear()
        elif label in self._labels:
            del self._labels[label]
        else:
            raise InvalidInputError(f"label {label!r} is not enrolled; enrolled are {self.labels}")

    def _guesses(self, area: Box) -> list[Keypoint]:
        left, top, right, bottom = area
        spread = np.diag([(right - left) ** 2 / 6, (bottom - top) ** 2 / 6])
        found = []
        for label in self._labels:
            u, v = self._rng.uniform((left, top), (right, bottom)).tolist()
            confidence = float(self._rng.uniform())
            found.append(Keypoint(label, u, v, confidence, confidence >= 0.5, spread))
        return found


class UniformOnObject(UniformGuess):
    """Guesses within the box of the object, which it is told: chance for who finds the object."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._box: Box | None = None

    def tell(self, box: Box | None) -> None:
        """Where the object is; None: nowhere, then it guesses in the whole frame."""
        self._box = box

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Guess for every label, in the part of the box that is in the frame."""
        camera = frame.intrinsics
        if self._box is None:
            return super().detect(frame)
        last = np.array([camera.width, camera.height]) - 0.501
        (left, top), (right, bottom) = np.clip(np.reshape(self._box, (2, 2)), -0.5, last).tolist()
        return self._guesses((left, top, right, bottom))


CHANCE: dict[str, Callable[[int], KeypointDetector]] = {
    "random": UniformGuess,
    "random-on-object": UniformOnObject,
}
"""Name → a guesser by seed."""
