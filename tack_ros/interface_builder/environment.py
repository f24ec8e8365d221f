# SPDX-License-Identifier: Apache-2.0
"""What the builder needs from the machine, and the sentences that say so where it is missing."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tack_perception.errors import DependencyError, TackError
from tack_ros.environment import sourced_ros

_NEEDED = ("ros-rclpy", "ros-rosidl-adapter", "ros-rosidl-generator-py", "catkin-pkg", "empy")


class InterfaceBuildError(TackError):
    """The interface wheel cannot be built or installed here; the message says what to do."""


def refuse_apt_ros(environment: Mapping[str, str] | None = None) -> None:
    """Stop where a ROS distribution is sourced: it brings its own interface packages.

    Args:
        environment: environment variables; those of this process by default.

    Raises:
        InterfaceBuildError: a ROS is sourced; the message names the apt packages.
    """
    distro = sourced_ros(environment)
    if distro is None:
        return
    prefix = "ros-<distribution>" if distro == "unknown" else f"ros-{distro}"
    names = ("tf2-msgs", "vision-msgs", "moveit-msgs", "control-msgs")
    raise InterfaceBuildError(
        f"ROS 2 ({distro}) is sourced in this shell, so no interfaces are built: its own packages "
        "are used, because of two libraries of one name a process would load either by chance. "
        f"Install them with 'sudo apt-get install {' '.join(f'{prefix}-{n}' for n in names)}', or "
        "open a shell in which ROS is not sourced to work with the wheels"
    )


def require_wheels() -> None:
    """Check that the rclpy wheels and the generators are in the running environment.

    Raises:
        DependencyError: some are missing; the message names them.
    """
    missing = [name for name in _NEEDED if not _is_installed(name)]
    if missing:
        raise DependencyError(
            f"{', '.join(missing)} not found in {sys.prefix}; install the ROS wheels with "
            f"'{sys.executable} -m pip install -r requirements/ros.txt'"
        )


def require_toolchain(
    headers: Path | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[list[str], list[str]]:
    """Find the C and the C++ compiler.

    Args:
        headers: the folder that must hold `Python.h`; default that of the running Python.
        environment: where `CC`, `CXX` and `PATH` are looked up.

    Returns:
        The commands of both, as lists of words: `CC` may hold `ccache gcc`.

    Raises:
        DependencyError: a compiler or Python's headers are missing; the message names the package.
    """
    commands = []
    for variable, default in (("CC", "gcc"), ("CXX", "g++")):
        name, *options = shlex.split(environment.get(variable, "")) or [default]
        path = shutil.which(name, path=environment.get("PATH"))
        if path is None:
            raise DependencyError(
                f"the compiler {name!r} is not on the PATH; install it with "
                f"'sudo apt-get install g++', or name another in {variable}"
            )
        commands.append([path, *options])
    folder = headers or Path(sysconfig.get_path("include"))
    if not (folder / "Python.h").is_file():
        raise DependencyError(
            f"Python.h is not in {folder}; install the headers with "
            f"'sudo apt-get install python{sysconfig.get_python_version()}-dev'"
        )
    return commands[0], commands[1]


def ros_versions() -> dict[str, str]:
    """The ROS wheels of the running environment, name to version, sorted by name."""
    found = {
        distribution.metadata["Name"].lower(): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    return {name: found[name] for name in sorted(found) if name.startswith("ros-")}


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
