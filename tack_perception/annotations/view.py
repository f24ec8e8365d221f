# SPDX-License-Identifier: Apache-2.0
"""Pictures of annotations: what the window shows, and a contact sheet of a whole set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.annotations.editor import HELP, Editor
from tack_perception.annotations.records import Entry
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.overlay import Color, draw_click, draw_label, enlarged, palette

Image = NDArray[np.uint8]

BAR_HEIGHT = 52
_FONT = cv2.FONT_HERSHEY_DUPLEX
_PAPER: Color = (236, 239, 244)
_DIM: Color = (150, 158, 172)
_INK: Color = (22, 25, 31)
_ALERT: Color = (255, 176, 32)
_LENS_PX = 192
_TILE_PX = 240


def window_scale(width: int, height: int) -> int:
    """By how much the window enlarges a frame: 2 for small ones, so that clicks are sub-pixel."""
    return 2 if width <= 720 and height <= 540 else 1


def to_pixel(x: float, y: float, scale: int) -> tuple[float, float]:
    """A position in the window to the pixel (u, v) of the frame."""
    return (x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5


class View:
    """Draws the window's content; the picture part again only where it has changed.

    While a label is typed only the bar changes, which keeps up with any typist: OpenCV keeps one
    key, and drops those that arrive while a frame is drawn.
    """

    def __init__(self) -> None:
        self._drawn: tuple[object, ...] = ()
        self._picture: Image = np.zeros((0, 0, 3), np.uint8)

    def render(self, editor: Editor) -> Image:
        """Frame, points, lens and status bar.

        Returns:
            (H·scale + `BAR_HEIGHT`, W·scale, 3) uint8 RGB.
        """
        marks = tuple(entry.content for entry in editor.annotations)
        state = (editor.index, editor.show_depth, editor.show_help, editor.cursor, editor.zoom)
        if self._drawn != (state, marks):
            self._drawn, self._picture = (state, marks), _picture(editor)
        return np.vstack([self._picture, _bar(editor, self._picture.shape[1])])


def _picture(editor: Editor) -> Image:
    frame = editor.frame
    scale = window_scale(frame.intrinsics.width, frame.intrinsics.height)
    picture = depth_picture(frame.depth) if editor.show_depth else frame.color
    canvas = enlarged(picture, scale)
    colors = palette(editor.annotations.labels)
    for entry, u, v in editor.here:
        draw_click(canvas, (u, v), colors[entry.label], scale=scale)
    for entry, u, v in editor.here:
        anchor = ((u + 0.5) * scale - 0.5, (v + 0.5) * scale - 0.5)
        draw_label(canvas, entry.label, anchor, colors[entry.label], scale=scale)
    if editor.cursor is not None:
        _draw_lens(canvas, picture, editor.cursor, editor.zoom, scale)
    if editor.show_help:
        _draw_help(canvas)
    return canvas


def depth_picture(depth: NDArray[np.float32]) -> Image:
    """Depth as colours from near (red) to far (blue), (H, W, 3) uint8 RGB; unknown is black."""
    known = np.isfinite(depth)
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    near, far = np.percentile(depth[known], (1, 99))
    level = np.clip((far - depth) / max(far - near, 1e-6), 0, 1)
    shades = np.where(known, level * 255, 0).astype(np.uint8)
    colored = cv2.cvtColor(cv2.applyColorMap(shades, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    colored[~known] = 0
    return np.asarray(colored, dtype=np.uint8)


def contact_sheet(entries: Sequence[Entry], columns: int = 4) -> Image:
    """A tile for each entry: the surroundings of its pixel, a cross, label and id.

    Args:
        entries: what to show; one whose picture cannot be read says so in its tile.
        columns: tiles side by side.

    Returns:
        (rows · 240, columns · 240, 3) uint8 RGB.

    Raises:
        InvalidInputError: there is nothing to show.
    """
    if not entries:
        raise InvalidInputError("the set is empty: there is nothing to show on a contact sheet")
    colors = palette([entry.label for entry in entries])
    tiles = [_tile(entry, colors[entry.label]) for entry in entries]
    columns = min(columns, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return np.vstack(rows)


def _tile(entry: Entry, color: Color) -> Image:
    tile = np.full((_TILE_PX, _TILE_PX, 3), _INK, np.uint8)
    try:
        frame = entry.picture.frame()
    except FileFormatError:
        _write(tile, "picture is missing", (12, _TILE_PX // 2), _ALERT)
    else:
        scale, half = 2, _TILE_PX // 4
        u, v = entry.u, entry.v
        left, top = round(u) - half, round(v) - half
        padded = cv2.copyMakeBorder(
            np.ascontiguousarray(frame.color), half, half, half, half, cv2.BORDER_CONSTANT
        )
        window = padded[top + half : top + 3 * half, left + half : left + 3 * half]
        tile = enlarged(np.asarray(window, dtype=np.uint8), scale)
        draw_click(tile, (u - left, v - top), color, scale=scale)
    cv2.rectangle(tile, (0, _TILE_PX - 22), (_TILE_PX, _TILE_PX), _INK, -1)
    depth = "" if entry.depth is None else f"  {entry.depth:.3f} m"
    _write(tile, f"{entry.label}  {entry.id}{depth}", (8, _TILE_PX - 7), color, 0.4)
    cv2.rectangle(tile, (0, 0), (_TILE_PX - 1, _TILE_PX - 1), _INK, 1)
    return tile


def _draw_lens(
    canvas: Image, picture: Image, cursor: tuple[float, float], zoom: int, scale: int
) -> None:
    """A magnified view of the cursor's surroundings, in the corner that is away from it."""
    edge = min(_LENS_PX, canvas.shape[0] // 2, canvas.shape[1] // 2)
    factor = zoom * scale
    u, v = cursor
    # One affine map takes the surroundings to the lens, with the cursor exactly in its middle.
    middle = edge / 2 - 0.5
    lens_from_picture = np.array(
        [[factor, 0, middle - factor * u], [0, factor, middle - factor * v]]
    )
    lens = cv2.warpAffine(
        np.ascontiguousarray(picture), lens_from_picture, (edge, edge), flags=cv2.INTER_NEAREST
    )
    half, gap = edge // 2, 8
    for start, end in ((0, half - gap), (half + gap, edge)):
        cv2.line(lens, (half, start), (half, end), _PAPER, 1)
        cv2.line(lens, (start, half), (end, half), _PAPER, 1)
    cv2.rectangle(lens, (0, 0), (edge - 1, edge - 1), _PAPER, 2)
    is_right = (u + 0.5) * scale > canvas.shape[1] / 2
    left = 8 if is_right else canvas.shape[1] - edge - 8
    canvas[8 : 8 + edge, left : left + edge] = lens


def _draw_help(canvas: Image) -> None:
    height, width = 26 * len(HELP) + 28, 520
    top = max((canvas.shape[0] - height) // 2, 0)
    left = max((canvas.shape[1] - width) // 2, 0)
    plate = canvas[top : top + height, left : left + width]
    plate[:] = (plate * 0.15 + np.array(_INK) * 0.85).astype(np.uint8)
    for number, (key, meaning) in enumerate(HELP):
        y = top + 36 + 26 * number
        _write(canvas, key, (left + 20, y), _ALERT)
        _write(canvas, meaning, (left + 110, y), _PAPER)


def _bar(editor: Editor, width: int) -> Image:
    bar = np.full((BAR_HEIGHT, width, 3), _INK, np.uint8)
    total = f"/{editor.reel.length}" if editor.reel.length else ""
    parts = [f"frame {editor.index}{total}", f"label {editor.label or '(none yet)'}"]
    parts.append(f"{len(editor.annotations)} points{'*' if editor.dirty else ''}")
    if editor.cursor is not None:
        u, v = editor.cursor
        point = editor.point_at(u, v)
        parts.append(f"pixel {u:.1f}, {v:.1f}")
        parts.append("no depth" if point is None else "xyz {:.3f}, {:.3f}, {:.3f} m".format(*point))
    _write(bar, "   ".join(parts), (10, 20), _DIM)
    text = editor.message if editor.typing is None else f"label: {editor.typing}_"
    _write(bar, text, (10, 42), _PAPER if editor.typing is None else _ALERT)
    return bar


def _write(
    canvas: Image, text: str, place: tuple[int, int], color: Color, size: float = 0.48
) -> None:
    room = canvas.shape[1] - place[0] - 4
    while text and cv2.getTextSize(text, _FONT, size, 1)[0][0] > room:
        text = text[: math.floor(len(text) * 0.95)]
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, place, _FONT, size, color, 1, cv2.LINE_AA)
