# SPDX-License-Identifier: Apache-2.0
"""Grasp specifications as YAML: read with the file, the line and the field of what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from transforms3d import euler

from tack_grasping.candidates.spec import AcrossPoints, AlongPoints, AtPoint, GraspSpec, InFrame
from tack_perception import geometry
from tack_perception.annotation import check_label
from tack_perception.annotations.yaml_nodes import Value
from tack_perception.errors import ConfigurationError, InvalidInputError

_DIGITS = 6  # of metres and radians that are written


def read_grasp_specs(path_or_text: str | Path) -> Mapping[str, GraspSpec]:
    """Read grasp specifications.

    Args:
        path_or_text: path of a .yaml file, or the text of one (whatever has more than one line or
            a colon followed by a space).

    Returns:
        Name → specification, in the order of the file.

    Raises:
        ConfigurationError: the file cannot be read.
        FileFormatError: a field is missing, unknown or wrong; names the file, the line, the field.
    """
    written = str(path_or_text)
    if isinstance(path_or_text, str) and ("\n" in written or ": " in written):
        return _specs(Value.document(written, "grasps"))
    try:
        text = Path(path_or_text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"grasps {written}: cannot be read: {error}") from error
    return _specs(Value.document(text, written))


def grasp_specs_text(specs: Mapping[str, GraspSpec]) -> str:
    """Specifications as the YAML that `read_grasp_specs` reads, to a micrometre and microradian."""
    content = {check_label(name): _written(spec) for name, spec in specs.items()}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _specs(document: Value) -> Mapping[str, GraspSpec]:
    specs = {}
    for name, value in document.items().items():
        kind = value.items().get("kind")
        if kind is None:
            raise value.fault(f"'kind' is missing; known kinds are {', '.join(_READERS)}")
        if kind.text() not in _READERS:
            raise kind.fault(f"{kind.text()!r}: one of {', '.join(_READERS)} is expected")
        try:
            specs[check_label(name)] = _READERS[kind.text()](value)
        except InvalidInputError as error:
            raise value.fault(str(error)) from error
    return specs


def _at_point(value: Value) -> GraspSpec:
    fields = value.record(("kind", "point"), ("approach", "opening"))
    return AtPoint(fields["point"].text(), **_options(fields, "approach"))


def _across(value: Value) -> GraspSpec:
    fields = value.record(("kind", "first", "second"), ("approach", "opening"))
    return AcrossPoints(
        fields["first"].text(), fields["second"].text(), **_options(fields, "approach")
    )


def _along(value: Value) -> GraspSpec:
    fields = value.record(("kind", "start", "end"), ("at", "opening"))
    return AlongPoints(fields["start"].text(), fields["end"].text(), **_options(fields, "at"))


def _in_frame(value: Value) -> GraspSpec:
    fields = value.record(("kind", "points", "taught_from_gripper", "opening"))
    pose = fields["taught_from_gripper"].record(("xyz", "rpy"))
    xyz, rpy = (pose[name].numbers(3) for name in ("xyz", "rpy"))
    points = {
        label: np.array(place.numbers(3)) for label, place in fields["points"].items().items()
    }
    taught_from_gripper = geometry.make_transform(euler.euler2mat(*rpy, axes="sxyz"), xyz)
    return InFrame(points, taught_from_gripper, fields["opening"].number())


_READERS: dict[str, Callable[[Value], GraspSpec]] = {
    "at_point": _at_point,
    "across_points": _across,
    "along_points": _along,
    "in_frame": _in_frame,
}


def _options(fields: Mapping[str, Value], choice: str) -> dict[str, Any]:
    """The optional fields that are there: one choice, and the opening."""
    options: dict[str, Any] = {}
    if choice in fields:
        options[choice] = fields[choice].text()
    if "opening" in fields:
        options["opening"] = fields["opening"].number()
    return options


def _written(spec: GraspSpec) -> dict[str, Any]:
    if isinstance(spec, InFrame):
        rpy = euler.mat2euler(spec.taught_from_gripper[:3, :3], axes="sxyz")
        return {
            "kind": "in_frame",
            "points": {label: _rounded(place) for label, place in spec.points.items()},
            "taught_from_gripper": {
                "xyz": _rounded(spec.taught_from_gripper[:3, 3]), "rpy": _rounded(rpy)
            },
            "opening": spec.opening,
        }  # fmt: skip
    kinds = {AtPoint: "at_point", AcrossPoints: "across_points", AlongPoints: "along_points"}
    fields = {name: value for name, value in vars(spec).items() if value is not None}
    return {"kind": kinds[type(spec)], **fields}


def _rounded(values: Any) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]
