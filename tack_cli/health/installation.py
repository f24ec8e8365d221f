# SPDX-License-Identifier: Apache-2.0
"""Checks of the installation: Python, the packages against their ranges and pins, disk space."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tack_cli.health.finding import Finding
from tack_ros.environment import share_folder, sourced_ros

OLDEST_PYTHON = (3, 10)
LOW_DISK_GIB = 2.0
FULL_DISK_GIB = 0.2
_NAMED = 5


def python() -> Finding:
    """Is this Python new enough, and which one is it?"""
    detail = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return Finding("Python", "fail", detail, f"tack needs Python {oldest} or newer")
    return Finding("Python", "ok", detail)


def system() -> Finding:
    """The machine in a few words."""
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        name = platform.system()
    return Finding("system", "ok", f"{name}, {platform.machine()}, {os.cpu_count()} cores")


def installed(requirement: Requirement) -> str | None:
    """The installed version of what a requirement asks for, or None."""
    try:
        return metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return None


def applies(requirement: Requirement) -> bool:
    """Whether a requirement counts on this Python and without extras."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def required_packages() -> Finding:
    """Is everything there that the library itself needs?"""
    wrong = []
    listed = [Requirement(line) for line in metadata.requires("tack") or []]
    needed = [requirement for requirement in listed if applies(requirement)]
    for requirement in needed:
        version = installed(requirement)
        if version is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} (needs {requirement.specifier})")
    if not wrong:
        return Finding("required packages", "ok", f"all {len(needed)} there")
    names = " ".join(f'"{r.name}{r.specifier}"' for r in needed if r.name in " ".join(wrong))
    return Finding("required packages", "fail", _few(wrong), f"pip install {names}")


def pinned_packages() -> Finding:
    """Are the versions those that tack was tested with?"""
    name = "tested versions"
    if sourced_ros() is not None:
        return Finding(name, "ok", "not compared: here the ROS distribution chooses the versions")
    same, other = 0, []
    for path in sorted((share_folder() / "requirements").glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            requirement = Requirement(line) if line and not line.startswith("#") else None
            if requirement is None or not applies(requirement):
                continue
            version = installed(requirement)
            if version is None or requirement.specifier.contains(version, prereleases=True):
                same += version is not None
            else:
                tested = str(requirement.specifier).lstrip("=")
                other.append(f"{requirement.name} {version} (tested: {tested})")
    if not other:
        return Finding(name, "ok", f"{same} packages, each as pinned")
    advice = "likely harmless; `make setup` in a checkout gives the tested versions"
    return Finding(name, "warn", _few(other), advice)


def disk_space() -> Finding:
    """Is there room for recordings and results where we stand?"""
    here = Path.cwd()
    free_gib = shutil.disk_usage(here).free / 2**30
    detail = f"{free_gib:.1f} GiB free at {here}"
    if free_gib < FULL_DISK_GIB:
        return Finding("disk space", "fail", detail, "free some: results could not be saved")
    if free_gib < LOW_DISK_GIB:
        return Finding("disk space", "warn", detail, "one minute of raw RGB-D takes 2.7 GiB")
    return Finding("disk space", "ok", detail)


def _few(items: list[str]) -> str:
    more = len(items) - _NAMED
    return ", ".join(items[:_NAMED]) + (f" and {more} more" if more > 0 else "")


CHECKS = (system, python, required_packages, pinned_packages, disk_space)
