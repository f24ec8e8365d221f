# SPDX-License-Identifier: Apache-2.0
"""Builds the wheel, or takes it from the cache, and installs it."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from tack_ros.interface_builder import cache, native, wheel
from tack_ros.interface_builder.environment import (
    InterfaceBuildError,
    refuse_apt_ros,
    require_toolchain,
    require_wheels,
    ros_versions,
)
from tack_ros.interface_builder.field_lists import FieldLists, read_field_lists
from tack_ros.interface_builder.generate import GENERATORS, Description, describe, generate

# Raise it whenever the same field lists would give another wheel.
VERSION = 1

Say = Callable[[str], None]
# One piece of work for a worker process: a function of this package and its arguments.
Job = tuple[Callable[..., Any], tuple[Any, ...]]


def build(
    source: Path, *, cache_folder: Path | None = None, jobs: int | None = None, say: Say = print
) -> Path:
    """Make the wheel for the running Python, or find it in the cache.

    Args:
        source: the folder of field lists.
        cache_folder: where wheels are kept; default `$XDG_CACHE_HOME/tack`.
        jobs: how many processes work at once; default one per CPU core.
        say: is told of the progress, a line at a time.

    Returns:
        The path of the wheel in the cache.

    Raises:
        InterfaceBuildError: a ROS distribution from apt is sourced, or the build failed.
        DependencyError: the ROS wheels, a compiler or Python's headers are missing.
        FileFormatError: the field lists cannot be read.
        TackError: the cache cannot be written.
    """
    refuse_apt_ros()
    require_wheels()
    lists = read_field_lists(source.resolve())
    key = wheel_key(lists)
    name = wheel.wheel_name(f"{VERSION}+{key}")
    folder = (cache_folder or cache.default_cache()) / "interfaces"
    waiting = "another process builds the same wheel; waiting for it"
    with cache.lock(folder / f"{key}.lock", lambda: say(waiting)):
        found = cache.find(folder / key, name)
        if found is None:
            found = cache.store(
                folder / key,
                name,
                lambda scratch, target: _build(lists, key, scratch, target, jobs, say),
            )
    return found


def install(path: Path, *, cache_folder: Path | None = None, say: Say = print) -> bool:
    """Install the wheel into the running environment, unless it is there already.

    Args:
        path: the wheel, as `build` returned it.
        cache_folder: where the lock lies that keeps two installers apart.
        say: is told of the progress, a line at a time.

    Returns:
        Whether anything had to be done.

    Raises:
        InterfaceBuildError: pip failed; the message holds what it said.
    """
    folder = (cache_folder or cache.default_cache()) / "interfaces"
    prefix = cache.cache_key({"prefix": sys.prefix})
    waiting = "another process installs into this environment; waiting for it"
    with cache.lock(folder / f"install-{prefix}.lock", lambda: say(waiting)):
        if path.name == wheel.wheel_name(installed_version() or ""):
            return False
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        command += ["--disable-pip-version-check", "--force-reinstall", str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise InterfaceBuildError(f"pip could not install {path}:\n{result.stderr.strip()}")
    return True


def installed_version() -> str | None:
    """The version of the interface wheel in the running environment, or None."""
    try:
        return importlib.metadata.version(wheel.NAME)
    except importlib.metadata.PackageNotFoundError:
        return None


def wheel_key(lists: FieldLists) -> str:
    """The cache key: field lists, builder, rosidl and what is linked, numpy, Python, machine."""
    parts = {str(interface): text for interface, text in lists.texts.items()}
    for package in lists.packages:
        manifest = lists.folder / package / "package.xml"
        parts[f"{package}/package.xml"] = manifest.read_text(encoding="utf-8")
    parts["builder"] = str(VERSION)
    versions = {name: pin for name, pin in ros_versions().items() if name.startswith("ros-rosidl")}
    versions |= _requirements(lists)
    parts["ros"] = " ".join(f"{name}=={versions[name]}" for name in sorted(versions))
    parts["numpy"] = importlib.metadata.version("numpy").partition(".")[0]
    parts["tag"] = f"{wheel.python_tag()}-{wheel.platform_tag()}"
    return cache.cache_key(parts)


def _build(
    lists: FieldLists, key: str, scratch: Path, target: Path, jobs: int | None, say: Say
) -> None:
    for needed, interface in lists.missing(Path(sys.prefix) / "share").items():
        raise InterfaceBuildError(
            f"{interface} needs {needed}, which is neither in {lists.folder} nor in {sys.prefix}; "
            "add its field list"
        )
    cc, cxx = require_toolchain()
    described, libraries, modules = (scratch / name for name in ("idl", "lib", "modules"))
    tools = native.Toolchain(cc, cxx, scratch / "src", scratch / "obj", libraries, modules)
    described.mkdir()
    workers = jobs or len(os.sched_getaffinity(0))
    count, packages = len(lists.texts), len(lists.packages)
    say(f"building {count} interfaces of {packages} packages, {workers} at a time")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        steps = _Steps(pool, say)
        descriptions: list[Description] = []
        for package in lists.packages:
            files = [interface.file for interface in lists.of(package)]
            job: Job = (describe, (package, lists.folder / package, files, described))
            descriptions += steps.run(f"describe {package}", [job])
        steps.run("generate code", _generation(descriptions, tools.generated))
        steps.run("compile", _compilation(lists.packages, tools))
        for library in native.LIBRARIES:
            for package in lists.packages:
                steps.run("", [(native.link, (tools, package, library))])
    steps.done("link")
    wheel.write_wheel(
        target,
        f"{VERSION}+{key}",
        lists,
        described=described,
        python=tools.generated / "python",
        modules=modules,
        libraries=libraries,
        requirements=_requirements(lists),
    )
    steps.done(f"pack {target.name}")


def _generation(descriptions: Sequence[Description], output: Path) -> list[Job]:
    """Every generator on every package and kind, the long ones first."""
    weighted: list[tuple[float, Job]] = []
    for description in descriptions:
        for generator, weight in GENERATORS.items():
            whole = generator == "python"
            kinds = ("",) if whole else ("msg", "srv", "action")
            for kind in kinds:
                part = description if whole else description.only(kind)
                cost = weight * sum(4 if ":action/" in name else 1 for name in part.idl)
                if part.idl:
                    weighted.append((cost, (generate, (generator, part, output))))
    return [job for _, job in sorted(weighted, key=lambda pair: -pair[0])]


def _compilation(packages: Sequence[str], tools: native.Toolchain) -> list[Job]:
    """Every unit of every library, the large ones first."""
    found = [
        (package, library, number, sources)
        for package in packages
        for library in native.LIBRARIES
        for number, sources in enumerate(native.units(tools, package, library))
    ]
    found.sort(key=lambda unit: -sum(path.stat().st_size for path in unit[3]))
    return [(native.compile_unit, (tools, *unit)) for unit in found]


def _requirements(lists: FieldLists) -> dict[str, str]:
    """The wheels whose binary interface this one depends on, pinned."""
    names = {package for own in lists.packages for package in lists.needed_packages(own)}
    names |= {name for library in native.LIBRARIES for name in library.shared}
    versions = ros_versions()
    wheels = sorted("ros-" + name.replace("_", "-") for name in names - set(lists.packages))
    return {name: versions[name] for name in wheels if name in versions}


class _Steps:
    """Runs the steps of a build one after the other, each on all processes, and tells of them."""

    def __init__(self, pool: Executor, say: Say) -> None:
        self._pool = pool
        self._say = say
        self._start = time.monotonic()

    def run(self, what: str, jobs: Sequence[Job]) -> list[Any]:
        """Do these jobs, in any order; the first failure stops the build."""
        futures = [self._pool.submit(function, *arguments) for function, arguments in jobs]
        for future in as_completed(futures):
            failure = future.exception()
            if failure is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(failure, BrokenProcessPool):
                raise InterfaceBuildError(
                    f"{what or 'link'}: a worker process was killed, perhaps for lack of memory; "
                    "try again with --jobs 1"
                ) from failure
            if failure is not None:
                raise failure
        if what:
            self.done(what if len(jobs) == 1 else f"{what} ({len(jobs)} jobs)")
        return [future.result() for future in futures]

    def done(self, what: str) -> None:
        """Tell that a step is done, with the time since the start."""
        self._say(f"{time.monotonic() - self._start:6.1f} s  {what}")
