# SPDX-License-Identifier: Apache-2.0
"""Reads what is left of a bag file that was cut: a crashed recorder, a full disk, a broken copy.

A whole MCAP or SQLite file is read by rosbags, through its index. These readers need no index: they
go through the file from its start, and say where it ends.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from rosbags.rosbag2.storage_mcap import DECOMPRESSORS

from tack_perception.errors import FileFormatError

_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_RECORD = struct.Struct("<BQ")
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_CHUNK_HEAD = struct.Struct("<QQQI")


class StoredMessage(NamedTuple):
    """One message as it lies in a bag."""

    topic: str
    log_ns: int
    data: bytes


class CutMcap:
    """An MCAP file without its end.

    Attributes:
        topics: topic → message type.
        counts: topic → number of messages that can be read.
        loss: a sentence that says where the file ends.

    Raises:
        FileFormatError: on construction, if it is no MCAP file or holds nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.topics: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.loss = ""
        for message in self.messages(None):
            self.counts[message.topic] += 1
        if not self.topics:
            raise FileFormatError(f"{path.name}: {self.loss or 'it holds no topics'}")

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]:
        """Messages of the topics (None: all) in the order of the file, up to the cut."""
        size = self._path.stat().st_size
        with self._path.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise FileFormatError(f"{self._path.name} is not an MCAP file")
            channels = _Channels(self.topics, topics)
            while (at := stream.tell()) < size:
                head = stream.read(_RECORD.size)
                kind, length = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, size)
                if kind == _DATA_END:
                    break
                whole = length <= size - stream.tell()
                body = stream.read(length) if whole or kind == _CHUNK else b""
                if kind == _CHUNK:
                    content, intact = _chunk_content(body)
                    yield from channels.read(content)
                    if whole and not intact:
                        self.loss = f"the chunk at byte {at} of {self._path.name} is damaged"
                elif whole:
                    yield from channels.take(kind, body)
                if not whole:
                    self.loss = (
                        f"{self._path.name} is cut off: its last record starts at byte {at} of"
                        f" {size} and is not complete"
                    )
                    return
            self.loss = self.loss or f"{self._path.name} has no index: it was not closed"


class CutSqlite:
    """An SQLite file (.db3) without its end; attributes and errors as `CutMcap`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.topics: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.loss = ""
        try:
            with self._open() as database:
                rows = database.execute("SELECT name, type FROM topics").fetchall()
        except sqlite3.Error as error:
            raise FileFormatError(f"{path.name}: {error}") from error
        self.topics.update(rows)
        for message in self.messages(self.topics):
            self.counts[message.topic] += 1

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]:
        """Messages of the topics (None: all) in the order of the file, up to the cut."""
        wanted = self.topics if topics is None else topics
        last = 0
        with self._open() as database:
            try:
                for number, topic, log_ns, data in database.execute(
                    "SELECT messages.id, name, timestamp, data FROM messages"
                    " JOIN topics ON topics.id = topic_id ORDER BY messages.id"
                ):
                    last = number
                    if topic in wanted:
                        yield StoredMessage(topic, log_ns, data)
            except sqlite3.DatabaseError as error:
                self.loss = f"{self._path.name} is cut off after message {last}: {error}"

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        uri = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            # Without it SQLite refuses every file that is shorter than its header says.
            database.execute("PRAGMA writable_schema=ON")
            yield database


class _Channels:
    """Follows the schemas and channels of an MCAP stream, and picks the messages."""

    def __init__(self, types: dict[str, str], wanted: Collection[str] | None) -> None:
        self._types = types
        self._wanted = wanted
        self._schemas: dict[int, str] = {}
        self._topics: dict[int, str] = {}

    def read(self, content: bytes) -> Iterator[StoredMessage]:
        """All records of a chunk, as far as they are whole."""
        at = 0
        while at + _RECORD.size <= len(content):
            kind, length = _RECORD.unpack_from(content, at)
            at += _RECORD.size
            if at + length > len(content):
                return
            yield from self.take(kind, content[at : at + length])
            at += length

    def take(self, kind: int, body: bytes) -> Iterator[StoredMessage]:
        """One whole record."""
        with contextlib.suppress(struct.error, UnicodeDecodeError):
            if kind == _MESSAGE:
                channel, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(body)
                topic = self._topics.get(channel)
                if topic is not None and (self._wanted is None or topic in self._wanted):
                    yield StoredMessage(topic, log_ns, body[_MESSAGE_HEAD.size :])
            elif kind == _SCHEMA:
                (number,) = struct.unpack_from("<H", body)
                self._schemas[number] = _string(body, 2)
            elif kind == _CHANNEL:
                number, schema = struct.unpack_from("<HH", body)
                self._topics[number] = topic = _string(body, 4)
                self._types[topic] = self._schemas.get(schema, "")


def _string(body: bytes, at: int) -> str:
    (length,) = struct.unpack_from("<I", body, at)
    return body[at + 4 : at + 4 + length].decode()


def _chunk_content(body: bytes) -> tuple[bytes, bool]:
    """What a chunk holds, and whether it is whole; of a compressed one that is cut, nothing."""
    try:
        _, _, size, crc = _CHUNK_HEAD.unpack_from(body)
        compression = _string(body, _CHUNK_HEAD.size)
    except (struct.error, UnicodeDecodeError):
        return b"", False
    start = _CHUNK_HEAD.size + 4 + len(compression) + 8
    content = body[start:]
    if compression:
        try:
            content = DECOMPRESSORS[compression](content, size)
        except Exception:  # the decompressors raise a class of their own each
            return b"", False
    intact = len(content) == size and (not crc or zlib.crc32(content) == crc)
    return content, intact
