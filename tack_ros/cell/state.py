# SPDX-License-Identifier: Apache-2.0
"""/clock, /joint_states, /tf and /tf_static of the simulated robot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from tack_grasping.robot import CameraMount, RobotProfile
from tack_perception import geometry
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
            edges = self._links.edges(snapshot)
            self._tf.publish(
                TFMessage(
                    transforms=[
                        to_transform(pose, parent, child, stamp_ns)
                        for (parent, child), pose in edges.items()
                    ]
                )
            )


class _Links:
    """Where the robot's links are in a snapshot."""

    def __init__(self, model: Any, profile: RobotProfile) -> None:
        self._model = model
        self._data = import_mujoco().MjData(model)
        base = model.body(profile.base_frame).id
        self._pairs = [
            (int(model.body_parentid[body]), body)
            for body in range(model.nbody)
            if body != base and _descends(model, body, base)
        ]

    def edges(self, snapshot: Any) -> dict[Edge, FloatArray]:
        """(parent, child) → (4, 4) parent_from_child of every moving link, m."""
        snapshot.apply(self._model, self._data)
        edges = {}
        for parent, child in self._pairs:
            relative = geometry.inverse(self._pose(parent)) @ self._pose(child)
            names = (self._model.body(parent).name, self._model.body(child).name)
            edges[names] = geometry.nearest_transform(relative)
        return edges

    def _pose(self, body: int) -> FloatArray:
        rotation = self._data.xmat[body].reshape(3, 3)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, self._data.xpos[body]
        return pose


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
