# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from tack_perception.errors import ConfigurationError
from tack_ros.environment import share_folder
from tack_ros.launching.description import arguments_of, read

SHIPPED = sorted((share_folder() / "launch").glob("*.launch.yaml"))


@pytest.fixture
def load(tmp_path):
    def load(text, given=None, environ=None, name="some.launch.yaml"):
        (tmp_path / name).write_text(text)
        return read(tmp_path / name, given or {}, environ or {})

    return load


def test_a_node_with_everything(load, tmp_path):
    (tmp_path / "p.yaml").write_text("{}")
    (node,) = load(
        f"""
launch:
- arg: {{name: camera, default: /cam}}
- let: {{name: who, value: "$(var camera)_1"}}
- node:
    pkg: tack
    exec: detector
    name: $(var who)
    namespace: lab
    args: --one "two three"
    output: screen
    env:
    - {{name: A, value: "$(env HOME)"}}
    param:
    - from: {tmp_path}/p.yaml
    - {{name: number, value: "$(var n)"}}
    - {{name: text, value: "'$(var n)'"}}
    - {{name: list, value: [1.0, 2.0]}}
    - {{name: nothing, value: ""}}
    remap:
    - {{from: image, to: $(var camera)/image}}
""".replace("- let", "- arg: {name: n, default: '30'}\n- let"),
        {"camera": "/kamera"},
        {"HOME": "/home/me"},
    )
    assert (node.package, node.executable) == ("tack", "detector")
    assert (node.name, node.namespace) == ("/kamera_1", "/lab")
    assert node.arguments == ("--one", "two three")
    assert node.parameters == (
        tmp_path / "p.yaml",
        {"number": 30},
        {"text": "30"},
        {"list": [1.0, 2.0]},
        {"nothing": ""},
    )
    assert node.remappings == (("image", "/kamera/image"),)
    assert node.environment == {"A": "/home/me"}


def test_conditions_groups_and_namespaces(load):
    nodes = load(
        """
launch:
- arg: {name: wanted, default: true}
- set_env: {name: OUTER, value: "1"}
- group:
  - push_ros_namespace: {namespace: arm}
  - set_env: {name: INNER, value: "2"}
  - node: {pkg: p, exec: a, namespace: left}
  - node: {pkg: p, exec: b, namespace: /right}
- group:
    if: $(var wanted)
    children:
    - node: {pkg: p, exec: c}
- group:
    unless: $(var wanted)
    children:
    - node: {pkg: p, exec: never}
- node: {pkg: p, exec: d, if: "0"}
- node: {pkg: p, exec: e, unless: "False"}
""",
    )
    assert [(n.executable, n.namespace) for n in nodes] == [
        ("a", "/arm/left"),
        ("b", "/right"),
        ("c", ""),
        ("e", ""),
    ]
    assert nodes[0].environment == {"OUTER": "1", "INNER": "2"}
    assert nodes[2].environment == {"OUTER": "1"}


