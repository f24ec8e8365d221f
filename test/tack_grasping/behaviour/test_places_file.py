# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tack_grasping.behaviour.places_file import places_text, read_places
from tack_grasping.behaviour.planning import places_of
from tack_grasping.placing.scene import Container
from tack_grasping.profiles import load_profile
from tack_perception import geometry
from tack_perception.errors import ConfigurationError, FileFormatError

PROFILE = load_profile("ur5e_2f85")


def written(folder: Path, text: str) -> Path:
    path = folder / "places.yaml"
    path.write_text(text)
    return path


def test_bins_come_back_as_they_were_written(tmp_path: Path) -> None:
    pose = geometry.from_axis_angle((0.1, 0.2, 1.0), 0.9, (0.4, -0.2, 0.01))
    bins = {"blue": Container(pose, (0.3, 0.2, 0.1))}
    places = read_places(written(tmp_path, places_text(places_of(PROFILE, bins))), PROFILE)
    np.testing.assert_allclose(places.bins["blue"].pose, pose, atol=1e-5)
    assert places.bins["blue"].size == (0.3, 0.2, 0.1)
    assert set(places.frames) == {"blue", "table", PROFILE.base_frame}


def test_a_support_is_a_frame_as_well(tmp_path: Path) -> None:
    text = "supports:\n  shelf: {xyz: [0.7, 0, 0.4], rpy: [0, 0, 1.5707963], size: [0.3, 0.8]}\n"
    places = read_places(written(tmp_path, text), PROFILE)
    assert set(places.supports) == {"shelf", "table"}
    np.testing.assert_allclose(places.frames["shelf"][:3, 0], (0, 1, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bins: {a: {xyz: [0, 0, 0]}}", "size"),
        ("bins: {a: {xyz: [0, 0, 0], size: [1, -1, 1]}}", "above 0"),
        ("bins: {a: {xyz: [0, 0], size: [1, 1, 1]}}", "xyz"),
        ("boxes: {}", "boxes"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FileFormatError, match=words) as refused:
        read_places(written(tmp_path, text), PROFILE)
    assert "places.yaml" in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        read_places(tmp_path / "nowhere.yaml", PROFILE)
