# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from tack_cli.report.orbit import MOST_POINTS, Line, Solid, orbit
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

MIDDLE = np.array([0.5, -0.2, 0.1])
VIEW = (30.0, 40.0, 0.5)


def scene_of(page: str) -> dict[str, object]:
    found = re.search(r'type="application/json">(.*?)</script>', page)
    assert found is not None
    scene = json.loads(found[1])
    assert isinstance(scene, dict)
    return scene


def cloud_of(scene: dict[str, object]) -> tuple[np.ndarray, np.ndarray]:
    points = np.frombuffer(base64.b64decode(str(scene["points"])), "<i2").reshape(-1, 3)
    colors = np.frombuffer(base64.b64decode(str(scene["colors"])), "u1").reshape(-1, 3)
    return points * float(str(scene["step"])) + MIDDLE, colors


def test_the_page_holds_the_points_that_it_was_given() -> None:
    rng = np.random.default_rng(0)
    points = MIDDLE + rng.uniform(-0.3, 0.3, (500, 3))
    points[7], points[9] = np.nan, MIDDLE + 50.0  # unknown, and out of this world
    colors = rng.integers(0, 256, (500, 3), dtype=np.uint8)
    kept = np.delete(np.arange(500), (7, 9))
    shown, paint = cloud_of(scene_of(orbit("cloud", points, colors, middle=MIDDLE, view=VIEW)))
    np.testing.assert_allclose(shown, points[kept], atol=6e-5)
    np.testing.assert_array_equal(paint, colors[kept])


def test_many_points_are_thinned_evenly() -> None:
    count = 3 * MOST_POINTS
    points = np.linspace(-1, 1, count)[:, None] * (0.2, 0.0, 0.0) + MIDDLE
    page = orbit("cloud", points, np.zeros((count, 3), np.uint8), middle=MIDDLE, view=VIEW)
    shown, paint = cloud_of(scene_of(page))
    assert len(shown) == len(paint) == MOST_POINTS
    assert shown[0, 0] == pytest.approx(0.3, abs=1e-4)
    assert shown[-1, 0] == pytest.approx(0.7, abs=1e-4)


def test_lines_and_solids_lie_where_they_are() -> None:
    pose = geometry.from_axis_angle((0, 0, 1), 0.4, tuple(np.add(MIDDLE, (0.1, 0, 0))))
    line = Line(MIDDLE + np.array([[0, 0, 0], [0, 0, 0.05]]), (255, 0, 16), label="</script> 0.9")
    solid = Solid(pose, np.array([0.02, 0.04, 0.06]), (1, 2, 3))
    page = orbit(
        "cloud", np.zeros((0, 3)), np.zeros((0, 3)), lines=[line], solids=[solid], middle=MIDDLE,
        view=VIEW,
    )  # fmt: skip
    scene = scene_of(page)  # a label cannot end the script
    assert scene["lines"] == [
        {"points": [[0, 0, 0], [0, 0, 0.05]], "color": "#ff0010", "width": 2.5,
         "label": "</script> 0.9"}
    ]  # fmt: skip
    [box] = scene["solids"]  # type: ignore[misc]
    corners = geometry.apply(geometry.inverse(pose), np.array(box["corners"]) + MIDDLE)
    assert box["color"] == "#010203"
    np.testing.assert_allclose(np.ptp(corners, axis=0), solid.size, atol=3e-5)
    assert corners[1][0] > corners[0][0]
    assert corners[2][1] > corners[0][1]
    assert corners[4][2] > corners[0][2]


@pytest.mark.parametrize(
    ("identity", "colors", "words"),
    [("a b", (4, 3), "letters"), ("cloud", (3, 3), r"\(4, 3\)"), ("cloud", (4, 4), r"\(4, 4\)")],
)
def test_what_does_not_go_together_is_refused(
    identity: str, colors: tuple[int, int], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        orbit(identity, np.zeros((4, 3)), np.zeros(colors), middle=MIDDLE, view=VIEW)
