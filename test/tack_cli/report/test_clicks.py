# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tack_cli.report.clicks import depth_warning, find_shots, named, parse_click
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.rosbag2 import BagSource

CAMERA = CameraIntrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
START = 1_000_000_000_000


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames, 0.1 s apart, each of its own grey; frame 3 has a hole at (10, 20)."""
    path = tmp_path_factory.mktemp("clicks") / "bag"
    with BagWriter(path) as writer:
        for i in range(5):
            depth = np.full((48, 64), 0.5, np.float32)
            if i == 3:
                depth[20, 10] = np.nan
            color = np.full((48, 64, 3), 40 * i, np.uint8)
            writer.write(RGBDFrame(color, depth, CAMERA, START + i * 100_000_000, "camera"))
    return path


@pytest.fixture
def source(bag: Path) -> Iterator[BagSource]:
    with BagSource(bag) as source:
        yield source


@pytest.mark.parametrize(
    ("text", "index", "seconds", "u", "v"),
    [
        ("0:412,233", 0, 0.0, 412.0, 233.0),
        ("17:1.5,2.25", 17, 0.0, 1.5, 2.25),
        ("@1.5:10,20", None, 1.5, 10.0, 20.0),
        (" 3 : 10 , 20 ", 3, 0.0, 10.0, 20.0),
    ],
)
def test_clicks_are_read(text: str, index: int | None, seconds: float, u: float, v: float) -> None:
    click = parse_click(text)
    assert (click.index, click.seconds, click.u, click.v) == (index, seconds, u, v)


@pytest.mark.parametrize(
    "text", ["", "5", "0:1", "a:1,2", "0:1,2,3", "0:nan,1", "-1:2,3", "@-1:2,3", "1.5:2,3"]
)
def test_other_writings_are_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"0:412,233"):
        parse_click(text)


def test_clicks_without_a_name_get_one() -> None:
    assert [c.label for c in named([parse_click("0:1,2")])] == ["point"]
    three = [parse_click("0:1,2") for _ in range(3)]
    assert [c.label for c in named(three)] == ["point_1", "point_2", "point_3"]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("0:5,6", 0),
        ("4:5,6", 4),
        ("@0:5,6", 0),
        ("@0.16:5,6", 2),
        ("@0.14:5,6", 1),
        ("@0.44:5,6", 4),
    ],
)
def test_the_frame_is_found_by_index_or_nearest_time(
    source: BagSource, text: str, index: int
) -> None:
    [(found, shot)] = find_shots(source, named([parse_click(text)]))
    assert found == index
    assert shot.frame.color[0, 0, 0] == 40 * index
    assert (shot.u, shot.v) == (5, 6)


def test_several_clicks_keep_their_order(source: BagSource) -> None:
    clicks = named([parse_click(t) for t in ("4:1,1", "0:2,2", "@0.2:3,3")])
    assert [index for index, _ in find_shots(source, clicks)] == [4, 0, 2]


@pytest.mark.parametrize("text", ["5:1,1", "99:1,1", "@9:1,1", "@0.46:1,1"])
def test_a_frame_beyond_the_end_is_refused_with_the_length(source: BagSource, text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"5 frames \(0 to 4, or @0 to @0.4\)"):
        find_shots(source, named([parse_click(text)]))


def test_a_pixel_outside_is_refused_with_the_size(source: BagSource) -> None:
    with pytest.raises(InvalidInputError, match=r"--point 0:64,2.*64×48"):
        find_shots(source, named([parse_click("0:64,2")]))


def test_a_hole_under_the_click_is_only_worth_a_warning(source: BagSource) -> None:
    clicks = named([parse_click("3:10,20"), parse_click("3:11,20")])
    (_, hole), (_, solid) = find_shots(source, clicks)
    assert "no depth" in depth_warning(hole)
    assert depth_warning(solid) == ""


def test_an_empty_source_is_an_error(tmp_path: Path) -> None:
    class Nothing:
        name = "nothing.mcap"
        transforms = None

        def __init__(self) -> None:
            self.drops = Counter({"colour without depth": 3})

        def __iter__(self) -> Iterator[RGBDFrame]:
            return iter(())

    with pytest.raises(SourceError, match=r"nothing.mcap holds no frame.*3 dropped"):
        find_shots(Nothing(), named([parse_click("0:1,1")]))  # type: ignore[arg-type]
