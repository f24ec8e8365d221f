# SPDX-License-Identifier: Apache-2.0
"""Place specifications as YAML files: those that come with tack, and a person's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tack_grasping.placing.spec import (
    Axis,
    ClearOf,
    Constraint,
    Cost,
    In,
    KeepTurn,
    Near,
    On,
    PlaceSpec,
    PointAt,
)
from tack_grasping.placing.targets import UP, Box, Direction, Triple, Where
from tack_perception.annotations.yaml_nodes import Value
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.share import shipped_folder

_LENGTHS = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
_ANGLES = {"deg": math.pi / 180, "°": math.pi / 180, "rad": 1.0}
_T = TypeVar("_T")


def place_names() -> tuple[str, ...]:
    """Names of the specifications that come with tack, sorted."""
    return tuple(sorted(path.stem for path in shipped_folder("config/places").glob("*.yaml")))


def load_place(name_or_path: str | Path) -> PlaceSpec:
    """Read a place specification from a file.

    Args:
        name_or_path: one of `place_names()`, or the path of a YAML file.

    Raises:
        ConfigurationError: there is no such file; names those that come with tack.
        FileFormatError: a field is missing, unknown or wrong; names the file, the line and the
            field.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in place_names():
            raise ConfigurationError(
                f"place {str(name_or_path)!r}: known are {', '.join(place_names())}; for your own,"
                " give the path of its .yaml file"
            )
        path = shipped_folder("config/places") / f"{name_or_path}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"place {path}: cannot be read: {error}") from error
    return read_place_spec(text, str(path))


def read_place_spec(text: str, file: str = "place") -> PlaceSpec:
    """Read a place specification from YAML text.

    Args:
        text: see docs/placing.md.
        file: its name, for messages.

    Raises:
        FileFormatError: a field is missing, unknown or wrong; names the file, the line and the
            field.
    """
    document = Value.document(text, file)
    fields = document.record(("name", "constraints"), ("costs",))
    constraints = tuple(_constraint(value) for value in fields["constraints"])
    costs = tuple(_cost(value) for value in fields["costs"]) if "costs" in fields else ()
    return _made(document, lambda: PlaceSpec(fields["name"].text(), constraints, costs))


def _made(value: Value, make: Callable[[], _T]) -> _T:
    """What is made of a value; a refusal names its line."""
    try:
        return make()
    except InvalidInputError as error:
        raise value.fault(str(error)) from error


def _one(value: Value) -> tuple[str, Value]:
    """Kind and fields of a list's item: a mapping with one key."""
    items = value.items()
    known = ", ".join(_KINDS)
    if len(items) != 1:
        raise value.fault(f"one kind for each item of the list is expected: {known}")
    kind, fields = next(iter(items.items()))
    if kind not in _KINDS:
        raise fields.fault(f"unknown kind {kind!r}; known are {known}")
    return kind, fields


def _constraint(value: Value) -> Constraint:
    kind, fields = _one(value)
    return _made(fields, lambda: _KINDS[kind](fields, ()))


def _cost(value: Value) -> Cost:
    kind, fields = _one(value)
    if kind not in ("near", "axis", "keep_turn"):
        raise fields.fault(f"{kind} cannot be a cost; near, axis and keep_turn can")
    weight = fields.items().get("weight")
    number = 1.0 if weight is None else weight.number()
    wish = _made(fields, lambda: _KINDS[kind](fields, ("weight",)))
    assert isinstance(wish, Near | Axis | KeepTurn)
    return _made(fields, lambda: Cost(wish, number))


def _point_at(value: Value, more: tuple[str, ...]) -> PointAt:
    fields = value.record(("point", "at", "tolerance"), ("level", *more))
    return PointAt(
        fields["point"].text(),
        _where(fields["at"]),
        _length(fields["tolerance"]),
        _flag(fields.get("level")),
    )


def _near(value: Value, more: tuple[str, ...]) -> Near:
    fields = value.record(("point", "at", "tolerance"), ("level", *more))
    return Near(
        fields["point"].text(),
        _where(fields["at"]),
        _length(fields["tolerance"]),
        _flag(fields.get("level")),
    )


def _axis(value: Value, more: tuple[str, ...]) -> Axis:
    fields = value.record(
        ("tolerance",), ("from", "to", "normal", "along", "towards", "angle", "level", *more)
    )
    start, end = _ends(value, fields)
    if ("along" in fields) == ("towards" in fields):
        raise value.fault("either 'along' (a direction) or 'towards' (a place) is expected")
    return Axis(
        start,
        end,
        along=_direction(fields["along"]) if "along" in fields else UP,
        towards=_where(fields["towards"]) if "towards" in fields else None,
        angle=_angle(fields["angle"]) if "angle" in fields else 0.0,
        level=_flag(fields.get("level")),
        tolerance=_angle(fields["tolerance"]),
    )


