# SPDX-License-Identifier: Apache-2.0
"""Reads a folder of field lists: which interfaces it holds, and which need which.

A field list is a `.msg`, `.srv` or `.action` file. The folder also holds `roots.txt`, one root per
line: either a package (all of it is wanted) or `package/kind/Name`. Everything else is there
because a root needs it.
"""

from __future__ import annotations

import dataclasses
import graphlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tack_perception.errors import FileFormatError
from tack_ros.environment import share_folder

KINDS = ("msg", "srv", "action")
_FIELD = re.compile(r"(?P<type>[A-Za-z][\w/]*)(?:<=\d+)?(?:\[(?:<=)?\d*\])?\s+\w+")
_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_PRIMITIVES = _INTEGERS | {"bool", "byte", "char", "float32", "float64", "string", "wstring"}
# What rosidl adds by itself to every service and action.
_SERVICE_PACKAGES = frozenset({"service_msgs", "builtin_interfaces"})
_IMPLIED_PACKAGES: Mapping[str, frozenset[str]] = {
    "msg": frozenset(),
    "srv": _SERVICE_PACKAGES,
    "action": _SERVICE_PACKAGES | {"action_msgs", "unique_identifier_msgs"},
}


@dataclasses.dataclass(frozen=True, order=True)
class Interface:
    """The name of one interface, such as `tf2_msgs/msg/TFMessage`."""

    package: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.package}/{self.kind}/{self.name}"

    @property
    def file(self) -> str:
        """The path of its field list inside the package folder."""
        return f"{self.kind}/{self.name}.{self.kind}"


@dataclasses.dataclass(frozen=True)
class FieldLists:
    """All field lists of one folder.

    Attributes:
        folder: where they were read from.
        texts: the content of each.
        roots: the interfaces that are wanted for themselves.
    """

    folder: Path
    texts: Mapping[Interface, str]
    roots: tuple[Interface, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages, each after those that it needs."""
        order = graphlib.TopologicalSorter(
            {name: sorted(self.needed_packages(name) & self._own) for name in sorted(self._own)}
        )
        return tuple(order.static_order())

    @property
    def _own(self) -> frozenset[str]:
        return frozenset(interface.package for interface in self.texts)

    def of(self, package: str) -> tuple[Interface, ...]:
        """The interfaces of one package, sorted."""
        return tuple(sorted(i for i in self.texts if i.package == package))

    def needs(self, interface: Interface) -> frozenset[Interface]:
        """The messages named by the fields of one interface, of any package."""
        found: set[Interface] = set()
        for line in self.texts[interface].splitlines():
            if not line or line == "---":
                continue
            match = _FIELD.match(line)
            if match is None:
                raise FileFormatError(
                    f"{self.folder / interface.package / interface.file}: {line!r} is no field; "
                    "write 'type name' or 'type NAME = value', without comments"
                )
            if match["type"] not in _PRIMITIVES:
                package, _, name = match["type"].rpartition("/")
                found.add(Interface(package or interface.package, "msg", name))
        return frozenset(found)

    def needed_packages(self, package: str) -> frozenset[str]:
        """The other packages that one package needs, those implied by services included."""
        found: set[str] = set()
        for interface in self.of(package):
            found.update(needed.package for needed in self.needs(interface))
            found.update(_IMPLIED_PACKAGES[interface.kind])
        return frozenset(found - {package})

    def missing(self, share: Path) -> dict[Interface, Interface]:
        """What is named by a field but neither here nor installed, each with one that names it.

        Args:
            share: holds `<package>/msg/<Name>.idl` of the installed interfaces.
        """
        return {
            needed: interface
            for interface in sorted(self.texts)
            for needed in sorted(self.needs(interface))
            if needed not in self.texts
            and not (share / needed.package / needed.file).with_suffix(".idl").is_file()
        }

    def closure(self, interfaces: Iterable[Interface]) -> frozenset[Interface]:
        """These interfaces and all that they need; what other packages provide is not opened."""
        found: set[Interface] = set()
        waiting = list(interfaces)
        while waiting:
            interface = waiting.pop()
            if interface not in found:
                found.add(interface)
                waiting.extend(self.needs(interface) if interface in self.texts else ())
        return frozenset(found)


def read_field_lists(folder: Path) -> FieldLists:
    """Read a folder of the form `<package>/<kind>/<Name>.<kind>` with its `roots.txt`.

    Raises:
        FileFormatError: there is no such folder, it holds no field list, or a root is not there.
    """
    texts = {
        Interface(path.parts[-3], path.parts[-2], path.stem): path.read_text(encoding="utf-8")
        for kind in KINDS
        for path in sorted(folder.glob(f"*/{kind}/*.{kind}"))
    }
    if not texts:
        raise FileFormatError(f"{folder}: no field list in it; expected <package>/msg/<Name>.msg")
    try:
        lines = (folder / "roots.txt").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FileFormatError(f"{folder}: no roots.txt, which says what is wanted") from error
    roots: list[Interface] = []
    for root in (line for line in lines if line and not line.startswith("#")):
        matches = [i for i in texts if root in (i.package, str(i))]
        if not matches:
            raise FileFormatError(f"{folder / 'roots.txt'}: {root!r} is not in {folder}")
        roots.extend(matches)
    return FieldLists(folder, texts, tuple(roots))


def default_folder() -> Path:
    """The folder of field lists that comes with tack.

    Raises:
        DependencyError: tack is installed incompletely.
    """
    return share_folder() / "interfaces"
