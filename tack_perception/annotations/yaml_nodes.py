# SPDX-License-Identifier: Apache-2.0
"""YAML that knows its lines: reads values with their types and names the line of a wrong one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

from tack_perception.errors import FileFormatError

_DEEPEST = 20
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times faster


class CorruptFileError(FileFormatError):
    """The text is not YAML at all: cut off, overwritten, or with a slip in its punctuation."""


class Value:
    """One value of a YAML document with its place.

    Args:
        node: the composed node.
        file: the file's name, for messages.
        path: where in the document, e.g. "annotations[2].pixel".
    """

    def __init__(self, node: yaml.Node, file: str, path: str) -> None:
        self._node = node
        self._file = file
        self._path = path

    @classmethod
    def document(cls, text: str, file: str) -> Value:
        """Compose the one document of a text.

        Raises:
            CorruptFileError: the text is empty, not YAML, or holds several documents.
        """
        try:
            _check_depth(text, file)
            node = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise CorruptFileError(f"{file}{line}: not YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise CorruptFileError(f"{file}: not YAML: {error}") from error
        if node is None:
            raise CorruptFileError(f"{file}: empty")
        return cls(node, file, "the document")

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self._node, yaml.MappingNode)

    def fault(self, message: str) -> FileFormatError:
        """An error that names this value's file, line and path."""
        line = self._node.start_mark.line + 1
        return FileFormatError(f"{self._file}, line {line}: {self._path}: {message}")

    def items(self) -> dict[str, Value]:
        """The values of a mapping by key.

        Raises:
            FileFormatError: not a mapping, or a key is there twice.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self.fault("a mapping (name: value) is expected")
        result: dict[str, Value] = {}
        for key, node in self._node.value:
            name = str(key.value)
            child = name if self._path == "the document" else f"{self._path}.{name}"
            value = Value(node, self._file, child)
            if name in result:
                raise Value(key, self._file, child).fault("is there twice")
            result[name] = value
        return result

    def record(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Value]:
        """The values of a mapping with known keys.

        Raises:
            FileFormatError: a required key is missing, or a key is not known.
        """
        items = self.items()
        for name, value in items.items():
            if name not in (*required, *optional):
                known = ", ".join((*required, *optional))
                raise value.fault(f"unknown name {name!r}; known here are {known}")
        for name in required:
            if name not in items:
                raise self.fault(f"{name!r} is missing")
        return items

    def __iter__(self) -> Iterator[Value]:
        """The values of a list.

        Raises:
            FileFormatError: not a list.
        """
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.fault("a list is expected")
        for index, node in enumerate(self._node.value):
            yield Value(node, self._file, f"{self._path}[{index}]")

    def text(self) -> str:
        """A non-empty scalar as it is written.

        Raises:
            FileFormatError: not a scalar, or empty.
        """
        if not isinstance(self._node, yaml.ScalarNode) or not self._node.value:
            raise self.fault("a text is expected")
        return str(self._node.value)

    def integer(self) -> int:
        """A whole number.

        Raises:
            FileFormatError: not a whole number.
        """
        written = self.text()
        try:
            return int(written)
        except ValueError:
            raise self.fault(f"{written!r}: a whole number is expected") from None

    def number(self) -> float:
        """A finite number.

        Raises:
            FileFormatError: not a number, NaN or infinite.
        """
        written = self.text()
        try:
            value = float(written.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            raise self.fault(f"{written!r}: a number is expected") from None
        if not math.isfinite(value):
            raise self.fault(f"{written!r}: a finite number is expected")
        return value

    def numbers(self, count: int | None = None) -> tuple[float, ...]:
        """A list of finite numbers.

        Raises:
            FileFormatError: not a list, a wrong count, or an element that is not a finite number.
        """
        values = tuple(item.number() for item in self)
        if count is not None and len(values) != count:
            raise self.fault(f"{len(values)} numbers; {count} are expected")
        return values


def _check_depth(text: str, file: str) -> None:
    """Refuse nesting that would overflow the stack of the composer, which recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise CorruptFileError(f"{file}: nested more than {_DEEPEST} deep")
