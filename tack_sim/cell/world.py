# SPDX-License-Identifier: Apache-2.0
"""The running cell: physics, commands to the robot, and the true state of everything."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.motion import GripperState
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.build import build_cell
from tack_sim.cell.contacts import LEFT_PAD, RIGHT_PAD, Collision, ContactMonitor
from tack_sim.cell.faults import Fault, FaultKind, is_active
from tack_sim.cell.gripper import GripperController
from tack_sim.cell.layout import CellLayout
from tack_sim.renderer import import_mujoco
from tack_sim.robots.spec import GRIPPER, set_joints

FloatArray = NDArray[np.float64]
Controller = Callable[[float], None]

_OBSERVE_EVERY = 2  # steps of physics
_SLIPPERY = 0.03  # friction of the pads under the fault


@dataclasses.dataclass(frozen=True, eq=False)
class JointState:
    """The joints of arm and gripper at one moment.

    Attributes:
        names: arm first, in the order of the chain, then the gripper.
        positions: (n,) rad, or m for sliding joints.
        velocities: (n,) rad/s or m/s.
        efforts: (n,) Nm or N.
    """

    names: tuple[str, ...]
    positions: FloatArray
    velocities: FloatArray
    efforts: FloatArray


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a picture depends on; a copy, free to be used in another thread.

    Attributes:
        time: s.
        qpos: (nq,) of the model.
        mocap_pos, mocap_quat: (nmocap, 3) and (nmocap, 4) of freely moved bodies.
    """

    time: float
    qpos: FloatArray
    mocap_pos: FloatArray
    mocap_quat: FloatArray

    def apply(self, model: Any, data: Any) -> None:
        """Bring a mujoco.MjData of the same model, owned by the caller, to this state."""
        mujoco = import_mujoco()
        data.time, data.qpos[:] = self.time, self.qpos
        data.mocap_pos[:], data.mocap_quat[:] = self.mocap_pos, self.mocap_quat
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)  # cameras and lights may look at a centre of mass
        mujoco.mj_camlight(model, data)


