# SPDX-License-Identifier: Apache-2.0
"""Robot profiles: those that come with tack, and what is said of wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tack_grasping.profiles import load_profile, profile_names
from tack_grasping.robot import Gripper
from tack_perception.errors import ConfigurationError, FileFormatError
from tack_perception.geometry import check_transform

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_that_comes_with_tack_is_sound(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.home.shape == (len(profile.joints),)
    assert set(profile.cameras) == {"wrist", "scene"}
    assert profile.cameras["scene"].parent == profile.base_frame
    for camera in profile.cameras.values():
        check_transform(camera.parent_from_optical)
    assert profile.gripper.stroke > 0.05
    low, high = profile.workspace
    assert (low < high).all()


def test_the_three_robots_are_there() -> None:
    assert profile_names() == ("panda_2f85", "panda_hand", "ur5e_2f85")


def test_names_are_those_of_the_moveit_configurations() -> None:
    panda, ur = load_profile("panda_hand"), load_profile("ur5e_2f85")
    assert (panda.group, panda.base_frame, panda.tip_frame) == (
        "panda_arm",
        "panda_link0",
        "panda_link8",
    )
    assert (ur.group, ur.base_frame, ur.tip_frame) == ("ur_manipulator", "base_link", "tool0")
    assert tuple(ur.joints)[:3] == ("shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint")


def test_numbers_keep_their_place() -> None:
    profile = load_profile("panda_2f85")
    second = profile.joints["panda_joint2"]
    assert (second.lower, second.upper) == (-1.7628, 1.7628)
    assert (second.velocity, second.acceleration) == (2.175, 7.5)
    tip_from_gripper = profile.gripper.tip_from_gripper
    # Franka turns its hand by -45° about the flange; the gripper closes along the hand's y.
    assert tip_from_gripper[:3, 1] == pytest.approx([0.5**0.5, 0.5**0.5, 0], abs=1e-9)
    assert tip_from_gripper[:3, 3] == pytest.approx([0, 0, 0.160])


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((ROOT / "config/robots/ur5e_2f85.yaml").read_text().replace("0.085", "0.080"))
    assert load_profile(path).gripper.stroke == 0.080
    assert load_profile(str(path)).name == "ur5e_2f85"


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigurationError, match=r"kuka.*panda_2f85, panda_hand, ur5e_2f85"):
        load_profile("kuka")
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        load_profile("missing.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stroke: 0.085", "stroke: -1", r"gripper\.stroke: -1: a number above 0"),
        ("stroke: 0.085", "stroke: wide", r"gripper\.stroke: 'wide': a number"),
        ("stroke: 0.085", "stroke: .nan", r"gripper\.stroke: '\.nan': a finite number"),
        ("stroke: 0.085", "strokes: 0.085", r"gripper\.strokes: unknown name"),
        ("  speed: 0.15\n", "", r"gripper: 'speed' is missing"),
        ("opened: 0.0", "opened: 0.8", r"gripper\.opened: it must differ from closed"),
        ("gripper_command", "magic", r"action_type: 'magic': one of gripper_command"),
        ("model: d435", "model: kinect", r"cameras\.wrist\.model: 'kinect': one of d435, d405"),
        ("home: [0.0,", "home: [9.0,", r"home: panda_joint1 at 9 rad; -2\.8973 to 2\.8973"),
        ("home: [0.0,", "home: [", r"home: 6 numbers; 7 are expected"),
        ("lower: -1.7628", "lower: 3", r"joints\.panda_joint2: lower 3 is not below"),
        ("lower: [0.30,", "lower: [0.90,", r"workspace: lower .* is not below"),
        ("xyz: [0.0, 0.0, 0.160]", "xyz: [0.0, 0.160]", r"tip_from_gripper\.xyz: 2 numbers"),
        ("group: panda_arm\n", "group: panda_arm\ngroup: b\n", r"group: is there twice"),
        (
            "finger_links:\n",
            "finger_links:\n    - palm\n",
            r"finger_links: palm: not among touch_links",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (ROOT / "config/robots/panda_2f85.yaml").read_text()
    assert old in text
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FileFormatError, match=r"wrong\.yaml, line \d+: .*" + message):
        load_profile(path)


def gripper_without(field: str, folder: Path) -> Gripper:
    text = (ROOT / "config/robots/panda_hand.yaml").read_text()
    path = folder / "mine.yaml"
    path.write_text(re.sub(rf"  {field}: .*\n", "", text))
    return load_profile(path).gripper


def test_all_links_of_a_gripper_are_fingers_where_it_does_not_say(tmp_path: Path) -> None:
    gripper = gripper_without("finger_links", tmp_path)
    assert gripper.finger_links == gripper.touch_links
    shipped = load_profile("panda_hand").gripper
    assert shipped.finger_links == ("panda_leftfinger", "panda_rightfinger")


def test_what_is_held_moves_with_the_wrist_too(tmp_path: Path) -> None:
    gripper = gripper_without("wrist_links", tmp_path)
    assert gripper.held_by == gripper.touch_links
    shipped = load_profile("panda_hand").gripper
    assert shipped.held_by == ("panda_link7", "panda_link8", *shipped.touch_links)


KEEP_OUT = """
keep_out:
  - name: stand
    base_from_box: {xyz: [1.0, -0.5, 0.3], rpy: [0.0, 0.0, 0.5]}
    size: [0.1, 0.2, 0.6]
"""


def with_keep_out(folder: Path, written: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text((ROOT / "config/robots/panda_2f85.yaml").read_text() + written)
    return path


def test_boxes_to_keep_out_of_are_optional(tmp_path: Path) -> None:
    assert load_profile("panda_2f85").keep_out == ()
    [box] = load_profile(with_keep_out(tmp_path, KEEP_OUT)).keep_out
    assert box.name == "stand"
    assert box.base_from_box[:3, 3] == pytest.approx([1.0, -0.5, 0.3])
    assert box.base_from_box[1, 0] == pytest.approx(np.sin(0.5))
    assert box.size.tolist() == [0.1, 0.2, 0.6]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (KEEP_OUT.replace("0.6]", "0.0]"), r"keep_out\[0\]\.size: .*three numbers above 0"),
        (KEEP_OUT.replace("    size", "    sise"), r"keep_out\[0\]\.sise: unknown name"),
        (KEEP_OUT + KEEP_OUT.partition("keep_out:\n")[2], r"keep_out\[1\]\.name: 'stand' is there"),
        ("\nkeep_out: stand\n", r"keep_out: a list is expected"),
    ],
)
def test_a_wrong_box_to_keep_out_of_is_named(tmp_path: Path, written: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=r"mine\.yaml, line \d+: " + message):
        load_profile(with_keep_out(tmp_path, written))


def test_the_documentation_names_every_field() -> None:
    page = (ROOT / "docs/robots.md").read_text(encoding="utf-8")
    text = (ROOT / "config/robots/panda_2f85.yaml").read_text()
    fields = {line.strip().partition(":")[0] for line in text.splitlines() if ":" in line}
    fields = {name for name in fields if not name.startswith(("#", "-", "panda_joint"))}
    assert {name for name in fields if f"`{name}`" not in page} == set()
    assert np.isclose(load_profile("panda_2f85").table_height, 0)
