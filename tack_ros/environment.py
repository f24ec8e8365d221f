# SPDX-License-Identifier: Apache-2.0
"""What a ROS environment must look like here, and how to make one.

Everything that starts a graph (launch, tests, benchmarks) takes its variables from here, and
`tack doctor` checks them from here. Needs nothing but the standard library, so that it can speak
before ROS, or anything else, is installed.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import IO

from tack_perception.errors import ConfigurationError, DependencyError

DISCOVERY_VARIABLE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
# Kilted and newer read the first name, Jazzy and older only the second.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
# Fast DDS derives its ports from the domain; above this they meet the ephemeral ports of Linux.
DOMAINS = 102
_KILTED_RCLPY = 9  # major version
_ROS_ROOT = "/opt/ros/"
# (process, which of its domains) → domain and its locked file; a forked child claims its own.
_claims: dict[tuple[int, int], tuple[int, IO[str] | None]] = {}
_SEARCH_PATHS = ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH")


def share_folder() -> Path:
    """The folder that holds `launch/`, `config/`, `models/` and `package.xml`.

    It is the checkout itself for an editable or `--symlink-install` installation, and
    `<prefix>/share/tack` for every other one (pip and colcon alike).

    Raises:
        DependencyError: no such folder is near this file; the installation is incomplete.
    """
    here = Path(__file__).resolve()
    if (here.parents[1] / "package.xml").is_file():
        return here.parents[1]
    for parent in here.parents:
        share = parent / "share" / "tack"
        if (share / "package.xml").is_file():
            return share
    raise DependencyError(
        f"no share/tack folder above {here}: launch files and settings are missing; "
        "install tack again with `pip install .` or `colcon build`"
    )


def profile_path() -> Path:
    """The Fast DDS profile: 32 MiB of shared memory per process, and sockets on 127.0.0.1 only.

    Raises:
        DependencyError: the file is not there. Without it more than half of the camera images
            are lost between processes, and a host that names this one gets in.
    """
    path = share_folder() / "config" / "fastdds.xml"
    if not path.is_file():
        raise DependencyError(
            f"the Fast DDS profile {path} is missing; install tack again "
            "(from a checkout: `git checkout config/fastdds.xml`)"
        )
    return path


def sourced_ros(environ: Mapping[str, str] | None = None) -> str | None:
    """The name of the ROS distribution that is sourced in `environ`, or None.

    Args:
        environ: environment variables; those of this process by default.

    Returns:
        For example `"jazzy"`; `"unknown"` where a path below /opt/ros shows up without a name.
    """
    environ = os.environ if environ is None else environ
    if environ.get("ROS_DISTRO"):
        return environ["ROS_DISTRO"]
    for variable in _SEARCH_PATHS:
        for entry in environ.get(variable, "").split(os.pathsep):
            if entry.startswith(_ROS_ROOT):
                return entry[len(_ROS_ROOT) :].split("/")[0] or "unknown"
    return None


def wheels_version() -> str | None:
    """The version of the rclpy wheel in this Python environment, or None."""
    try:
        return metadata.version("ros-rclpy")
    except metadata.PackageNotFoundError:
        return None


def profile_names() -> tuple[str, ...]:
    """The variables under which the ROS here reads the profile; both where that is not known.

    Kilted, as wheels have it, prints a warning in every process that has the old name, too.
    """
    version = wheels_version()
    if version is not None and int(version.split(".")[0]) >= _KILTED_RCLPY:
        return PROFILE_VARIABLES[:1]
    return PROFILE_VARIABLES


def refuse_mixed_ros(environ: Mapping[str, str] | None = None) -> None:
    """Refuse to use, or install, the rclpy wheels where another ROS is sourced.

    Args:
        environ: environment variables; those of this process by default.

    Raises:
        DependencyError: a ROS is sourced; the message says why the two exclude each other.
    """
    distribution = sourced_ros(environ)
    if distribution is not None:
        raise DependencyError(
            f"ROS 2 ({distribution}) is sourced in this shell, so the rclpy wheels are refused: "
            "both bring libraries of the same names, and which one a process loads would be "
            "chance. Either open a shell in which ROS is not sourced (look for `setup.bash` in "
            "~/.bashrc) and run this again, or use that ROS: build tack with colcon, as "
            "docs/install.md shows."
        )


def graph_environment(
    environ: Mapping[str, str] | None = None, *, domain_id: int | None = None
) -> dict[str, str]:
    """A complete environment for processes of one ROS graph on this host.

    What the user has set stays: with a discovery range of their own choice (a camera on another
    computer, say) the profile, which closes the graph to other hosts, is not added.

    Args:
        environ: variables to start from; those of this process by default.
        domain_id: 0 to 101, to keep the graph apart from others on this host.

    Returns:
        Variables to hand to a child process, or to `os.environ.update` before `rclpy.init`.

    Raises:
        DependencyError: the Fast DDS profile is missing, or two ROS would be mixed.
        ConfigurationError: `domain_id` is outside 0 to 101.
    """
    result = dict(os.environ if environ is None else environ)
    if domain_id is not None:
        if not 0 <= domain_id < DOMAINS:
            raise ConfigurationError(f"domain_id = {domain_id}: allowed is 0 to {DOMAINS - 1}")
        result["ROS_DOMAIN_ID"] = str(domain_id)
    if result.setdefault(DISCOVERY_VARIABLE, "LOCALHOST") == "LOCALHOST":
        chosen = next((result[name] for name in PROFILE_VARIABLES if result.get(name)), None)
        profile = chosen or str(profile_path())
        for name in PROFILE_VARIABLES:
            result.pop(name, None)
        result.update(dict.fromkeys(profile_names(), profile))
        if result.get("ROS_DISTRO") == "humble":  # it does not know the discovery range yet
            result.setdefault("ROS_LOCALHOST_ONLY", "1")
    if wheels_version() is not None:
        refuse_mixed_ros(result)
        # The wheels install an ament index into the environment but do not announce it.
        prefixes = [sys.prefix, *result.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
        result["AMENT_PREFIX_PATH"] = os.pathsep.join(dict.fromkeys(filter(None, prefixes)))
    return result


def private_domain_id(offset: int = 0) -> int:
    """A domain id that no other process of this user has got from here while this one lives.

    The kernel gives a lock back when its process ends, however that ends.

    Args:
        offset: which of several domains of this process.

    Returns:
        0 to 101; where all are taken, one that is shared.
    """
    key = os.getpid(), offset
    if key not in _claims:
        wanted = [(sum(key) + step) % DOMAINS for step in range(DOMAINS)]
        claimed = ((number, _claim(number)) for number in wanted)
        _claims[key] = next(((n, file) for n, file in claimed if file), (wanted[0], None))
    return _claims[key][0]


def _claim(number: int) -> IO[str] | None:
    """The locked file of a domain; None where another process, or this one, has it."""
    folder = Path(tempfile.gettempdir()) / f"tack_domains_{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        file = (folder / str(number)).open("w", encoding="utf-8")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
