# SPDX-License-Identifier: Apache-2.0
"""One detector for kinds that were learned, another for all else."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import DenseDescriptorDetector, KeypointDetector, make_detector
from tack_perception.detectors.combined import CombinedDetector
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint


class Sure:
    """Finds every label at one place, with confidence."""

    def __init__(
        self, u: float, *, refused: str = "", strange: str = "", visible: bool = True
    ) -> None:
        self.u, self.refused, self.strange, self.visible = u, refused, strange, visible
        self.labels: tuple[str, ...] = ()
        self.asked = 0

    def knows(self, shot):
        return shot.label not in self.strange.split()

    def enroll(self, shots):
        if any(shot.label == self.refused for shot in shots):
            raise InvalidInputError("no texture")
        self.labels += tuple(shot.label for shot in shots if shot.label not in self.labels)

    def detect(self, frame):
        self.asked += 1
        return [
            Keypoint(one, self.u, 5.0, 0.6, self.visible, np.eye(2), instance=n)
            for n in range(2 if self.strange else 1)
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


def test_whose_kind_is_known_counts_the_first_and_of_all_else_the_second():
    both = CombinedDetector(Sure(10.0, strange="b"), Sure(20.0))
    assert isinstance(both, KeypointDetector)
    both.enroll(shots("a", "b", "c"))
    found = both.detect(frame())
    assert [point.label for point in found] == [*both.labels, "a", "c"] == [*"abcac"]
    assert [point.u for point in found] == [10, 20, 10, 10, 10]
    assert [point.instance for point in found] == [0, 0, 0, 1, 1]
    assert both.first.labels == ("a", "c")


def test_a_label_is_known_if_one_of_its_shots_is():
    first = Sure(10.0, strange="a")
    both = CombinedDetector(first, Sure(20.0))
    both.enroll(shots("a"))
    assert both.detect(frame())[0].u == 20
    first.strange = "b"
    both.enroll(shots("a"))
    assert both.detect(frame())[0].u == 10
    first.strange = "a"
    both.enroll(shots("a"))
    assert both.detect(frame())[0].u == 10


@pytest.mark.parametrize(
    ("one", "other", "u"),
    [(True, True, 10), (True, False, 10), (False, True, 20), (False, False, 10)],
)
def test_the_second_helps_where_the_first_does_not_believe_to_see(one, other, u):
    both = CombinedDetector(Sure(10.0, visible=one), Sure(20.0, visible=other))
    both.enroll(shots("a"))
    assert both.detect(frame())[0].u == u
    assert both.second.asked == (not one)  # it takes time


def test_a_strange_shot_that_the_second_refuses_is_left_to_the_first():
    both = CombinedDetector(Sure(10.0, strange="even rough"), Sure(20.0, refused="even"))
    both.enroll(shots("even", "rough"))
    found = {point.label: point.u for point in both.detect(frame()) if not point.instance}
    assert found == {"even": 10, "rough": 20}
    both.forget("even")
    with pytest.raises(InvalidInputError, match="enrolled are: rough"):
        both.forget("even")
    both.forget("rough")
    assert both.labels == both.second.labels == both.first.labels == ()


def test_a_known_shot_that_the_first_refuses_is_refused():
    both = CombinedDetector(Sure(10.0, refused="even"), Sure(20.0))
    with pytest.raises(InvalidInputError, match="texture"):
        both.enroll(shots("rough", "even"))
    assert both.labels == both.second.labels == ()


def test_strange_things_are_answered_as_by_the_hand_crafted_one_alone():
    """Noise is no kind of thing that the shipped model has learned."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    both, alone = make_detector("combined"), DenseDescriptorDetector()
    for one in (both, alone):
        one.enroll(shots("a"))
    found, wanted = both.detect(frame()), alone.detect(frame())
    assert [(p.u, p.v, p.confidence) for p in found] == [(p.u, p.v, p.confidence) for p in wanted]
    both.forget()
    assert both.detect(frame()) == []


def test_settings_of_both_are_heeded():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    both = make_detector("combined", {"instances": 3, "dense": {"roll_deg": 7.0}})
    assert (both.first.config.instances, both.second.config.roll_deg) == (3, 7.0)
    with pytest.raises(ConfigurationError, match="spin"):
        make_detector("combined", {"dense": {"spin": 7.0}})


def test_without_torch_all_is_left_to_the_hand_crafted_one(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tack_perception.detectors.shipped", None)
    assert isinstance(make_detector("combined"), DenseDescriptorDetector)
    assert "pip install" in caplog.text
