# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tack_cli.report.goal_frame import choose_goal_frame
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.rosbag2 import BagSource

FRAME = RGBDFrame(
    np.zeros((8, 8, 3), np.uint8),
    np.ones((8, 8), np.float32),
    CameraIntrinsics(8, 8, 5.0, 5.0, 3.5, 3.5),
    5_000_000_000,
    "optical",
)
PARENT_FROM_CHILD = geometry.from_axis_angle((0, 0, 1), 0.5, (1, 2, 3))


@contextmanager
def recording(path: Path, *edges: tuple[str, str]) -> Iterator[BagSource]:
    with BagWriter(path / "bag") as writer:
        for parent, child in edges:
            for stamp in (4_900_000_000, 5_100_000_000):
                writer.write_transform(parent, child, stamp, PARENT_FROM_CHILD)
        writer.write(FRAME)
    with BagSource(path / "bag") as source:
        yield source


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([("base_link", "tool"), ("tool", "optical")], "base_link"),
        ([("world", "base_link"), ("base_link", "optical")], "base_link"),
        ([("world", "optical")], "world"),
        ([("camera_link", "optical")], "optical"),
        ([("base_link", "tool"), ("camera_link", "optical")], "optical"),
        ([], "optical"),
    ],
)
def test_an_upright_frame_is_taken_where_one_is_joined(
    tmp_path: Path, edges: list[tuple[str, str]], expected: str
) -> None:
    with recording(tmp_path, *edges) as source:
        chosen = choose_goal_frame(source, FRAME, None)
        assert chosen.name == expected
        assert expected in chosen.note
        assert (chosen.up is None) == (expected == "optical")
        transform, missing = chosen.lookup(FRAME)
        assert missing == ""
        assert transform is not None
        steps = 0 if expected == "optical" else [e[0] for e in edges][::-1].index(expected) + 1
        np.testing.assert_allclose(
            transform, np.linalg.matrix_power(PARENT_FROM_CHILD, steps), atol=1e-9
        )


def test_the_frame_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    with recording(tmp_path, ("world", "base_link"), ("base_link", "optical")) as source:
        assert choose_goal_frame(source, FRAME, "world").name == "world"
        assert choose_goal_frame(source, FRAME, "optical").up is None


def test_a_frame_that_is_not_joined_is_refused_with_the_choice(tmp_path: Path) -> None:
    edges = [("base_link", "optical"), ("map", "robot2")]
    with recording(tmp_path, *edges) as source:
        for name in ("nonsense", "map"):
            with pytest.raises(InvalidInputError, match=rf"{name}.*joined are: base_link, optical"):
                choose_goal_frame(source, FRAME, name)


def test_a_stamp_without_transform_gives_the_reason(tmp_path: Path) -> None:
    with recording(tmp_path, ("base_link", "optical")) as source:
        late = RGBDFrame(FRAME.color, FRAME.depth, FRAME.intrinsics, 9_000_000_000, "optical")
        transform, missing = choose_goal_frame(source, FRAME, None).lookup(late)
        assert transform is None
        assert "base_link" in missing
