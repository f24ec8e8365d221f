# SPDX-License-Identifier: Apache-2.0
"""Make all that `make test` and `make demo` need: system packages, `.venv`, and tack in it.

Runs on the standard library of any Python from 3.8 on, so that it can say what is missing.
Each step leaves a stamp: a second run does nothing, an interrupted one continues.

Environment:
    PYTHON: the interpreter to build `.venv` from; by default the first that is new enough.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import system_packages

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "setup.json"
LOG = VENV / "setup.log"
MESHES = ROOT / "scripts" / "robot_meshes.py"
BUILDER = ROOT / "tack_ros" / "interface_builder"

OLDEST = (3, 10)
TORCH = "2.13.0"
# The rclpy wheels exist for this machine only; elsewhere tack is set up without a live graph.
WHEELS_MACHINE = "x86_64"


class SetupError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)


def run(command: list[str]) -> str:
    """Run a command quietly, its output in the log.

    Returns:
        The output.

    Raises:
        SetupError: it failed; the message ends with the last lines of its output.
    """
    lines: list[str] = []
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"\n$ {shlex.join(command)}\n")
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            lines.append(line)
            if sys.stdout.isatty():
                print(f"\r\033[K    {line.strip()[:70]}", end="", flush=True)
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)
    if process.wait() != 0:
        tail = "    ".join(["", *lines[-15:]])
        raise SetupError(f"this command failed:\n    {shlex.join(command)}\n{tail}")
    return "".join(lines)


def pip(*arguments: str) -> str:
    """Install into `.venv`; returns pip's output."""
    options = ["--no-input", "--no-user", "--progress-bar", "off", "--disable-pip-version-check"]
    return run([str(PYTHON), "-I", "-m", "pip", "install", *options, *arguments])


def digest(*sources: Path | str) -> str:
    """One hash over texts, files, and all files below folders."""
    state = hashlib.sha256()
    for source in sources:
        if isinstance(source, str):
            state.update(source.encode())
            continue
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file() and "__pycache__" not in file.parts:
                state.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


