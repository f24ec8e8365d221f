# SPDX-License-Identifier: Apache-2.0
"""The few things that pip cannot bring: looks for them, and lets apt install what is missing."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable

# shared library, Debian package, what needs it
LIBRARIES = (
    ("libGL.so.1", "libgl1", "OpenCV's windows"),
    ("libgthread-2.0.so.0", "libglib2.0-0", "OpenCV's windows"),
    ("libEGL.so.1", "libegl1", "the simulator's renderer"),
    ("libusb-1.0.so.0", "libusb-1.0-0", "RealSense cameras"),
    ("libgomp.so.1", "libgomp1", "parallel loops in OpenCV and torch"),
)
PROBE_LIBRARY = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
PROBE_VENV = "import ensurepip, venv"
PROBE_HEADERS = (
    "import os, sys, sysconfig;"
    "sys.exit(not os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
)


def missing(python: str) -> dict[str, str]:
    """Debian packages that are not there yet → what each is for.

    Args:
        python: the interpreter that the environment will be built from.
    """

    def fails(code: str, *arguments: str) -> bool:
        command = [python, "-I", "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, check=False).returncode != 0

    # Only the distribution's own Python comes in parts; others bring venv and headers along.
    name = os.path.basename(os.path.realpath(python))  # noqa: PTH119
    wanted: dict[str, str] = {}
    if fails(PROBE_VENV):
        wanted[f"{name}-venv"] = "the virtual environment"
    if fails(PROBE_HEADERS):
        wanted[f"{name}-dev"] = "compiling the ROS interfaces"
    if shutil.which("g++") is None or shutil.which("gcc") is None:
        wanted["g++"] = "compiling the ROS interfaces"
    for library, package, reason in LIBRARIES:
        if fails(PROBE_LIBRARY, library):
            wanted[package] = reason
    return wanted


def install(
    packages: dict[str, str], say: Callable[[str], None], run: Callable[[list[str]], object]
) -> None:
    """Install packages with apt, as root or, after asking, through sudo.

    Args:
        packages: package → what it is for.
        say: prints a line.
        run: runs a command with its output in the log; raises when it fails.

    Raises:
        PermissionError: not root, and nobody to ask; the message holds the command to run.
        FileNotFoundError: no apt on this system; the message names what is needed.
    """
    for package, reason in packages.items():
        say(f"  {package:<20} {reason}")
    if shutil.which("apt-get") is None:
        raise FileNotFoundError(
            "this system has no apt-get; install what the packages listed above hold with its own "
            "package manager, then run this again"
        )
    commands = [
        ["apt-get", "update"],  # an old list of packages names files that are gone
        ["apt-get", "install", "--yes", "--no-install-recommends", *packages],
    ]
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    if sudo:
        by_hand = " && ".join(shlex.join(["sudo", *command]) for command in commands)
        if shutil.which("sudo") is None or not sys.stdin.isatty():
            raise PermissionError(
                f"these packages need an administrator; run this once:\n  {by_hand}"
            )
        answer = input("Install them with sudo apt-get? [Y/n] ").strip().lower()
        if answer not in {"", "y", "yes"}:
            raise PermissionError(f"nothing was installed; to do it by hand:\n  {by_hand}")
        subprocess.run(["sudo", "-v"], check=True)  # the password, before output is hidden
    for command in commands:
        run([*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *command])
