# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tack_perception.reasons import Reasons


def test_reasons_that_differ_in_numbers_alone_are_one() -> None:
    reasons = Reasons(["3.5 mm short", "no room", "-12 mm short", "0.25 mm short", "no path"])
    assert reasons.note("no room") == "no room"
    assert reasons.note("\u22127 mm short") == "3.5 mm short"
    assert reasons.most_common() == [("3.5 mm short", 4), ("no room", 2), ("no path", 1)]
    assert reasons.most_common(1) == [("3.5 mm short", 4)]
    assert Reasons().most_common() == []
