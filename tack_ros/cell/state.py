# SPDX-License-Identifier: Apache-2.0
"""/clock, /joint_states, /tf and /tf_static of the simulated robot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from tack_grasping.robot import CameraMount, RobotProfile
from tack_ros import qos
from tack_ros.conversions.stamps import to_header, to_stamp
from tack_ros.conversions.transforms import to_transform
from tack_ros.node import TackNode
from tack_sim.cameras.models import camera_model
from tack_sim.cell.world import CellWorld
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]
Edge = tuple[str, str]


class StatePublisher:
    """Publishes the state of a world; call `publish` as time passes.

    Args:
        node: its publishers are made here.
        world: the cell.
        start_ns: stamp of the world's time 0.
        rate: of joint states and transforms, Hz of the world's time.
    """

    def __init__(self, node: TackNode, world: CellWorld, start_ns: int, rate: float) -> None:
        self._world, self._start_ns, self._period = world, start_ns, 1 / rate
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._joints = node.create_publisher(JointState, "/joint_states", qos.RESULT)
        self._tf = node.create_publisher(TFMessage, "/tf", qos.TF)
        self._static = node.create_publisher(TFMessage, "/tf_static", qos.TF_STATIC)
        self._links = _Links(world.model, world.profile)
        self._next = 0.0
        self.silent = False
        """No transform is published while this is set."""
        fixed = camera_edges(world.profile.cameras.values())
        self._static.publish(
            TFMessage(
                transforms=[
                    to_transform(pose, parent, child, start_ns)
                    for (parent, child), pose in fixed.items()
                ]
            )
        )

    def now_ns(self) -> int:
        """The time on the clock of the stamps."""
        return self.stamp_ns(self._world.time)

    def stamp_ns(self, time: float) -> int:
        """The stamp of a time of the world, s."""
        return self._start_ns + round(time * 1e9)

    def publish(self) -> None:
        """Publish the clock and, where it is due, the state."""
        state, snapshot = self._world.joint_state(), self._world.snapshot()
        stamp_ns = self.stamp_ns(snapshot.time)
        self._clock.publish(Clock(clock=to_stamp(stamp_ns)))
        if snapshot.time < self._next:
            return
        self._next = max(self._next + self._period, snapshot.time)
        self._joints.publish(
            JointState(
                header=to_header(stamp_ns, ""),
                name=list(state.names),
                position=state.positions.tolist(),
                velocity=state.velocities.tolist(),
                effort=state.efforts.tolist(),
            )
        )
        if not self.silent:
            self._tf.publish(self._links.transforms(snapshot, stamp_ns))


class _Links:
    """Where the robot's links are in a snapshot, as one message that is filled again and again."""

    def __init__(self, model: Any, profile: RobotProfile) -> None:
        self._model = model
        self._data = import_mujoco().MjData(model)
        base = model.body(profile.base_frame).id
        self._children = np.array(
            [body for body in range(model.nbody) if body != base and _descends(model, body, base)]
        )
        self._parents = model.body_parentid[self._children].astype(np.intp)
        self._message = TFMessage(
            transforms=[
                TransformStamped(
                    header=to_header(0, model.body(parent).name),
                    child_frame_id=model.body(child).name,
                )
                for parent, child in zip(self._parents, self._children, strict=True)
            ]
        )

    def transforms(self, snapshot: Any, stamp_ns: int) -> TFMessage:
        """parent_from_child of every link at a stamp; good until the next call."""
        snapshot.apply(self._model, self._data)
        stamp = to_stamp(stamp_ns)
        positions, quaternions = self._relative()
        edges = zip(self._message.transforms, positions.tolist(), quaternions.tolist(), strict=True)
        # Filled in place: making the messages anew takes several times as long.
        for edge, (x, y, z), (qw, qx, qy, qz) in edges:
            edge.header.stamp = stamp
            moved, turned = edge.transform.translation, edge.transform.rotation
            moved.x, moved.y, moved.z = x, y, z
            turned.x, turned.y, turned.z, turned.w = qx, qy, qz, qw
        return self._message

    def _relative(self) -> tuple[FloatArray, FloatArray]:
        """(n, 3) positions, m, and (n, 4) w x y z rotations of the links in their parents."""
        data, parents, children = self._data, self._parents, self._children
        rotations = data.xmat[parents].reshape(-1, 3, 3)  # base_from_parent
        offsets = data.xpos[children] - data.xpos[parents]
        positions = np.einsum("nji,nj->ni", rotations, offsets)
        parent, child = data.xquat[parents], data.xquat[children]
        # conj(parent) · child
        w0, v0, w1, v1 = parent[:, :1], -parent[:, 1:], child[:, :1], child[:, 1:]
        scalar = w0 * w1 - (v0 * v1).sum(axis=1, keepdims=True)
        quaternions = np.hstack([scalar, w0 * v1 + w1 * v0 + np.cross(v0, v1)])
        return positions, quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)


def _descends(model: Any, body: int, base: int) -> bool:
    while body:
        if body == base:
            return True
        body = int(model.body_parentid[body])
    return False


def camera_edges(mounts: Iterable[CameraMount]) -> Mapping[Edge, FloatArray]:
    """(parent, child) → (4, 4) of the fixed frames of cameras, named as realsense-ros does, m."""
    edges: dict[Edge, FloatArray] = {}
    for mount in mounts:
        model = camera_model(mount.model)
        names = model.frames(mount.name)
        edges[mount.parent, names.link] = mount.parent_from_optical @ model.optical_from_link()
        edges.update(model.static_transforms(mount.name))
    return edges
