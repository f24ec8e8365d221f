# SPDX-License-Identifier: Apache-2.0
"""Reads a launch file into the nodes that it asks for.

The subset: `arg`, `let`, `node` (pkg, exec, name, namespace, args, param, remap, env), `group`
(with `push_ros_namespace`), `include` (file, arg), `set_env`, and `if`/`unless` on all of them.
Anything else is refused by its name, so that a file never does half of what it says.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_ros.launching.substitutions import substitute

Parameters = Path | dict[str, Any]
_CONDITIONS = ("if", "unless")


@dataclasses.dataclass(frozen=True)
class NodeDescription:
    """One process to start.

    Attributes:
        package, executable: what to run.
        name: node name, "" for the node's own.
        namespace: absolute, "" for none.
        arguments: before the ROS arguments.
        parameters: files and inline values, in order; the later ones win.
        remappings: (from, to).
        environment: variables added to those of this process.
    """

    package: str
    executable: str
    name: str
    namespace: str
    arguments: tuple[str, ...]
    parameters: tuple[Parameters, ...]
    remappings: tuple[tuple[str, str], ...]
    environment: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Argument:
    """A launch argument that a file declares; `default` is None where one must be given."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()


@dataclasses.dataclass
class _Scope:
    """What holds at one place of a file. `environment` starts as that of this process."""

    file: Path
    given: Mapping[str, str]
    variables: dict[str, str]
    environment: dict[str, str]
    namespace: str = ""
    changes: dict[str, str] = dataclasses.field(default_factory=dict)

    def inner(self) -> _Scope:
        """The same for a group, whose changes end with it."""
        return dataclasses.replace(
            self,
            variables=dict(self.variables),
            environment=dict(self.environment),
            changes=dict(self.changes),
        )

    def text(self, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, str | int | float):
            raise InvalidInputError(f"{value!r}: a text is expected")
        return substitute(str(value), self.variables, self.environment)


def arguments_of(file: Path) -> list[Argument]:
    """The arguments that a launch file declares, in order (those of included files are theirs).

    Raises:
        ConfigurationError: the file cannot be read, or is not a launch file.
    """
    found = []
    for kind, value in _actions(_entities(file), file):
        if kind == "arg" and isinstance(value, dict):
            default = value.get("default")
            text = str(default).lower() if isinstance(default, bool) else default
            choices = tuple(str(_needed(choice, "value")) for choice in value.get("choice", ()))
            found.append(
                Argument(
                    str(value.get("name")),
                    None if text is None else str(text),
                    str(value.get("description", "")),
                    choices,
                )
            )
    return found


def read(file: Path, given: Mapping[str, str], environ: Mapping[str, str]) -> list[NodeDescription]:
    """The nodes that a launch file asks for.

    Args:
        file: a .launch.yaml file.
        given: launch arguments from the command line.
        environ: environment variables.

    Raises:
        ConfigurationError: the file cannot be read, uses what `tack launch` does not know, or an
            argument is unknown, missing, or not one of its choices. The message names the place.
    """
    known = [argument.name for argument in arguments_of(file)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{file.name} has no argument {', '.join(unknown)}; it has {', '.join(known) or 'none'}"
        )
    return _read(_Scope(file, given, {}, dict(environ)))


def _read(scope: _Scope) -> list[NodeDescription]:
    nodes: list[NodeDescription] = []
    for number, (kind, value) in enumerate(_actions(_entities(scope.file), scope.file), 1):
        try:
            nodes += _perform(kind, value, scope)
        except InvalidInputError as error:
            raise ConfigurationError(f"{scope.file}: {kind} (entry {number}): {error}") from error
    return nodes


def _entities(file: Path) -> Any:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"launch file {file}: {error}") from error
    if not isinstance(content, dict) or list(content) != ["launch"]:
        raise ConfigurationError(f"launch file {file}: 'launch:' is expected at its top")
    return content["launch"]


def _actions(entities: Any, file: Path) -> list[tuple[str, Any]]:
    if not isinstance(entities, list):
        raise ConfigurationError(f"{file}: a list of actions is expected")
    for entity in entities:
        if not isinstance(entity, dict) or len(entity) != 1:
            raise ConfigurationError(f"{file}: {entity!r}: one action per list entry is expected")
    return [next(iter(entity.items())) for entity in entities]


def _perform(kind: str, value: Any, scope: _Scope) -> list[NodeDescription]:
    if kind == "group":
        return _group(value, scope)
    if kind not in _ATTRIBUTES:
        known = ", ".join(sorted([*_ATTRIBUTES, "group"]))
        raise InvalidInputError(
            f"`tack launch` does not know {kind!r}, only {known}; use `ros2 launch` for this file"
        )
    if not isinstance(value, dict):
        raise InvalidInputError("attributes (name: value) are expected")
    allowed = (*_ATTRIBUTES[kind], *_CONDITIONS)
    unknown = [name for name in value if name not in allowed]
    if unknown:
        raise InvalidInputError(
            f"`tack launch` does not know its attribute {', '.join(unknown)}, only"
            f" {', '.join(allowed)}; use `ros2 launch` for this file"
        )
    if not _wanted(value, scope):
        return []
    if kind == "node":
        return [_node(value, scope)]
    if kind == "include":
        return _include(value, scope)
    if kind == "arg":
        _declare(value, scope)
    elif kind == "let":
        scope.variables[scope.text(_needed(value, "name"))] = scope.text(_needed(value, "value"))
    elif kind == "set_env":
        name, text = scope.text(_needed(value, "name")), scope.text(_needed(value, "value"))
        scope.changes[name] = scope.environment[name] = text
    else:
        pushed = scope.text(_needed(value, "namespace"))
        scope.namespace = _joined(scope.namespace, pushed)
    return []


