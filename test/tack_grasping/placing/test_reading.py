# SPDX-License-Identifier: Apache-2.0
"""Place specifications as files: what they may say, and what is said of a wrong one."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from tack_grasping.placing.reading import load_place, place_names, read_place_spec
from tack_grasping.placing.scene import Container
from tack_grasping.placing.solve import solve_placement
from tack_grasping.placing.spec import (
    Axis,
    Box,
    ClearOf,
    Cost,
    Direction,
    In,
    KeepTurn,
    Near,
    On,
    PlaceSpec,
    PointAt,
    Where,
)
from tack_perception.errors import ConfigurationError, FileFormatError
from test.tack_grasping.placing import scenes

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "config/schemas/place.schema.json").read_text(encoding="utf-8"))
ALL = """
name: everything
constraints:
  - point_at: {point: rim, at: {position: [0.1, 0.2, 0.3], frame: base}, tolerance: 5 mm}
  - point_at: {point: rim, at: {object: peg, point: tip, offset: [0, 0, 0.1], frame: base, above: 1 cm}, level: true, tolerance: 0.01 m}
  - near: {point: rim, at: {position: [0, 0, 0]}, tolerance: 1e-1 m}
  - axis: {from: bottom, to: rim, along: up, tolerance: 5 deg}
  - axis: {normal: rim, along: down, tolerance: 0.1 rad}
  - axis: {from: bottom, to: handle, along: {vector: [1, 0, 0], frame: base}, level: true, tolerance: 10°}
  - axis: {from: bottom, to: rim, along: {object: peg, from: root, to: tip}, angle: 90 deg, tolerance: 5deg}
  - axis: {from: bottom, to: rim, along: {object: peg, normal: tip}, tolerance: 5 deg}
  - axis: {from: bottom, to: handle, towards: {object: person, point: face}, tolerance: 20 deg}
  - stand_on: {support: table, tolerance: 5 mm, point: bottom, gap: 2 mm, centre: [0.1, 0.2], size: [0.3, 0.4], margin: 1 cm}
  - in: {bin: bin, drop: 60 mm, margin: 10 mm, tolerance: 1 mm}
  - keep_turn: {tolerance: 45 deg}
  - clear_of: {distance: 20 mm, object: cup, points: [rim]}
  - clear_of: {distance: 20 mm, box: {position: [0, 0, 0], size: [0.1, 0.1, 0.1], frame: base}, tolerance: 1 mm}
costs:
  - near: {point: rim, at: {position: [0, 0, 0]}, tolerance: 10 mm, weight: 2}
  - axis: {from: bottom, to: handle, along: up, tolerance: 30 deg}
  - keep_turn: {tolerance: 30 deg, weight: 0.5}
