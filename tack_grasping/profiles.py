# SPDX-License-Identifier: Apache-2.0
"""Robot profiles as YAML files: those that come with tack, and a person's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transforms3d import euler

from tack_grasping.robot import CameraMount, Gripper, JointLimits, KeepOut, RobotProfile
from tack_perception import geometry
from tack_perception.annotations.yaml_nodes import Value
from tack_perception.errors import ConfigurationError
from tack_perception.share import shipped_folder

FloatArray = NDArray[np.float64]

_CAMERA_MODELS = ("d435", "d405")
_ACTION_TYPES = ("gripper_command", "parallel_gripper_command")
_TOP = (
    "name",
    "arm",
    "group",
    "base_frame",
    "tip_frame",
    "joints",
    "home",
    "arm_controller",
    "gripper",
    "cameras",
    "workspace",
    "table_height",
)
_OPTIONAL = ("keep_out",)
_GRIPPER = (
    "name",
    "joints",
    "stroke",
    "closed",
    "opened",
    "finger_depth",
    "finger_width",
    "finger_thickness",
    "force",
    "speed",
    "tip_from_gripper",
    "action",
    "action_type",
    "touch_links",
)
_GRIPPER_OPTIONAL = ("finger_links", "wrist_links")


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with tack, sorted."""
    return tuple(sorted(path.stem for path in shipped_folder("config/robots").glob("*.yaml")))


def load_profile(name_or_path: str | Path) -> RobotProfile:
    """Read and check a robot's profile.

    Args:
        name_or_path: one of `profile_names()`, or the path of a YAML file.

    Raises:
        ConfigurationError: there is no such profile; names those that exist.
        FileFormatError: a field is missing, unknown or wrong; names the file, the line and the
            field.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in profile_names():
            raise ConfigurationError(
                f"robot profile {str(name_or_path)!r}: known are {', '.join(profile_names())};"
                " for your own, give the path of its .yaml file"
            )
        path = shipped_folder("config/robots") / f"{name_or_path}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"robot profile {path}: cannot be read: {error}") from error
    return _profile(Value.document(text, str(path)))


def _profile(document: Value) -> RobotProfile:
    values = document.record(_TOP, _OPTIONAL)
    joints = {name: _limits(value) for name, value in values["joints"].items().items()}
    if not joints:
        raise values["joints"].fault("at least one joint is expected")
    return RobotProfile(
        name=values["name"].text(),
        arm=values["arm"].text(),
        group=values["group"].text(),
        base_frame=values["base_frame"].text(),
        tip_frame=values["tip_frame"].text(),
        joints=joints,
        home=_home(values["home"], joints),
        arm_controller=values["arm_controller"].text(),
        gripper=_gripper(values["gripper"]),
        cameras={name: _camera(name, value) for name, value in values["cameras"].items().items()},
        workspace=_workspace(values["workspace"]),
        table_height=values["table_height"].number(),
        keep_out=_keep_out(values["keep_out"]) if "keep_out" in values else (),
    )


def _limits(value: Value) -> JointLimits:
    fields = value.record(("lower", "upper", "velocity", "acceleration"))
    lower, upper = fields["lower"].number(), fields["upper"].number()
    if not lower < upper:
        raise value.fault(f"lower {lower:g} is not below upper {upper:g}")
    return JointLimits(
        lower, upper, _positive(fields["velocity"]), _positive(fields["acceleration"])
    )


def _home(value: Value, joints: dict[str, JointLimits]) -> FloatArray:
    home = value.numbers(len(joints))
    for position, (name, limits) in zip(home, joints.items(), strict=True):
        if not limits.lower <= position <= limits.upper:
            raise value.fault(
                f"{name} at {position:g} rad; {limits.lower:g} to {limits.upper:g} is allowed"
            )
    return np.array(home)


def _gripper(value: Value) -> Gripper:
    fields = value.record(_GRIPPER, _GRIPPER_OPTIONAL)
    closed, opened = fields["closed"].number(), fields["opened"].number()
    if closed == opened:
        raise fields["opened"].fault("it must differ from closed")
    touch_links = _names(fields["touch_links"])
    fingers = _names(fields["finger_links"]) if "finger_links" in fields else touch_links
    if others := set(fingers) - set(touch_links):
        raise fields["finger_links"].fault(f"{', '.join(sorted(others))}: not among touch_links")
    return Gripper(
        name=fields["name"].text(),
        joints=_names(fields["joints"]),
        stroke=_positive(fields["stroke"]),
        closed=closed,
        opened=opened,
        finger_depth=_positive(fields["finger_depth"]),
        finger_width=_positive(fields["finger_width"]),
        finger_thickness=_positive(fields["finger_thickness"]),
        force=_positive(fields["force"]),
        speed=_positive(fields["speed"]),
        tip_from_gripper=_pose(fields["tip_from_gripper"]),
        action=fields["action"].text(),
        action_type=_choice(fields["action_type"], _ACTION_TYPES),
        touch_links=touch_links,
        finger_links=fingers,
        wrist_links=_names(fields["wrist_links"]) if "wrist_links" in fields else (),
    )


def _camera(name: str, value: Value) -> CameraMount:
    fields = value.record(("model", "parent", "parent_from_optical"))
    return CameraMount(
        name=name,
        model=_choice(fields["model"], _CAMERA_MODELS),
        parent=fields["parent"].text(),
        parent_from_optical=_pose(fields["parent_from_optical"]),
    )


def _workspace(value: Value) -> tuple[FloatArray, FloatArray]:
    fields = value.record(("lower", "upper"))
    lower, upper = (np.array(fields[name].numbers(3)) for name in ("lower", "upper"))
    if not (lower < upper).all():
        raise value.fault(f"lower {lower.tolist()} is not below upper {upper.tolist()} everywhere")
    return lower, upper


def _keep_out(value: Value) -> tuple[KeepOut, ...]:
    boxes: dict[str, KeepOut] = {}
    for item in value:
        fields = item.record(("name", "base_from_box", "size"))
        name, size = fields["name"].text(), np.array(fields["size"].numbers(3))
        if name in boxes:
            raise fields["name"].fault(f"{name!r} is there twice; each box needs a name of its own")
        if not (size > 0).all():
            raise fields["size"].fault(f"{size.tolist()}: three numbers above 0 are expected")
        boxes[name] = KeepOut(name, _pose(fields["base_from_box"]), size)
    return tuple(boxes.values())


def _pose(value: Value) -> FloatArray:
    """(4, 4) of a pose that is written as in a URDF."""
    fields = value.record(("xyz", "rpy"))
    xyz, rpy = (fields[name].numbers(3) for name in ("xyz", "rpy"))
    return geometry.make_transform(euler.euler2mat(*rpy, axes="sxyz"), xyz)


def _positive(value: Value) -> float:
    return _checked(value, lambda number: number > 0, "a number above 0")


def _checked(value: Value, allowed: Callable[[float], bool], what: str) -> float:
    number = value.number()
    if not allowed(number):
        raise value.fault(f"{number:g}: {what} is expected")
    return number


def _choice(value: Value, choices: tuple[str, ...]) -> str:
    written = value.text()
    if written not in choices:
        raise value.fault(f"{written!r}: one of {', '.join(choices)} is expected")
    return written


def _names(value: Value) -> tuple[str, ...]:
    names = tuple(item.text() for item in value)
    if not names or len(set(names)) != len(names):
        raise value.fault("one or more different names are expected")
    return names
