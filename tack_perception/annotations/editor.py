# SPDX-License-Identifier: Apache-2.0
"""The annotation window without the window: keys and clicks become changes of a set."""

from __future__ import annotations

import math
from collections.abc import Callable

from tack_perception.annotation import Annotation, check_label
from tack_perception.annotations.records import Entry, frame_key
from tack_perception.annotations.reel import FrameReel
from tack_perception.annotations.store import AnnotationStore
from tack_perception.errors import InvalidInputError, TackError

HELP = (
    ("click", "add a point with the current label"),
    ("l", "type the label (Enter takes it, Esc leaves it)"),
    ("n  p", "next, previous frame (also the arrow keys)"),
    ("N  P", "ten frames on, ten back"),
    ("g  G", "first, last frame"),
    ("u", "undo the last change"),
    ("d", "delete the point nearest to the cursor"),
    ("t", "colour or depth"),
    ("+  -", "magnify more, less"),
    ("s", "save"),
    ("q", "save and quit"),
    ("Esc", "quit; what is not saved is asked about"),
    ("?", "this help"),
)
ZOOMS = (2, 4, 6, 8, 12, 16)
DELETE_REACH_PX = 25.0


class Editor:
    """The state of an annotation window.

    Args:
        reel: the frames to click on.
        store: where the set is kept.
        label: the label of the next click; "" asks for it at the first click.

    Raises:
        SourceError: the reel holds no frame.
        FileFormatError: the set cannot be read.
    """

    def __init__(self, reel: FrameReel, store: AnnotationStore, label: str = "") -> None:
        self.reel = reel
        self.store = store
        self.annotations = store.load()
        self.label = check_label(label) if label else ""
        self.cursor: tuple[float, float] | None = None
        self.typing: str | None = None
        self.message = "click on a point; ? for help"
        self.show_depth = False
        self.show_help = False
        self.zoom = 6
        self.dirty = False
        self.finished = False
        self._pending: tuple[float, float] | None = None
        self._leaving = False
        self._go(0)
        self._commands: dict[str, Callable[[], None]] = {
            "l": self._ask_label,
            "n": lambda: self._go(self.index + 1),
            "p": lambda: self._go(self.index - 1),
            "N": lambda: self._go(self.index + 10),
            "P": lambda: self._go(self.index - 10),
            "g": lambda: self._go(0),
            "G": lambda: self._go(2**31),
            "u": self._undo,
            "d": self._delete,
            "t": self._toggle_depth,
            "+": lambda: self._magnify(1),
            "-": lambda: self._magnify(-1),
            "s": self._save,
            "q": self._save_and_quit,
            "?": self._toggle_help,
            "escape": self._leave,
        }
        for arrow, letter in (("right", "n"), ("left", "p"), ("home", "g"), ("end", "G")):
            self._commands[arrow] = self._commands[letter]

    @property
    def here(self) -> list[tuple[Entry, float, float]]:
        """The entries made on the frame that is shown, each with its pixel on it."""
        found = ((entry, entry.pixel_on(self.frame, self._key)) for entry in self.annotations)
        return [(entry, *pixel) for entry, pixel in found if pixel is not None]

    def point_at(self, u: float, v: float) -> tuple[float, float, float] | None:
        """The point in the camera frame that a pixel shows, m; None where depth is unknown."""
        frame = self.frame
        if not frame.intrinsics.contains(u, v):
            return None
        depth = float(frame.depth[math.floor(v + 0.5), math.floor(u + 0.5)])
        if math.isnan(depth):
            return None
        x, y, z = frame.intrinsics.deproject((u, v), depth)
        return float(x), float(y), float(z)

    def move(self, u: float, v: float) -> None:
        """The cursor is on pixel (u, v), on the image or not."""
        self.cursor = (u, v) if self.frame.intrinsics.contains(u, v) else None

    def click(self, u: float, v: float) -> None:
        """Add a point at pixel (u, v), or ask for its label first; nothing off the image."""
        self.move(u, v)
        self._leaving = False
        if self.cursor is None:
            return
        if not self.label or self.typing is not None:
            self._pending = (u, v)
            self._ask_label()
            return
        self._guarded(lambda: self._add(u, v))

    def press(self, key: str) -> None:
        """Do what a key stands for.

        Args:
            key: its character, or "left", "right", "home", "end", "enter", "backspace", "escape".
        """
        if self.typing is not None:
            self._guarded(lambda: self._type(key))
            return
        if key != "escape":
            self._leaving = False
        command = self._commands.get(key)
        if command is not None:
            self._guarded(command)

    def close(self) -> None:
        """The window was closed from outside: save, so that nothing is lost.

        Raises:
            TackError: the set cannot be saved.
        """
        self.finished = True
        if self.dirty:
            self.store.save(self.annotations)
            self.dirty = False

    def _guarded(self, action: Callable[[], None]) -> None:
        """A refusal is shown in the window; it never closes it."""
        try:
            action()
        except TackError as error:
            self.message = str(error)

    def _go(self, index: int) -> None:
        before = getattr(self, "index", None)
        self.index, self.frame = self.reel.get(index)
        self._key = frame_key(self.frame)
        if before is not None:
            self.message = "this is the end" if self.index == before else ""

    def _add(self, u: float, v: float) -> None:
        known = len(self.annotations)
        entry = self.annotations.add(Annotation(self.label, u, v, self.frame), "command")
        if len(self.annotations) == known:
            self.message = f"{entry.label} is there already"
            return
        self.dirty = True
        depth = "no depth here" if entry.depth is None else f"{entry.depth:.3f} m away"
        self.message = f"added {entry.label} ({depth})"

    def _ask_label(self) -> None:
        self.typing = self.typing or ""
        self.message = "type the label, then Enter"

    def _type(self, key: str) -> None:
        text = self.typing or ""
        if key == "backspace":
            self.typing = text[:-1]
        elif key == "escape":
            self.typing, self._pending, self.message = None, None, "label unchanged"
        elif key == "enter":
            self.label = check_label(text)
            self.typing, self.message = None, f"the next points are {self.label}"
            pending, self._pending = self._pending, None
            if pending is not None:
                self._add(*pending)
        elif len(key) == 1 and key.isprintable():
            self.typing = text + key

    def _undo(self) -> None:
        self.message = f"undone: {self.annotations.undo()}"
        self.dirty = True

    def _delete(self) -> None:
        if self.cursor is None or not self.here:
            raise InvalidInputError("nothing to delete on this frame")
        u, v = self.cursor
        distance, entry = min(
            ((math.hypot(eu - u, ev - v), entry) for entry, eu, ev in self.here),
            key=lambda pair: pair[0],
        )
        if distance > DELETE_REACH_PX:
            raise InvalidInputError(f"no point within {DELETE_REACH_PX:g} px of the cursor")
        self.annotations.delete(entry.id)
        self.dirty = True
        self.message = f"deleted {entry.label}; u brings it back"

    def _toggle_depth(self) -> None:
        self.show_depth = not self.show_depth

    def _toggle_help(self) -> None:
        self.show_help = not self.show_help

    def _magnify(self, step: int) -> None:
        place = ZOOMS.index(self.zoom) + step
        self.zoom = ZOOMS[min(max(place, 0), len(ZOOMS) - 1)]

    def _save(self) -> None:
        self.store.save(self.annotations)
        self.dirty = False
        self.message = f"saved {len(self.annotations)} annotations in {self.store.folder}"

    def _save_and_quit(self) -> None:
        self._save()
        self.finished = True

    def _leave(self) -> None:
        if self.show_help:
            self.show_help = False
        elif self.dirty and not self._leaving:
            self._leaving = True
            self.message = "not saved! q saves and quits; Esc again quits without saving"
        else:
            self.finished = True
