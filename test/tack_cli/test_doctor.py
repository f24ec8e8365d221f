# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from tack_cli import doctor
from tack_cli.health import devices, installation, ros
from tack_cli.health.finding import Finding, ProbeError, examine, probe
from tack_cli.main import main
from tack_ros.environment import DISCOVERY_VARIABLE, PROFILE_VARIABLES, profile_path, wheels_version


def test_json_says_what_the_exit_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    levels = [finding["level"] for finding in report["findings"]]
    assert len(levels) == sum(map(len, doctor.SECTIONS.values()))
    assert report["ok"] == ("fail" not in levels) == (code == 0)
    assert all(f["advice"] for f in report["findings"] if f["level"] != "ok"), report


def test_a_failure_sets_the_exit_code_and_shows_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def flux_capacitor() -> Finding:
        return Finding("flux", "fail", "no charge", "find a thunderstorm")

    def spare() -> Finding:
        return Finding("spare", "warn", "flat", "pump it")

    monkeypatch.setattr(doctor, "SECTIONS", {"Car": (spare, flux_capacitor)})
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "→ find a thunderstorm" in shown
    assert "2 checks: 1 failed, 1 warnings" in shown
    monkeypatch.setattr(doctor, "SECTIONS", {"Car": (spare,)})
    assert main(["doctor"]) == 0


def test_lines_align_however_long_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = list(doctor.lines(Finding("name", "warn", "word " * 30, "advice " * 10)))
    starts = {len(line) - len(line.lstrip()) for line in text[1:]}
    assert starts == {text[0].index("word")}
    assert max(map(len, text)) <= 60


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken_check() -> Finding:
        raise RuntimeError("the tool broke")

    finding = examine(broken_check)
    assert (finding.name, finding.level) == ("broken check", "fail")
    assert "the tool broke" in finding.detail


def test_probe_survives_a_crash_and_tells_the_reason() -> None:
    assert probe("print(6 * 7)") == "42"
    with pytest.raises(ProbeError, match="ValueError: why"):
        probe("raise ValueError('why')")
    with pytest.raises(ProbeError, match="-6"):
        probe("import os; os.abort()")


def test_installation_is_complete_here() -> None:
    assert installation.python().level == "ok"
    assert installation.required_packages().level == "ok"
    assert installation.pinned_packages().level in {"ok", "warn"}


@pytest.mark.skipif(wheels_version() is None, reason="needs the rclpy wheels")
def test_wheels_beside_a_sourced_ros_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    finding = ros.rclpy()
    assert finding.level == "fail"
    assert "jazzy" in finding.detail


@pytest.mark.parametrize(
    ("value", "sourced", "level"),
    [
        ("LOCALHOST", "jazzy", "ok"),
        ("SUBNET", "", "warn"),
        (None, "jazzy", "warn"),
        (None, "", "ok"),
    ],
)
def test_discovery(
    monkeypatch: pytest.MonkeyPatch, value: str | None, sourced: str, level: str
) -> None:
    for name in ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH", DISCOVERY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DISTRO", sourced)
    if value:
        monkeypatch.setenv(DISCOVERY_VARIABLE, value)
    assert ros.discovery().level == level


def test_profile_under_both_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new, old = PROFILE_VARIABLES
    monkeypatch.setenv(new, str(profile_path()))
    monkeypatch.setenv(old, str(profile_path()))
    assert ros.profile().level == "ok"
    monkeypatch.delenv(old)
    assert old in ros.profile().advice
    own = tmp_path / "own.xml"
    own.write_text("<dds/>")
    monkeypatch.setenv(old, str(own))
    assert ros.profile().level == "warn"
    monkeypatch.setenv(new, str(own))
    assert ros.profile() == Finding("Fast DDS profile", "ok", f"{own}, your own")
    own.unlink()
    assert ros.profile().level == "fail"


def test_foreign_middleware_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_zenoh_cpp")
    assert ros.middleware().level == "warn"
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    assert ros.middleware().level == "ok"


def test_segments_nobody_holds_are_leftovers(tmp_path: Path) -> None:
    assert ros.leftovers(tmp_path).level == "ok"
    (tmp_path / "fastdds_0123").write_bytes(bytes(3 << 20))
    lock = tmp_path / "fastdds_0123_el"
    lock.touch()
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert ros.leftovers(tmp_path).level == "ok"
    finding = ros.leftovers(tmp_path)
    assert finding.level == "warn"
    assert finding.detail.startswith("1 segments of killed programs hold 3 MiB")


def test_a_realsense_is_recognised_on_usb(tmp_path: Path) -> None:
    for number, product in enumerate(["USB Keyboard\n", "Intel RealSense 435\n"]):
        assert not devices.realsense_on_usb(tmp_path)
        (tmp_path / f"1-{number}").mkdir()
        (tmp_path / f"1-{number}" / "product").write_text(product)
    assert devices.realsense_on_usb(tmp_path)
