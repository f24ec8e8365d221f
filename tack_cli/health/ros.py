# SPDX-License-Identifier: Apache-2.0
"""Checks of the ROS side: which ROS, who can reach the graph, shared memory, the interfaces."""

from __future__ import annotations

import fcntl
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from tack_cli.health.finding import Finding, Level, ProbeError, probe
from tack_perception.errors import DependencyError
from tack_ros.environment import (
    DISCOVERY_VARIABLE,
    PROFILE_VARIABLES,
    profile_path,
    sourced_ros,
    wheels_version,
)
from tack_ros.interface_builder import expected_hashes, type_hashes

SHARED_MEMORY = Path("/dev/shm")
# Four nodes, each with the 32 MiB segment of the profile, and as much again for other programs.
ENOUGH_SHARED_MIB = 256
LOCK_FILES = ("fastdds_*_el", "fastrtps_*_el")
BUILD_INTERFACES = "python -m tack_ros.interface_builder --install"


def rclpy() -> Finding:
    """Which rclpy is in use, and is it the only one?"""
    sourced, wheels = sourced_ros(), wheels_version()
    if sourced and wheels:
        return Finding(
            "rclpy",
            "fail",
            f"ROS 2 ({sourced}) is sourced and the rclpy wheels ({wheels}) are installed: both "
            "bring libraries of the same names, and which are loaded is chance",
            "use one: a shell in which ROS is not sourced, or an environment without the wheels",
        )
    if find_spec("rclpy") is None:
        return Finding(
            "rclpy",
            "warn",
            "none: replay, annotate and demo work, the live nodes do not",
            'source a ROS 2, or without one: pip install "tack[ros]"',
        )
    try:
        probe("import rclpy; rclpy.init(); rclpy.shutdown()")
    except ProbeError as error:
        return Finding("rclpy", "fail", f"does not start: {error}", "is its ROS fully installed?")
    return Finding("rclpy", "ok", f"of ROS 2 {sourced}, sourced" if sourced else f"wheel {wheels}")


def middleware() -> Finding:
    """Is it the middleware that the profile is for?"""
    name = os.environ.get("RMW_IMPLEMENTATION", "")
    if name and not name.startswith("rmw_fastrtps"):
        advice = "images may be lost between processes: unset RMW_IMPLEMENTATION to use Fast DDS"
        return Finding("middleware", "warn", f"{name}: the Fast DDS profile has no effect", advice)
    return Finding("middleware", "ok", name or "Fast DDS, the default")


def discovery() -> Finding:
    """Who can find the graphs that this shell starts?"""
    name, value = "discovery", os.environ.get(DISCOVERY_VARIABLE)
    if value == "LOCALHOST":
        return Finding(name, "ok", f"{DISCOVERY_VARIABLE}={value}")
    if value:
        advice = f"if no other computer takes part: export {DISCOVERY_VARIABLE}=LOCALHOST"
        return Finding(name, "warn", f"{DISCOVERY_VARIABLE}={value}", advice)
    return Finding(name, *_unset(f"{DISCOVERY_VARIABLE}=LOCALHOST"))


def profile() -> Finding:
    """Does the Fast DDS profile exist, and does this shell export it under both names?"""
    name = "Fast DDS profile"
    try:
        own = profile_path()
    except DependencyError as error:
        return Finding(name, "fail", str(error), "without it most images are lost")
    exported = {variable: os.environ.get(variable) for variable in PROFILE_VARIABLES}
    values = {value for value in exported.values() if value}
    lost = [value for value in values if not Path(value).is_file()]
    if lost:
        advice = f"Fast DDS ignores that without a word; use {own}"
        return Finding(name, "fail", f"{lost[0]} is exported but is not there", advice)
    missing = [variable for variable, value in exported.items() if not value]
    if not values:
        return Finding(name, *_unset(*(f"{variable}={own}" for variable in PROFILE_VARIABLES)))
    if missing:
        advice = f"older and newer ROS read different names: export {missing[0]}={values.pop()}"
        return Finding(name, "warn", f"exported, but not as {missing[0]}", advice)
    if len(values) > 1:
        return Finding(name, "warn", f"two different ones: {values}", "export one under both names")
    chosen = values.pop()
    whose = "" if Path(chosen).resolve() == own.resolve() else ", your own"
    return Finding(name, "ok", f"{chosen}{whose}")