def interpreter(name: str) -> tuple[str, tuple[int, ...]] | None:
    """The base interpreter behind a name, and its version; None where it does not run."""
    code = "import os, sys; print(os.path.realpath(sys.executable)); print(*sys.version_info[:3])"
    try:
        found = subprocess.run([name, "-I", "-S", "-c", code], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    path, version = found.stdout.decode().splitlines()
    return path, tuple(map(int, version.split()))


def choose_python() -> tuple[str, tuple[int, ...]]:
    """The interpreter to build from, and its version: the one asked for, else that of `.venv`.

    Raises:
        SetupError: `PYTHON` names none that runs, or none is new enough.
    """
    asked = os.environ.get("PYTHON")
    others = [f"python3.{minor}" for minor in (13, 12, 11, 10)]
    seen = []
    for name in [asked] if asked else [str(PYTHON), sys.executable, *others]:
        found = interpreter(name)
        if found and found[1] >= OLDEST:
            return found
        if found:
            seen.append(f"{name} is {'.'.join(map(str, found[1]))}")
    oldest = ".".join(map(str, OLDEST))
    what = "; ".join(seen) or f"{asked} does not run"
    raise SetupError(
        f"Python {oldest} or newer is needed, but {what}. Install one (for example "
        "`sudo apt-get install python3.11`) and name it: `make test PYTHON=python3.11`."
    )


def has_gpu() -> bool:
    """Whether an NVIDIA driver answers (the devices are looked at first: that takes no time)."""
    if not any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg")):
        return False
    try:
        subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def make_venv(python: str) -> None:
    """A fresh `.venv`."""
    keep = {LOG.name}
    for entry in VENV.iterdir():
        if entry.name not in keep:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    run([python, "-I", "-m", "venv", str(VENV)])


def install_packages(with_ros: bool) -> None:
    """Every pinned package but torch."""
    names = ["core", "sim", "test", *(["ros"] if with_ros else [])]
    pip(*(word for name in names for word in ("-r", f"requirements/{name}.txt")))


def install_torch(gpu: bool) -> None:
    """The one torch that fits: with CUDA on a machine with a GPU, without it on any other."""
    pinned = ("-c", "requirements/torch.txt", "-c", "requirements/core.txt")
    if not gpu:
        try:
            pip(*pinned, f"torch=={TORCH}+cpu")
            return
        except SetupError as error:
            if "No matching distribution" not in str(error):
                raise
        say(
            "    no CPU build of torch is at hand for this Python, so the standard one follows,\n"
            "    with 3 GB of CUDA libraries. To avoid them, stop here and point PIP_FIND_LINKS\n"
            f"    at a folder with the torch {TORCH}+cpu wheel."
        )
    # `===` because `==` would also take a +cpu wheel that lies about.
    pip(*pinned, f"torch==={TORCH}")


def install_learning() -> None:
    """What training needs; torch is there by now, so that pip fetches no other build of it."""
    pinned = ("-c", "requirements/torch.txt", "-c", "requirements/core.txt")
    pip(*pinned, "-r", "requirements/learn.txt")


def install_recording() -> None:
    """What `tack record` needs; all else works without it."""
    pinned = (word for name in ("core", "sim", "test", "torch", "learn", "record")
              for word in ("-c", f"requirements/{name}.txt"))  # fmt: skip
    try:
        pip(*pinned, "-r", "requirements/record.txt")
    except SetupError as error:
        say(f"    {str(error).strip().splitlines()[-1].strip()}")
        say("    Open3D has no build for this machine: `tack record` will not work here.")


def install_tack() -> None:
    """This checkout, editable; what it needs is already there."""
    pip("--no-deps", "--no-build-isolation", "-e", ".")


def install_interfaces() -> None:
    """The ROS interfaces that PyPI lacks."""
    run([str(PYTHON), "-m", "tack_ros.interface_builder", "--install"])


def fetch_meshes() -> None:
    """The meshes that robots are drawn with; without them they are drawn with simple solids."""
    try:
        run([str(PYTHON), str(MESHES)])
    except SetupError as error:
        say(f"    {str(error).strip().splitlines()[-1].strip()}")
        say("    For the meshes, later: .venv/bin/python scripts/robot_meshes.py")


def steps(python: str, version: tuple[int, ...]) -> list[tuple[str, str, str, Callable[[], None]]]:
    """(name, what is said, stamp, action) of each step, in order."""
    gpu = has_gpu()
    with_ros = platform.machine() == WHEELS_MACHINE
    dotted = ".".join(map(str, version))
    pins = [ROOT / "requirements" / f"{name}.txt" for name in ("core", "sim", "test", "ros")]
    torch = digest(TORCH, str(gpu), ROOT / "requirements" / "torch.txt")
    learning = digest(torch, ROOT / "requirements" / "learn.txt")
    record = ROOT / "requirements" / "record.txt"
    recipe = [ROOT / name for name in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml")]
    build = "with CUDA" if gpu else "for CPU"
    listed = [
        ("venv", f"environment on Python {dotted}", f"{dotted} {ROOT}", lambda: make_venv(python)),
        ("packages", "pinned packages", digest(*pins), lambda: install_packages(with_ros)),
        ("torch", f"torch {TORCH} {build}", torch, lambda: install_torch(gpu)),
        ("learning", "training", learning, install_learning),
        ("recording", "recordings", digest(learning, record), install_recording),
        ("tack", "tack itself", digest(*recipe), install_tack),
    ]
    if with_ros and BUILDER.exists():
        source = digest(pins[-1], BUILDER, ROOT / "interfaces")
        listed.append(("interfaces", "ROS interfaces", source, install_interfaces))
    # Last, and never in the way: without a connection there are simple solids.
    listed.append(("meshes", "meshes of robots", digest(MESHES), fetch_meshes))
    return listed


def set_up(python: str, version: tuple[int, ...]) -> None:
    """Do the steps whose stamp is missing or old.

    Raises:
        SetupError: a step failed.
    """
    VENV.mkdir(exist_ok=True)
    try:
        done = json.loads(STAMPS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        done = {}
    listed = steps(python, version)
    pending = [step for step in listed if done.get(step[0]) != step[2]]
    if not pending:
        return
    say(f"Setting up in .venv (once; log in {LOG.relative_to(ROOT)})")
    wanted = system_packages.missing(python)
    if wanted:
        say("  system packages, by apt:")
        system_packages.install(wanted, say, run)
    for name, label, stamp, action in pending:
        started = time.monotonic()
        if not sys.stdout.isatty():
            say(f"  {label} ...")
        action()
        say(f"  {label}: done in {time.monotonic() - started:.0f} s")
        # A new environment holds nothing of what was installed before.
        done = {name: stamp} if name == "venv" else {**done, name: stamp}
        STAMPS.write_text(json.dumps(done), encoding="utf-8")


def main() -> int:
    """Set up; the exit code."""
    lock = Path(__file__).open()  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python, version = choose_python()
        if sys.version_info[:2] < OLDEST:
            os.execv(python, [python, __file__])
        sys.path.insert(0, str(ROOT))
        from tack_ros.environment import refuse_mixed_ros

        refuse_mixed_ros()
        set_up(python, version)
    except KeyboardInterrupt:
        say("\nstopped; the same command continues where this one was")
        return 130
    except (SetupError, ImportError, OSError) as error:
        print(f"\nSet-up stopped: {error}", file=sys.stderr)
        print("Once that is solved, the same command continues.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
