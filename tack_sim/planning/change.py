# SPDX-License-Identifier: Apache-2.0
"""Changes of a planning scene, with the semantics of MoveIt's ApplyPlanningScene."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from types import MappingProxyType

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.planning.allowed import AllowedCollisions
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.scene import AttachedObject, CollisionObject, PlanningScene, checked_object


class Operation(enum.IntEnum):
    """The numbers of moveit_msgs/CollisionObject."""

    ADD = 0
    REMOVE = 1
    APPEND = 2
    MOVE = 3


@dataclasses.dataclass(frozen=True, eq=False)
class RobotStateChange:
    """As moveit_msgs/RobotState.

    Attributes:
        positions: joint → position.
        attached: changes of attached objects. To attach an object of the world, name it without
            shapes. To detach, an empty id means all of that link, and an empty link any.
        is_diff: otherwise everything attached is let go first, and vanishes.
    """

    positions: Mapping[str, float] = dataclasses.field(default_factory=dict)
    attached: tuple[tuple[AttachedObject, Operation], ...] = ()
    is_diff: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class SceneChange:
    """As moveit_msgs/PlanningScene.

    Attributes:
        objects: changes of the world, in order. An empty id with REMOVE means all.
        robot_state: None for no change.
        allowed: replaces the whole matrix; None for no change.
        is_diff: otherwise the scene is emptied first.
    """

    objects: tuple[tuple[CollisionObject, Operation], ...] = ()
    robot_state: RobotStateChange | None = None
    allowed: AllowedCollisions | None = None
    is_diff: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class ChangedScene:
    """What a change came to.

    Attributes:
        scene: the new one, with everything that could be applied.
        problems: a sentence for each part that could not be.
    """

    scene: PlanningScene
    problems: tuple[str, ...]

    @property
    def success(self) -> bool:
        """All of it was applied, ApplyPlanningScene's answer."""
        return not self.problems


def apply_change(scene: PlanningScene, change: SceneChange) -> ChangedScene:
    """A scene with a change applied; parts that cannot be applied are left out and reported."""
    if not change.is_diff:
        scene = dataclasses.replace(PlanningScene.empty(scene.robot), positions=scene.positions)
    if change.allowed is not None:
        scene = dataclasses.replace(scene, allowed=change.allowed)
    problems: list[str] = []
    state = change.robot_state
    if state is not None:
        try:
            scene = scene.with_positions(state.positions)
        except InvalidInputError as error:
            problems.append(str(error))
        if not state.is_diff:
            scene = dataclasses.replace(scene, attached=MappingProxyType({}))
    for held, operation in state.attached if state else ():
        try:
            scene = _attached_changed(scene, held, Operation(operation))
        except (InvalidInputError, ValueError) as error:
            problems.append(str(error))
    for item, operation in change.objects:
        try:
            scene = _world_changed(scene, item, Operation(operation))
        except (InvalidInputError, ValueError) as error:
            problems.append(str(error))
    return ChangedScene(scene, tuple(problems))


def _with_world(scene: PlanningScene, world: Mapping[str, CollisionObject]) -> PlanningScene:
    return dataclasses.replace(scene, world=MappingProxyType(dict(world)))


def _with_attached(scene: PlanningScene, attached: Mapping[str, AttachedObject]) -> PlanningScene:
    return dataclasses.replace(scene, attached=MappingProxyType(dict(attached)))


def _world_changed(
    scene: PlanningScene, item: CollisionObject, operation: Operation
) -> PlanningScene:
    world = dict(scene.world)
    if operation == Operation.REMOVE:
        if item.id and item.id not in world:
            raise _unknown(item.id, scene.world)
        return _with_world(
            scene, {name: one for name, one in world.items() if item.id and name != item.id}
        )
    if operation == Operation.MOVE:
        if item.id not in world:
            raise _unknown(item.id, scene.world)
        pose = scene.base_from_frame(item.frame) @ geometry.check_transform(item.pose)
        world[item.id] = dataclasses.replace(world[item.id], pose=pose)
        return _with_world(scene, world)
    placed = _placed(scene, item)
    if operation == Operation.APPEND and item.id in world:
        placed = _appended(world[item.id], placed)
    world[item.id] = placed
    return _with_world(scene, world)


