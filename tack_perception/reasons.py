# SPDX-License-Identifier: Apache-2.0
"""Reasons, counted: those that differ in their numbers alone are one reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable


class Reasons:
    """Counts reasons as they come.

    Attributes:
        counts: reason → how often it, or one that differs in its numbers alone, was noted; in the
            words of the first of them.
    """

    def __init__(self, reasons: Iterable[str] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        for reason in reasons:
            self.note(reason)

    def note(self, reason: str) -> str:
        """Count one; returns the words under which it is counted."""
        kind = re.sub(r"[-\u2212]?\d+(\.\d+)?", "#", reason)
        words = self._first.setdefault(kind, reason)
        self.counts[words] += 1
        return words

    def most_common(self, most: int | None = None) -> list[tuple[str, int]]:
        """The most frequent first, equals in alphabetical order."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:most]
