# SPDX-License-Identifier: Apache-2.0
"""Of two detectors the surer one is believed."""

from __future__ import annotations

import numpy as np
import pytest

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import DenseDescriptorDetector, KeypointDetector
from tack_perception.detectors.combined import CombinedDetector
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint


class Sure:
    """Finds every label at one place, with confidence."""

    def __init__(
        self, u: float, confidence: float, refused: str = "", *, visible: bool = True
    ) -> None:
        self.u, self.confidence, self.refused, self.visible = u, confidence, refused, visible
        self.labels: tuple[str, ...] = ()

    def enroll(self, shots):
        if any(shot.label == self.refused for shot in shots):
            raise InvalidInputError("no texture")
        self.labels += tuple(shot.label for shot in shots if shot.label not in self.labels)

    def detect(self, frame):
        return [
            Keypoint(one, self.u, 5.0, self.confidence, self.visible, np.eye(2))
            for one in self.labels
        ]

    def forget(self, label=None):
        self.labels = tuple(one for one in self.labels if label is not None and one != label)


def frame():
    color = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    camera = CameraIntrinsics(80, 60, 70, 70, 39.5, 29.5)
    return RGBDFrame(color, np.full((60, 80), 0.5, np.float32), camera, 1, "cam")


def shots(*labels):
    return [Annotation(label, 40, 30, frame()) for label in labels]


@pytest.mark.parametrize(
    ("one", "other", "u"), [(0.4, 0.6, 20.0), (0.6, 0.4, 10.0), (0.5, 0.5, 10.0)]
)
def test_the_surer_one_counts(one, other, u):
    both = CombinedDetector(Sure(10.0, one), Sure(20.0, other))
    assert isinstance(both, KeypointDetector)
    both.enroll(shots("a", "b"))
    found = both.detect(frame())
    assert [point.label for point in found] == list(both.labels) == ["a", "b"]
    assert {point.u for point in found} == {u}


def test_what_the_second_one_does_not_believe_to_see_does_not_count():
    both = CombinedDetector(Sure(10.0, 0.1), Sure(20.0, 0.4, visible=False))
    both.enroll(shots("a"))
    assert both.detect(frame())[0].u == 10


def test_a_shot_that_the_second_refuses_is_left_to_the_first():
    both = CombinedDetector(Sure(10.0, 0.1), Sure(20.0, 0.9, refused="even"))
    both.enroll(shots("even", "rough"))
    assert {point.label: point.u for point in both.detect(frame())} == {"even": 10, "rough": 20}
    both.forget("even")
    both.forget("rough")
    assert both.labels == both.second.labels == ()


def test_a_shot_that_the_first_refuses_is_refused():
    both = CombinedDetector(Sure(10.0, 0.1, refused="even"), Sure(20.0, 0.9))
    with pytest.raises(InvalidInputError, match="texture"):
        both.enroll(shots("rough", "even"))
    assert both.labels == both.second.labels == ()


def test_it_works_with_the_real_one():
    both = CombinedDetector(DenseDescriptorDetector(), DenseDescriptorDetector())
    both.enroll(shots("a"))
    found, alone = both.detect(frame()), both.first.detect(frame())
    assert (found[0].u, found[0].v) == (alone[0].u, alone[0].v)
    both.forget()
    assert both.detect(frame()) == []
