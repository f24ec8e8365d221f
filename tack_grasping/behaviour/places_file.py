# SPDX-License-Identifier: Apache-2.0
"""Bins and supports of a robot's surroundings, as a YAML file that a person writes once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from transforms3d import euler

from tack_grasping.behaviour.planning import Places, places_of
from tack_grasping.placing.scene import Container, Support
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.annotations.yaml_nodes import Value
from tack_perception.errors import ConfigurationError

FloatArray = NDArray[np.float64]


def read_places(path: str | Path, profile: RobotProfile) -> Places:
    """The places of a file, and the robot's own table.

    Args:
        path: of the file; see docs/placing.md.
        profile: the robot, in whose base frame all is given.

    Raises:
        ConfigurationError: the file cannot be read.
        FileFormatError: a field is missing, unknown or wrong; names the file, the line and the
            field.
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"places {path}: cannot be read: {error}") from error
    fields = Value.document(text, str(path)).record((), ("bins", "supports"))
    bins, supports = {}, {}
    for name, value in fields["bins"].items().items() if "bins" in fields else ():
        pose, size = _placed(value, 3)
        bins[name] = Container(pose, (size[0], size[1], size[2]))
    for name, value in fields["supports"].items().items() if "supports" in fields else ():
        pose, size = _placed(value, 2)
        supports[name] = Support(pose, (size[0], size[1]))
    places = places_of(profile, bins)
    frames = {name: support.pose for name, support in supports.items()}
    return dataclasses.replace(
        places,
        supports={**places.supports, **supports},
        frames={**places.frames, **frames},
    )


def places_text(places: Places) -> str:
    """Bins as the YAML that `read_places` reads, to a micrometre and a microradian."""
    bins = {
        name: {
            "xyz": _rounded(one.pose[:3, 3]),
            "rpy": _rounded(euler.mat2euler(one.pose[:3, :3], axes="sxyz")),
            "size": _rounded(one.size),
        }
        for name, one in places.bins.items()
    }
    return str(yaml.safe_dump({"bins": bins}, sort_keys=False))


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 6) for value in values]


def _placed(value: Value, sides: int) -> tuple[FloatArray, tuple[float, ...]]:
    """(4, 4) base_from_place, m, and its side lengths, m."""
    fields = value.record(("xyz", "size"), ("rpy",))
    turn = fields["rpy"].numbers(3) if "rpy" in fields else (0.0, 0.0, 0.0)
    size = fields["size"].numbers(sides)
    if min(size) <= 0:
        raise fields["size"].fault(f"{size}: side lengths above 0 m are expected")
    return geometry.make_transform(
        euler.euler2mat(*turn, axes="sxyz"), fields["xyz"].numbers(3)
    ), size
