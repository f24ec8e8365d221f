# SPDX-License-Identifier: Apache-2.0
"""Type hashes three ways: as pinned, as installed, and by rosbags from the same field lists."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tack_perception.errors import FileFormatError
from tack_ros.interface_builder.field_lists import default_folder, read_field_lists
from tack_ros.interface_builder.hashes import expected_hashes, type_hashes

# Values that others have published for ROS 2 Kilted.
PUBLISHED = {
    "tf2_msgs/msg/TFMessage": "e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "vision_msgs/msg/Detection3DArray": (
        "793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018"
    ),
}
PARTS = {
    "msg": ("",),
    "srv": ("_Request", "_Response"),
    "action": ("_Goal", "_Result", "_Feedback"),
}


class SecondOpinion:
    """rosbags' hash, fed with our field lists and with what REP 2011 adds to services."""

    def __init__(self):
        self.store = get_typestore(Stores.ROS2_KILTED)
        self.fields = {}
        lists = read_field_lists(default_folder())
        for interface, text in lists.texts.items():
            for suffix, part in zip(PARTS[interface.kind], text.split("---\n"), strict=True):
                self.define(f"{interface}{suffix}", part)
            if interface.kind == "srv":
                self.add_service(str(interface))
            if interface.kind == "action":
                self.add_action(str(interface))
        # rosidl reads char as uint8; rosbags does not, here in client_gid.
        event = (
            "uint8 event_type\nbuiltin_interfaces/Time stamp\n"
            "uint8[16] client_gid\nint64 sequence_number\n"
        )
        self.define("service_msgs/msg/ServiceEventInfo", event)
        self.store.fielddefs.update(self.fields)

    def define(self, name, text):
        package, _, last = name.split("/")
        found = get_types_from_msg(text, f"{package}/msg/{last}")
        self.fields[name] = found[f"{package}/msg/{last}"]

    def compose(self, name, **members):
        """A type whose members are of types that no field list could name."""
        placeholder = "".join(f"std_msgs/Header{a} {m}\n" for m, (_, a) in members.items())
        constants, fields = get_types_from_msg(placeholder, "a/msg/B")["a/msg/B"]
        self.fields[name] = (
            constants,
            [(m, _named(kind, members[m][0])) for m, kind in fields],
        )

    def add_service(self, name):
        self.compose(
            f"{name}_Event",
            info=("service_msgs/msg/ServiceEventInfo", ""),
            request=(f"{name}_Request", "[<=1]"),
            response=(f"{name}_Response", "[<=1]"),
        )
        self.compose(
            name,
            request_message=(f"{name}_Request", ""),
            response_message=(f"{name}_Response", ""),
            event_message=(f"{name}_Event", ""),
        )

    def add_action(self, name):
        self.define(f"{name}_SendGoal_Response", "bool accepted\nbuiltin_interfaces/Time stamp\n")
        self.define(f"{name}_GetResult_Request", "unique_identifier_msgs/UUID goal_id\n")
        self.define(f"{name}_GetResult_Response", "int8 status\nstd_msgs/Header result\n")
        goal_id = ("unique_identifier_msgs/msg/UUID", "")
        self.compose(f"{name}_SendGoal_Request", goal_id=goal_id, goal=(f"{name}_Goal", ""))
        constants, fields = self.fields[f"{name}_GetResult_Response"]
        result = (fields[1][0], _named(fields[1][1], f"{name}_Result"))
        self.fields[f"{name}_GetResult_Response"] = (constants, [fields[0], result])
        self.compose(f"{name}_FeedbackMessage", goal_id=goal_id, feedback=(f"{name}_Feedback", ""))
        self.add_service(f"{name}_SendGoal")
        self.add_service(f"{name}_GetResult")
        self.compose(
            name,
            goal=(f"{name}_Goal", ""),
            result=(f"{name}_Result", ""),
            feedback=(f"{name}_Feedback", ""),
            send_goal_service=(f"{name}_SendGoal", ""),
            get_result_service=(f"{name}_GetResult", ""),
            feedback_message=(f"{name}_FeedbackMessage", ""),
        )

    def hash(self, name):
        return self.store.hash_rihs01(name)


def _named(kind, name):
    """The same field type, with its innermost type name replaced."""
    node, rest = kind
    return (node, name) if isinstance(rest, str) else (node, (_named(rest[0], name), rest[1]))


@pytest.fixture(scope="module")
def second_opinion():
    return SecondOpinion()


@pytest.mark.parametrize("name", sorted(expected_hashes()))
def test_rosbags_computes_the_pinned_hash_from_the_same_field_list(second_opinion, name):
    assert second_opinion.hash(name) == expected_hashes()[name]


def test_every_field_list_is_pinned():
    names = {str(interface) for interface in read_field_lists(default_folder()).texts}
    assert set(expected_hashes()) == names


@pytest.mark.parametrize("name", PUBLISHED)
def test_pinned_hashes_are_those_that_others_published(name):
    assert expected_hashes()[name] == f"RIHS01_{PUBLISHED[name]}"


@pytest.mark.parametrize("name", ["tf2_msgs/msg/TFMessage", "tf2_msgs/msg/TF2Error"])
def test_field_lists_of_tf2_are_those_of_the_kilted_type_store(name):
    assert get_typestore(Stores.ROS2_KILTED).hash_rihs01(name) == expected_hashes()[name]


def test_a_changed_field_changes_the_hash(second_opinion):
    second_opinion.define("tf2_msgs/msg/Changed", "uint8 error\nstring error_text\n")
    second_opinion.store.fielddefs.update(second_opinion.fields)
    changed = second_opinion.hash("tf2_msgs/msg/Changed")
    assert changed != expected_hashes()["tf2_msgs/msg/TF2Error"]


@pytest.mark.skipif(find_spec("tf2_msgs") is None, reason="the interface wheel is not installed")
def test_installed_hashes_are_the_pinned_ones():
    assert type_hashes() == expected_hashes()


def test_an_empty_prefix_has_no_hashes(tmp_path):
    assert type_hashes(tmp_path) == {}


def test_a_description_without_hashes_is_left_out(tmp_path):
    folder = tmp_path / "share" / "tf2_msgs" / "msg"
    folder.mkdir(parents=True)
    (folder / "TF2Error.json").write_text("{", encoding="utf-8")
    entry = {"type_name": "tf2_msgs/msg/TFMessage", "hash_string": "RIHS01_00"}
    (folder / "TFMessage.json").write_text(json.dumps({"type_hashes": [entry]}), encoding="utf-8")
    assert type_hashes(tmp_path) == {"tf2_msgs/msg/TFMessage": "RIHS01_00"}


@pytest.mark.parametrize("content", [None, "{", "[1]", "3"])
def test_damaged_pins_are_refused_by_path(tmp_path, content):
    if content is not None:
        (tmp_path / "type_hashes.json").write_text(content, encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"type_hashes\.json"):
        expected_hashes(tmp_path)