def _placed(scene: PlanningScene, item: CollisionObject) -> CollisionObject:
    """A new object in the base frame."""
    if not item.id:
        raise MoveItError(MoveItErrorCode.INVALID_OBJECT_NAME, "an object to add needs an id")
    if not item.shapes:
        raise MoveItError(
            MoveItErrorCode.INVALID_OBJECT_NAME,
            f"object {item.id!r} has no shapes: give primitives or meshes, each with a pose",
        )
    item = checked_object(item)
    pose = scene.base_from_frame(item.frame) @ item.pose
    return dataclasses.replace(item, frame="", pose=pose)


def _appended(old: CollisionObject, new: CollisionObject) -> CollisionObject:
    """The old object, which keeps its pose, with the shapes of the new one where they are."""
    old_from_new = geometry.inverse(old.pose) @ new.pose
    shapes = tuple((shape, old_from_new @ place) for shape, place in new.shapes)
    subframes = {name: old_from_new @ place for name, place in new.subframes.items()}
    return dataclasses.replace(
        old, shapes=old.shapes + shapes, subframes={**old.subframes, **subframes}
    )


def _attached_changed(
    scene: PlanningScene, held: AttachedObject, operation: Operation
) -> PlanningScene:
    if operation == Operation.MOVE:
        raise MoveItError(
            MoveItErrorCode.INVALID_OBJECT_NAME,
            f"attached object {held.object.id!r} cannot be moved: detach it first",
        )
    if operation == Operation.REMOVE:
        return _detached(scene, held)
    if held.link not in scene.robot.link_names:
        raise MoveItError(
            MoveItErrorCode.INVALID_LINK_NAME,
            f"link {held.link!r} to attach to is unknown; links are"
            f" {', '.join(scene.robot.link_names)}",
        )
    touch_links, item = held.touch_links, held.object
    if item.shapes:
        placed = _placed(scene, item)
    elif item.id in scene.world:
        placed = scene.world[item.id]
    elif item.id in scene.attached:  # handed over from one link to another
        old = scene.attached[item.id]
        placed = dataclasses.replace(old.object, pose=scene.base_from_frame(item.id))
        touch_links = touch_links or old.touch_links
    else:
        raise _unknown(item.id, {**scene.world, **scene.attached})
    if operation == Operation.APPEND and item.shapes and item.id in scene.attached:
        old = scene.attached[item.id]
        before = dataclasses.replace(old.object, pose=scene.base_from_frame(item.id))
        placed = _appended(before, placed)
        touch_links = tuple(dict.fromkeys(old.touch_links + touch_links))
    link_from_base = geometry.inverse(scene.robot.base_from_link(held.link, scene.positions))
    carried = dataclasses.replace(placed, frame=held.link, pose=link_from_base @ placed.pose)
    world = {name: one for name, one in scene.world.items() if name != item.id}
    attached = {**scene.attached, item.id: AttachedObject(held.link, carried, touch_links)}
    return _with_attached(_with_world(scene, world), attached)


def _detached(scene: PlanningScene, held: AttachedObject) -> PlanningScene:
    """Let things go: they stay in the world where they are."""
    name = held.object.id
    if name and name not in scene.attached:
        raise _unknown(name, scene.attached)
    if name and held.link not in ("", scene.attached[name].link):
        raise MoveItError(
            MoveItErrorCode.INVALID_LINK_NAME,
            f"object {name!r} is attached to {scene.attached[name].link}, not to {held.link}:"
            " leave the link empty or name the right one",
        )
    released = {
        one.object.id: dataclasses.replace(
            one.object, frame="", pose=scene.base_from_frame(one.object.id)
        )
        for one in scene.attached.values()
        if name in ("", one.object.id) and held.link in ("", one.link)
    }
    attached = {key: one for key, one in scene.attached.items() if key not in released}
    return _with_attached(_with_world(scene, {**scene.world, **released}), attached)


def _unknown(name: str, known: Mapping[str, object]) -> MoveItError:
    return MoveItError(
        MoveItErrorCode.INVALID_OBJECT_NAME,
        f"object {name!r} is unknown; there are {', '.join(known) or 'none'}",
    )
