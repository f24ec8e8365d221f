# SPDX-License-Identifier: Apache-2.0
"""ROS parameters made from the typed configuration.

A node declares its settings dataclasses here. The dataclass stays the only place where a default,
a range and a sentence of refusal are written: a wrong value is refused in the same words in a
parameter file at start-up, over `ros2 param set`, and in Python.

Ranges are written into the descriptor's text rather than into its numeric range fields, because
rclpy would otherwise refuse with words of its own that name neither the unit nor the setting.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from tack_perception.configuration import Configuration, Setting
from tack_perception.errors import ConfigurationError

C = TypeVar("C", bound=Configuration)
_FOREIGN_PREFIXES = ("use_sim_time", "qos_overrides.", "start_type_description_service")


class Settings(Generic[C]):
    """The current values of one settings dataclass; replaced as a whole when a value changes."""

    def __init__(self, value: C, prefix: str, on_change: Callable[[C], None] | None) -> None:
        self.value = value
        self.prefix = prefix
        self._on_change = on_change

    def proposed(self, changes: dict[str, Any]) -> C:
        """The settings with some values replaced.

        Raises:
            ConfigurationError: a value is refused.
        """
        return dataclasses.replace(self.value, **changes)

    def accept(self, value: C) -> None:
        """Take new values and tell the owner."""
        self.value = value
        if self._on_change is not None:
            self._on_change(value)


class NodeParameters:
    """All parameters of a node.

    Args:
        node: the node that they are declared on.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._groups: list[Settings[Any]] = []
        node.add_on_set_parameters_callback(self._on_set)

    def declare(
        self,
        configuration: type[C],
        prefix: str = "",
        *,
        fixed: Collection[str] = (),
        defaults: C | None = None,
        on_change: Callable[[C], None] | None = None,
    ) -> Settings[C]:
        """Declare one parameter for each setting, and read the values given at start-up.

        Args:
            configuration: the settings.
            prefix: put before each name, with a dot ("lifting" makes "lifting.max_radius").
            fixed: names that cannot be changed while the node runs; "*" for all.
            defaults: of this node; None for those of the settings.
            on_change: called with the new settings after a change, on the executor's thread.

        Raises:
            ConfigurationError: a start-up value is refused; the message names node and setting.
        """
        defaults = defaults or configuration()
        values = {}
        for name, spec in configuration.settings().items():
            default = getattr(defaults, name)
            parameter = self._node.declare_parameter(
                _joined(prefix, name),
                list(default) if isinstance(default, tuple) else default,
                _descriptor(spec, read_only=name in fixed or "*" in fixed),
            )
            values[name] = _plain(parameter.value)
        where = f"parameters of {self._node.get_fully_qualified_name()}"
        if prefix:
            where += f" under {prefix!r}"
        settings = Settings(configuration.from_mapping(values, where), prefix, on_change)
        self._groups.append(settings)
        return settings

    def unknown(self) -> list[str]:
        """Names that were given at start-up but that this node does not have (typing errors)."""
        # rclpy has no public way to see overrides that nobody declared; it drops them in silence.
        given = getattr(self._node, "_parameter_overrides", {})
        return sorted(
            name
            for name in given
            if not self._node.has_parameter(name) and not name.startswith(_FOREIGN_PREFIXES)
        )

    def warn_of_unknown(self) -> None:
        """Log a warning for each name of `unknown`; call it after the last `declare`."""
        known = ", ".join(
            sorted(
                _joined(group.prefix, name)
                for group in self._groups
                for name in group.value.settings()
            )
        )
        for name in self.unknown():
            self._node.get_logger().warning(f"parameter {name!r} is ignored; known are {known}")

    def _on_set(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        accepted = []
        for group in self._groups:
            changes = {
                parameter.name.removeprefix(_joined(group.prefix, "")): _plain(parameter.value)
                for parameter in parameters
                if self._belongs(parameter.name, group)
            }
            if not changes:
                continue
            try:
                accepted.append((group, group.proposed(changes)))
            except ConfigurationError as error:
                return SetParametersResult(successful=False, reason=str(error))
        for group, value in accepted:
            group.accept(value)
        return SetParametersResult(successful=True)

    def _belongs(self, name: str, group: Settings[Any]) -> bool:
        return any(name == _joined(group.prefix, known) for known in group.value.settings())


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _plain(value: Any) -> Any:
    """Arrays come from rclpy as array.array or list; the dataclass wants a list."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return list(value)


def _descriptor(spec: Setting, *, read_only: bool) -> ParameterDescriptor:
    unit = f" [{spec.unit}]" if spec.unit else ""
    return ParameterDescriptor(
        description=spec.doc + unit,
        additional_constraints="" if spec.allowed() == "any" else f"allowed: {spec.allowed()}",
        read_only=read_only,
        # The type is judged by the dataclass, so that `1` passes for a float here as it does there.
        dynamic_typing=True,
    )
