# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from tack_perception.errors import FileFormatError
from tack_ros.interface_builder.field_lists import (
    FieldLists,
    Interface,
    default_folder,
    read_field_lists,
)

# What the node rim and the MoveIt client speak.
WANTED = {
    "tf2_msgs/msg/TFMessage",
    "vision_msgs/msg/Detection3DArray",
    *(f"moveit_msgs/action/{name}" for name in ("MoveGroup", "ExecuteTrajectory", "Pickup")),
    "moveit_msgs/action/Place",
    *(f"moveit_msgs/srv/Get{name}" for name in ("CartesianPath", "PositionIK", "MotionPlan")),
    *(f"moveit_msgs/srv/{name}" for name in ("GraspPlanning", "ApplyPlanningScene")),
    "moveit_msgs/srv/GetPlanningScene",
    *(f"control_msgs/action/{name}Command" for name in ("Gripper", "ParallelGripper")),
    "control_msgs/action/FollowJointTrajectory",
}
# Packages of which rclpy's wheels bring the messages.
PROVIDED = {
    "action_msgs",
    "builtin_interfaces",
    "geometry_msgs",
    "sensor_msgs",
    "service_msgs",
    "shape_msgs",
    "std_msgs",
    "trajectory_msgs",
    "unique_identifier_msgs",
}


@pytest.fixture(scope="module")
def lists() -> FieldLists:
    return read_field_lists(default_folder())


def write(folder, files, roots="a_msgs\n"):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "roots.txt").write_text(roots, encoding="utf-8")
    return folder


def test_the_roots_are_what_the_client_needs(lists):
    assert {str(root) for root in lists.roots} >= WANTED


def test_every_file_is_needed_by_a_root(lists):
    assert set(lists.texts) - lists.closure(lists.roots) == set()


def test_whatever_a_field_names_is_here_or_in_the_wheels(lists):
    absent = lists.closure(lists.roots) - set(lists.texts)
    assert {interface.package for interface in absent} <= PROVIDED


def test_each_manifest_names_its_package_and_what_it_needs(lists):
    for package in lists.packages:
        manifest = ElementTree.parse(lists.folder / package / "package.xml").getroot()
        assert manifest.findtext("name") == package
        stated = [element.text for element in manifest.findall("depend")]
        assert stated == sorted(lists.needed_packages(package))


def test_field_lists_hold_nothing_but_fields(lists):
    for interface, text in lists.texts.items():
        assert "#" not in text, interface
        assert text == "\n".join(line.strip() for line in text.splitlines()) + "\n", interface
        parts = {"msg": 1, "srv": 2, "action": 3}[interface.kind]
        assert text.splitlines().count("---") == parts - 1, interface


def test_no_other_file_lies_in_the_folder(lists):
    known = {lists.folder / i.package / i.file for i in lists.texts}
    known |= {lists.folder / package / "package.xml" for package in lists.packages}
    known |= {lists.folder / name for name in ("roots.txt", "type_hashes.json", "COLCON_IGNORE")}
    assert {path for path in lists.folder.rglob("*") if path.is_file()} == known


def test_a_package_comes_after_those_that_it_needs(lists):
    order = lists.packages
    assert set(order) == {i.package for i in lists.texts}
    assert order.index("moveit_msgs") > order.index("octomap_msgs")
    assert order.index("moveit_msgs") > order.index("object_recognition_msgs")


def test_needs_are_found_in_every_kind_of_field(tmp_path):
    text = "uint8 MANY = 3\nstring<=5 name\nB[<=4] near\nb_msgs/C[2] far\nB twice\n---\nD out\n"
    lists = read_field_lists(write(tmp_path, {"a_msgs/srv/A.srv": text}))
    (needs,) = (lists.needs(interface) for interface in lists.texts)
    assert {str(need) for need in needs} == {"a_msgs/msg/B", "b_msgs/msg/C", "a_msgs/msg/D"}
    assert lists.needed_packages("a_msgs") == {"b_msgs", "service_msgs", "builtin_interfaces"}


def test_what_is_missing_is_named_with_what_needs_it(tmp_path):
    source = write(tmp_path / "source", {"a_msgs/msg/A.msg": "b_msgs/B one\nc_msgs/C two\n"})
    share = write(tmp_path / "share", {"b_msgs/msg/B.idl": ""})
    missing = read_field_lists(source).missing(share)
    assert {str(i): str(by) for i, by in missing.items()} == {"c_msgs/msg/C": "a_msgs/msg/A"}


def test_a_closure_ends_where_interfaces_need_each_other(tmp_path):
    files = {"a_msgs/msg/A.msg": "B b\n", "a_msgs/msg/B.msg": "A a\n", "a_msgs/msg/C.msg": "A a\n"}
    lists = read_field_lists(write(tmp_path, files))
    a, b = (Interface("a_msgs", "msg", name) for name in "AB")
    assert lists.closure([a]) == {a, b}


@pytest.mark.parametrize("line", ["# a comment", "float64", "float64[ x", "=== x"])
def test_a_line_that_is_no_field_is_refused_by_file_and_line(tmp_path, line):
    lists = read_field_lists(write(tmp_path, {"a_msgs/msg/A.msg": f"bool ok\n{line}\n"}))
    with pytest.raises(FileFormatError, match=r"A\.msg.*is no field"):
        lists.closure(lists.roots)


def test_a_folder_without_field_lists_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="no field list"):
        read_field_lists(tmp_path)


def test_a_folder_without_roots_is_refused(tmp_path):
    (write(tmp_path, {"a_msgs/msg/A.msg": "bool ok\n"}) / "roots.txt").unlink()
    with pytest.raises(FileFormatError, match=r"roots\.txt"):
        read_field_lists(tmp_path)


def test_an_unknown_root_is_refused_by_name(tmp_path):
    write(tmp_path, {"a_msgs/msg/A.msg": "bool ok\n"}, roots="a_msgs/msg/B\n")
    with pytest.raises(FileFormatError, match="a_msgs/msg/B"):
        read_field_lists(tmp_path)
