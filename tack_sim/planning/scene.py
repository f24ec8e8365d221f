# SPDX-License-Identifier: Apache-2.0
"""The planning scene: where the robot is, what stands around it, and what may touch what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim.planning.allowed import AllowedCollisions
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.robot import RobotModel
from tack_sim.planning.shapes import Shape

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class CollisionObject:
    """A rigid thing made of shapes.

    Attributes:
        id: its name in the scene.
        frame: in which its pose is given; "" for the robot's base. In a scene it is always "",
            or the link for an attached object.
        pose: (4, 4) frame_from_object, m.
        shapes: (shape, (4, 4) object_from_shape) pairs.
        subframes: name → (4, 4) object_from_subframe; frames of name "id/name" can then be used.
    """

    id: str
    frame: str = ""
    pose: FloatArray = dataclasses.field(default_factory=lambda: np.eye(4))
    shapes: tuple[tuple[Shape, FloatArray], ...] = ()
    subframes: Mapping[str, FloatArray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class AttachedObject:
    """A thing that moves with a link.

    Attributes:
        link: the link.
        object: in a scene its pose is link_from_object.
        touch_links: links that it may touch; the link itself always may.
    """

    link: str
    object: CollisionObject
    touch_links: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class PlanningScene:
    """An immutable scene: changes make a new one, so that a query plans on a snapshot.

    Attributes:
        robot: the arm and its gripper.
        positions: joint → position, rad or m; all joints of the arm and of the gripper.
        world: id → object, poses in the robot's base frame.
        attached: id → attached object.
        allowed: which pairs may touch.
    """

    robot: RobotModel
    positions: Mapping[str, float]
    world: Mapping[str, CollisionObject]
    attached: Mapping[str, AttachedObject]
    allowed: AllowedCollisions

    @classmethod
    def empty(cls, robot: RobotModel) -> PlanningScene:
        """The robot alone, at home, with the gripper open."""
        return cls(
            robot,
            robot.default_positions,
            MappingProxyType({}),
            MappingProxyType({}),
            AllowedCollisions.of_robot(robot),
        )

    def with_positions(self, positions: Mapping[str, float]) -> PlanningScene:
        """The scene with some joints elsewhere. Joints of other robots are ignored.

        Raises:
            MoveItError: INVALID_ROBOT_STATE: a position is not finite.
        """
        return dataclasses.replace(self, positions=self.robot.merged(self.positions, positions))

    def base_from_frame(self, frame: str) -> FloatArray:
        """Pose of a link, an object or an object's subframe ("id/name") in the base frame, m.

        Raises:
            MoveItError: FRAME_TRANSFORM_FAILURE: there is no such frame.
        """
        if frame in ("", self.robot.profile.base_frame):
            return np.eye(4)
        if frame in self.robot.link_names:
            return self.robot.base_from_link(frame, self.positions)
        for name in (frame, frame.rpartition("/")[0]):
            found = self._base_from_object(name)
            if found is None:
                continue
            pose, item = found
            if name == frame:
                return pose
            subframe = frame[len(name) + 1 :]
            if subframe in item.subframes:
                base_from_subframe: FloatArray = pose @ item.subframes[subframe]
                return base_from_subframe
        raise MoveItError(
            MoveItErrorCode.FRAME_TRANSFORM_FAILURE,
            f"frame {frame!r} is not known to the planning scene: neither"
            f" {self.robot.profile.base_frame!r}, nor a link, nor an object"
            f" ({', '.join(sorted({*self.world, *self.attached})) or 'there are none'})",
        )

    def _base_from_object(self, name: str) -> tuple[FloatArray, CollisionObject] | None:
        if name in self.world:
            return self.world[name].pose, self.world[name]
        if name in self.attached:
            held = self.attached[name]
            base_from_link = self.robot.base_from_link(held.link, self.positions)
            return base_from_link @ held.object.pose, held.object
        return None


def checked_object(item: CollisionObject) -> CollisionObject:
    """The object with its poses checked, and, like in MoveIt, a single shape at its origin.

    A client that gives one shape its pose and the object none means that pose when it moves the
    object later.

    Raises:
        InvalidInputError: a pose is not a rigid transform.
    """
    what = f"pose of object {item.id!r}"
    pose = geometry.check_transform(item.pose, what)
    shapes = tuple((shape, geometry.check_transform(place, what)) for shape, place in item.shapes)
    subframes = {
        name: geometry.check_transform(place, f"subframe {name!r} of object {item.id!r}")
        for name, place in item.subframes.items()
    }
    if len(shapes) == 1 and np.array_equal(pose, np.eye(4)):
        [(shape, pose)] = shapes
        shapes = ((shape, np.eye(4)),)
        subframes = {name: geometry.inverse(pose) @ at for name, at in subframes.items()}
    return dataclasses.replace(item, pose=pose, shapes=shapes, subframes=subframes)
