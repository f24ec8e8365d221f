# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tack_cli import doctor, main
from tack_perception.errors import TackError


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_the_agreed_shape(name: str) -> None:
    module = importlib.import_module(f"tack_cli.{main.module_name(name)}")
    assert list(inspect.signature(module.add_arguments).parameters) == ["parser"]
    assert list(inspect.signature(module.run).parameters) == ["args"]
    assert main.summary(name) == inspect.getdoc(module).partition("\n")[0]
    assert main.summary(name).endswith((".", "?"))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(["--help"])
    assert end.value.code == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert set(main.COMMANDS) <= set(listed)


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys, contextlib
from tack_cli.main import main
with contextlib.suppress(SystemExit):
    main(["--help"])
print("loaded:", *sorted(sys.modules.keys() & {"numpy", "cv2", "mujoco", "rclpy", "scipy"}))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main([name, "--help"])
    assert end.value.code == 0
    assert main.summary(name).split()[0] in capsys.readouterr().out


def test_unknown_command_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(["grasp"])
    assert end.value.code == main.EXIT_ERROR
    message = capsys.readouterr().err
    assert "grasp" in message
    assert all(name in message for name in main.COMMANDS)


def test_refused_input_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["replay", str(tmp_path / "none"), "--point", "0:1,2", "--output", str(tmp_path)]
    assert main.main(command) == main.EXIT_ERROR
    message = capsys.readouterr().err
    assert message.startswith("tack: ")
    assert str(tmp_path / "none") in message
    assert "Traceback" not in message
    with pytest.raises(TackError):
        main.main([*command, "--debug"])


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> doctor.Finding:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "SECTIONS", {"Interrupted": (interrupted,)})
    assert main.main(["doctor"]) == main.EXIT_INTERRUPTED


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tack_cli.health", None)
    monkeypatch.delitem(sys.modules, "tack_cli.doctor")
    assert main.main(["doctor"]) == main.EXIT_ERROR
    assert "tack_cli.health" in capsys.readouterr().err


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["doctor"], ["--help"], ["pick", "--help"]])
def test_output_that_nobody_reads_any_more_ends_it_quietly(
    arguments: list[str], unbuffered: str
) -> None:
    """As `tack … | head -1` does: the pipe is closed before all was written."""
    code = "import sys; from tack_cli.main import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=120)
    assert said == b""
    # argparse itself lets go of a help text that it cannot write.
    allowed = {main.EXIT_NOBODY_READS, 0 if "--help" in arguments else main.EXIT_NOBODY_READS}
    assert process.returncode in allowed


def test_a_broken_pipe_elsewhere_is_no_end_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(options: object) -> int:
        raise BrokenPipeError("of a socket")

    monkeypatch.setattr(doctor, "run", broken)
    with pytest.raises(BrokenPipeError, match="of a socket"):
        main.main(["doctor"])
