# SPDX-License-Identifier: Apache-2.0
"""A table of plain words: for a document, a page, or a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape

from tack_perception.evaluation.statistics import Share

Row = Sequence[str]


def percent(share: Share) -> str:
    """A share with its interval."""
    if not share.trials:
        return "-"
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


@dataclasses.dataclass(frozen=True)
class Table:
    """Head and rows of cells.

    Attributes:
        head: of the columns.
        rows: cells, as many as the head has.
        words: index of the columns that hold sentences: on a page they are broken into lines.
    """

    head: Row
    rows: Sequence[Row]
    words: tuple[int, ...] = ()

    def markdown(self) -> str:
        """As Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)

    def html(self) -> str:
        """As an element of a page."""
        kinds = [' class="words"' if i in self.words else "" for i in range(len(self.head))]

        def row(cells: Row, tag: str) -> str:
            marked = zip(cells, kinds, strict=True)
            return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in marked)

        rows = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in self.rows)
        return (
            f'<div class="card scroll"><table><tr>{row(self.head, "th")}</tr>{rows}</table></div>'
        )

    def text(self, indent: str = "  ") -> str:
        """For a terminal: columns in line, figures to the right, words to the left."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        left = {0, *self.words}
        return "\n".join(
            (indent + "  ".join(
                f"{cell:<{width}}" if i in left else f"{cell:>{width}}"
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )).rstrip()
            for line in lines
        )  # fmt: skip
