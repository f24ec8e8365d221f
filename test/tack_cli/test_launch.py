# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tack_cli.launch import find, split
from tack_cli.main import EXIT_ERROR, main
from tack_perception.errors import ConfigurationError


def test_shipped_files_are_found_by_name_and_others_by_path(tmp_path):
    assert find("replay").name == "replay.launch.yaml"
    own = tmp_path / "own.launch.yaml"
    own.write_text("launch: []")
    assert find(str(own)) == own
    with pytest.raises(ConfigurationError, match="perception, replay, tack"):
        find("nope")


def test_arguments_have_a_name_and_a_value():
    assert split("bag:=a:=b") == ("bag", "a:=b")
    assert split("label:=") == ("label", "")
    for wrong in ("bag", "bag=1", ":=1"):
        with pytest.raises(ConfigurationError, match="NAME:=VALUE is expected"):
            split(wrong)


def test_the_arguments_of_a_file_are_listed(capsys):
    assert main(["launch", "replay", "--show-args"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bag: ")
    assert lines[0].endswith("(must be given)")
    assert any("one of 16UC1, 32FC1" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "there is no launch file 'nope'"),
        (["replay"], "bag must be given"),
        (["replay", "bag:=b", "rat:=2"], "has no argument rat"),
        (["replay", "bag:=b", "depth_encoding:=8UC1"], "one of 16UC1, 32FC1"),
        (["replay", "bag"], "NAME:=VALUE is expected"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, arguments, words):
    assert main(["launch", *arguments]) == EXIT_ERROR
    assert words in capsys.readouterr().err


def test_a_file_without_nodes_is_told(tmp_path, capsys):
    (tmp_path / "empty.launch.yaml").write_text("launch: []")
    assert main(["launch", str(tmp_path / "empty.launch.yaml")]) == EXIT_ERROR
    assert "no node is left to start" in capsys.readouterr().err
