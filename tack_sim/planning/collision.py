# SPDX-License-Identifier: Apache-2.0
"""Whether the robot collides with the scene, with itself or with what it carries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_sim.planning.collision_model import build_collision_model, reaches, static_pairs
from tack_sim.planning.scene import PlanningScene
from tack_sim.renderer import import_mujoco

FloatArray = NDArray[np.float64]

MARGIN = 0.005
"""Distance that planning keeps from everything, m, where start and goal let it."""


@dataclasses.dataclass(frozen=True)
class Contact:
    """Two things that touch or come close.

    Attributes:
        first, second: names of links or objects.
        distance: m; negative where they overlap.
    """

    first: str
    second: str
    distance: float

    def __str__(self) -> str:
        if self.distance < 0:
            return f"{self.first} and {self.second} overlap by {-self.distance * 1e3:.1f} mm"
        return f"{self.first} and {self.second} are {self.distance * 1e3:.1f} mm apart"


class CollisionChecker:
    """Checks joint positions against one scene. Use it from one thread at a time.

    Attributes:
        reaches: (n,) how far any point of the robot, or of what it carries, can be from the axis of
            each joint, m.

    Convex shapes are exact to MuJoCo's tolerance of 1e-6 m; a mesh that is not convex is checked as
    the pieces of `convex_pieces`.

    Args:
        scene: the snapshot; later scenes that differ only in joint positions may share the checker,
            see `fits`.

    Raises:
        DependencyError: MuJoCo is missing; says what to install.
    """

    def __init__(self, scene: PlanningScene) -> None:
        self._mujoco = mujoco = import_mujoco()
        self._scene = scene
        self._model, self._names = build_collision_model(scene, MARGIN)
        self._data = mujoco.MjData(self._model)
        joints = scene.robot.joints
        self._arm = np.array([self._model.joint(name).qposadr[0] for name in joints])
        self.reaches = reaches(self._model, joints)
        self._pairs = static_pairs(self._model, scene.robot)
        # Below its limit a pair is too close; `relax` lowers some.
        self._limits = np.zeros((self._model.nbody, self._model.nbody))
        self.set_gripper(scene.positions)

    def fits(self, scene: PlanningScene) -> bool:
        """Whether the scene holds the same things in the same places, the robot's joints apart."""
        mine = self._scene
        return (
            scene.robot is mine.robot
            and scene.world is mine.world
            and scene.attached is mine.attached
            and scene.allowed is mine.allowed
        )

    def set_gripper(self, positions: Mapping[str, float]) -> None:
        """Open or close the gripper as in some joint positions."""
        for name, value in self._scene.robot.gripper_positions(positions).items():
            self._data.qpos[self._model.joint(name).qposadr[0]] = value
        self._update(self._data.qpos[self._arm])
        found = (self._static(first, second) for first, second in self._pairs)
        self._fixed = [contact for contact in found if contact.distance < MARGIN]

    def keep_margin(self, margin: float, *exceptions: ArrayLike) -> None:
        """Set how far `is_free` stays away from everything.

        Pairs that are closer in one of the exceptions, joint positions (n,) such as the start and
        the goals, only need that distance: a goal beside an object could not be left otherwise.

        Args:
            margin: at most `MARGIN`, m.
            exceptions: joint positions, free of collision.
        """
        self._limits[:] = margin
        for q in exceptions:
            for first, second, distance in self._close(q):
                allowed = max(0.0, min(self._limits[first, second], distance - 1e-6))
                self._limits[first, second] = self._limits[second, first] = allowed

    def is_free(self, q: ArrayLike) -> bool:
        """Whether no pair is closer than the margin at joint positions (n,), rad."""
        self._update(q)
        data = self._data
        if not data.ncon:
            return True
        body = self._model.geom_bodyid[data.contact.geom]
        return bool((data.contact.dist >= self._limits[body[:, 0], body[:, 1]]).all())

    def contacts(self, q: ArrayLike, margin: float = 0.0) -> list[Contact]:
        """What is closer than a margin at joint positions (n,), rad; the deepest first.

        Args:
            q: (n,) rad.
            margin: at most `MARGIN`, m.
        """
        nearest: dict[tuple[str, str], float] = {
            (one.first, one.second): one.distance for one in self._fixed if one.distance < margin
        }
        for first, second, distance in self._close(q):
            key = (self._names[min(first, second)], self._names[max(first, second)])
            if distance < min(margin, nearest.get(key, np.inf)):
                nearest[key] = distance
        found = [Contact(first, second, distance) for (first, second), distance in nearest.items()]
        return sorted(found, key=lambda contact: contact.distance)

    def _update(self, q: ArrayLike) -> None:
        self._data.qpos[self._arm] = q
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_collision(self._model, self._data)

    def _close(self, q: ArrayLike) -> list[tuple[int, int, float]]:
        """Bodies closer than `MARGIN`, with their distance, m."""
        self._update(q)
        body = self._model.geom_bodyid[self._data.contact.geom].reshape(-1, 2)
        return [
            (int(first), int(second), float(distance))
            for (first, second), distance in zip(body, self._data.contact.dist, strict=True)
        ]

    def _static(self, first: int, second: int) -> Contact:
        model, data = self._model, self._data
        distance = self._mujoco.mj_geomDistance(model, data, first, second, MARGIN, None)
        names = [self._names[model.geom_bodyid[geom]] for geom in (first, second)]
        return Contact(names[0], names[1], float(distance))
