# SPDX-License-Identifier: Apache-2.0
"""Constraints of a query, brought into the base frame and checked against joint positions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transforms3d import euler

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.requests import (
    Constraints,
    JointConstraint,
    OrientationConstraint,
    PositionConstraint,
)
from tack_sim.planning.scene import PlanningScene
from tack_sim.planning.shapes import Primitive, contains

FloatArray = NDArray[np.float64]

_SLACK = 1e-5  # m and rad, for the rounding of poses in messages and of inverse kinematics


class ResolvedConstraints:
    """Constraints with every name looked up and every frame resolved in one scene.

    Attributes:
        joints: joint's index in the arm → (lowest, highest) allowed position, rad.
        positions: (tip_from_point (3,), regions as (primitive, base_from_region)).
        orientations: (tip_from_link (4, 4), base_from_wanted (4, 4), constraint).

    Args:
        constraints: of a query.
        scene: gives the frames; the robot stands where the query starts.

    Raises:
        MoveItError: INVALID_GOAL_CONSTRAINTS, INVALID_LINK_NAME, FRAME_TRANSFORM_FAILURE: a value,
            a link or a frame that cannot be used; UNRECOGNIZED_GOAL_TYPE: a link that is not fixed
            to the arm's tip.
    """

    def __init__(self, constraints: Constraints, scene: PlanningScene) -> None:
        self._scene, self._robot = scene, scene.robot
        self.joints: dict[int, tuple[float, float]] = {}
        for joint in constraints.joints:
            index, interval = self._joint(joint)
            before = self.joints.get(index, (-math.inf, math.inf))
            self.joints[index] = max(before[0], interval[0]), min(before[1], interval[1])
        self.positions = [self._position(one) for one in constraints.positions]
        self.orientations = [self._orientation(one) for one in constraints.orientations]

    def __bool__(self) -> bool:
        return bool(self.joints or self.positions or self.orientations)

    def _joint(self, joint: JointConstraint) -> tuple[int, tuple[float, float]]:
        names = self._robot.joints
        if joint.joint not in names:
            raise _invalid(f"joint {joint.joint!r} is not in the group: {', '.join(names)}")
        numbers = (joint.position, joint.above, joint.below)
        if not all(map(math.isfinite, numbers)) or joint.above < 0 or joint.below < 0:
            raise _invalid(
                f"{joint.joint} = {joint.position} rad, tolerances {joint.above} above and"
                f" {joint.below} below: finite numbers, tolerances not below 0"
            )
        interval = (joint.position - joint.below, joint.position + joint.above)
        return names.index(joint.joint), interval

    def _position(
        self, one: PositionConstraint
    ) -> tuple[FloatArray, list[tuple[Primitive, FloatArray]]]:
        if not one.regions:
            raise _invalid(f"position constraint of {one.link} without a region")
        offset = np.asarray(one.offset, dtype=np.float64)
        if offset.shape != (3,) or not np.isfinite(offset).all():
            raise _invalid(f"position constraint of {one.link}: offset {offset.tolist()}")
        base_from_frame = self._scene.base_from_frame(one.frame)
        regions: list[tuple[Primitive, FloatArray]] = [
            (primitive, base_from_frame @ _rigid(pose, f"region for {one.link}"))
            for primitive, pose in one.regions
        ]
        return geometry.apply(tip_from(one.link, self._scene), offset), regions

    def _orientation(
        self, one: OrientationConstraint
    ) -> tuple[FloatArray, FloatArray, OrientationConstraint]:
        tolerances = np.asarray(one.tolerances, dtype=np.float64)
        if tolerances.shape != (3,) or not (tolerances >= 0).all():
            raise _invalid(
                f"orientation tolerances of {one.link}: {tolerances.tolist()} rad;"
                " three numbers that are not below 0"
            )
        wanted = _rigid(one.frame_from_link, f"orientation of {one.link}")
        return tip_from(one.link, self._scene), self._scene.base_from_frame(one.frame) @ wanted, one

    def violation(self, q: ArrayLike) -> str:
        """Which constraint the arm breaks at q (n,), and by how much, in words; "" for none."""
        array = np.asarray(q, dtype=np.float64)
        for index, (low, high) in self.joints.items():
            if not low - _SLACK <= array[index] <= high + _SLACK:
                return (
                    f"{self._robot.joints[index]} = {array[index]:.4f} rad is not in"
                    f" {low:.4f} to {high:.4f} rad"
                )
        if not self.positions and not self.orientations:
            return ""
        base_from_tip = self._robot.kinematics.forward(array)
        for point, regions in self.positions:
            at = geometry.apply(base_from_tip, point)
            if not any(_inside(primitive, pose, at) for primitive, pose in regions):
                return f"the constrained point is at {np.round(at, 4).tolist()} m, in no region"
        for tip_from_link, wanted, one in self.orientations:
            turned = wanted[:3, :3].T @ (base_from_tip @ tip_from_link)[:3, :3]
            angles = orientation_angles(turned, one.rotation_vector)
            if (angles > np.asarray(one.tolerances) + _SLACK).any():
                return (
                    f"{one.link} is turned by {np.round(angles, 3).tolist()} rad about its x, y"
                    f" and z; allowed are {np.round(one.tolerances, 3).tolist()}"
                )
        return ""

    def predicate(self) -> Callable[[ArrayLike], bool]:
        """Whether all hold at joint positions (n,)."""
        return lambda q: not self.violation(q)


def tip_from(name: str, scene: PlanningScene) -> FloatArray:
    """(4, 4) pose of a link or of an attached object in the frame of the arm's tip, m.

    Args:
        name: "" for the tip itself.
        scene: knows what is attached.

    Raises:
        MoveItError: INVALID_LINK_NAME: there is no such link; UNRECOGNIZED_GOAL_TYPE: it is not
            fixed to the tip.
    """
    robot, held = scene.robot, scene.attached.get(name)
    if not name:
        return np.eye(4)
    link, link_from_item = name, np.eye(4)
    if held is not None and name not in robot.link_names:
        link, link_from_item = held.link, held.object.pose
    tip_from_link = robot.tip_from_link(link)
    if tip_from_link is None:
        raise MoveItError(
            MoveItErrorCode.UNRECOGNIZED_GOAL_TYPE,
            f"goals and constraints for {name} are not supported: only for"
            f" {robot.profile.tip_frame}, links fixed to it, and objects attached to those",
        )
    tip_from_item: FloatArray = tip_from_link @ link_from_item
    return tip_from_item


def orientation_angles(wanted_from_actual: FloatArray, rotation_vector: bool) -> FloatArray:
    """(3,) how far a (3, 3) rotation turns about x, y, z, rad, as MoveIt measures it.

    Args:
        wanted_from_actual: (3, 3).
        rotation_vector: as the parts of a rotation vector; otherwise as XYZ Euler angles.
    """
    if rotation_vector:
        turn = np.eye(4)
        turn[:3, :3] = wanted_from_actual
        signed = geometry.log(turn)[3:]
    else:
        signed = np.array(euler.mat2euler(wanted_from_actual, "rxyz"), dtype=np.float64)
    angles: FloatArray = np.abs(signed)
    return angles


def rotation_of(angles: ArrayLike, rotation_vector: bool) -> FloatArray:
    """(3, 3), the inverse of `orientation_angles` for signed angles (3,), rad."""
    x, y, z = np.asarray(angles, dtype=np.float64)
    if rotation_vector:
        return geometry.exp([0, 0, 0, x, y, z])[:3, :3]
    return np.asarray(euler.euler2mat(x, y, z, "rxyz"))


def _inside(primitive: Primitive, base_from_region: FloatArray, point: FloatArray) -> bool:
    at = geometry.apply(geometry.inverse(base_from_region), point)
    # Poses of messages are often exactly on the edge of a tiny region.
    towards_center = at * (1 - min(1.0, _SLACK / max(float(np.linalg.norm(at)), 1e-12)))
    return bool(contains(primitive, towards_center))


def _rigid(pose: ArrayLike, what: str) -> FloatArray:
    try:
        return geometry.check_transform(pose, what)
    except InvalidInputError as error:
        raise _invalid(str(error)) from error


def _invalid(message: str) -> MoveItError:
    return MoveItError(MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, message)
