# SPDX-License-Identifier: Apache-2.0
"""An ordered set of annotations in memory: add, rename, delete, merge, and undo of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from tack_perception.annotation import Annotation, check_label
from tack_perception.annotations.records import (
    Entry,
    FrameRecord,
    cropped,
    depth_at,
    entry_id,
    frame_key,
)
from tack_perception.errors import FileFormatError, InvalidInputError


@dataclasses.dataclass(frozen=True)
class MergeReport:
    """What `AnnotationSet.merge` did.

    Attributes:
        added: ids of the entries that are new.
        duplicates: how many clicks (label, pixel and picture) were there already.
        kept: ids whose label differs between the sets; ours was kept.
    """

    added: tuple[str, ...]
    duplicates: int
    kept: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class _Change:
    """One entry before and after an operation; None where it was not there."""

    id: str
    before: Entry | None
    after: Entry | None
    index: int


class AnnotationSet:
    """Annotations in the order in which they were made. Not thread-safe.

    Args:
        entries: what it holds at first.
        crop_px: edge of the window that `add` keeps around a click, px; 0 for the whole frame.

    Raises:
        InvalidInputError: two entries have one id.
    """

    def __init__(self, entries: Iterable[Entry] = (), crop_px: int = 0) -> None:
        self._crop_px = crop_px
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            if entry.id in self._entries:
                raise InvalidInputError(f"annotation id {entry.id} is there twice")
            self._entries[entry.id] = entry
        self._history: list[tuple[str, list[_Change]]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Id → entry, a copy, in order."""
        return dict(self._entries)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in use, in the order of their first annotation."""
        return tuple(dict.fromkeys(entry.label for entry in self))

    def get(self, reference: str) -> Entry:
        """The entry of an id, or of the beginning of an id if only one begins so.

        Raises:
            InvalidInputError: none or several match; the message lists ids.
        """
        if reference in self._entries:
            return self._entries[reference]
        matches = [name for name in self._entries if reference and name.startswith(reference)]
        if len(matches) == 1:
            return self._entries[matches[0]]
        if matches:
            raise InvalidInputError(f"annotation id {reference!r} may be {', '.join(matches)}")
        known = ", ".join(f"{entry.id} ({entry.label})" for entry in self) or "none"
        raise InvalidInputError(f"no annotation has the id {reference!r}; there are: {known}")

    def annotations(self) -> list[Annotation]:
        """All entries as `Annotation`s, in order; those of one picture share one frame.

        Raises:
            FileFormatError: a picture cannot be read.
        """
        pictures: dict[str, FrameRecord] = {entry.picture.key: entry.picture for entry in self}
        frames = {key: picture.frame() for key, picture in pictures.items()}
        return [Annotation(e.label, e.u, e.v, frames[e.picture.key]) for e in self]

    def add(self, annotation: Annotation, origin: str = "file") -> Entry:
        """Add one annotation at the end.

        The same click (label, pixel, picture) is not added twice: the entry that is there already
        is returned.

        Args:
            annotation: what to add.
            origin: one of `records.ORIGINS`.

        Raises:
            InvalidInputError: an unknown origin.
        """
        if self._crop_px:
            annotation = cropped(annotation, self._crop_px)
        key = frame_key(annotation.frame)
        same = {entry.picture.key: entry.picture for entry in self}.get(key)
        content = (annotation.label, annotation.u, annotation.v, key)
        for entry in self:
            if entry.content == content:
                return entry
        entry = Entry(
            entry_id(*content, taken=frozenset(self._entries)),
            annotation.label,
            annotation.u,
            annotation.v,
            same or FrameRecord.of(annotation.frame),
            origin,
            depth_at(annotation),
        )
        self._do(f"add {entry.id} ({entry.label})", [self._change(entry.id, entry)])
        return entry

    def rename(self, reference: str, label: str) -> Entry:
        """Give one entry another label.

        Raises:
            InvalidInputError: an unknown id, or a label that cannot be.
        """
        entry = self.get(reference)
        renamed = dataclasses.replace(entry, label=check_label(label))
        if renamed.label != entry.label:
            title = f"rename {entry.id} ({entry.label} to {renamed.label})"
            self._do(title, [self._change(entry.id, renamed)])
        return renamed

    def delete(self, reference: str) -> Entry:
        """Take one entry out; its picture stays in memory for `undo`.

        Raises:
            InvalidInputError: an unknown id.
        """
        entry = self.get(reference)
        self._do(f"delete {entry.id} ({entry.label})", [self._change(entry.id, None)])
        return entry

    def merge(self, other: AnnotationSet) -> MergeReport:
        """Add the entries of another set.

        A click that is here already (same label, pixel and picture) is skipped. Where both sets
        have an id for one click but with different labels, ours is kept and reported. An id that
        means another click here gets a new id.

        Raises:
            FileFormatError: a picture of the other set cannot be read; nothing is changed.
        """
        contents = {entry.content for entry in self}
        pictures = {entry.picture.key: entry.picture for entry in self}
        incoming = {e.picture.key: _joined(e.picture, pictures) for e in other}
        taken = set(self._entries)
        changes: list[_Change] = []
        duplicates, kept = 0, []
        for entry in other:
            theirs = dataclasses.replace(entry, picture=incoming[entry.picture.key])
            ours = self._entries.get(theirs.id)
            if theirs.content in contents:
                duplicates += 1
                continue
            if ours is not None and ours.content[1:] == theirs.content[1:]:
                kept.append(theirs.id)
                continue
            if theirs.id in taken:
                name = entry_id(*theirs.content, taken=frozenset(taken))
                theirs = dataclasses.replace(theirs, id=name)
            changes.append(_Change(theirs.id, None, theirs, len(self) + len(changes)))
            contents.add(theirs.content)
            taken.add(theirs.id)
        if changes:
            self._do(f"merge of {len(changes)} annotations", changes)
        return MergeReport(tuple(change.id for change in changes), duplicates, tuple(kept))

    def undo(self) -> str:
        """Take back the last operation (add, rename, delete or merge).

        Returns:
            What was taken back, e.g. "delete 3fa2c1d0 (mug_handle)".

        Raises:
            InvalidInputError: there is nothing to undo.
        """
        if not self._history:
            raise InvalidInputError("nothing to undo: the set is as it was loaded")
        title, changes = self._history.pop()
        for change in reversed(changes):
            if change.before is None:
                self._entries.pop(change.id, None)
            elif change.after is None:
                items = [(name, e) for name, e in self._entries.items() if name != change.id]
                items.insert(change.index, (change.id, change.before))
                self._entries = dict(items)
            elif change.id in self._entries:
                self._entries[change.id] = change.before
        return title

    def reconcile(self, base: Mapping[str, Entry], theirs: Mapping[str, Entry]) -> None:
        """Bring in what somebody else changed since `base`: a three-way merge.

        Their order comes first, then what was added here. An entry that either side changed wins
        over a deletion by the other; where both renamed one entry, ours wins. Undo stays possible.

        Args:
            base: id → entry as both sides last knew it.
            theirs: id → entry as the other side has it now.
        """
        if _outline(theirs) == _outline(base):
            return
        merged: dict[str, Entry] = {}
        for name, their in theirs.items():
            ours = self._entries.get(name)
            if ours is not None:
                changed_here = name not in base or ours.content != base[name].content
                merged[name] = ours if changed_here else their
            elif name not in base or their.content != base[name].content:
                merged[name] = their
        for name, ours in self._entries.items():
            changed_here = name not in base or ours.content != base[name].content
            if name not in theirs and changed_here:
                merged[name] = ours
        self._entries = merged

    def _change(self, name: str, after: Entry | None) -> _Change:
        before = self._entries.get(name)
        index = list(self._entries).index(name) if before is not None else len(self._entries)
        return _Change(name, _pinned(before) if after is None else before, after, index)

    def _do(self, title: str, changes: list[_Change]) -> None:
        for change in changes:
            if change.after is None:
                del self._entries[change.id]
            else:
                self._entries[change.id] = change.after
        self._history.append((title, changes))


def _outline(entries: Mapping[str, Entry]) -> list[tuple[str, tuple[str, float, float, str]]]:
    return [(name, entry.content) for name, entry in entries.items()]


def _pinned(entry: Entry | None) -> Entry | None:
    """The entry with its picture in memory; as it is where the picture is already lost."""
    if entry is None:
        return None
    try:
        return dataclasses.replace(entry, picture=entry.picture.pinned())
    except FileFormatError:
        return entry


def _joined(theirs: FrameRecord, ours: Mapping[str, FrameRecord]) -> FrameRecord:
    """Their picture, in memory; ours where it is the same; under a new key where only the key is.

    Keys come from the content, but a person who writes a set by hand may choose any.
    """
    same = ours.get(theirs.key)
    if same is None:
        return theirs.pinned()
    if same.header == theirs.header and same.pngs() == theirs.pngs():
        return same
    key = frame_key(theirs.frame())
    return ours.get(key, dataclasses.replace(theirs.pinned(), key=key))