def _unset(*assignments: str) -> tuple[Level, str, str]:
    """Level, detail and advice for variables that this shell does not set.

    The wheels bring no other ROS program, and `tack launch` sets the variables for its own. With
    a whole ROS the user's `ros2 topic` and RViz have to be on the same graph.
    """
    detail = "not set in this shell; `tack launch` sets it for what it starts"
    if sourced_ros() is None:
        return "ok", detail, ""
    exports = "; ".join(f"export {assignment}" for assignment in assignments)
    return "warn", detail, f"so that ros2 and RViz join that graph: {exports}"


def shared_memory() -> Finding:
    """Is there room for the images on their way between processes?"""
    if not SHARED_MEMORY.is_dir():
        return Finding("shared memory", "warn", f"no {SHARED_MEMORY} on this system")
    usage = shutil.disk_usage(SHARED_MEMORY)
    free, total = usage.free >> 20, usage.total >> 20
    detail = f"{free} MiB free of {total} MiB in {SHARED_MEMORY}"
    if free < ENOUGH_SHARED_MIB:
        advice = (
            f"{ENOUGH_SHARED_MIB} MiB keep images from being lost; in a container: "
            "docker run --shm-size 512m"
        )
        return Finding("shared memory", "warn", detail, advice)
    return Finding("shared memory", "ok", detail)


def leftovers(folder: Path = SHARED_MEMORY) -> Finding:
    """Did killed nodes leave shared memory behind?

    Args:
        folder: where Fast DDS keeps its segments, each with a lock file beside it.
    """
    locks = [file for pattern in LOCK_FILES for file in folder.glob(pattern)]
    stale = [lock.with_name(lock.name.removesuffix("_el")) for lock in locks if abandoned(lock)]
    if not stale:
        return Finding("leftovers", "ok", f"none beside {len(locks)} segments in use")
    size = sum(file.stat().st_size for file in stale if file.exists()) >> 20
    advice = f"stop every ROS program, then: rm {folder}/*fastdds_* {folder}/*fastrtps_*"
    detail = f"{len(stale)} segments of killed programs hold {size} MiB of {folder}"
    return Finding("leftovers", "warn", detail, advice)


def abandoned(lock: Path) -> bool:
    """Whether no process holds the lock of a segment (every user of one holds it, shared)."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, gone, or not ours to look at
        return False
    return True


def interfaces() -> Finding:
    """Are the interfaces there, and are they the ones that tack speaks?"""
    if find_spec("rclpy") is None:
        return Finding("interfaces", "ok", "not needed without rclpy")
    expected, found = expected_hashes(), type_hashes()
    if os.environ.get("ROS_DISTRO") == "humble":
        return Finding("interfaces", "ok", "not compared: Humble knows no type hashes")
    other = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    if other:
        return Finding(
            "interfaces",
            "fail",
            f"{len(other)} differ from those tack was written for: {_few(other)}",
            f"rebuild them: {BUILD_INTERFACES}" if sourced_ros() is None else "update ROS and tack",
        )
    missing = sorted(expected.keys() - found.keys())
    if not missing:
        return Finding("interfaces", "ok", f"{len(found)}, with the expected type hashes")
    distribution = sourced_ros()
    packages = sorted({name.partition("/")[0].replace("_", "-") for name in missing})
    by_apt = " ".join(f"ros-{distribution}-{package}" for package in packages)
    advice = f"sudo apt-get install {by_apt}" if distribution else BUILD_INTERFACES
    return Finding("interfaces", "fail", f"{len(missing)} are missing: {_few(missing)}", advice)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


CHECKS = (rclpy, middleware, discovery, profile, shared_memory, leftovers, interfaces)