class CellWorld:
    """A cell in which time passes only by `step`. Every method may be called from any thread.

    Args:
        layout: what stands where.
        faults: of the actuation; those of cameras, planning and transforms are not its business.
        meshes: whether the robot has its good-looking meshes; None: where they are installed.

    Attributes:
        layout, model: as given, and mujoco.MjModel.
        data: mujoco.MjData; hold `lock` while reading it.
        lock: held while time passes and while the state is read.

    Raises:
        DependencyError: MuJoCo is missing; says what to install.
    """

    def __init__(
        self,
        layout: CellLayout,
        *,
        faults: Iterable[Fault] = (),
        meshes: bool | None = None,
    ) -> None:
        self._mujoco = import_mujoco()
        self.layout, self.profile, self.faults = layout, layout.profile, list(faults)
        self.model = build_cell(layout, meshes=meshes)
        self.data = self._mujoco.MjData(self.model)
        self.lock = threading.RLock()
        self._contacts = ContactMonitor(self.model, layout)
        self._gripper = GripperController(self.model, self.profile.gripper)
        self._controllers: list[Controller] = []
        self._arm = _Joints(self.model, tuple(self.profile.joints))
        self._fingers = _Joints(self.model, self.profile.gripper.joints)
        self._actuators = np.array([self.model.actuator(name).id for name in self.profile.joints])
        self._lead = _lead(self.model, self._actuators)
        self._pads = [
            index
            for index in range(self.model.ngeom)
            if self.model.geom(index).name.startswith((LEFT_PAD, RIGHT_PAD))
        ]
        self._pad_friction = self.model.geom_friction[self._pads].copy()
        self._stalled = False
        self.reset()

    def reset(self) -> None:
        """Everything back to the start: home, open, objects where the layout has them."""
        with self.lock:
            self._mujoco.mj_resetData(self.model, self.data)
            self._steps = 0
            set_joints(self.model, self.data, self.profile)
            self._gripper.reset()
            self._contacts.reset()
            self._apply_faults()
            self._gripper.update(self.data, 0.0)
            self._mujoco.mj_forward(self.model, self.data)

    @property
    def time(self) -> float:
        """Of the cell, s."""
        return self._steps * float(self.model.opt.timestep)

    def step(self, seconds: float) -> None:
        """Let time pass, rounded to whole steps of physics (2 ms), at least one.

        Raises:
            InvalidInputError: a time that is not positive.
        """
        if not seconds > 0:
            raise InvalidInputError(f"time passes forward: {seconds} s is not positive")
        with self.lock:
            for _ in range(max(1, round(seconds / self.model.opt.timestep))):
                self._step()
            # A step leaves poses as they were before it; joints and poses are to agree.
            self._mujoco.mj_kinematics(self.model, self.data)

    def add_controller(self, update: Controller) -> None:
        """Have a function called with the time (s) before every step of physics."""
        with self.lock:
            self._controllers.append(update)

    def remove_controller(self, update: Controller) -> None:
        """No longer call it; one that was never added is ignored."""
        with self.lock:
            self._controllers = [known for known in self._controllers if known != update]

    def command_arm(self, positions: ArrayLike, velocities: ArrayLike | None = None) -> None:
        """Set where the arm's servos go.

        Args:
            positions: (n,) rad, in the order of the profile's joints.
            velocities: (n,) rad/s at which they are passed; None: standing still.

        Raises:
            InvalidInputError: wrong number of joints, or not finite.
        """
        wanted = self._checked(positions, "positions")
        if velocities is not None:
            # A servo with damping trails by this lead; given ahead, it follows closely.
            wanted = wanted + self._lead * self._checked(velocities, "velocities")
        with self.lock:
            if not self._stalled:
                self.data.ctrl[self._actuators] = wanted

    def command_gripper(self, opening: float, force: float | None = None) -> None:
        """Set the opening, m, that the fingers go to, and the most force they use, N.

        Raises:
            InvalidInputError: outside of what the gripper can do; names the range.
        """
        with self.lock:
            self._gripper.command(opening, self.profile.gripper.force if force is None else force)

    def gripper_state(self) -> GripperState:
        """What the gripper reports."""
        with self.lock:
            return self._gripper.state(self.data)

    def joint_state(self) -> JointState:
        """The joints of arm and gripper now."""
        with self.lock:
            groups, data = (self._arm, self._fingers), self.data
            return JointState(
                tuple(name for group in groups for name in group.names),
                np.concatenate([data.qpos[group.qpos] for group in groups]),
                np.concatenate([data.qvel[group.dof] for group in groups]),
                np.concatenate([data.qfrc_actuator[group.dof] for group in groups]),
            )

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Of the arm, in the order of the chain."""
        return self._arm.names

    def arm_motion(self) -> tuple[FloatArray, FloatArray]:
        """(n,) positions of the arm's joints, rad, and their velocities, rad/s."""
        with self.lock:
            return self.data.qpos[self._arm.qpos], self.data.qvel[self._arm.dof]

    def hold_arm(self) -> None:
        """Stand still where the arm is now."""
        self.command_arm(self.arm_motion()[0])

    def base_from_link(self, name: str) -> FloatArray:
        """(4, 4) of a link or of any other body now, m.

        Raises:
            InvalidInputError: no such body.
        """
        with self.lock:
            try:
                body = self.data.body(name)
            except KeyError as error:
                raise InvalidInputError(f"the cell has no link {name!r}") from error
            return _pose(body.xpos, body.xmat)

    def base_from_gripper(self) -> FloatArray:
        """(4, 4) of the gripper frame now, m."""
        with self.lock:
            site = self.data.site(GRIPPER)
            return _pose(site.xpos, site.xmat)

    def object_pose(self, name: str) -> FloatArray:
        """(4, 4) base_from_object now, m.

        Raises:
            InvalidInputError: no such object; names those that exist.
        """
        return self.base_from_link(self.layout.placed(name).name)

    def place_object(self, name: str, base_from_object: FloatArray) -> None:
        """Put an object somewhere else, at rest, as a person would.

        Args:
            name: of the object.
            base_from_object: (4, 4), m.

        Raises:
            InvalidInputError: no such object, or no rigid transform.
        """
        pose = geometry.check_transform(base_from_object, f"{name}: base_from_object")
        joint = self.model.joint(self.layout.placed(name).name)
        qpos, dof = int(joint.qposadr[0]), int(joint.dofadr[0])
        x, y, z, w = geometry.to_quaternion(pose)
        with self.lock:
            self.data.qpos[qpos : qpos + 7] = (*pose[:3, 3], w, x, y, z)
            self.data.qvel[dof : dof + 6] = 0.0
            self._mujoco.mj_forward(self.model, self.data)

    def object_centre(self, name: str) -> FloatArray:
        """(3,) centre of mass of an object now, m."""
        with self.lock:
            centre: FloatArray = self.data.body(self.layout.placed(name).name).xipos.copy()
            return centre

    def object_speed(self, name: str) -> tuple[float, float]:
        """Speed of an object, m/s, and its turning rate, rad/s."""
        with self.lock:
            address = int(self.model.joint(self.layout.placed(name).name).dofadr[0])
            twist = self.data.qvel[address : address + 6]
            return float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))

    def pads_on(self, name: str) -> tuple[bool, bool]:
        """Whether the left and the right pad press on an object now."""
        with self.lock:
            return self._contacts.pads_on(self.data, self.layout.placed(name).name)

    def touching(self, name: str) -> set[str]:
        """Names of links, furniture and objects that an object touches now."""
        with self.lock:
            return self._contacts.touching(self.data, self.layout.placed(name).name)

    @property
    def collisions(self) -> tuple[Collision, ...]:
        """All collisions since the start or the last `forget_collisions`."""
        with self.lock:
            return tuple(dataclasses.replace(c) for c in self._contacts.collisions)

    def forget_collisions(self) -> None:
        """Count collisions from here on."""
        with self.lock:
            self._contacts.reset()

    def snapshot(self) -> Snapshot:
        """A copy of the state for a renderer."""
        with self.lock:
            data = self.data
            return Snapshot(
                self.time, data.qpos.copy(), data.mocap_pos.copy(), data.mocap_quat.copy()
            )

    def _step(self) -> None:
        self._apply_faults()
        for update in tuple(self._controllers):
            update(self.time)
        self._gripper.update(self.data, float(self.model.opt.timestep))
        self._mujoco.mj_step(self.model, self.data)
        self._steps += 1
        if self._steps % _OBSERVE_EVERY == 0:
            self._contacts.observe(self.data)

    def _apply_faults(self) -> None:
        self._stalled = is_active(self.faults, FaultKind.CONTROLLER_STALL, self.time)
        slips = is_active(self.faults, FaultKind.GRIPPER_SLIP, self.time)
        if slips != self._gripper.slips:
            self._gripper.slips = slips
            self.model.geom_friction[self._pads] = self._pad_friction
            if slips:
                self.model.geom_friction[self._pads, 0] = _SLIPPERY

    def _checked(self, values: ArrayLike, what: str) -> FloatArray:
        array = np.asarray(values, dtype=np.float64)
        expected = (len(self._actuators),)
        if array.shape != expected or not np.isfinite(array).all():
            raise InvalidInputError(f"{what} {array.tolist()}: {expected[0]} finite values needed")
        return array


class _Joints:
    """Where some joints are in the state."""

    def __init__(self, model: Any, names: tuple[str, ...]) -> None:
        self.names = names
        self.qpos = np.array([model.joint(name).qposadr[0] for name in names])
        self.dof = np.array([model.joint(name).dofadr[0] for name in names])


def _lead(model: Any, actuators: NDArray[np.integer]) -> FloatArray:
    """(n,) s by which each position servo trails a moving set-point: damping over stiffness."""
    lead: FloatArray = model.actuator_biasprm[actuators, 2] / model.actuator_biasprm[actuators, 1]
    return lead


def _pose(position: FloatArray, rotation: FloatArray) -> FloatArray:
    pose = np.eye(4)
    pose[:3, 3], pose[:3, :3] = position, rotation.reshape(3, 3)
    return pose
