# SPDX-License-Identifier: Apache-2.0
"""The panel beside the scene: what the camera sees, the stages, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.outcome import CellOutcome

if TYPE_CHECKING:
    import viser

Image = NDArray[np.uint8]

ASKS = "#de3c7a"
"""CSS colour of words that ask a person to do something."""

_GOOD, _BAD, _BUSY = "#1f9d55", "#d64545", "#2c6ce6"
_TEXT = "font:14px/1.45 system-ui,sans-serif;color:#1f2733;padding:2px 14px 6px"
_CHIP = (
    "display:inline-block;background:#eef1f5;border-radius:9px;padding:1px 9px;"
    "margin:0 5px 4px 0;font-size:12px"
)
_SMALL = "font:12px/1.3 system-ui,sans-serif;color:#1f2733;padding:0 14px 8px"


class Panel:
    """The panel of one page.

    Args:
        server: of the page.
        title: what is done, in a few words.
        size: (height, width) of the images, px.
        on_cloud: called with whether the points are to be shown.
        clock: s; tells how long stages take.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        title: str,
        size: tuple[int, int],
        on_cloud: Callable[[bool], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        gui = server.gui
        gui.configure_theme(
            control_width="large",
            show_logo=False,
            show_share_button=False,
            brand_color=(44, 108, 230),
        )
        gui.main_panel.dock_right()
        gui.set_panel_label("tack")
        self._title, self._clock = title, clock
        self._began: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._now = ""
        self._head = gui.add_html("")
        self._image = gui.add_image(np.full((*size, 3), 235, np.uint8), jpeg_quality=88)
        self._table = gui.add_html("")
        box = gui.add_checkbox("Point cloud", True)
        box.on_update(lambda _: on_cloud(bool(box.value)))
        self.say("The cell starts …")

    def say(self, words: str, color: str = _BUSY, more: str = "") -> None:
        """Write what happens now under the title; `more` is HTML."""
        self._head.content = (
            f'<div style="{_TEXT}"><div style="font-size:17px;font-weight:650;margin:2px 0 6px">'
            f'{escape(self._title)}</div><div style="background:{color};color:#fff;'
            f'border-radius:6px;padding:7px 12px;font-weight:600">{escape(words)}</div>{more}</div>'
        )

    def show_image(self, picture: Image) -> None:
        """Show what the camera sees: (H, W, 3) uint8 RGB."""
        self._image.image = picture

    def stage(self, name: str) -> None:
        """A stage begins."""
        self.end()
        self._now, self._began[name] = name, self._clock()
        self.say(f"{name} …")
        self.refresh()

    def end(self) -> None:
        """The stage that is going on has ended."""
        if self._now:
            self._seconds[self._now] = self.seconds[self._now]
            self._now = ""

    @property
    def seconds(self) -> dict[str, float]:
        """Stage → how long it took so far, s; in order."""
        known = dict(self._seconds)
        if self._now:
            spent = self._clock() - self._began[self._now]
            known[self._now] = known.get(self._now, 0.0) + spent
        return known

    def refresh(self) -> None:
        """Bring the times up to date."""
        self._table.content = _stages(self.seconds, self._now)

    def verdict(self, outcome: CellOutcome) -> None:
        """Say what came of it."""
        self.end()
        self.refresh()
        chips = "".join(
            f'<span style="{_CHIP}">{escape(words)}</span>' for words in findings(outcome)
        )
        sentence = outcome.sentence[0].upper() + outcome.sentence[1:]
        self.say(
            "Picked and placed" if outcome.success else "Failed",
            _GOOD if outcome.success else _BAD,
            f'<div style="margin:6px 0 4px">{escape(sentence)}.</div>{chips}',
        )

    def failed(self, reason: str) -> None:
        """Say that the job ended without an outcome."""
        self.end()
        self.refresh()
        self.say("Stopped", _BAD, f'<div style="margin:6px 0 4px">{escape(reason)}</div>')


def findings(outcome: CellOutcome) -> list[str]:
    """What was measured and what the physics says, in a few words each."""
    error, verdict = outcome.point_error, outcome.verdict
    found = [f"confidence {outcome.keypoint.confidence:.2f}"]
    if error is not None:
        found.append(f"{error * 1e3:.1f} mm from the true point")
    found.append("held" if outcome.held else "not held")
    for key, words in (("in_bin", "in the bin"), ("at_rest", "at rest")):
        if key in verdict:
            found.append(words if verdict[key] else f"not {words}")
    return found + [f"collision: {words}" for words in verdict.get("collisions", [])]


def _stages(seconds: Mapping[str, float], now: str) -> str:
    longest = max([1.0, *seconds.values()])
    rows = "".join(
        _row(name, spent, spent / longest, name == now) for name, spent in seconds.items()
    )
    total = sum(seconds.values())
    return (
        f'<div style="{_SMALL}"><table style="width:100%;border-spacing:0 1px">{rows}'
        f'<tr><td style="padding-top:4px;color:#5b6675">together</td><td></td>'
        f'<td style="text-align:right;padding-top:4px;font-variant-numeric:tabular-nums">'
        f"{total:.1f} s</td></tr></table></div>"
    )


def _row(name: str, spent: float, share: float, busy: bool) -> str:
    color, weight = (_BUSY, 650) if busy else ("#9db4dd", 400)
    return (
        f'<tr><td style="width:6.5em;font-weight:{weight}">{escape(name)}</td><td>'
        f'<div style="background:{color};height:9px;border-radius:3px;min-width:2px;'
        f'width:{100 * share:.1f}%"></div></td><td style="width:4.5em;text-align:right;'
        f'font-variant-numeric:tabular-nums">{spent:.1f} s</td></tr>'
    )
