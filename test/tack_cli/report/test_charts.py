# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_cli.report.charts import Series, line_chart

X = np.arange(6.0)


def draw(*ys: list[float], spread: list[float] | None = None) -> ET.Element:
    series = [
        Series(f"s{i}", "red", X, np.array(y), None if spread is None else np.array(spread))
        for i, y in enumerate(ys)
    ]
    return ET.fromstring(line_chart(series, y_label="offset, mm"))


def points(element: ET.Element) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", element.get("points", ""))
    ]


def test_a_line_runs_as_its_values_do() -> None:
    [line] = draw([0, 1, 2, 3, 4, 5]).findall("polyline")
    places = np.array(points(line))
    steps = np.diff(places, axis=0)
    assert (steps[:, 0] > 0).all()
    assert (steps[:, 1] < 0).all()  # up is towards smaller y in SVG
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=0.2)


def test_missing_values_interrupt_the_line() -> None:
    svg = draw([0, 1, np.nan, 3, 4, np.nan])
    assert [len(points(line)) for line in svg.findall("polyline")] == [2, 2]
    assert len(svg.findall("circle")) == 4


def test_the_band_encloses_the_line() -> None:
    svg = draw([1, 2, 3, 2, 1, 2], spread=[0.5] * 6)
    [band], [line] = svg.findall("polygon"), svg.findall("polyline")
    outline, middle = np.array(points(band)), np.array(points(line))
    assert (outline[:6, 1] < middle[:, 1]).all()
    assert (outline[:5:-1, 1] > middle[:, 1]).all()


def test_no_values_say_so() -> None:
    svg = draw([np.nan] * 6)
    assert "no values" in "".join(svg.itertext())
    assert not svg.findall("polyline")


def test_names_are_escaped() -> None:
    svg = line_chart([Series("<b>", "red", X, X)], y_label="a & b")
    root = ET.fromstring(svg)
    assert "a & b" in "".join(root.itertext())
    assert "<b>:" in "".join(root.itertext())


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=6, max_size=6),
    st.floats(1e-6, 1e3),
)
def test_any_values_stay_on_the_chart(values: list[float], scale: float) -> None:
    svg = draw([value * scale for value in values])
    for circle in svg.findall("circle"):
        assert 0 <= float(circle.get("cx", "nan")) <= 520
        assert 0 <= float(circle.get("cy", "nan")) <= 220


def test_a_fixed_range_is_kept() -> None:
    svg = ET.fromstring(
        line_chart([Series("s", "red", X, np.full(6, 0.5))], y_label="confidence", y_range=(0, 1))
    )
    ticks = [text.text for text in svg.findall("text") if text.get("text-anchor") == "end"]
    assert ticks == ["0", "0.25", "0.5", "0.75", "1"]
    middle = [float(c.get("cy", "nan")) for c in svg.findall("circle")]
    assert middle == pytest.approx([(12 + 220 - 34) / 2] * 6, abs=0.1)
