# SPDX-License-Identifier: Apache-2.0
"""Packs what was built into one wheel that pip can install and take away again."""

from __future__ import annotations

import base64
import hashlib
import sysconfig
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tack_ros.interface_builder.field_lists import FieldLists

NAME = "tack-interfaces"
_STEM = "tack_interfaces"
# The earliest time that a zip file can hold: the same input gives the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


def python_tag() -> str:
    """The interpreter, such as `cp311`; it is the ABI tag too."""
    return "cp" + str(sysconfig.get_config_var("py_version_nodot"))


def platform_tag() -> str:
    """The machine, such as `linux_x86_64`."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def wheel_name(version: str) -> str:
    """The file name of the wheel of this version for the running Python."""
    return f"{_STEM}-{version}-{python_tag()}-{python_tag()}-{platform_tag()}.whl"


def write_wheel(
    target: Path,
    version: str,
    lists: FieldLists,
    *,
    described: Path,
    python: Path,
    modules: Path,
    libraries: Path,
    requirements: Mapping[str, str],
) -> None:
    """Write the wheel.

    Args:
        target: the file to write.
        version: of the wheel.
        lists: the field lists that it was built from.
        described: holds `<package>/<kind>/<Name>.idl` and `.json`.
        python: holds `<package>/<kind>/*.py`.
        modules: holds `<package>/<module>.so`.
        libraries: holds `lib*.so`.
        requirements: the wheels that were linked against, name to exact version.
    """
    data = f"{_STEM}-{version}.data/data"
    entries: dict[str, bytes] = {}
    for name, path in _installed_files(lists, described, python, modules, libraries, data):
        entries[name] = path.read_bytes()
    for package in lists.packages:
        entries[f"{package}/__init__.py"] = b""
        listed = "\n".join(sorted(_index_lines(lists, package)))
        index = f"{data}/share/ament_index/resource_index"
        entries[f"{index}/packages/{package}"] = b""
        entries[f"{index}/rosidl_interfaces/{package}"] = listed.encode()
    info = f"{_STEM}-{version}.dist-info"
    entries[f"{info}/METADATA"] = _metadata(version, requirements).encode()
    tag = f"{python_tag()}-{python_tag()}-{platform_tag()}"
    wheel = f"Wheel-Version: 1.0\nGenerator: tack\nRoot-Is-Purelib: false\nTag: {tag}\n"
    entries[f"{info}/WHEEL"] = wheel.encode()
    record = [f"{name},{_digest(content)},{len(content)}" for name, content in entries.items()]
    entries[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _installed_files(
    lists: FieldLists, described: Path, python: Path, modules: Path, libraries: Path, data: str
) -> Iterator[tuple[str, Path]]:
    for package in lists.packages:
        for path in _files(python / package, "*.py"):
            yield f"{package}/{path.relative_to(python / package)}", path
        for path in _files(described / package, "*.idl", "*.json"):
            yield f"{data}/share/{package}/{path.relative_to(described / package)}", path
        source = lists.folder / package
        for relative in ("package.xml", *(interface.file for interface in lists.of(package))):
            yield f"{data}/share/{package}/{relative}", source / relative
    for path in _files(modules, "*.so"):
        yield str(path.relative_to(modules)), path
    for path in _files(libraries, "*.so"):
        yield f"{data}/lib/{path.name}", path


def _files(folder: Path, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.rglob(pattern))


def _index_lines(lists: FieldLists, package: str) -> Sequence[str]:
    files = [Path(interface.file) for interface in lists.of(package)]
    return [str(path) for file in files for path in (file, file.with_suffix(".idl"))]


def _metadata(version: str, requirements: Mapping[str, str]) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {NAME}",
        f"Version: {version}",
        "Summary: ROS 2 interfaces that tack uses and PyPI lacks, built on this machine",
        "License: Apache-2.0",
        *(f"Requires-Dist: {name}=={pinned}" for name, pinned in requirements.items()),
    ]
    return "\n".join(lines) + "\n"


def _digest(content: bytes) -> str:
    raw = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
