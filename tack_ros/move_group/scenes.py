# SPDX-License-Identifier: Apache-2.0
"""moveit_msgs planning scenes into the planner's, and back."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Pose
from moveit_msgs.msg import (
    AllowedCollisionEntry,
    AllowedCollisionMatrix,
    PlanningSceneComponents,
    RobotState,
)
from moveit_msgs.msg import AttachedCollisionObject as AttachedMessage
from moveit_msgs.msg import CollisionObject as ObjectMessage
from moveit_msgs.msg import PlanningScene as SceneMessage
from numpy.typing import NDArray
from shape_msgs.msg import Mesh, MeshTriangle, SolidPrimitive

from tack_perception.errors import InvalidInputError
from tack_ros.conversions.stamps import to_header
from tack_ros.conversions.transforms import from_pose, to_point, to_pose
from tack_ros.move_group.queries import from_primitive, from_robot_state, to_robot_state
from tack_sim.planning.allowed import AllowedCollisions
from tack_sim.planning.change import Operation, RobotStateChange, SceneChange
from tack_sim.planning.scene import AttachedObject, CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive, Shape, TriangleMesh

FloatArray = NDArray[np.float64]
_TYPES = {
    "box": SolidPrimitive.BOX,
    "sphere": SolidPrimitive.SPHERE,
    "cylinder": SolidPrimitive.CYLINDER,
    "cone": SolidPrimitive.CONE,
}


def from_scene(message: SceneMessage) -> SceneChange:
    """A moveit_msgs/PlanningScene, a diff or not.

    Raises:
        InvalidInputError: something in it is not valid; the message says which object.
    """
    state = message.robot_state
    change = RobotStateChange(
        positions=from_robot_state(state),
        attached=tuple(
            (_attached(held), _operation(held.object)) for held in state.attached_collision_objects
        ),
        is_diff=bool(state.is_diff),
    )
    matrix = message.allowed_collision_matrix
    allowed = None
    if matrix.entry_names or matrix.default_entry_names:
        defaults = dict(zip(matrix.default_entry_names, matrix.default_entry_values, strict=False))
        rows = [list(row.enabled) for row in matrix.entry_values]
        allowed = AllowedCollisions.from_matrix(list(matrix.entry_names), rows, defaults)
    return SceneChange(
        objects=tuple(
            (from_object(item), _operation(item)) for item in message.world.collision_objects
        ),
        robot_state=change,
        allowed=allowed,
        is_diff=bool(message.is_diff),
    )


def from_object(message: ObjectMessage) -> CollisionObject:
    """A moveit_msgs/CollisionObject.

    Raises:
        InvalidInputError: planes, shapes without poses, or shapes that are not valid.
    """
    name = message.id
    if message.planes:
        raise InvalidInputError(f"object {name!r}: planes are not supported; use a large flat box")
    shapes: list[tuple[Shape, FloatArray]] = []
    for kind, given, poses in (
        ("primitives", message.primitives, message.primitive_poses),
        ("meshes", message.meshes, message.mesh_poses),
    ):
        if len(given) != len(poses):
            raise InvalidInputError(
                f"object {name!r}: {len(given)} {kind} with {len(poses)} poses; one each is needed"
            )
        for shape, pose in zip(given, poses, strict=True):
            made = from_primitive(shape) if kind == "primitives" else _mesh(shape)
            shapes.append((made, from_pose(pose)))
    subframes = {
        subframe: from_pose(pose)
        for subframe, pose in zip(message.subframe_names, message.subframe_poses, strict=False)
    }
    pose = np.eye(4) if _unset(message.pose) else from_pose(message.pose)
    return CollisionObject(name, message.header.frame_id, pose, tuple(shapes), subframes)


def _attached(message: AttachedMessage) -> AttachedObject:
    return AttachedObject(
        message.link_name, from_object(message.object), tuple(message.touch_links)
    )


def _operation(message: ObjectMessage) -> Operation:
    """The operation; a `byte` field is bytes in rclpy.

    Raises:
        InvalidInputError: there is no such operation.
    """
    number = message.operation[0]
    try:
        return Operation(number)
    except ValueError:
        raise InvalidInputError(
            f"object {message.id!r}: operation {number}; 0 to 3 are known"
        ) from None


def _unset(pose: Pose) -> bool:
    """Whether nobody has filled the pose in: MoveIt takes that for the identity."""
    q, p = pose.orientation, pose.position
    return (q.x, q.y, q.z, p.x, p.y, p.z) == (0, 0, 0, 0, 0, 0) and q.w in (0.0, 1.0)


def _mesh(message: Mesh) -> TriangleMesh:
    vertices = np.array([(v.x, v.y, v.z) for v in message.vertices], dtype=np.float64)
    triangles = np.array([t.vertex_indices for t in message.triangles], dtype=np.int32)
    return TriangleMesh(vertices, triangles)


def to_scene(scene: PlanningScene, components: int) -> SceneMessage:
    """The parts of a scene that are asked for, as moveit_msgs/PlanningScene.

    Args:
        scene: the scene.
        components: bits of moveit_msgs/PlanningSceneComponents.
    """
    wanted = PlanningSceneComponents
    message = SceneMessage(robot_model_name=scene.robot.profile.name)
    base = scene.robot.profile.base_frame
    if components & (wanted.ROBOT_STATE | wanted.ROBOT_STATE_ATTACHED_OBJECTS):
        message.robot_state = to_robot_state(scene.positions)
    if components & wanted.ROBOT_STATE_ATTACHED_OBJECTS:
        message.robot_state.attached_collision_objects = _attached_messages(scene)
    if components & (wanted.WORLD_OBJECT_NAMES | wanted.WORLD_OBJECT_GEOMETRY):
        geometry = bool(components & wanted.WORLD_OBJECT_GEOMETRY)
        message.world.collision_objects = [
            to_object(item, base) if geometry else ObjectMessage(id=item.id)
            for item in scene.world.values()
        ]
    if components & wanted.ALLOWED_COLLISION_MATRIX:
        message.allowed_collision_matrix = _matrix(scene.allowed)
    return message


def to_object(item: CollisionObject, frame: str) -> ObjectMessage:
    """A collision object as a message.

    Args:
        item: the object.
        frame: name of the frame that its pose is in.
    """
    message = ObjectMessage(
        header=to_header(0, frame),
        id=item.id,
        pose=to_pose(item.pose),
        operation=ObjectMessage.ADD,
        subframe_names=list(item.subframes),
        subframe_poses=[to_pose(pose) for pose in item.subframes.values()],
    )
    for shape, place in item.shapes:
        if isinstance(shape, Primitive):
            solid = SolidPrimitive(type=_TYPES[shape.kind], dimensions=list(shape.dimensions))
            message.primitives.append(solid)
            message.primitive_poses.append(to_pose(place))
        else:
            message.meshes.append(_mesh_message(shape))
            message.mesh_poses.append(to_pose(place))
    return message


def attached_state(scene: PlanningScene) -> RobotState:
    """The robot with what it holds, as move_group sends it along with plans."""
    state = to_robot_state(scene.positions)
    state.attached_collision_objects = _attached_messages(scene)
    return state


def _attached_messages(scene: PlanningScene) -> list[AttachedMessage]:
    return [
        AttachedMessage(
            link_name=held.link,
            object=to_object(held.object, held.link),
            touch_links=list(held.touch_links),
        )
        for held in scene.attached.values()
    ]


def _mesh_message(mesh: TriangleMesh) -> Mesh:
    return Mesh(
        vertices=[to_point(vertex) for vertex in mesh.vertices],
        triangles=[
            MeshTriangle(vertex_indices=triangle.astype(np.uint32)) for triangle in mesh.triangles
        ],
    )


def _matrix(allowed: AllowedCollisions) -> AllowedCollisionMatrix:
    names, rows = allowed.to_matrix()
    return AllowedCollisionMatrix(
        entry_names=names,
        entry_values=[AllowedCollisionEntry(enabled=row) for row in rows],
        default_entry_names=list(allowed.defaults),
        default_entry_values=list(allowed.defaults.values()),
    )
