# SPDX-License-Identifier: Apache-2.0
"""What reviewers would otherwise have to remember: headers, sizes, floors, optional imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the ground up: a floor imports only from those before it, and from itself.
FLOORS = ("tack_perception", "tack_grasping", "tack_sim", "tack_ros", "tack_cli")
FOLDERS = (*FLOORS, "test", "benchmarks", "scripts", "launch", "config", "requirements", "docs")
SOURCES = {
    ".py",
    ".txt",
    ".xml",
    ".yaml",
    ".yml",
    ".toml",
    ".cfg",
    ".css",
    ".html",
    ".js",
    ".rviz",
    ".in",
}
LONGEST = 400

IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

from tack_perception.errors import DependencyError

blocked, packages = {blocked!r}, {packages!r}


class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in blocked or ("rclpy" in blocked and top.endswith("_msgs")):
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)


sys.meta_path.insert(0, Blocker())
for package in packages:
    parent = importlib.import_module(package)
    for module in pkgutil.walk_packages(parent.__path__, package + "."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in {learned!r} or not module.name.startswith({rooms!r}):
                raise
        except DependencyError as error:
            if not {optional!r}:
                raise
            assert "pip install" in str(error), f"{{module.name}}: {{error}}"
"""


# Only these parts may need torch and what it brings: networks, how they learn, how they are used.
LEARNED = ("torch", "safetensors", "lightning_fabric")
LEARNED_ROOMS = (
    "tack_perception.networks.", "tack_perception.learning.", "tack_perception.inspection.",
    "tack_cli.inspection.",
    *(f"tack_perception.detectors.{name}" for name in
      ("classes", "don", "fused", "learned", "scene", "shipped", "surrounded", "tack")),
)  # fmt: skip


def sources() -> list[Path]:
    """Every source file of the repository that people write."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    files = [path for path in (*found, *ROOT.iterdir()) if path.suffix in SOURCES]
    return [path for path in files if path.is_file() and "__pycache__" not in path.parts]


def imports(path: Path) -> Iterator[str]:
    """Top-level names of everything that a file imports, at its top or anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide the floor they come from"
            yield (node.module or "").partition(".")[0]


def test_every_source_has_a_licence_header() -> None:
    files = sources()
    assert len(files) > 50
    without = [
        str(path.relative_to(ROOT))
        for path in files
        if not any(
            "SPDX-License-Identifier: Apache-2.0" in line
            for line in path.read_text(encoding="utf-8").splitlines()[:3]
        )
    ]
    assert without == []


def test_no_source_is_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_from_floors_below(floor: str) -> None:
    above = set(FLOORS[FLOORS.index(floor) + 1 :])
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in (ROOT / floor).rglob("*.py")
        if (names := sorted(above & set(imports(path))))
    }
    assert wrong == {}


def test_marked_tests_are_where_the_second_run_looks_for_them() -> None:
    """`make test` runs what is marked `ros` once more, and names the places."""
    second = (ROOT / "Makefile").read_text().partition("-m ros ")[2].partition("$(SPREAD)")[0]
    places = [ROOT / name for name in second.split()]
    assert places
    for path in (ROOT / "test").rglob("test_*.py"):
        if "pytest.mark." + "ros" in path.read_text(encoding="utf-8"):
            assert any(path.is_relative_to(place) for place in places), path


def test_nothing_that_drives_a_robot_knows_of_the_simulation() -> None:
    """Only what stands in for a robot and its MoveIt imports the simulator."""
    stand_ins = {"cell", "move_group", "cell.py", "move_group.py", "trajectories.py"}
    wrong = [
        str(path.relative_to(ROOT))
        for floor in ("tack_grasping", "tack_ros")
        for path in (ROOT / floor).rglob("*.py")
        if "tack_sim" in set(imports(path)) and not stand_ins & {path.name, path.parent.name}
    ]
    assert wrong == []


@pytest.mark.parametrize("floor", [floor for floor in FLOORS if floor != "tack_ros"])
def test_only_the_ros_rim_imports_ros(floor: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in (ROOT / floor).rglob("*.py")
        if (names := sorted(n for n in imports(path) if n == "rclpy" or n.endswith("_msgs")))
    }
    assert wrong == {}


def import_all(packages: list[str], blocked: set[str], *, optional: bool) -> str:
    """Import every module of some packages with others blocked; returns what went wrong."""
    code = IMPORT_ALL.format(
        packages=packages, blocked=sorted(blocked), optional=optional, learned=LEARNED,
        rooms=LEARNED_ROOMS,
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    return done.stderr.strip()


def test_the_core_imports_without_ros_and_torch() -> None:
    core = [floor for floor in FLOORS if floor != "tack_ros"]
    assert import_all(core, {"rclpy", *LEARNED, "launch"}, optional=False) == ""


def test_a_missing_optional_package_is_explained() -> None:
    core = ["tack_perception", "tack_grasping", "tack_sim"]
    assert import_all(core, {"pyrealsense2", "mujoco", *LEARNED}, optional=True) == ""
