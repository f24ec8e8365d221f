# SPDX-License-Identifier: Apache-2.0
"""A cycle's record as JSON and back, with names that stay as they are."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.errors import FileFormatError, InvalidInputError

FORMAT, VERSION = "tack cycle", 1

_PICTURE = re.compile(r"\w[\w.-]*")


def to_json(record: CycleRecord, ended: str = "") -> str:
    """A record as JSON text.

    Args:
        record: what is written.
        ended: when the cycle ended, in words for a person; "" where it is not known.

    Raises:
        InvalidInputError: a time is not finite, or a picture's name is no plain file name.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "ended": ended,
        "label": record.label,
        "place": record.place,
        "success": record.success,
        "code": _code(record.code),
        "reason": record.reason,
        "attempts": record.attempts,
        "stages": [_stage(stage) for stage in record.stages],
        "rejected": list(record.rejected),
    }
    return written(content, f"the record of a cycle with '{record.label}'")


def from_json(text: str | bytes) -> tuple[CycleRecord, str]:
    """A record, and when its cycle ended.

    Raises:
        FileFormatError: the text is cut off, of a newer version, or no such record; the message
            names the field.
    """
    content = parsed(text, FORMAT, VERSION)
    stages = _field(content, "stages", list)
    record = CycleRecord(
        label=_field(content, "label", str),
        place=_field(content, "place", str),
        code=_read_code(content),
        reason=_field(content, "reason", str),
        attempts=_field(content, "attempts", int),
        stages=tuple(_read_stage(one, f"stages[{i}]") for i, one in enumerate(stages)),
        rejected=_strings(content, "rejected"),
    )
    return record, _field(content, "ended", str)


def written(content: Mapping[str, Any], what: str) -> str:
    """JSON text of plain values.

    Raises:
        InvalidInputError: a value has no place in JSON.
    """
    try:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{what} cannot be written as JSON: {error}; use texts, finite numbers, lists and"
            " mappings"
        ) from error
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def parsed(text: str | bytes, kind: str, version: int) -> dict[str, Any]:
    """The content of a file of some format.

    Raises:
        FileFormatError: it is no JSON, of another format, or of a newer version.
    """
    try:
        content = _plain(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"cut off or damaged: {error}") from error
    if not isinstance(content, dict) or content.get("format") != kind:
        raise FileFormatError(f'not what is expected here ("format": "{kind}" is missing)')
    if _field(content, "version", int) != version:
        raise FileFormatError(
            f"version {content['version']}, and this tack reads version {version}; use the tack"
            " that wrote it"
        )
    return content


def _plain(value: Any) -> Any:
    """Letters that no text file can hold, of odd file names say, as their numbers."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(one) for name, one in value.items()}
    return value


def _code(code: MoveItErrorCode) -> dict[str, Any]:
    return {"number": int(code), "name": code.name}


def _stage(stage: StageRecord) -> dict[str, Any]:
    for name in stage.pictures:
        if not _PICTURE.fullmatch(name):
            raise InvalidInputError(f"picture {name!r} of stage {stage.name}: no plain file name")
    return {
        "name": stage.name,
        "work": stage.work.value,
        "attempt": stage.attempt,
        "began": _seconds(stage.began, stage.name),
        "seconds": _seconds(stage.seconds, stage.name),
        "code": _code(stage.code),
        "reason": stage.reason,
        "pictures": list(stage.pictures),
    }


def _seconds(value: float, stage: str) -> float:
    if not math.isfinite(value):
        raise InvalidInputError(f"stage {stage}: {value} s is not finite; look at the clock")
    return float(value)


def _read_stage(content: Any, where: str) -> StageRecord:
    if not isinstance(content, dict):
        raise FileFormatError(f"{where} is {content!r:.40}: a mapping is expected")
    work = _field(content, "work", str, where)
    if work not in (known := [one.value for one in Work]):
        raise FileFormatError(f"{where}: work is '{work}': one of {', '.join(known)} is expected")
    pictures = _strings(content, "pictures", where)
    for name in pictures:  # they are opened later: none may lead out of the folder
        if not _PICTURE.fullmatch(name):
            raise FileFormatError(f"{where}: picture {name!r} is no plain file name")
    return StageRecord(
        name=_field(content, "name", str, where),
        work=Work(work),
        attempt=_field(content, "attempt", int, where),
        began=_field(content, "began", float, where),
        seconds=_field(content, "seconds", float, where),
        code=_read_code(content, where),
        reason=_field(content, "reason", str, where),
        pictures=pictures,
    )


def _read_code(content: Mapping[str, Any], where: str = "") -> MoveItErrorCode:
    code = _field(content, "code", dict, where)
    where = f"{where}.code" if where else "code"
    number, name = _field(code, "number", int, where), _field(code, "name", str, where)
    if number not in {int(one) for one in MoveItErrorCode}:
        raise FileFormatError(f"{where}: {number} ({name}) is none of MoveIt's")
    found = MoveItErrorCode(number)
    if found.name != name:
        raise FileFormatError(f"{where}: {number} is {found.name}, not {name}")
    return found


def _strings(content: Mapping[str, Any], name: str, where: str = "") -> tuple[str, ...]:
    values = _field(content, name, list, where)
    if not all(isinstance(value, str) for value in values):
        raise FileFormatError(f"{where or 'record'}: {name} is not a list of texts")
    return tuple(values)


def _field(content: Mapping[str, Any], name: str, kind: type, where: str = "") -> Any:
    """A field of the type that is expected."""
    where = where or "record"
    if name not in content:
        raise FileFormatError(f"{where}: {name} is missing")
    value = content[name]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number:
        value = float(value) if abs(value) < 1e300 else math.inf
        if math.isfinite(value):
            return value
    elif isinstance(value, kind) and not isinstance(value, bool):
        return value
    raise FileFormatError(f"{where}: {name} is {content[name]!r:.60}: {_WORDS[kind]} is expected")


_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a finite number",
    list: "a list",
    dict: "a mapping",
}