"""  # noqa: E501
BASE = (1.0, 0.0, 0.0)


def test_all_that_a_file_may_say() -> None:
    d = math.radians
    peg = Direction("object", object="peg", start="root", end="tip")
    assert read_place_spec(ALL) == PlaceSpec(
        "everything",
        (
            PointAt("rim", Where((0.1, 0.2, 0.3), "base"), 0.005),
            PointAt("rim", Where((0, 0, 0.1), "base", "peg", "tip", 0.01), 0.01, level=True),
            Near("rim", Where(), 0.1),
            Axis("bottom", "rim", tolerance=d(5)),
            Axis("rim", along=Direction("down"), tolerance=0.1),
            Axis("bottom", "handle", Direction("vector", BASE, "base"), level=True,
                 tolerance=d(10)),
            Axis("bottom", "rim", peg, angle=d(90), tolerance=d(5)),
            Axis("bottom", "rim", Direction("object", object="peg", start="tip"), tolerance=d(5)),
            Axis("bottom", "handle", towards=Where(object="person", point="face"),
                 tolerance=d(20)),
            On("table", 0.005, "bottom", 0.002, (0.1, 0.2), (0.3, 0.4), 0.01),
            In("bin", 0.06, 0.01, 0.001),
            KeepTurn(d(45)),
            ClearOf(0.02, "cup", ("rim",)),
            ClearOf(0.02, box=Box((0, 0, 0), (0.1, 0.1, 0.1), "base"), tolerance=0.001),
        ),
        (
            Cost(Near("rim", Where(), 0.01), 2.0),
            Cost(Axis("bottom", "handle", tolerance=d(30))),
            Cost(KeepTurn(d(30)), 0.5),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tolerance: 5 mm}", "tolerance: 5}", r"point_at\.tolerance: '5': a length with its unit"),
        ("tolerance: 5 mm}", "tolerance: 5 deg}", r"'5 deg': a length with its unit"),
        ("tolerance: 5 deg}", "tolerance: 5 mm}", r"axis\.tolerance: '5 mm': an angle with its u"),
        ("tolerance: 5 mm}", "tolerance: .nan mm}", r"a length with its unit"),
        ("tolerance: 5 mm}", "tolerance: -5 mm}", r"point_at: tolerance -0.005 m: above 0 to 10 m"),
        ("tolerance: 5 mm}", "tolerance: 50 m}", r"tolerance 50.0 m: above 0 to 10 m is allowed"),
        (", tolerance: 5 mm}", "}", r"constraints\[0\]\.point_at: 'tolerance' is missing"),
        ("point: rim, at", "label: rim, at", r"point_at\.label: unknown name 'label'; known"),
        ("- keep_turn", "- keep_still", r"unknown kind 'keep_still'; known are point_at, near"),
        ("- keep_turn: {tolerance: 45 deg}", "- keep_turn", r"a mapping .* is expected"),
        ("[0.1, 0.2, 0.3]", "[0.1, 0.2]", r"position: 2 numbers; 3 are expected"),
        ("[0.1, 0.2, 0.3]", "[0.1, 0.2, 300]", r"3 finite numbers and up to 10 m are expected"),
        ("along: up", "along: upwards", r"along: 'upwards': up, down, \{vector"),
        ("along: up", "along: up, towards: {position: [0, 0, 0]}", r"either 'along'"),
        ("{from: bottom, to: rim, along: up", "{from: bottom, along: up", r"by 'from' and 'to'"),
        ("{from: bottom, to: rim, along: up", "{from: rim, to: rim, along: up", r"'rim' to it"),
        ("angle: 90 deg", "angle: 5 deg", r"angle 5°: 0°, or 10° to 170° are allowed"),
        ("along: {vector: [1, 0, 0], frame: base}", "along: up", r"level compares headings, and"),
        ("level: true", "level: maybe", r"level: 'maybe': true or false is expected"),
        (", size: [0.3, 0.4]", "", r"stand_on\.centre: a rectangle with a centre needs its 'size'"),
        ("object: cup, points: [rim]", "points: [rim]", r"either an object or a box"),
        ("weight: 2", "weight: 0", r"weight 0.0: 0.001 to 1000 is allowed"),
        ("  - near: {point: rim, at: {position: [0, 0, 0]}, tolerance: 10 mm, weight: 2}",
         "  - in: {bin: bin}", r"costs\[0\]\.in: in cannot be a cost"),
        ("name: everything", "title: everything", r"unknown name 'title'"),
        ("name: everything", "name: a/b", r"1 to 64 letters"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_line(old: str, new: str, message: str) -> None:
    assert old in ALL
    with pytest.raises(FileFormatError, match=r"mine\.yaml, line \d+: .*" + message):
        read_place_spec(ALL.replace(old, new, 1), "mine.yaml")


def test_a_specification_without_a_constraint_is_refused() -> None:
    with pytest.raises(FileFormatError, match="at least one constraint"):
        read_place_spec("name: nothing\nconstraints: []\n")


def test_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"shelf.*bin, mug_handle_right, row, upright"):
        load_place("shelf")
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        load_place(tmp_path / "missing.yaml")


@pytest.mark.parametrize("name", place_names())
def test_the_examples_load_and_solve(name: str) -> None:
    spec = load_place(name)
    assert spec.name == name
    table = scenes.pose((0, 0, 1), 90, (0.4, 0, 0.01))
    points, cloud = scenes.mug(scenes.pose((0, 1, 0.2), 80, (0.5, -0.1, 0.05)))
    found = solve_placement(
        spec,
        points,
        up=(0, 0, 1),
        cloud=cloud,
        supports={"table": scenes.table(0.01)},
        bins={"bin": Container(scenes.pose(at=(0.3, 0.4, 0)), (0.3, 0.25, 0.12))},
        others={"neighbour": scenes.mug(scenes.pose((0, 0, 1), 40, (0.4, -0.3, 0.01)))[0]},
        frames={"table": table},
    )
    assert found.motion is not None, found.refusal
    assert all(line.met for line in found.report)
    if name == "mug_handle_right":
        there = {label: point.moved(found.motion) for label, point in points.items()}
        heading = there["handle"].position - there["bottom"].position
        # -y of a table that is turned by 90° is +x.
        np.testing.assert_allclose(heading, (0.06, 0, 0.06), atol=1e-6)


def test_the_schema_says_the_same_as_the_reader() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(SCHEMA)
    texts = [ALL, *(path.read_text() for path in (ROOT / "config/places").glob("*.yaml"))]
    for text in texts:
        validator.validate(yaml.safe_load(text))
    for old, new in (("5 mm}", "5}"), ("- keep_turn", "- keep_still"), ("along: up", "along: on")):
        assert not validator.is_valid(yaml.safe_load(ALL.replace(old, new, 1)))


def test_the_documentation_and_the_schema_name_every_field() -> None:
    page = (ROOT / "docs/placing.md").read_text(encoding="utf-8")
    definitions = SCHEMA["definitions"]
    kinds = SCHEMA["properties"]["constraints"]["items"]["properties"]
    fields = {name for kind in kinds for name in definitions[kind]["properties"]} | set(kinds)
    assert {name for name in fields if f"`{name}`" not in page} == set()


def test_the_examples_of_the_documentation_can_be_copied() -> None:
    page = (ROOT / "docs/placing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    blocks = [block for block in blocks if not block.startswith("bins:")]
    assert len(blocks) == 5
    for block in blocks:
        whole = block if "name:" in block else f"name: part\nconstraints:\n{block}"
        assert read_place_spec(whole).constraints
