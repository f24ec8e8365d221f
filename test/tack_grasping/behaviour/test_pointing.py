# SPDX-License-Identifier: Apache-2.0
"""What a person points at: a place, or a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scripted import BLOCK, CAMERA, SOURCE, Scripted

from tack_grasping.behaviour.pointing import Pointed
from tack_grasping.behaviour.sight import SightError
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_perception import geometry
from tack_perception.errors import InvalidInputError


def test_a_place_is_where_it_is() -> None:
    pointed = Pointed.parse(" 0.5, -0.1,2e-2")
    assert not pointed.is_pixel
    assert pointed.place() == (0.5, -0.1, 0.02)
    assert str(pointed) == "0.5,-0.1,0.02"


def test_a_pixel_is_what_the_camera_sees_there() -> None:
    view = Scripted().glance()
    top = np.array([*SOURCE, BLOCK[2]])
    u, v = CAMERA.project(geometry.apply(geometry.inverse(view.base_from_camera), top))
    pointed = Pointed.parse(f"{u},{v}")
    assert pointed.is_pixel
    np.testing.assert_allclose(pointed.place(view), top, atol=2e-3)


def test_a_pixel_without_depth_or_outside_of_the_image_is_refused() -> None:
    robot = Scripted()
    with pytest.raises(SightError, match=r"pixel \(900, 10\): ") as raised:
        Pointed.parse("900,10").place(robot.glance())
    assert raised.value.code is Code.INVALID_GOAL_CONSTRAINTS
    robot.no_depth = True
    with pytest.raises(SightError, match=r"pixel \(80, 60\): "):
        Pointed.parse("80,60").place(robot.glance())


@pytest.mark.parametrize("text", ["", "1", "1,2,3,4", "a,b", "nan,1", "1,inf", "1;2"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="a place X,Y,Z in m or a pixel U,V"):
        Pointed.parse(text)
