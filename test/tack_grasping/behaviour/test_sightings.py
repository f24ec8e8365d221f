# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from scripted import CAMERA

from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.behaviour.sightings import Sightings
from tack_grasping.points import NamedPoint
from tack_perception import geometry
from tack_perception.frame import RGBDFrame

FRAME = RGBDFrame(
    np.zeros((120, 160, 3), np.uint8), np.ones((120, 160), np.float32), CAMERA, 1, "camera"
)


def sight(camera_x: float, *points: tuple[str, float, float]) -> Sight:
    """From x of the camera, m; each point (label, x, confidence) is a thing of its own."""
    things = tuple(
        Thing({label: NamedPoint(label, np.array([x, 0.0, 0.1]), np.eye(3) * 1e-6, confidence)})
        for label, x, confidence in points
    )
    pose = geometry.make_transform(np.eye(3), (camera_x, 0.0, 0.5))
    return Sight(FRAME, pose, things)


def confidences(seen: Sight, label: str = "rim") -> list[float]:
    return [thing.points[label].confidence for thing in seen.things if label in thing.points]


def test_looks_that_agree_are_surer_together() -> None:
    looks = Sightings()
    assert confidences(looks.add(sight(0.0, ("rim", 0.5, 0.2)))) == pytest.approx([0.2])
    assert confidences(looks.add(sight(0.2, ("rim", 0.51, 0.2)))) == pytest.approx([0.36])
    # Each look counts by itself: not what it came to with the others.
    assert confidences(looks.add(sight(0.4, ("rim", 0.505, 0.5)))) == pytest.approx([0.68])


def positions(seen: Sight, label: str = "rim") -> list[float]:
    return [thing.points[label].position[0] for thing in seen.things]


def test_looks_that_agree_are_averaged_by_their_confidence() -> None:
    looks = Sightings()
    looks.add(sight(0.0, ("rim", 0.5, 0.2)))
    assert positions(looks.add(sight(0.2, ("rim", 0.51, 0.6)))) == pytest.approx([0.5075])
    # What each look has seen by itself is averaged, not what it came to with the others.
    seen = looks.add(sight(0.4, ("rim", 0.505, 0.2), ("rim", 0.7, 0.9)))
    assert positions(seen) == pytest.approx([(0.2 * 0.5 + 0.6 * 0.51 + 0.2 * 0.505), 0.7])
    nothing = Sightings()
    nothing.add(sight(0.0, ("rim", 0.5, 0.0)))
    assert positions(nothing.add(sight(0.2, ("rim", 0.51, 0.0)))) == [0.51]


def test_after_a_touch_places_seen_before_are_not_averaged() -> None:
    looks = Sightings()
    looks.add(sight(0.0, ("rim", 0.5, 0.2)))
    looks.touch()
    seen = looks.add(sight(0.2, ("rim", 0.51, 0.2)))
    assert positions(seen) == [0.51]
    assert confidences(seen) == pytest.approx([0.36])
    assert positions(looks.add(sight(0.4, ("rim", 0.52, 0.2)))) == pytest.approx([0.515])


def test_what_is_elsewhere_or_is_called_otherwise_adds_nothing() -> None:
    looks = Sightings()
    looks.add(sight(0.0, ("rim", 0.5, 0.4), ("base", 0.6, 0.9)))
    seen = looks.add(sight(0.2, ("rim", 0.6, 0.3), ("rim", 0.5, 0.1)))
    assert confidences(seen) == pytest.approx([0.3, 1 - 0.6 * 0.9])


def test_the_same_view_again_is_the_same_evidence() -> None:
    looks = Sightings()
    for _ in range(5):
        seen = looks.add(sight(0.0, ("rim", 0.5, 0.2)))
        assert confidences(seen) == pytest.approx([0.2])
    looks.add(sight(0.3, ("rim", 0.5, 0.1)))
    looks.add(sight(0.31, ("rim", 0.5, 0.3)))
    seen = looks.add(sight(0.6, ("rim", 0.5, 0.0)))
    assert confidences(seen) == pytest.approx([1 - 0.8 * 0.7])  # the newer one of the two


def test_of_one_look_a_place_counts_once() -> None:
    looks = Sightings()
    looks.add(sight(0.0, ("rim", 0.5, 0.2), ("rim", 0.505, 0.3)))
    assert confidences(looks.add(sight(0.2, ("rim", 0.5, 0.0)))) == pytest.approx([0.3])


def test_the_likeliest_place_is_that_of_one_look_not_of_the_most() -> None:
    looks = Sightings()
    assert looks.likeliest("rim") is None
    first = sight(0.0, ("rim", 0.5, 0.4))
    looks.add(first)
    looks.add(sight(0.2, ("rim", 0.9, 0.3)))
    looks.add(sight(0.4, ("rim", 0.9, 0.3)))  # 0.51 with the look before
    likeliest = looks.likeliest("rim")
    assert likeliest is not None
    assert likeliest.point.position[0] == 0.5
    assert likeliest.point.confidence == 0.4
    assert likeliest.view is first
    looks.add(sight(0.6, ("rim", 0.9, 0.5)))
    likeliest = looks.likeliest("rim")
    assert likeliest is not None
    assert likeliest.point.position[0] == 0.9
    assert looks.likeliest("base") is None
