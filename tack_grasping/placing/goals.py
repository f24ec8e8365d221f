# SPDX-License-Identifier: Apache-2.0
"""A grasp and a placement become one goal."""

from __future__ import annotations

import dataclasses
import math

from numpy.typing import ArrayLike

from tack_grasping.goal import PickPlaceGoal
from tack_grasping.placing.solve import Placement
from tack_perception import geometry
from tack_perception.errors import InvalidInputError


def with_placement(
    goal: PickPlaceGoal, placement: Placement, up: ArrayLike, *, standoff: float = 0.10
) -> PickPlaceGoal:
    """The goal with the place of a placement; the gripper holds the thing as it grasped it.

    Args:
        goal: a pick, with or without a place of its own.
        placement: solved in the goal's frame.
        up: (3,) direction against gravity in the goal's frame.
        standoff: height of the pose before placing above it, and way back along the approach after
            letting go, m.

    Returns:
        The goal with `place` = motion @ grasp, `preplace` above it and `retreat` behind it.

    Raises:
        InvalidInputError: the placement was refused, or `up` or `standoff` is not valid.
    """
    if placement.motion is None:
        raise InvalidInputError(f"{goal.label}: there is no place: {placement.refusal}")
    if not (math.isfinite(standoff) and standoff > 0):
        raise InvalidInputError(f"standoff {standoff} m: a length above 0 is expected")
    place = geometry.nearest_transform(placement.motion @ goal.grasp)
    preplace, retreat = place.copy(), place.copy()
    preplace[:3, 3] += standoff * geometry.unit(up, "up direction")
    retreat[:3, 3] -= standoff * place[:3, 2]
    return dataclasses.replace(
        goal,
        preplace=preplace,
        place=place,
        retreat=retreat,
        why=f"{goal.why}; placed as {placement.name}"
        + ("" if math.isnan(placement.probability) else f" ({placement.probability:.0%} sure)"),
    )
