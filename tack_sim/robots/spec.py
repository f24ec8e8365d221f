# SPDX-License-Identifier: Apache-2.0
"""A robot as a MuJoCo model under construction: bodies, joints, motors, gripper, what is seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import DependencyError
from tack_sim.renderer import import_mujoco
from tack_sim.robots.arms import arm_of, hand_of
from tack_sim.robots.assets import LinkMesh, load_meshes, mesh_folder
from tack_sim.robots.housings import camera_links
from tack_sim.robots.link import Arm, Hand, Link, Solid

FloatArray = NDArray[np.float64]

VISUAL_GROUP = 2
COLLISION_GROUP = 3
GRIPPER = "gripper"
"""Name of the actuator that opens the gripper (its control is the opening, m) and of the site."""

_GRIPPER_STIFFNESS = 1e4  # N per metre of opening
# A contact that gives way in 5 ms and creeps no more than that; measured on held objects.
_PAD_SOLREF = (0.005, 1.0)
_PAD_SOLIMP = (0.95, 0.99, 0.001, 0.5, 2.0)
_PAD_FRICTION = (1.2, 0.01, 0.0001)
# s. With 0.1, as other models have it, the light joints of a wrist chatter at their torque limit
# for good once they have reached it: the damping alone then overshoots in a step of physics.
_DAMPING_PER_STIFFNESS = 0.03


def robot_spec(profile: RobotProfile, *, meshes: bool | None = None) -> Any:
    """The robot alone, with its base frame at the origin of the world.

    Bodies are named as the robot's links. Visible geometry is in group 2 and never collides;
    collision geometry is in group 3, and is the same with and without meshes. Each joint of the arm
    has a position actuator of its name; the actuator `gripper` takes the opening in metres. The
    site `gripper` is the gripper frame. Geoms of the finger pads are `left_pad1`, `right_pad1`, ….
    Cameras are bodies `wrist_camera`, … in their optical frames: housings, not MuJoCo cameras.

    Args:
        profile: the robot.
        meshes: whether it is drawn with meshes; None: if they are installed.

    Returns:
        mujoco.MjSpec.

    Raises:
        DependencyError: MuJoCo is missing, or meshes are wanted and none are installed.
        InvalidInputError: the profile names an arm or a gripper that tack does not know.
    """
    mujoco = import_mujoco()
    arm, hand = arm_of(profile), hand_of(profile)
    spec = mujoco.MjSpec()
    spec.modelname = profile.name
    spec.compiler.degree = False
    spec.compiler.autolimits = True
    drawn = _meshes(profile) if meshes is None or meshes else {}
    if meshes and not drawn:
        raise DependencyError(
            f"no meshes of {profile.arm} in {mesh_folder()}: python scripts/robot_meshes.py"
        )
    bodies = {"": spec.worldbody}
    for link in arm.links:
        _add_link(spec, bodies, link, profile)
        _add_look(spec, bodies[link.name], link, drawn.get(link.name, ()))
    tip_from_hand = profile.gripper.tip_from_gripper @ hand.gripper_from_hand
    for link in hand.links:
        mount = link.parent == ""
        parent = profile.tip_frame if mount else link.parent
        placed = tip_from_hand @ link.parent_from_link if mount else link.parent_from_link
        _add_link(spec, bodies, link, profile, parent, placed)
        _add_look(spec, bodies[link.name], link, drawn.get(link.name, ()))
    for camera in camera_links(profile):
        _add_link(spec, bodies, camera, profile)
        _add_look(spec, bodies[camera.name], camera, ())
    _add_arm_motors(spec, arm, profile)
    _add_gripper_motor(spec, hand, profile)
    site = bodies[profile.tip_frame].add_site(name=GRIPPER, group=4)
    _place(site, profile.gripper.tip_from_gripper)
    for first, second in (*arm.touching, *_hand_pairs(hand)):
        spec.add_exclude(bodyname1=first, bodyname2=second)
    return spec


def set_joints(
    model: Any, data: Any, profile: RobotProfile, q: FloatArray | None = None, opening: float = -1
) -> None:
    """Put the robot at rest at joint positions, with its motors asked to stay there.

    Args:
        model: mujoco.MjModel that holds the robot.
        data: mujoco.MjData; the caller calls mj_forward.
        profile: the robot.
        q: (n,) rad, in the order of the profile; None for home.
        opening: of the gripper, m; below 0 for fully open.
    """
    hand = hand_of(profile)
    positions = dict(zip(profile.joints, profile.home if q is None else q, strict=True))
    for name, value in positions.items():
        data.actuator(name).ctrl = value
    opening = profile.gripper.stroke if opening < 0 else min(opening, profile.gripper.stroke)
    data.actuator(GRIPPER).ctrl = opening
    positions.update(dict.fromkeys(hand.slides, opening / 2))
    for follower in hand.followers:
        moved = opening / 2 - model.joint(follower.slide).qpos0[0]
        positions[follower.joint] = np.polyval(follower.polynomial[::-1], moved)
    for name, value in positions.items():
        data.joint(name).qpos = value
        data.joint(name).qvel = 0


def _add_link(
    spec: Any,
    bodies: dict[str, Any],
    link: Link,
    profile: RobotProfile,
    parent: str | None = None,
    parent_from_link: FloatArray | None = None,
) -> None:
    mujoco = import_mujoco()
    body = bodies[link.parent if parent is None else parent].add_body(name=link.name, gravcomp=1)
    bodies[link.name] = body
    _place(body, link.parent_from_link if parent_from_link is None else parent_from_link)
    if link.mass:
        body.mass, body.ipos, body.fullinertia = link.mass, link.center, link.inertia
        body.explicitinertial = True
    if link.joint:
        joint = link.joint
        limits = profile.joints.get(joint.name)
        low, high = (
            (limits.lower, limits.upper) if limits else (joint.lower or 0.0, joint.upper or 0.0)
        )
        slides = joint.kind == "slide"
        kind = mujoco.mjtJoint.mjJNT_SLIDE if slides else mujoco.mjtJoint.mjJNT_HINGE
        body.add_joint(
            name=joint.name,
            type=kind,
            axis=joint.axis,
            range=(low, high),
            # Fingers are described where they are when open; 0 is where they are closed.
            ref=high if slides else 0.0,
            armature=joint.armature,
            damping=joint.damping,
        )
    for solid in link.solids:
        if solid.collides:
            geom = _add_solid(body, solid, COLLISION_GROUP)
            geom.name = solid.name
            if solid.pad:
                geom.condim, geom.priority, geom.friction = 4, 1, _PAD_FRICTION
                geom.solref, geom.solimp = _PAD_SOLREF, _PAD_SOLIMP


def _add_look(spec: Any, body: Any, link: Link, meshes: Sequence[LinkMesh]) -> None:
    """What is seen of a link: its meshes, or its solids where there are none."""
    mujoco = import_mujoco()
    for index, mesh in enumerate(meshes):
        name = f"{link.name}/{index}"
        asset = spec.add_mesh(name=name)
        asset.uservert, asset.userface = mesh.vertices.ravel(), mesh.faces.ravel()
        # The volume of an open surface means nothing, and MuJoCo would refuse it.
        asset.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        geom = body.add_geom(
            name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, group=VISUAL_GROUP
        )
        geom.rgba = (*mesh.color, 1)
        _unphysical(geom)
    for solid in link.solids:
        if solid.shows and not meshes:
            _unphysical(_add_solid(body, solid, VISUAL_GROUP))


def _add_solid(body: Any, solid: Solid, group: int) -> Any:
    mujoco = import_mujoco()
    geom = body.add_geom(
        type=getattr(mujoco.mjtGeom, f"mjGEOM_{solid.kind.upper()}"),
        size=(*solid.size, 0.0, 0.0)[:3],
        rgba=(*solid.color, 1),
        group=group,
        mass=0,
    )
    _place(geom, solid.link_from_solid)
    return geom


def _unphysical(geom: Any) -> None:
    geom.mass, geom.contype, geom.conaffinity = 0, 0, 0


def _meshes(profile: RobotProfile) -> dict[str, tuple[LinkMesh, ...]]:
    return {**load_meshes(profile.arm), **load_meshes(profile.gripper.name)}


def _add_arm_motors(spec: Any, arm: Arm, profile: RobotProfile) -> None:
    mujoco = import_mujoco()
    for name, drive in zip(arm.joints, arm.drives, strict=True):
        limits = profile.joints[name]
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.set_to_position(kp=drive.stiffness, kv=drive.stiffness * _DAMPING_PER_STIFFNESS)
        motor.ctrlrange = (limits.lower, limits.upper)
        motor.forcerange = (-drive.torque, drive.torque)


def _add_gripper_motor(spec: Any, hand: Hand, profile: RobotProfile) -> None:
    mujoco = import_mujoco()
    left, right = hand.slides
    opening = spec.add_tendon(name=GRIPPER)
    opening.wrap_joint(left, 1)
    opening.wrap_joint(right, 1)
    motor = spec.add_actuator(name=GRIPPER, target=GRIPPER, trntype=mujoco.mjtTrn.mjTRN_TENDON)
    motor.set_to_position(kp=_GRIPPER_STIFFNESS, dampratio=1.0)
    motor.ctrlrange = (0, profile.gripper.stroke)
    motor.forcerange = (-profile.gripper.force, profile.gripper.force)
    _couple(spec, right, left, (0, 1, 0, 0, 0))
    for follower in hand.followers:
        _couple(spec, follower.joint, follower.slide, follower.polynomial)


def _couple(spec: Any, joint: str, to: str, polynomial: Iterable[float]) -> None:
    mujoco = import_mujoco()
    equality = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT, objtype=mujoco.mjtObj.mjOBJ_JOINT, name1=joint, name2=to
    )
    equality.data[:5] = list(polynomial)
    equality.solref, equality.solimp = _PAD_SOLREF, _PAD_SOLIMP


def _hand_pairs(hand: Hand) -> list[tuple[str, str]]:
    """Every pair of the gripper's links but its two fingers: a linkage lies in itself."""
    fingers = {link.name for link in hand.links if link.joint and link.joint.name in hand.slides}
    names = [link.name for link in hand.links]
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    return [pair for pair in pairs if set(pair) != fingers]


def _place(element: Any, parent_from_element: FloatArray) -> None:
    x, y, z, w = geometry.to_quaternion(parent_from_element)
    element.pos, element.quat = parent_from_element[:3, 3], (w, x, y, z)
