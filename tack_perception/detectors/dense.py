# SPDX-License-Identifier: Apache-2.0
"""The baseline: points found again by hand-crafted descriptors, without learned weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_perception.annotation import Annotation
from tack_perception.detectors.gradients import GradientPyramid
from tack_perception.detectors.settings import DenseDescriptorConfig
from tack_perception.detectors.whitening import Whitening
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

FloatArray = NDArray[np.float32]


class DenseDescriptorDetector:
    """Finds each label where the frame looks most like one of its shots.

    Args:
        config: settings; None takes the defaults.
    """

    def __init__(self, config: DenseDescriptorConfig | None = None) -> None:
        self.config = config or DenseDescriptorConfig()
        self._templates: dict[str, list[FloatArray]] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The enrolled labels, in the order of their first shot."""
        return tuple(self._templates)

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Add shots. Several of one label are used together; enrolling never forgets.

        Raises:
            InvalidInputError: the image around a click has no texture to recognise; none of the
                given shots is enrolled.
        """
        described = [(shot.label, self._describe_shot(shot)) for shot in shots]
        for label, templates in described:
            self._templates.setdefault(label, []).append(templates)

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Find every enrolled label in one frame.

        Returns:
            One `Keypoint` for each label, in the order of `labels`, in pixels and with
            `pixel_covariance`, not lifted.
        """
        if not self._templates:
            return []
        pixels, shape = _grid(frame, self.config.step_px)
        raw = self._describe(GradientPyramid(frame.color), pixels)
        whitening = Whitening(raw[::2])
        searched = whitening(raw)
        found = []
        for label, shots in self._templates.items():
            similarity = searched @ whitening(np.concatenate(shots)).T
            found.append(self._pick(label, similarity.max(axis=1).reshape(shape)))
        return found

    def forget(self, label: str | None = None) -> None:
        """Drop all shots of one label, or of all labels.

        Raises:
            InvalidInputError: the label is not enrolled; the message lists the enrolled ones.
        """
        if label is None:
            self._templates.clear()
        elif label in self._templates:
            del self._templates[label]
        else:
            known = ", ".join(self._templates) or "none"
            raise InvalidInputError(f"label {label!r} is not enrolled; enrolled are: {known}")

    def _describe(self, pyramid: GradientPyramid, pixels: FloatArray) -> FloatArray:
        return np.hstack([pyramid.describe(pixels, cell) for cell in self.config.cells_px])

    def _describe_shot(self, shot: Annotation) -> FloatArray:
        limit, step = self.config.roll_deg, self.config.roll_step_deg
        count = int(limit // step)
        pixel = shot.pixel.astype(np.float32)[None]
        templates = [
            self._describe(GradientPyramid(shot.frame.color, math.radians(step * i)), pixel)
            for i in range(-count, count + 1)
        ]
        if float(np.linalg.norm(templates[count])) < 0.3 * math.sqrt(len(self.config.cells_px)):
            raise InvalidInputError(
                f"{shot.label}: the image around ({shot.u:.0f}, {shot.v:.0f}) has no texture to"
                " recognise; click on a corner, a print or an edge"
            )
        return np.concatenate(templates)

    def _pick(self, label: str, similarity: FloatArray) -> Keypoint:
        step = self.config.step_px
        row, column = np.unravel_index(int(similarity.argmax()), similarity.shape)
        best = float(similarity[row, column])
        rivals = similarity.copy()
        rivals[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5] = -1
        margin = best - float(rivals.max())
        confidence = 1 / (1 + math.exp(-(8 * (best - 0.5) + 12 * (margin - 0.05))))
        first = step / 2 - 0.5
        u = first + step * (column + _peak(similarity[row], int(column)))
        v = first + step * (row + _peak(similarity[:, column], int(row)))
        sigma = step / 2
        return Keypoint(
            label,
            u,
            v,
            confidence,
            confidence >= self.config.visible_confidence,
            np.eye(2) * sigma**2,
        )


def _grid(frame: RGBDFrame, step: int) -> tuple[FloatArray, tuple[int, int]]:
    """(N, 2) pixels row by row, and (rows, columns)."""
    u = np.arange(step / 2 - 0.5, frame.intrinsics.width, step)
    v = np.arange(step / 2 - 0.5, frame.intrinsics.height, step)
    columns, rows = np.meshgrid(u, v)
    pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float32)
    return pixels, columns.shape


def _peak(values: FloatArray, index: int) -> float:
    """Where between the neighbours the parabola through three values has its top, −0.5 to 0.5."""
    if not 0 < index < len(values) - 1:
        return 0.0
    left, middle, right = (float(value) for value in values[index - 1 : index + 2])
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
