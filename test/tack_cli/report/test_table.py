# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tack_cli.report.table import Table, percent
from tack_perception.evaluation.statistics import Share

TABLE = Table(["name", "times", "why"], [["a<b", "1", "one"], ["c", "200", "a & b"]], words=(2,))


def test_for_a_terminal_columns_are_in_line() -> None:
    assert TABLE.text().splitlines() == [
        "  name  times  why",
        "  a<b       1  one",
        "  c       200  a & b",
    ]


def test_for_a_page_nothing_is_taken_for_markup() -> None:
    html = TABLE.html()
    assert "<td>a&lt;b</td><td>1</td>" in html
    assert '<td class="words">a &amp; b</td>' in html
    assert html.count("<tr>") == 3


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        Table(["a", "b"], [["1"]]).html()


def test_a_share_is_told_with_its_interval() -> None:
    assert percent(Share(5, 10)) == "50.0 [23.7, 76.3]"
    assert percent(Share(0, 0)) == "-"
