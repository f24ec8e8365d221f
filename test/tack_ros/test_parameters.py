# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from rcl_interfaces.srv import DescribeParameters

from tack_grasping.candidates import SurfacePlannerConfig
from tack_perception.annotations import ClickSettings
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import ConfigurationError
from tack_ros.environment import share_folder
from tack_ros.node import TackNode
from tack_ros.nodes.annotation import AnnotationConfig
from tack_ros.nodes.camera import CameraConfig
from tack_ros.nodes.detector import DetectorConfig
from tack_ros.nodes.pick_place import PickPlaceConfig

pytestmark = pytest.mark.ros


@dataclasses.dataclass(frozen=True)
class Config(Configuration):
    radius: float = setting(0.5, "how far", unit="m", low=0.1, high=2.0)
    count: int = setting(3, "how many", low=1)
    kind: str = setting("round", "which", choices=("round", "square"))
    pixel: tuple[float, ...] = setting((1.0, 2.0), "where", low=0.0)
    name: str = setting("", "cannot be changed")


class ConfiguredNode(TackNode):
    def __init__(self, **options):
        super().__init__("configured", **options)
        self.changes = []
        self.plain = self.parameters.declare(Config, fixed=("name",), on_change=self.changes.append)
        self.nested = self.parameters.declare(Config, "inner")


def test_defaults_and_start_up_values(graph):
    node = graph.start(ConfiguredNode, radius=1, inner__pixel=[3.0, 4.0])
    assert node.plain.value == Config(radius=1.0)
    assert node.nested.value == Config(pixel=(3.0, 4.0))


def test_a_wrong_start_up_value_is_refused_in_the_words_of_the_configuration(graph):
    with pytest.raises(ConfigurationError) as refusal:
        graph.start(ConfiguredNode, inner__radius=7.0)
    assert "parameters of /configured under 'inner'" in str(refusal.value)
    assert "Config.radius = 7.0: allowed is 0.1 to 2 m" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("radius", 7.0, "Config.radius = 7.0: allowed is 0.1 to 2 m"),
        ("radius", float("nan"), "a finite number is expected"),
        ("radius", "far", "radius = 'far': a value of type float is expected"),
        ("count", 1.5, "count = 1.5: a value of type int is expected"),
        ("inner.kind", "oval", "allowed is one of 'round', 'square'"),
        ("pixel", [1.0, -2.0], "Config.pixel = -2.0: allowed is at least 0"),
        ("name", "other", "read-only"),
    ],
)
def test_a_wrong_value_is_refused_over_the_graph(graph, name, value, reason):
    node = graph.start(ConfiguredNode)
    result = graph.set_parameter(node, name, value)
    assert not result.successful
    assert reason in result.reason
    assert node.plain.value == node.nested.value == Config()
    assert node.changes == []


def test_a_right_value_is_taken_over_the_graph(graph):
    node = graph.start(ConfiguredNode)
    assert graph.set_parameter(node, "radius", 1).successful
    assert node.plain.value == Config(radius=1.0)
    assert node.changes == [Config(radius=1.0)]
    assert node.nested.value == Config()


def test_a_parameter_describes_itself(graph):
    node = graph.start(ConfiguredNode)
    described = graph.call(
        DescribeParameters,
        "/configured/describe_parameters",
        DescribeParameters.Request(names=["inner.radius"]),
    ).descriptors[0]
    assert node.nested.value == Config()
    assert described.description == "how far [m]"
    assert described.additional_constraints == "allowed: 0.1 to 2 m"


def test_a_typing_error_in_a_name_is_noticed(graph):
    node = graph.start(ConfiguredNode, raduis=1.0, use_sim_time=False)
    assert node.parameters.unknown() == ["raduis"]


def test_the_parameter_file_holds_every_default():
    content = yaml.safe_load((share_folder() / "config" / "tack.yaml").read_text())
    nodes = {Path(name).name: section["ros__parameters"] for name, section in content.items()}
    click, planner = nodes["annotation"].pop("click"), nodes["pick_place"].pop("planner")
    complete = (
        (CameraConfig, nodes["camera"]),
        (AnnotationConfig, nodes["annotation"]),
        (ClickSettings, click),
        (DetectorConfig, nodes["detector"]),
        (PickPlaceConfig, nodes["pick_place"]),
        (SurfacePlannerConfig, planner),
    )
    for kind, values in complete:
        assert kind.from_mapping(values) == kind()
        assert set(values) == set(kind.settings())
