# SPDX-License-Identifier: Apache-2.0
"""Messages of a bag, whatever its storage and its state: rosbags, and recovery where that fails."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag2 import Reader as Rosbag2Reader

from tack_perception.errors import FileFormatError, InvalidInputError, SourceError
from tack_perception.sources import bag_messages
from tack_perception.sources.bag_recovery import CutMcap, CutSqlite, StoredMessage

_FILES: dict[str, type[CutMcap] | type[CutSqlite]] = {".mcap": CutMcap, ".db3": CutSqlite}


class BagTopic(NamedTuple):
    """What is known of a topic: its message type and its number of messages."""

    kind: str
    messages: int


class _Storage(Protocol):
    topics: dict[str, str]
    counts: Counter[str]
    loss: str

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]: ...


class BagReader:
    """A bag, opened for reading: a rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag.

    What cannot be read is counted in `losses`, and the rest is read. On damaged files rosbags lets
    the errors of struct, the decompressors, YAML and SQLite through, which have no class in common:
    hence the wide `except` around each call of it.

    Raises:
        SourceError: on entering, if nothing is there or nothing of it can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.losses: Counter[str] = Counter()
        """What could not be read, in sentences."""
        self._storages: list[_Storage] = []
        self._stack = contextlib.ExitStack()
        self._ros1 = self.path.suffix == ".bag"

    def __enter__(self) -> BagReader:
        if not self.path.exists():
            raise SourceError(f"{self.path}: there is no such bag")
        self.losses.clear()
        try:
            self._storages = [self._open(self.path)]
        except Exception as error:
            if self._ros1:
                raise SourceError(f"{self.path}: not a readable ROS 1 bag: {error}") from error
            self._storages = self._recover(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._storages = []
        self._stack.close()

    @property
    def topics(self) -> dict[str, BagTopic]:
        """Topic → its type and number of messages, sorted by name."""
        types: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for storage in self._storages:
            types.update(storage.topics)
            counts.update(storage.counts)
        return {name: BagTopic(types[name], counts[name]) for name in sorted(types)}

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """The messages of some topics, ordered by the time of recording (as far as it is whole).

        Where a file turns out damaged, `losses` tells and reading goes on with the next file.
        """
        for storage in self._storages:
            number = 0
            try:
                for number, message in enumerate(storage.messages(topics), 1):  # noqa: B007
                    yield message
            except Exception as error:
                self.losses[f"{self.path.name} is damaged after message {number}: {error}"] = 1

    def deserialise(self, message: StoredMessage, message_type: str) -> Any:
        """The message, from its bytes.

        Raises:
            InvalidInputError: the bytes are not a message of this type.
        """
        try:
            if self._ros1:
                return bag_messages.ros1_types().deserialize_ros1(message.data, message_type)
            return bag_messages.ros2_types().deserialize_cdr(message.data, message_type)
        except Exception as error:  # rosbags lets many classes through on damaged bytes
            raise InvalidInputError(
                f"not a {message_type} ({len(message.data)} bytes of data)"
            ) from error

    def _open(self, path: Path) -> _Storage:
        if path.suffix == ".bag":
            return _Whole(self._stack.enter_context(Rosbag1Reader(path)))
        return _Whole(self._stack.enter_context(Rosbag2Reader(path)))

    def _recover(self, cause: Exception) -> list[_Storage]:
        """Each file of the bag by itself, without metadata and without index if need be."""
        files = [self.path]
        if self.path.is_dir():
            found = (path for path in self.path.iterdir() if path.suffix in _FILES)
            files = sorted(found, key=_natural)
            if not files:
                raise SourceError(
                    f"{self.path}: {cause}; a bag folder holds metadata.yaml and its .mcap or"
                    " .db3 files"
                ) from cause
            self.losses[f"metadata.yaml was not used: {cause}"] = 1
        if self.path.is_file() and self.path.suffix not in _FILES:
            raise SourceError(
                f"{self.path}: not a bag; expected is a rosbag2 folder, or a file that ends in"
                " .mcap, .db3 or .bag"
            ) from cause
        storages: list[_Storage] = []
        for path in files:
            try:
                storages.append(self._open(path))
                continue
            except Exception:
                pass
            try:
                cut = _FILES[path.suffix](path)
            except (FileFormatError, OSError) as error:
                self.losses[f"{path.name} cannot be read: {error}"] = 1
            else:
                self.losses[cut.loss] = 1
                storages.append(cut)
        if not storages:
            raise SourceError(f"{self.path}: nothing can be read: {'; '.join(self.losses)}")
        return storages


class _Whole:
    """A bag that rosbags opens."""

    def __init__(self, reader: Rosbag1Reader | Rosbag2Reader) -> None:
        self._reader = reader
        self.loss = ""
        self.topics: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        for connection in reader.connections:
            self.topics[connection.topic] = connection.msgtype
            self.counts[connection.topic] += connection.msgcount

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]:
        chosen = [c for c in self._reader.connections if topics is None or c.topic in topics]
        if not chosen:
            return
        for connection, log_ns, data in self._reader.messages(connections=chosen):
            yield StoredMessage(connection.topic, log_ns, data)


def _natural(path: Path) -> list[tuple[int, str]]:
    """bag_2 before bag_10."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", path.name)]
