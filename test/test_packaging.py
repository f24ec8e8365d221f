# SPDX-License-Identifier: Apache-2.0
"""The package as others get it: wheel, source archive, and what colcon makes of it."""

from __future__ import annotations

import configparser
import importlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ("launch", "config", "models", "interfaces", "requirements")
NODES = ("camera", "annotation", "detector", "pick_place", "cell", "move_group")
NOT_SOURCE = (".*", "build", "dist", "out", "install", "log", "*.egg-info", "__pycache__")
BUILD = "from setuptools import build_meta; build_meta.build_{kind}({folder!r})"


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build a `wheel` or an `sdist` of a source folder, offline; returns the file."""
    folder.mkdir()
    code = BUILD.format(kind=kind, folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (result,) = folder.iterdir()
    return result


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree, since building writes into it; its path has a space."""
    copy = tmp_path_factory.mktemp("with space") / "tack"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", source, tmp_path_factory.mktemp("wheel") / "out")


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_all_share_files(source: Path, wheel: Path) -> None:
    files = [path for folder in SHARED for path in (source / folder).rglob("*") if path.is_file()]
    data = f"{wheel.name.rsplit('-', 3)[0]}.data/data/share"
    expected = {f"{data}/tack/{path.relative_to(source)}" for path in files}
    expected |= {f"{data}/tack/package.xml", f"{data}/ament_index/resource_index/packages/tack"}
    assert expected - names(wheel) == set()
    assert any(name.endswith("config/fastdds.xml") for name in expected)


def test_the_wheel_holds_all_code_and_no_tests(source: Path, wheel: Path) -> None:
    suffixes = {".py", ".html", ".css", ".js", ".typed"}
    code = {
        str(path.relative_to(source))
        for path in source.glob("tack_*/**/*")
        if path.suffix in suffixes
    }
    assert len(code) > 30
    assert code - names(wheel) == set()
    top = {name.partition("/")[0] for name in names(wheel)}
    assert all(name.startswith("tack") for name in top), top


def test_the_source_archive_builds_the_same_wheel(
    source: Path, wheel: Path, tmp_path: Path
) -> None:
    archive = build("sdist", source, tmp_path / "sdist")
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert names(build("wheel", unpacked, tmp_path / "wheel")) == names(wheel)


def test_an_installed_wheel_finds_its_share_folder(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "prefix"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*command, str(target), str(wheel)], check=True, capture_output=True)
    code = (
        "import tack_ros.environment as e; print(e.__file__); print(e.profile_path());"
        "import tack_perception.share as s; print(s.shipped_folder('config/places'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert all(Path(line).is_relative_to(target) for line in done.stdout.splitlines())


def test_pip_gets_the_command_and_ros_the_nodes_as_well(
    source: Path, wheel: Path, tmp_path: Path
) -> None:
    def scripts(text: str) -> dict[str, str]:
        parser = configparser.ConfigParser()
        parser.read_string(text)
        return dict(parser["console_scripts"])

    entry = next(name for name in names(wheel) if name.endswith("/entry_points.txt"))
    tack = {"tack": "tack_cli.main:main"}
    assert scripts(zipfile.ZipFile(wheel).read(entry).decode()) == tack
    command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    ros = scripts((tmp_path / "tack.egg-info" / "entry_points.txt").read_text())
    assert ros == tack | {node: f"tack_ros.nodes.{node}:main" for node in NODES}


@pytest.mark.ros
@pytest.mark.parametrize("node", NODES)
def test_every_executable_exists(node: str) -> None:
    assert callable(importlib.import_module(f"tack_ros.nodes.{node}").main)


def test_package_xml_and_setup_py_agree() -> None:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    assert manifest.get("format") == "3"
    assert manifest.findtext("name") == "tack"
    assert manifest.findtext("version") == metadata.version("tack")
    assert manifest.findtext("export/build_type") == "ament_python"


def test_every_requirement_of_the_extra_ros_is_an_exact_pin() -> None:
    extra = [line for line in metadata.requires("tack") or [] if 'extra == "ros"' in line]
    assert any(line.startswith("ros-rclpy==") for line in extra)
    assert [line for line in extra if "==" not in line.partition(";")[0]] == []
