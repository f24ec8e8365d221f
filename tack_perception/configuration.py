# SPDX-License-Identifier: Apache-2.0
"""Typed settings: one dataclass gives the default, the range, the unit and the documentation.

The same dataclass checks values that come from Python, from a YAML file and from ROS parameters,
so a wrong value is refused with the same sentence everywhere.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tack_perception.errors import ConfigurationError

Scalar = bool | int | float | str
_T = TypeVar("_T", bound="Configuration")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of one setting besides its name, type and default."""

    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def allowed(self) -> str:
        """The allowed values in words, for messages and for `--help`."""
        if self.choices:
            return "one of " + ", ".join(repr(choice) for choice in self.choices)
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}{unit}"
        if self.low is not None:
            return f"at least {self.low:g}{unit}"
        if self.high is not None:
            return f"at most {self.high:g}{unit}"
        return f"any{unit}"


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a field of a `Configuration`: its default, what it means and what it may be.

    A tuple default makes a list setting; its range then holds for every element.
    """
    return dataclasses.field(
        default=default, metadata={"setting": Setting(doc, unit, low, high, choices)}
    )


@dataclasses.dataclass(frozen=True)
class Configuration:
    """Base of all settings. Subclasses are frozen dataclasses whose fields are `setting(...)`.

    Raises:
        ConfigurationError: on construction, for a wrong type, a non-finite number or a value
            outside its range; the message names the setting, the value and what is allowed.
    """

    def __post_init__(self) -> None:
        types = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _coerced(field.name, getattr(self, field.name), types[field.name])
            object.__setattr__(self, field.name, value)
            _check_range(type(self).__name__, field.name, value, field.metadata["setting"])

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """Name → `Setting` of every field, in the order of declaration."""
        return {field.name: field.metadata["setting"] for field in dataclasses.fields(cls)}

    @classmethod
    def from_mapping(cls: type[_T], values: Mapping[str, Any], where: str = "settings") -> _T:
        """Build from a mapping; unknown names are refused with the list of known ones.

        Args:
            values: setting name → value; missing names keep their default.
            where: what to name in messages (a file, a node).

        Raises:
            ConfigurationError: an unknown name or a refused value.
        """
        known = cls.settings()
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigurationError(
                f"{where}: unknown setting {', '.join(unknown)}; known are {', '.join(known)}"
            )
        try:
            return cls(**dict(values))
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from error

    @classmethod
    def load(cls: type[_T], path: Path | str, section: str | None = None) -> _T:
        """Read a YAML mapping from a file (or from one `section` of it).

        Raises:
            ConfigurationError: the file is missing, is not a YAML mapping, or holds a wrong value.
        """
        path = Path(path)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"{path}: cannot be read as YAML: {error}") from error
        if section is not None and isinstance(content, dict):
            content = content.get(section, {})
        if content is None:
            content = {}
        if not isinstance(content, dict):
            raise ConfigurationError(f"{path}: a mapping of settings is expected at the top")
        return cls.from_mapping(content, str(path))


def _coerced(name: str, value: Any, expected: Any) -> Any:
    """The value in its declared type: an int passes for a float, a list for a tuple, no more."""
    if typing.get_origin(expected) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigurationError(f"{name} = {value!r}: a list is expected")
        element = typing.get_args(expected)[0]
        return tuple(_coerced(f"{name}[{i}]", item, element) for i, item in enumerate(value))
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not expected:
        raise ConfigurationError(
            f"{name} = {value!r}: a value of type {expected.__name__} is expected"
        )
    return value


def _check_range(owner: str, name: str, value: Any, spec: Setting) -> None:
    values = value if isinstance(value, tuple) else (value,)
    for item in values:
        if isinstance(item, float) and not math.isfinite(item):
            raise ConfigurationError(f"{owner}.{name} = {item!r}: a finite number is expected")
        outside = (
            (spec.choices and item not in spec.choices)
            or (spec.low is not None and item < spec.low)
            or (spec.high is not None and item > spec.high)
        )
        if outside:
            raise ConfigurationError(f"{owner}.{name} = {item!r}: allowed is {spec.allowed()}")
