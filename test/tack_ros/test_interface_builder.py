# SPDX-License-Identifier: Apache-2.0
"""The builder: what it refuses, what it keeps, and a small wheel built for real."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tack_perception.errors import DependencyError, TackError
from tack_ros.environment import sourced_ros, wheels_version
from tack_ros.interface_builder import InterfaceBuildError, build, cache
from tack_ros.interface_builder.__main__ import main
from tack_ros.interface_builder.builder import wheel_key
from tack_ros.interface_builder.environment import refuse_apt_ros, require_toolchain
from tack_ros.interface_builder.field_lists import default_folder, read_field_lists
from tack_ros.interface_builder.generate import describe
from tack_ros.interface_builder.hashes import expected_hashes

ROOT = Path(__file__).parents[2]
needs_wheels = pytest.mark.skipif(
    wheels_version() is None or sourced_ros() is not None,
    reason="needs the rclpy wheels: `pip install -r requirements/ros.txt`, with no ROS sourced",
)


@pytest.fixture(autouse=True)
def no_sourced_ros(monkeypatch):
    if sourced_ros() is not None:
        for variable in ("ROS_DISTRO", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH"):
            monkeypatch.delenv(variable, raising=False)


# What it refuses


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"ROS_DISTRO": "jazzy"}, "ros-jazzy-moveit-msgs"),
        ({"AMENT_PREFIX_PATH": "/home/me/ws/install:/opt/ros/humble"}, "ros-humble-tf2-msgs"),
        ({"LD_LIBRARY_PATH": "/usr/lib:/opt/ros/kilted/lib"}, "ros-kilted-vision-msgs"),
    ],
)
def test_a_sourced_ros_is_refused_with_the_packages_to_use_instead(environment, told):
    with pytest.raises(InterfaceBuildError, match=told):
        refuse_apt_ros(environment)


@pytest.mark.parametrize(
    "environment", [{}, {"AMENT_PREFIX_PATH": "/home/me/venv", "LD_LIBRARY_PATH": "/opt/rosy/lib"}]
)
def test_other_paths_are_no_sourced_ros(environment):
    refuse_apt_ros(environment)


def test_the_build_itself_refuses_a_sourced_ros(monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    with pytest.raises(InterfaceBuildError, match="jazzy"):
        build(default_folder(), cache_folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_compiler_is_named_with_its_package(tmp_path):
    with pytest.raises(DependencyError, match=r"'gcc'.*apt-get install g\+\+"):
        require_toolchain(environment={"PATH": str(tmp_path)})


def test_a_compiler_of_the_users_choice_is_looked_for(tmp_path):
    with pytest.raises(DependencyError, match="'my-cc'"):
        require_toolchain(environment={"PATH": str(tmp_path), "CC": "my-cc"})


def test_a_compiler_may_come_with_words_of_its_own(tmp_path):
    for name in ("ccache", "g++"):
        (tmp_path / name).write_text("", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "Python.h").write_text("", encoding="utf-8")
    environment = {"PATH": str(tmp_path), "CC": "ccache gcc", "CXX": ""}
    cc, cxx = require_toolchain(tmp_path, environment)
    assert cc == [str(tmp_path / "ccache"), "gcc"]
    assert cxx == [str(tmp_path / "g++")]


def test_missing_headers_are_named_with_their_package(tmp_path):
    for name in ("gcc", "g++"):
        (tmp_path / name).write_text("", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    version = sysconfig.get_python_version()
    with pytest.raises(DependencyError, match=f"apt-get install python{version}-dev"):
        require_toolchain(headers=tmp_path, environment={"PATH": str(tmp_path)})


def test_missing_wheels_are_named(monkeypatch):
    def no_rclpy(name):
        if name == "ros-rclpy":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", no_rclpy)
    with pytest.raises(DependencyError, match=r"ros-rclpy not found.*requirements/ros\.txt"):
        build(default_folder())


def test_the_command_says_why_it_refuses_and_fails(monkeypatch, capsys):
    monkeypatch.setenv("ROS_DISTRO", "lyrical")
    assert main([]) == 1
    assert "ROS 2 (lyrical) is sourced" in capsys.readouterr().err


def test_the_command_refuses_no_processes(capsys):
    with pytest.raises(SystemExit):
        main(["--jobs", "0"])
    assert "--jobs 0" in capsys.readouterr().err


# What it keeps


def make(content):
    return lambda scratch, target: target.write_bytes(content)


def test_a_stored_file_is_found(tmp_path):
    path = cache.store(tmp_path / "key", "a.whl", make(b"wheel"))
    assert cache.find(tmp_path / "key", "a.whl") == path
    assert path.read_bytes() == b"wheel"
    assert {path.name for path in tmp_path.iterdir()} == {"key"}


@pytest.mark.parametrize("damage", ["truncated", "no digest", "no file"])
def test_a_damaged_file_is_not_found_and_can_be_stored_again(tmp_path, damage):
    path = cache.store(tmp_path / "key", "a.whl", make(b"wheel"))
    if damage == "truncated":
        path.write_bytes(b"whe")
    elif damage == "no digest":
        (path.parent / "sha256").unlink()
    else:
        path.unlink()
    assert cache.find(tmp_path / "key", "a.whl") is None
    path = cache.store(tmp_path / "key", "a.whl", make(b"wheel"))
    assert cache.find(tmp_path / "key", "a.whl") == path


def test_a_failed_build_leaves_nothing(tmp_path):
    def fail(scratch, target):
        (scratch / "half").write_bytes(b"")
        raise InterfaceBuildError("no")

    with pytest.raises(InterfaceBuildError):
        cache.store(tmp_path / "key", "a.whl", fail)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_goes_with_the_next(tmp_path):
    (tmp_path / ".key-abc").mkdir()
    (tmp_path / ".other-abc").mkdir()
    cache.store(tmp_path / "key", "a.whl", make(b"wheel"))
    assert {path.name for path in tmp_path.iterdir()} == {".other-abc", "key"}


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TackError, match="file"):
        cache.store(tmp_path / "file" / "key", "a.whl", make(b"wheel"))
    with pytest.raises(TackError, match="file"), cache.lock(tmp_path / "file" / "x.lock", list):
        pass


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_cache() == tmp_path / "tack"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.default_cache() == Path.home() / ".cache" / "tack"


def test_keys_tell_names_from_values():
    assert cache.cache_key({"ab": "c"}) != cache.cache_key({"a": "bc"})
    assert cache.cache_key({"a": "1", "b": "2"}) == cache.cache_key({"b": "2", "a": "1"})


# A small wheel

PROBE = "tack_probe_msgs"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """One package with one message, which nests a message of another package in a sequence."""
    folder = tmp_path_factory.mktemp("source")
    (folder / PROBE / "msg").mkdir(parents=True)
    text = "uint8 ANSWER = 42\ngeometry_msgs/PoseStamped[] poses\nstring name\n"
    (folder / PROBE / "msg" / "Probe.msg").write_text(text, encoding="utf-8")
    manifest = (default_folder() / "tf2_msgs" / "package.xml").read_text(encoding="utf-8")
    (folder / PROBE / "package.xml").write_text(manifest.replace("tf2_msgs", PROBE), "utf-8")
    (folder / "roots.txt").write_text(f"{PROBE}\n", encoding="utf-8")
    return folder


def start(source, folder):
    command = [sys.executable, "-m", "tack_ros.interface_builder", "--source", str(source)]
    return subprocess.Popen(
        [*command, "--cache", str(folder), "--jobs", "1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """The wheel, and what two builders that were started at once have said."""
    folder = tmp_path_factory.mktemp("cache")
    builders = [start(source, folder) for _ in range(2)]
    said = [builder.communicate()[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], said
    (wheel,) = folder.glob("interfaces/*/*.whl")
    return wheel, said


@needs_wheels
def test_of_two_builders_at_once_one_builds_and_both_end_well(built):
    wheel, said = built
    assert sum("building 1 interfaces" in text for text in said) == 1
    assert all(str(wheel) in text for text in said)


@needs_wheels
def test_a_kept_wheel_is_taken_without_a_word(built, source):
    said = []
    assert build(source, cache_folder=built[0].parents[2], say=said.append) == built[0]
    assert said == []


@needs_wheels
def test_a_damaged_wheel_is_built_again_to_the_same_bytes(built, source):
    wheel, _ = built
    content = wheel.read_bytes()
    wheel.write_bytes(content[:-100])
    again = start(source, wheel.parents[2])
    assert "building" in again.communicate()[0]
    assert wheel.read_bytes() == content


@needs_wheels
def test_every_packed_file_is_recorded_and_no_path_of_this_machine_is(built):
    with zipfile.ZipFile(built[0]) as archive:
        names = archive.namelist()
        record = archive.read(next(n for n in names if n.endswith("/RECORD"))).decode()
        assert [line.split(",")[0] for line in record.splitlines()] == names
        for name in names:
            content = archive.read(name)
            assert str(built[0].parents[2]).encode() not in content, name
            assert sys.prefix.encode() not in content, name


@needs_wheels
def test_the_wheel_works_from_any_prefix(built, tmp_path):
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(tmp_path / "prefix" / "lib" / "python" / "site-packages")
    site = tmp_path / "prefix" / "lib" / "python" / "site-packages"
    (data,) = site.glob("*.data/data/lib")
    libraries = sorted(data.iterdir())
    for path in libraries:
        path.rename(tmp_path / "prefix" / "lib" / path.name)
    script = (
        f"from {PROBE}.msg import Probe; from geometry_msgs.msg import PoseStamped\n"
        "from rclpy.serialization import deserialize_message, serialize_message\n"
        "sent = Probe(poses=[PoseStamped(), PoseStamped()], name='ß')\n"
        "assert deserialize_message(serialize_message(sent), Probe) == sent\n"
        "print(Probe.ANSWER, Probe.__module__)\n"
    )
    search = [str(tmp_path / "prefix" / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "LD_LIBRARY_PATH": os.pathsep.join(search),
    }
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert result.stdout.split() == ["42", f"{PROBE}.msg._probe"], result.stderr
    assert len(libraries) == 5


@needs_wheels
def test_the_key_follows_the_field_lists(source, tmp_path):
    lists = read_field_lists(source)
    before = wheel_key(lists)
    (probe,) = lists.texts
    path = source / PROBE / probe.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("name", "names"), encoding="utf-8")
    assert wheel_key(read_field_lists(source)) != before
    path.write_text(text, encoding="utf-8")
    assert wheel_key(read_field_lists(source)) == before


@needs_wheels
def test_a_field_of_an_unknown_type_is_named_before_anything_is_built(source, tmp_path):
    folder = tmp_path / "source"
    (folder / PROBE / "msg").mkdir(parents=True)
    for name in ("roots.txt", f"{PROBE}/package.xml"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / PROBE / "msg" / "Probe.msg").write_text("geometry_msgs/Posse p\n", encoding="utf-8")
    with pytest.raises(InterfaceBuildError, match=r"Probe needs geometry_msgs/msg/Posse"):
        build(folder, cache_folder=tmp_path / "cache", say=[].append)


@needs_wheels
def test_what_the_generator_says_is_told(source, tmp_path):
    (tmp_path / "msg").mkdir()
    (tmp_path / "msg" / "Probe.msg").write_text("bool NotSnakeCase\n", encoding="utf-8")
    with pytest.raises(InterfaceBuildError, match=r"describing tack_probe_msgs: .*NotSnakeCase"):
        describe(PROBE, tmp_path, ["msg/Probe.msg"], tmp_path / "out")


@needs_wheels
def test_pinning_writes_the_hashes_of_the_wheel(built, source, capsys):
    arguments = ["--source", str(source), "--cache", str(built[0].parents[2]), "--pin"]
    assert main(arguments) == 0
    (name,) = (pinned := expected_hashes(source))
    assert name == f"{PROBE}/msg/Probe"
    assert pinned[name].startswith("RIHS01_")
    assert "1 type hashes pinned" in capsys.readouterr().out
