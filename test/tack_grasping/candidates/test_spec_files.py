# SPDX-License-Identifier: Apache-2.0
"""Grasp specifications in YAML."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_grasping.candidates import (
    AcrossPoints,
    AlongPoints,
    AtPoint,
    InFrame,
    grasp_specs_text,
    read_grasp_specs,
)
from tack_perception import geometry
from tack_perception.errors import ConfigurationError, FileFormatError

ROOT = Path(__file__).resolve().parents[3]
FRAME = """\
mug:
  kind: in_frame
  points:
    rim: [0.0, 0.0, 0.1]
    handle: [0.04, 0.0, 0.05]
    base: [0.0, 0.03, 0.0]
  taught_from_gripper: {xyz: [0.0, 0.0, 0.12], rpy: [3.141593, 0.0, 0.0]}
  opening: 0.05
"""


def test_every_kind_is_read(tmp_path: Path) -> None:
    path = tmp_path / "grasps.yaml"
    path.write_text(
        "cap: {kind: at_point, point: button, approach: down, opening: 0.04}\n"
        "box: {kind: across_points, first: left side, second: right side, approach: around}\n"
        "bottle: {kind: along_points, start: cap, end: heel, at: middle}\n" + FRAME,
        encoding="utf-8",
    )
    specs = read_grasp_specs(path)
    assert list(specs) == ["cap", "box", "bottle", "mug"]
    assert specs["cap"] == AtPoint("button", "down", 0.04)
    assert specs["box"] == AcrossPoints("left side", "right side", "around")
    assert specs["bottle"] == AlongPoints("cap", "heel", "middle")
    frame = specs["mug"]
    assert isinstance(frame, InFrame)
    assert_allclose(frame.points["handle"], (0.04, 0, 0.05))
    assert_allclose(frame.taught_from_gripper[:3, 2], (0, 0, -1), atol=1e-6)
    assert read_grasp_specs(path.read_text())["cap"] == specs["cap"]


def test_what_is_written_is_read_again() -> None:
    pose = geometry.exp([0.1, -0.2, 0.3, 0.5, 1.0, -0.7])
    places = {"a": np.array([0.1, 0, 0]), "b": np.array([0, 0.2, 0]), "c": np.array([0, 0, 0.3])}
    specs = {
        "one": AtPoint("rim"),
        "two": AcrossPoints("a", "b", opening=0.07),
        "line": AlongPoints("a", "b"),
        "taught": InFrame(places, pose, 0.08),
    }
    again = read_grasp_specs(grasp_specs_text(specs))
    assert {name: again[name] for name in ("one", "two", "line")} == {
        name: specs[name] for name in ("one", "two", "line")
    }
    taught = again["taught"]
    assert isinstance(taught, InFrame)
    assert_allclose(taught.taught_from_gripper, pose, atol=3e-6)
    assert list(taught.points) == list(places)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cup: {point: rim}", "line 1: cup: 'kind' is missing; known kinds are at_point"),
        (
            "a: {kind: at_point, point: r}\nb: {kind: by_magic}",
            "line 2: b.kind: 'by_magic': one of",
        ),
        ("cup: {kind: at_point, point: rim, aproach: down}", "unknown name 'aproach'"),
        ("cup: {kind: at_point, point: rim, approach: up}", "approach 'up': one of normal, down"),
        ("cup: {kind: at_point}", "'point' is missing"),
        ("cup: {kind: at_point, point: 'a/b'}", "label 'a/b'"),
        ("cup: {kind: at_point, point: rim, opening: -0.1}", "opening -0.1 m"),
        ("cup: {kind: at_point, point: rim, opening: wide}", "cup.opening: 'wide': a number"),
        ("cup: {kind: across_points, first: a, second: a}", "first and second are both 'a'"),
        ("cup: {kind: along_points, start: a, end: b, at: top}", "at 'top': one of start, middle"),
        ("cup: {kind: [1]}\n", "cup.kind: a text is expected"),
        ("cup: at_point\n", "cup: a mapping"),
        (FRAME.replace("[0.0, 0.0, 0.1]", "[0.0, 0.1]"), "mug.points.rim: 2 numbers; 3"),
        (FRAME.replace("base: [0.0, 0.03", "base: [0.0, .nan"), "mug.points.base[1]"),
        (FRAME.replace("    base: [0.0, 0.03, 0.0]\n", ""), "mug: a grasp frame of 2 points"),
        (FRAME.replace("rpy", "quaternion"), "unknown name 'quaternion'"),
        (FRAME + "mug: {kind: at_point, point: rim}\n", "is there twice"),
        ("cup: {kind: at_point, point: rim\n", "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, words: str) -> None:
    with pytest.raises(FileFormatError, match=re.escape(words)):
        read_grasp_specs(text)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_grasp_specs(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_grasp_specs("none.yaml")


def test_the_examples_of_the_documentation_are_read() -> None:
    page = (ROOT / "docs" / "grasping.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert {type(spec) for text in examples for spec in read_grasp_specs(text).values()} == {
        AtPoint, AcrossPoints, AlongPoints, InFrame
    }  # fmt: skip