def test_an_included_file_gets_its_arguments(load, tmp_path):
    (tmp_path / "inner.launch.yaml").write_text(
        """
launch:
- arg: {name: name}
- arg: {name: shared, default: of its own}
- node: {pkg: p, exec: $(var name), name: $(var shared)}
"""
    )
    nodes = load(
        f"""
launch:
- arg: {{name: shared, default: of the outer file}}
- include:
    file: {tmp_path}/inner.launch.yaml
    arg:
    - {{name: name, value: runner}}
"""
    )
    assert [(n.executable, n.name) for n in nodes] == [("runner", "of the outer file")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("launch:\n- executable: {cmd: ls}", "does not know 'executable', only arg, group"),
        ("launch:\n- timer: {period: 1}", "use `ros2 launch` for this file"),
        ("launch:\n- node: {pkg: p, exec: e, respawn: true}", "attribute respawn"),
        ("launch:\n- node: {pkg: p}", "its attribute 'exec' is missing"),
        ("launch:\n- node: {pkg: p, exec: '$(command ls)'}", "substitution $(command ls)"),
        ("launch:\n- node: {pkg: p, exec: '$(var x)'}", "no such argument; there are: none"),
        (
            "launch:\n- node: {pkg: p, exec: '$(env NOT_SET)'}",
            "the environment variable is not set",
        ),
        ("launch:\n- node: {pkg: p, exec: '$(find-pkg-share nope)'}", "'nope' is not installed"),
        ("launch:\n- node: {pkg: p, exec: '$(var x'}", "is not closed"),
        ("launch:\n- node: {pkg: p, exec: e, if: maybe}", "true, 1, false or 0 is expected"),
        ("launch:\n- node: {pkg: p, exec: e, param: [{name: x}]}", "either 'from', or 'name'"),
        ("launch:\n- node: {pkg: p, exec: e, param: [{from: /no.yaml}]}", "/no.yaml is not there"),
        ("launch:\n- include: {file: /x.launch.py}", "includes .launch.yaml files only"),
        ("launch:\n- include: {file: /x.launch.yaml}", "/x.launch.yaml"),
        ("launch:\n- arg: {name: a}", "a must be given: a:=…"),
        ("launch:\n- {arg: {name: a}, let: {name: b}}", "one action per list entry"),
        ("nodes: []", "'launch:' is expected at its top"),
        ("launch: [", "some.launch.yaml"),
        ("launch: {}", "a list of actions is expected"),
    ],
)
def test_what_is_not_known_is_refused_by_name(load, text, words):
    with pytest.raises(ConfigurationError) as refusal:
        load(text)
    assert words in str(refusal.value)


def test_arguments_are_checked(load):
    text = "launch:\n- arg: {name: depth, default: a, choice: [{value: a}, {value: b}]}"
    assert load(text, {"depth": "b"}) == []
    with pytest.raises(ConfigurationError, match="depth:=c: one of a, b is expected"):
        load(text, {"depth": "c"})
    with pytest.raises(ConfigurationError, match="has no argument dept; it has depth"):
        load(text, {"dept": "a"})


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.name)
def test_the_files_that_come_with_tack_can_be_read(file):
    given = {argument.name: "x" for argument in arguments_of(file) if argument.default is None}
    nodes = read(file, given, {})
    assert {node.package for node in nodes} == {"tack"}
    assert {"annotation", "detector", "pick_place"} <= {node.executable for node in nodes}
    assert all(argument.description for argument in arguments_of(file))
    for node in nodes:
        files = [entry for entry in node.parameters if isinstance(entry, Path)]
        assert [path.name for path in files] == ["tack.yaml"]


def test_nodes_of_one_file_find_each_other():
    nodes = {
        node.executable: node
        for node in read(share_folder() / "launch/replay.launch.yaml", {"bag": "b"}, {})
    }
    camera = f"{nodes['camera'].namespace}/{nodes['camera'].name}"
    for name in ("annotation", "detector", "pick_place"):
        remapped = dict(nodes[name].remappings)
        assert remapped["color/image_raw"] == f"{camera}/color/image_raw"
        assert {"use_sim_time": True} in nodes[name].parameters
    assert dict(nodes["pick_place"].remappings)["detections"] == "/detector/detections"


def test_faults_of_the_cell_reach_their_nodes_as_lists():
    file = share_folder() / "launch" / "cell.launch.yaml"
    given = {
        "faults": "[controller_stall@8+1, tf_silence@12+0.5]",
        "planning_faults": "[plan_aborted]",
    }
    for arguments, cell, planning in (
        (given, ["controller_stall@8+1", "tf_silence@12+0.5"], ["plan_aborted"]),
        ({}, [""], [""]),
    ):
        nodes = {node.executable: node.parameters for node in read(file, arguments, {})}
        for name, expected in (("cell", cell), ("move_group", planning)):
            assert {"faults": expected} in nodes[name]
