# SPDX-License-Identifier: Apache-2.0
"""The planning scene that was read from depth, as changes of MoveIt's."""

from __future__ import annotations

import contextlib

import numpy as np
from moveit_msgs.msg import CollisionObject, PlanningScene
from numpy.typing import NDArray
from shape_msgs.msg import Mesh, MeshTriangle

from tack_grasping.extent import Extent
from tack_grasping.motion import MotionError
from tack_grasping.scene.change import SceneChange, diff
from tack_grasping.scene.model import SceneModel
from tack_grasping.scene.obstacle import Obstacle
from tack_ros.conversions.stamps import to_header
from tack_ros.conversions.transforms import to_point, to_pose
from tack_ros.moveit import requests
from tack_ros.moveit.client import MoveItMotion

FloatArray = NDArray[np.float64]


def to_object(obstacle: Obstacle, frame: str) -> CollisionObject:
    """An obstacle to add, or to replace the one of its name: a box, or a mesh for a hull.

    Args:
        obstacle: in the base frame.
        frame: name of the base frame.
    """
    if obstacle.size is not None:
        return requests.box(obstacle.name, frame, obstacle.base_from_shape, obstacle.size)
    assert obstacle.vertices is not None
    assert obstacle.triangles is not None
    mesh = Mesh(
        vertices=[to_point(vertex) for vertex in obstacle.vertices],
        triangles=[
            MeshTriangle(vertex_indices=triangle.astype(np.uint32))
            for triangle in obstacle.triangles
        ],
    )
    return CollisionObject(
        header=to_header(0, frame),
        id=obstacle.name,
        pose=to_pose(obstacle.base_from_shape),
        meshes=[mesh],
        mesh_poses=[to_pose(np.eye(4))],
        operation=CollisionObject.ADD,
    )


def to_planning_scene(change: SceneChange) -> PlanningScene:
    """A change as a diff of the planning scene: what is gone first, then what is new."""
    gone = [_removal(name) for name in change.removed]
    # A name that is added again replaces its object: shapes change a little with every look.
    new = [to_object(one, change.frame_id) for one in (*change.changed, *change.added)]
    return requests.scene_change([*gone, *new])


class MoveItScene:
    """Keeps move_group's planning scene equal to what was seen. Blocks; not for callbacks.

    Only what was shown here is touched: other objects of the planning scene stay.

    Args:
        motion: reaches move_group.
    """

    def __init__(self, motion: MoveItMotion) -> None:
        self._motion = motion
        self._shown: SceneModel | None = None
        self._doubtful: set[str] = set()

    def resend(self) -> None:
        """Send all of the scene with the next model: move_group may have been started again."""
        if self._shown is not None:
            self._doubtful |= {one.name for one in self._shown.solids}
        self._shown = None

    def restore(self) -> None:
        """Send all that was shown once more, to a move_group that was started again.

        Raises:
            MotionError: move_group does not take it.
        """
        if self._shown is not None:
            self._motion.change_scene(to_planning_scene(diff(None, self._shown)))

    def show(self, model: SceneModel) -> SceneChange:
        """Bring the planning scene from the last model to this one.

        Args:
            model: read with the last one as `previous`, so that names stay.

        Returns:
            What was changed.

        Raises:
            MotionError: move_group does not take it; the next call sends all of it again.
        """
        change = diff(self._shown, model)
        if change:
            try:
                self._motion.change_scene(to_planning_scene(change))
            except MotionError:
                self.resend()  # how much of it was applied is not known
                raise
        self._shown = model
        self._clear_doubtful({one.name for one in model.solids})
        return change

    def hold(self, extent: Extent, base_from_gripper: FloatArray) -> None:
        """The box around what was grasped moves with the gripper from now on, as `HELD`.

        Args:
            extent: of the target, before it was grasped.
            base_from_gripper: (4, 4) pose in which it was grasped, m.

        Raises:
            MotionError: move_group does not take it.
        """
        self._motion.hold(*extent.box(base_from_gripper))

    def release(self) -> None:
        """What was held is let go and forgotten; the next look shows where it lies.

        Raises:
            MotionError: move_group does not do it.
        """
        self._motion.let_go()

    def _clear_doubtful(self, wanted: set[str]) -> None:
        """Take out what may have been left of scenes before a failure."""
        for name in self._doubtful - wanted:
            with contextlib.suppress(MotionError):  # it may be gone already
                self._motion.change_scene(requests.scene_change([_removal(name)]))
        self._doubtful.clear()


def _removal(name: str) -> CollisionObject:
    return CollisionObject(id=name, operation=CollisionObject.REMOVE)
