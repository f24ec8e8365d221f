# SPDX-License-Identifier: Apache-2.0
"""Uncertainty of what is reported, against closed forms; and the report in words."""

from __future__ import annotations

import dataclasses
import math

import pytest

from tack_grasping.placing.report import Line
from tack_grasping.placing.solve import Placement, solve_placement
from tack_grasping.placing.spec import Axis, Direction, On, PlaceSpec, PointAt, Where
from test.tack_grasping.placing import scenes

SIGMA = 0.004


def solve(*constraints, others=None, points=None) -> Placement:
    seen, cloud = scenes.mug(scenes.pose((1, 0, 0), 40, (0.3, 0, 0.2)), SIGMA)
    return solve_placement(
        PlaceSpec("test", constraints), points or seen, up=(0, 0, 1), cloud=cloud,
        supports={"table": scenes.table()}, others=others or {},
    )  # fmt: skip


@pytest.mark.parametrize(("level", "dimensions"), [(False, 3), (True, 2)])
def test_a_point_s_error_is_that_of_the_point(level: bool, dimensions: int) -> None:
    line = solve(PointAt("rim", Where((0.4, 0, 0.3)), 0.006, level=level)).report[0]
    assert line.value == pytest.approx(0, abs=1e-7)
    assert line.sigma == pytest.approx(SIGMA * math.sqrt(dimensions), rel=0.1)
    if level:  # Rayleigh's distribution
        assert line.probability == pytest.approx(1 - math.exp(-(0.006**2) / 2 / SIGMA**2), abs=0.05)


def test_the_other_object_s_error_adds() -> None:
    peg = {"tip": scenes.point("tip", (0.5, 0, 0.3), 2 * SIGMA)}
    line = solve(
        PointAt("rim", Where(object="peg", point="tip"), 0.01), others={"peg": peg}
    ).report[0]
    assert line.sigma == pytest.approx(SIGMA * math.sqrt(3 * (1 + 4)), rel=0.1)


def test_an_axis_error_comes_from_its_two_ends() -> None:
    line = solve(Axis("bottom", "rim", tolerance=math.radians(5))).report[0]
    across = math.sqrt(2) * SIGMA / scenes.HEIGHT
    assert line.sigma == pytest.approx(across * math.sqrt(2), rel=0.1)


def test_two_constraints_on_one_point_share_its_error() -> None:
    """Twice the same: as likely as once."""
    once = PointAt("rim", Where((0.4, 0, 0.3)), 0.006)
    found = solve(once, dataclasses.replace(once, tolerance=0.0061))
    assert found.probability == min(line.probability for line in found.report)
    both = solve(once, PointAt("bottom", Where((0.4, 0, 0.2)), 0.006))
    first, second = both.report
    assert both.probability == pytest.approx(first.probability * second.probability, abs=0.06)


def test_what_is_not_known_is_nan() -> None:
    top = scenes.point("top", (0.3, 0, 0.2), normal=(0, 1, 0))
    found = solve(Axis("top"), On("table", 0.01), points={"top": top})
    assert [math.isnan(line.sigma) for line in found.report] == [True, True]
    assert math.isnan(found.probability)


def test_a_line_in_words() -> None:
    line = Line("rim at (0, 0, 0)", 0.0012, 0.005, "m", True, 0.0004, 0.987)
    assert str(line) == "met: rim at (0, 0, 0): 1.2 mm ± 0.4 mm (5 mm allowed, 99% sure)"
    line = Line("bottom→rim up", 0.2, 0.1, "rad", False)
    assert str(line) == "NOT MET: bottom→rim up: 11.5° (5.73° allowed)"


def test_a_vertical_direction_has_no_heading() -> None:
    axis = Axis("bottom", "handle", along=Direction("vector", (0, 0, 1)), level=True)
    assert "the direction is vertical, so it has no heading" in solve(axis).refusal