def _on(value: Value, more: tuple[str, ...]) -> On:
    fields = value.record(
        ("support", "tolerance"), ("point", "gap", "centre", "size", "margin", *more)
    )
    size = fields["size"].numbers(2) if "size" in fields else None
    x, y = fields["centre"].numbers(2) if "centre" in fields else (0.0, 0.0)
    if "centre" in fields and size is None:
        raise fields["centre"].fault("a rectangle with a centre needs its 'size', too")
    return On(
        fields["support"].text(),
        _length(fields["tolerance"]),
        fields["point"].text() if "point" in fields else "",
        _length(fields["gap"]) if "gap" in fields else 0.0,
        (x, y),
        None if size is None else (size[0], size[1]),
        _length(fields["margin"]) if "margin" in fields else 0.0,
    )


def _in(value: Value, more: tuple[str, ...]) -> In:
    fields = value.record(("bin",), ("drop", "margin", "tolerance", *more))
    lengths = {name: _length(fields[name]) for name in fields if name != "bin"}
    return In(fields["bin"].text(), **lengths)


def _keep_turn(value: Value, more: tuple[str, ...]) -> KeepTurn:
    return KeepTurn(_angle(value.record(("tolerance",), more)["tolerance"]))


def _clear_of(value: Value, more: tuple[str, ...]) -> ClearOf:
    fields = value.record(("distance",), ("object", "points", "box", "tolerance", *more))
    box = None
    if "box" in fields:
        about = fields["box"].record(("position", "size"), ("frame",))
        frame = about["frame"].text() if "frame" in about else ""
        box = Box(_triple(about["position"]), _triple(about["size"]), frame)
    lengths = {name: _length(fields[name]) for name in ("distance", "tolerance") if name in fields}
    return ClearOf(
        object=fields["object"].text() if "object" in fields else "",
        points=tuple(item.text() for item in fields["points"]) if "points" in fields else (),
        box=box,
        **lengths,
    )


_KINDS: dict[str, Callable[[Value, tuple[str, ...]], Constraint]] = {
    "point_at": _point_at,
    "near": _near,
    "axis": _axis,
    "stand_on": _on,  # a plain `on` is a boolean to YAML 1.1
    "in": _in,
    "keep_turn": _keep_turn,
    "clear_of": _clear_of,
}


def _where(value: Value) -> Where:
    """{position, frame} or {object, point, offset, frame}, both with `above`."""
    if "object" in value.items():
        fields = value.record(("object", "point"), ("offset", "frame", "above"))
        offset = _triple(fields["offset"]) if "offset" in fields else (0.0, 0.0, 0.0)
    else:
        fields = value.record(("position",), ("frame", "above"))
        offset = _triple(fields["position"])
    return Where(
        offset,
        fields["frame"].text() if "frame" in fields else "",
        fields["object"].text() if "object" in fields else "",
        fields["point"].text() if "object" in fields else "",
        _length(fields["above"]) if "above" in fields else 0.0,
    )


def _direction(value: Value) -> Direction:
    """`up`, `down`, {vector, frame} or an object's axis {object, from, to} or {object, normal}."""
    if not value.is_mapping:
        word = value.text()
        if word not in ("up", "down"):
            raise value.fault(f"{word!r}: up, down, {{vector: …}} or {{object: …}} is expected")
        return Direction(word)
    if "object" in value.items():
        fields = value.record(("object",), ("from", "to", "normal"))
        start, end = _ends(value, fields)
        return Direction("object", object=fields["object"].text(), start=start, end=end)
    fields = value.record(("vector",), ("frame",))
    frame = fields["frame"].text() if "frame" in fields else ""
    return Direction("vector", _triple(fields["vector"]), frame)


def _ends(value: Value, fields: dict[str, Value]) -> tuple[str, str]:
    """The labels of an axis: `from` and `to`, or `normal` alone."""
    names = {name for name in ("from", "to", "normal") if name in fields}
    if names == {"normal"}:
        return fields["normal"].text(), ""
    if names == {"from", "to"}:
        return fields["from"].text(), fields["to"].text()
    raise value.fault("an axis is given by 'from' and 'to', or by 'normal' alone")


def _triple(value: Value) -> Triple:
    x, y, z = value.numbers(3)
    return x, y, z


def _flag(value: Value | None) -> bool:
    if value is None:
        return False
    word = value.text()
    if word not in ("true", "false"):
        raise value.fault(f"{word!r}: true or false is expected")
    return word == "true"


def _length(value: Value) -> float:
    return _quantity(value, _LENGTHS, "a length with its unit, as in '5 mm' or '0.02 m',")


def _angle(value: Value) -> float:
    return _quantity(value, _ANGLES, "an angle with its unit, as in '5 deg',")


def _quantity(value: Value, units: dict[str, float], what: str) -> float:
    """A number with its unit, in SI. A bare number is refused: 5 may mean mm, m or degrees."""
    written = value.text().strip()
    unit = written.lstrip("+-.0123456789eE").strip()
    try:
        number = float(written[: len(written) - len(unit)] if unit else written)
    except ValueError:
        raise value.fault(f"{written!r}: {what} is expected") from None
    if unit not in units or not math.isfinite(number):
        raise value.fault(f"{written!r}: {what} is expected")
    return number * units[unit]
