# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tack_perception.errors import DependencyError
from tack_ros import environment
from tack_ros.environment import DISCOVERY_VARIABLE, PROFILE_VARIABLES, graph_environment


def test_the_share_folder_holds_launch_files_and_settings() -> None:
    assert (environment.share_folder() / "package.xml").is_file()
    assert environment.profile_path().is_relative_to(environment.share_folder())


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        ({"ROS_DISTRO": "humble"}, "humble"),
        ({"LD_LIBRARY_PATH": "/usr/lib:/opt/ros/jazzy/lib"}, "jazzy"),
        ({"PYTHONPATH": "/opt/ros/kilted/lib/python3.12/site-packages"}, "kilted"),
        ({"AMENT_PREFIX_PATH": "/opt/ros/"}, "unknown"),
        ({"LD_LIBRARY_PATH": "/home/me/opt/ros/lib", "ROS_DISTRO": ""}, None),
    ],
)
def test_a_sourced_ros_is_recognised_and_refuses_wheels(
    variables: dict[str, str], name: str | None
) -> None:
    assert environment.sourced_ros(variables) == name
    if name:
        with pytest.raises(DependencyError, match=rf"\({name}\) is sourced.*colcon"):
            environment.refuse_mixed_ros(variables)
    else:
        environment.refuse_mixed_ros(variables)


def test_a_graph_is_closed_to_other_hosts_unless_the_user_opens_it() -> None:
    closed = graph_environment({"KEPT": "1"})
    assert closed["KEPT"] == "1"
    assert closed[DISCOVERY_VARIABLE] == "LOCALHOST"
    names = environment.profile_names()
    assert {closed[name] for name in names} == {str(environment.profile_path())}
    opened = graph_environment({DISCOVERY_VARIABLE: "SUBNET"})
    assert not opened.keys() & set(PROFILE_VARIABLES)


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
@pytest.mark.parametrize(("version", "read"), [(None, 2), ("7.1.6", 2), ("9.1.2", 1)])
def test_a_profile_of_the_user_is_kept_under_the_names_that_are_read(
    name: str, version: str | None, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kilted complains of the old name."""
    monkeypatch.setattr(environment, "wheels_version", lambda: version)
    result = graph_environment({name: "mine.xml"})
    kept = {variable: result[variable] for variable in PROFILE_VARIABLES if variable in result}
    assert kept == dict.fromkeys(PROFILE_VARIABLES[:read], "mine.xml")


def test_humble_is_kept_local_by_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "wheels_version", lambda: None)
    assert graph_environment({"ROS_DISTRO": "humble"})["ROS_LOCALHOST_ONLY"] == "1"
    assert "ROS_LOCALHOST_ONLY" not in graph_environment({"ROS_DISTRO": "jazzy"})


def test_the_wheels_announce_their_index_once() -> None:
    if environment.wheels_version() is None:
        pytest.skip("needs the rclpy wheels")
    once = graph_environment({"AMENT_PREFIX_PATH": "/somewhere"})
    assert once["AMENT_PREFIX_PATH"] == f"{sys.prefix}:/somewhere"
    assert graph_environment(once) == once


def test_no_graph_is_started_on_two_ros_at_once() -> None:
    if environment.wheels_version() is None:
        pytest.skip("needs the rclpy wheels")
    with pytest.raises(DependencyError, match="jazzy"):
        graph_environment({"ROS_DISTRO": "jazzy"})


@pytest.mark.parametrize("domain", [-1, 102])
def test_a_domain_outside_the_range_is_refused(domain: int) -> None:
    with pytest.raises(ValueError, match="0 to 101"):
        graph_environment({}, domain_id=domain)
    assert graph_environment({}, domain_id=101)["ROS_DOMAIN_ID"] == "101"


def test_a_domain_stays_and_the_domains_of_one_process_differ() -> None:
    domains = [environment.private_domain_id(offset) for offset in range(5)]
    assert len(set(domains)) == 5
    assert set(domains) <= set(range(environment.DOMAINS))
    assert [environment.private_domain_id(offset) for offset in range(5)] == domains


def test_no_two_processes_have_the_same_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process ids that are 102 apart ask for the same one first."""
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(environment, "_claims", {})
    claimed: list[int] = []
    for process in range(3):
        monkeypatch.setattr(environment.os, "getpid", lambda process=process: 7 + 102 * process)
        claimed.append(environment.private_domain_id())
    assert claimed == [7, 8, 9]
    files = [file for _, file in environment._claims.values() if file is not None]
    assert len(files) == 3
    files[1].close()  # as when that process ends
    monkeypatch.setattr(environment.os, "getpid", lambda: 7 + 102 * 9)
    assert environment.private_domain_id() == 8
    for _, file in environment._claims.values():
        if file is not None:
            file.close()


def test_it_speaks_before_anything_is_installed() -> None:
    root = Path(environment.__file__).parents[1]
    code = f"import sys; sys.path.insert(0, {str(root)!r}); import tack_ros.environment"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
