# SPDX-License-Identifier: Apache-2.0
"""Compiles and links what was generated, without CMake.

Six objects a package, as rosidl's own build makes them: the C types, two typesupports (Fast DDS
needs `fastrtps_c` to send and `introspection_c` to describe), the dispatcher between them, the
Python conversions, and the module that Python imports.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tack_ros.interface_builder.environment import InterfaceBuildError
from tack_ros.interface_builder.generate import GENERATORS

# One compiler call takes this many files: the headers are read once for all of them.
_FILES_PER_UNIT = 16
_OPTIMISATION = "-O1"


@dataclasses.dataclass(frozen=True)
class Library:
    """One of the six objects of a package.

    Attributes:
        suffix: of its name, `lib<package>__<suffix>.so`; empty for the Python module.
        generator: whose output it is made of.
        pattern: which files of that output, relative to the package.
        own: the libraries of the same package that it links.
        shared: the libraries of the ROS wheels that it links.
    """

    suffix: str
    generator: str
    pattern: str
    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def file(self, package: str) -> str:
        """Its path in the installation prefix, the module's relative to site-packages."""
        if self.suffix:
            return f"lib{package}__{self.suffix}.so"
        ending = sysconfig.get_config_var("EXT_SUFFIX")
        return f"{package}/{package}_s__rosidl_typesupport_c{ending}"


_TYPES = "rosidl_generator_c"
_DISPATCH = "rosidl_typesupport_c"
_FASTRTPS = "rosidl_typesupport_fastrtps_c"
_INTROSPECTION = "rosidl_typesupport_introspection_c"
_PYTHON = "rosidl_generator_py"
_RUNTIME = ("rosidl_runtime_c", "rcutils")
# In the order in which they can be linked.
LIBRARIES = (
    Library(_TYPES, "c", "*/detail/*.c", (), _RUNTIME),
    Library(
        _FASTRTPS,
        "fastrtps",
        "*/detail/*.cpp",
        (_TYPES,),
        ("fastcdr", "rmw", _FASTRTPS, "rosidl_typesupport_fastrtps_cpp", *_RUNTIME),
    ),
    Library(
        _INTROSPECTION, "introspection", "*/detail/*.c", (_TYPES,), (_INTROSPECTION, *_RUNTIME)
    ),
    Library(_DISPATCH, "typesupport", "*/*.cpp", (_TYPES,), (_DISPATCH, *_RUNTIME)),
    Library(_PYTHON, "python", "*/*_s.c", (_TYPES, _DISPATCH), _RUNTIME),
    Library("", "python", "*.ep.*.c", (_TYPES, _DISPATCH, _PYTHON), (_DISPATCH, *_RUNTIME)),
)


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """The compilers and the folders that they work in.

    Attributes:
        cc: the command of the C compiler.
        cxx: the command of the C++ compiler.
        generated: the folder with `<generator>/<package>/…`.
        objects: gets the object files.
        libraries: gets the shared libraries.
        modules: gets `<package>/<module>.so`.
    """

    cc: Sequence[str]
    cxx: Sequence[str]
    generated: Path
    objects: Path
    libraries: Path
    modules: Path


def units(tools: Toolchain, package: str, library: Library) -> list[list[Path]]:
    """The sources of one library, grouped for the compiler."""
    folder = tools.generated / library.generator / package
    sources = sorted(folder.glob(library.pattern))
    # The description files use the same static names, so each must be compiled alone.
    alone = [[path] for path in sources if path.stem.endswith("__description")]
    rest = [path for path in sources if not path.stem.endswith("__description")]
    groups = [rest[i : i + _FILES_PER_UNIT] for i in range(0, len(rest), _FILES_PER_UNIT)]
    return [*groups, *alone]


def compile_unit(
    tools: Toolchain, package: str, library: Library, number: int, sources: Sequence[Path]
) -> None:
    """Compile some sources of one library as one."""
    folder = tools.objects / package / (library.suffix or "module")
    folder.mkdir(parents=True, exist_ok=True)
    is_cpp = sources[0].suffix == ".cpp"
    unit = folder / f"{number:03d}{sources[0].suffix}"
    unit.write_text("".join(f'#include "{path}"\n' for path in sources), encoding="utf-8")
    command = [
        *((*tools.cxx, "-std=c++17") if is_cpp else (*tools.cc, "-std=gnu11")),
        *("-c", _OPTIMISATION, "-fPIC", "-w", "-DNDEBUG"),
        f"-ffile-prefix-map={tools.generated}=.",
        *(f"-I{tools.generated / name}" for name in GENERATORS),
        *(f"-I{path}" for path in _include_folders()),
        *(str(unit), "-o", str(unit.with_suffix(".o"))),
    ]
    _run(command, f"compiling {library.suffix or 'the module'} of {package}")


def link(tools: Toolchain, package: str, library: Library) -> None:
    """Link one library; those that it needs must have been linked before."""
    folder = tools.objects / package / (library.suffix or "module")
    target = (tools.libraries if library.suffix else tools.modules) / library.file(package)
    target.parent.mkdir(parents=True, exist_ok=True)
    own = [f"{package}__{suffix}" for suffix in library.own]
    suffixes = {library.suffix, _TYPES} if library.suffix else {_TYPES}
    # A type may nest types of packages that its own package does not name, so all are offered
    # and the linker keeps those that are used.
    others = sorted(name for suffix in suffixes for name in _libraries(tools, suffix))
    is_python = library.generator == "python"
    command = [
        *(tools.cxx if library.pattern.endswith("cpp") else tools.cc),
        *("-shared", "-o", str(target)),
        *(str(path) for path in sorted(folder.glob("*.o"))),
        f"-L{tools.libraries}",
        f"-L{Path(sys.prefix) / 'lib'}",
        "-Wl,--as-needed",
        *(() if is_python else ("-Wl,--no-undefined",)),
        *(f"-l{name}" for name in (*own, *others, *library.shared)),
        *((f"-Wl,-soname,{target.name}",) if library.suffix else ()),
        f"-Wl,-rpath,$ORIGIN{'' if library.suffix else '/../../..'}",
        "-s",
    ]
    _run(command, f"linking {target.name}")


def _libraries(tools: Toolchain, suffix: str) -> set[str]:
    """The libraries of this kind that exist, of the wheels and of the packages built so far."""
    folders = (tools.libraries, Path(sys.prefix) / "lib")
    made = {path.name.split("__")[0] for path in tools.generated.glob("c/*")}
    return {
        path.name[len("lib") : -len(".so")]
        for folder in folders
        for path in folder.glob(f"lib*__{suffix}.so")
        if folder is tools.libraries or path.name[len("lib") :].split("__")[0] not in made
    }


def _include_folders() -> list[Path]:
    import numpy as np

    root = Path(sys.prefix) / "include"
    packages = (path for path in sorted(root.iterdir()) if (path / path.name).is_dir())
    return [Path(sysconfig.get_path("include")), Path(np.get_include()), root, *packages]


def _run(command: list[str], what: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise InterfaceBuildError(
            f"{what} failed with exit status {result.returncode}:\n{result.stderr[-4000:].strip()}"
        )