def _group(value: Any, scope: _Scope) -> list[NodeDescription]:
    inner = scope.inner()
    if isinstance(value, dict):
        unknown = sorted(set(value) - {"children", *_CONDITIONS})
        if unknown:
            raise InvalidInputError(f"`tack launch` does not know its attribute {unknown[0]}")
        if not _wanted(value, scope):
            return []
        value = value.get("children")
    nodes: list[NodeDescription] = []
    for kind, child in _actions(value, scope.file):
        nodes += _perform(kind, child, inner)
    return nodes


def _node(value: dict[str, Any], scope: _Scope) -> NodeDescription:
    own_namespace = scope.text(value.get("namespace", ""))
    environment = dict(scope.changes)
    for entry in value.get("env", ()):
        environment[scope.text(_needed(entry, "name"))] = scope.text(_needed(entry, "value"))
    return NodeDescription(
        package=scope.text(_needed(value, "pkg")),
        executable=scope.text(_needed(value, "exec")),
        name=scope.text(value.get("name", "")),
        namespace=_joined(scope.namespace, own_namespace),
        arguments=tuple(shlex.split(scope.text(value.get("args", "")))),
        parameters=tuple(_parameter(entry, scope) for entry in value.get("param", ())),
        remappings=tuple(
            (scope.text(_needed(entry, "from")), scope.text(_needed(entry, "to")))
            for entry in value.get("remap", ())
        ),
        environment=environment,
    )


def _parameter(entry: Any, scope: _Scope) -> Parameters:
    if not isinstance(entry, dict) or set(entry) not in ({"from"}, {"name", "value"}):
        raise InvalidInputError(f"param {entry!r}: either 'from', or 'name' and 'value'")
    if "from" in entry:
        path = Path(scope.text(entry["from"]))
        if not path.is_file():
            raise InvalidInputError(f"parameter file {path} is not there")
        return path
    value = entry["value"]
    if isinstance(value, str):
        # As `ros2 launch` does: the outcome is read as YAML, so that "30" becomes a number.
        outcome = scope.text(value)
        try:
            value = yaml.safe_load(outcome)
        except yaml.YAMLError:
            value = outcome
        value = "" if value is None else value
    return {scope.text(entry["name"]): value}


def _include(value: dict[str, Any], scope: _Scope) -> list[NodeDescription]:
    file = Path(scope.text(_needed(value, "file")))
    if not file.name.endswith((".yaml", ".yml")):
        raise InvalidInputError(f"{file}: `tack launch` includes .launch.yaml files only")
    given = {
        scope.text(_needed(entry, "name")): scope.text(_needed(entry, "value"))
        for entry in value.get("arg", ())
    }
    # As in `ros2 launch`, an included file sees the arguments of the file that includes it.
    inner = dataclasses.replace(scope, file=file, given={**scope.variables, **given})
    return _read(inner)


def _declare(value: dict[str, Any], scope: _Scope) -> None:
    name = scope.text(_needed(value, "name"))
    if name in scope.given:
        chosen = scope.given[name]
    elif "default" in value:
        chosen = scope.text(value["default"])
    else:
        raise InvalidInputError(
            f"{name} must be given: {name}:=… ({value.get('description', 'no description')})"
        )
    choices = [scope.text(_needed(choice, "value")) for choice in value.get("choice", ())]
    if choices and chosen not in choices:
        raise InvalidInputError(f"{name}:={chosen}: one of {', '.join(choices)} is expected")
    scope.variables[name] = chosen


def _wanted(value: dict[str, Any], scope: _Scope) -> bool:
    wanted = True
    for name, meaning in (("if", True), ("unless", False)):
        if name in value:
            text = scope.text(value[name]).strip().lower()
            if text not in ("true", "1", "false", "0"):
                raise InvalidInputError(f"{name}: {text!r}: true, 1, false or 0 is expected")
            wanted = wanted and (text in ("true", "1")) is meaning
    return wanted


def _needed(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise InvalidInputError(f"its attribute {name!r} is missing")
    return value[name]


def _joined(namespace: str, added: str) -> str:
    if not added or added.startswith("/"):
        return added or namespace
    return f"{namespace}/{added}"


_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "arg": ("name", "default", "description", "choice"),
    "let": ("name", "value"),
    "node": ("pkg", "exec", "name", "namespace", "args", "param", "remap", "env", "output"),
    "include": ("file", "arg"),
    "set_env": ("name", "value"),
    "push_ros_namespace": ("namespace",),
}
