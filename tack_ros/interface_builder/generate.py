# SPDX-License-Identifier: Apache-2.0
"""From field lists to C, C++ and Python sources, by the generators that come with the ROS wheels.

The functions here run in worker processes, so they take and return plain values only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tack_ros.interface_builder.environment import InterfaceBuildError

TYPESUPPORTS = ("rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c")
# Rough cost of one file in each generator, so that the long jobs start first.
GENERATORS = {"python": 1.9, "c": 1.4, "fastrtps": 1.0, "introspection": 0.5, "typesupport": 0.3}


@dataclasses.dataclass(frozen=True)
class Description:
    """One package, translated and hashed.

    Attributes:
        package: its name.
        idl: its interfaces as rosidl names them, `<folder>:<kind>/<Name>.idl`.
        hashes: the type description files, in the order of `idl`.
    """

    package: str
    idl: tuple[str, ...]
    hashes: tuple[str, ...]

    def only(self, kind: str) -> Description:
        """The part of one kind: `msg`, `srv` or `action`."""
        chosen = [i for i, idl in enumerate(self.idl) if f":{kind}/" in idl]
        return Description(
            self.package,
            tuple(self.idl[i] for i in chosen),
            tuple(self.hashes[i] for i in chosen),
        )


def describe(package: str, folder: Path, files: list[str], output: Path) -> Description:
    """Translate one package to IDL and compute its type hashes.

    The packages that it needs must have been described before, into the same output.

    Args:
        package: its name.
        folder: where its field lists are.
        files: the field lists, relative to that folder.
        output: gets `<package>/<kind>/<Name>.idl` and `.json`.
    """
    with _rosidl(f"describing {package}"):
        from rosidl_cli.command.translate.api import translate
        from rosidl_generator_type_description.cli import HashTypeDescription

        own = output / package
        idl = translate(
            package_name=package,
            interface_files=[f"{folder}:{file}" for file in files],
            output_format="idl",
            include_paths=[],
            output_path=own,
        )
        hashes = HashTypeDescription("hash").generate_type_hashes(
            package, idl, _described(output, without=package), own
        )
        by_file = {Path(file).relative_to(own).with_suffix(""): str(file) for file in hashes}
        ordered = [by_file[Path(name.rpartition(":")[2]).with_suffix("")] for name in idl]
    return Description(package, tuple(idl), tuple(ordered))


def generate(generator: str, part: Description, output: Path) -> None:
    """Run one generator on one package.

    Args:
        generator: one of `GENERATORS`.
        part: what to generate from. All but `python` must get one kind at a time, because the C
            generator tells types apart by their last name only; `python` must get all kinds.
        output: gets `<generator>/<package>/…`.
    """
    target = output / generator / part.package
    with _rosidl(f"generating {generator} code for {part.package}"):
        if generator == "c":
            from rosidl_generator_c.cli import GenerateC

            GenerateC("c").generate(
                part.package, part.idl, [], target, type_description_files=part.hashes
            )
        else:
            _generator(generator).generate(part.package, part.idl, [], target)


def _generator(name: str) -> Any:
    if name == "fastrtps":
        from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport

        return GenerateFastRTPSCTypesupport(name)
    if name == "introspection":
        from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

        return GenerateIntrospectionCTypesupport(name)
    if name == "typesupport":
        from rosidl_typesupport_c.cli import GenerateCTypesupport

        return GenerateCTypesupport(name, typesupport_implementations=list(TYPESUPPORTS))
    from rosidl_generator_py.cli import GeneratePython

    return GeneratePython(name, typesupport_implementations=["rosidl_typesupport_c"])


def _described(output: Path, without: str) -> list[str]:
    """The folders with descriptions of other packages: just made, and from the wheels."""
    made = [path for path in output.iterdir() if path.name != without]
    skipped = {without, *(path.name for path in made)}
    wheels = {path.parent.parent for path in (Path(sys.prefix) / "share").glob("*/*/*.idl")}
    return [str(path) for path in (*made, *wheels) if path in made or path.name not in skipped]


@contextlib.contextmanager
def _rosidl(what: str) -> Iterator[None]:
    """Run rosidl quietly, with its templates found; what it printed is told when it fails."""
    os.environ["AMENT_PREFIX_PATH"] = sys.prefix
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    except Exception as error:
        raise InterfaceBuildError(
            f"{what}: {type(error).__name__}: {error}\n{said.getvalue()[-2000:]}".rstrip()
        ) from error
