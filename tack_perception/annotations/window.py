# SPDX-License-Identifier: Apache-2.0
"""The annotation window on a display: OpenCV's events to the editor, the editor's view to it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import cv2

from tack_perception.annotations.editor import Editor
from tack_perception.annotations.view import View, to_pixel, window_scale

_WAIT_MS = 20
_PROBE = "import cv2; cv2.namedWindow('tack'); cv2.waitKey(1); cv2.destroyAllWindows()"
_SPECIAL = {
    13: "enter",
    10: "enter",
    8: "backspace",
    27: "escape",
    65288: "backspace",
    65293: "enter",
    65307: "escape",
    65360: "home",
    65361: "left",
    65363: "right",
    65367: "end",
}
"""Codes of `cv2.waitKeyEx` (ASCII, and X11's names for keys without a character)."""


def display_trouble() -> str:
    """Why no window can be opened here, in one line; "" where one can.

    A toolkit that finds no display ends its process, so another one tries first.
    """
    probe = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False, timeout=60
    )
    if probe.returncode == 0:
        return ""
    lines = [line for line in probe.stderr.splitlines() if line.strip()]
    return next((line for line in lines if "display" in line), lines[-1] if lines else "no display")


def run_window(editor: Editor) -> None:
    """Show the window until the person is done. Closing it, and Ctrl-C, save what was clicked.

    Raises:
        TackError: the window was closed from outside and the set could not be saved.
    """
    title = f"tack annotate: {editor.reel.name}"
    camera = editor.frame.intrinsics
    scale = window_scale(camera.width, camera.height)
    events = 1

    def on_mouse(event: int, x: int, y: int, flags: int, data: Any) -> None:
        nonlocal events
        events += 1
        u, v = to_pixel(x, y, scale)
        if event == cv2.EVENT_LBUTTONDOWN:
            editor.click(u, v)
        elif event == cv2.EVENT_MOUSEMOVE:
            editor.move(u, v)

    cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
    cv2.setMouseCallback(title, on_mouse)
    view, shown = View(), 0
    try:
        while not editor.finished:
            code = cv2.waitKeyEx(_WAIT_MS if shown == events else 1)
            if code >= 0:
                # Drawing waits until no key is left: a slow frame must not swallow typed letters.
                events += 1
                editor.press(key_name(code))
            elif shown != events:
                shown = events
                cv2.imshow(title, cv2.cvtColor(view.render(editor), cv2.COLOR_RGB2BGR))
            elif not _is_open(title):
                editor.close()
    except KeyboardInterrupt:
        editor.close()
        raise
    finally:
        cv2.destroyAllWindows()


def _is_open(title: str) -> bool:
    try:
        return bool(cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1)
    except cv2.error:  # Qt: the last window was closed
        return False


def key_name(code: int) -> str:
    """The name of a key by its code from `cv2.waitKeyEx`; "" for one that means nothing here."""
    if code in _SPECIAL:
        return _SPECIAL[code]
    return chr(code) if 32 <= code < 127 or 160 <= code < 0x250 else ""
