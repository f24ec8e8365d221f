# SPDX-License-Identifier: Apache-2.0
"""The frame in which goals are expressed: the robot's base where TF knows it, else the camera."""

from __future__ import annotations

import dataclasses

import numpy as np

from tack_cli.report.findings import FloatArray
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.base import FrameSource
from tack_perception.transforms import TransformBuffer, TransformError

DEFAULT_BASE = "base_link"
_UPRIGHT_FRAMES = (DEFAULT_BASE, "base", "base_footprint", "world", "odom", "map")
"""Frames whose z axis points up by convention (REP 105), in the order of preference."""


@dataclasses.dataclass(frozen=True, eq=False)
class GoalFrame:
    """Where goals are expressed.

    Attributes:
        name: of the frame.
        note: why it is this one, a sentence for a person.
        transforms: to look it up; None where the goals stay in the camera's frame.
    """

    name: str
    note: str
    transforms: TransformBuffer | None

    @property
    def up(self) -> tuple[float, float, float] | None:
        """Against gravity in this frame; None where that is not known."""
        return None if self.transforms is None else (0.0, 0.0, 1.0)

    def lookup(self, frame: RGBDFrame) -> tuple[FloatArray | None, str]:
        """The (4, 4) transform from the camera at the frame's stamp, or None and the reason."""
        if self.transforms is None:
            return np.eye(4), ""
        try:
            return self.transforms.lookup(self.name, frame.frame_id, frame.stamp_ns), ""
        except TransformError as error:
            return None, str(error)


def choose_goal_frame(
    source: FrameSource, frame: RGBDFrame, wanted: str | None, *, flag: str = "--base-frame"
) -> GoalFrame:
    """The frame that was asked for, or the best that the recording offers.

    Args:
        source: entered.
        frame: any frame of it, for the name of the camera's frame.
        wanted: the frame that was asked for, or None: then an upright frame that TF joins to the
            camera is taken (`base_link` first), else the camera's own.
        flag: by which a frame is asked for, for messages.

    Raises:
        InvalidInputError: the frame that was asked for is not joined to the camera; lists what is.
    """
    camera, transforms = frame.frame_id, source.transforms
    if wanted == camera:
        return GoalFrame(camera, f"Positions are in the camera's frame {camera}, as asked.", None)
    known = transforms.frames() if transforms else ()
    joined = [
        name
        for name in known
        if transforms is not None and transforms.can_transform(name, camera, None)
    ]
    if wanted is not None:
        if wanted not in joined:
            choice = ", ".join(joined) or "none, the recording has no transforms of this camera"
            raise InvalidInputError(
                f"{flag} {wanted}: the recording does not join it to {camera!r};"
                f" joined are: {choice}"
            )
        return GoalFrame(wanted, f"Positions are in {wanted}, as asked, with z up.", transforms)
    for name in _UPRIGHT_FRAMES:
        if name in joined:
            note = f"Positions are in {name}, which the recording's transforms join to the camera."
            return GoalFrame(name, note, transforms)
    others = f" TF knows {', '.join(known)}; choose one with {flag}." if known else ""
    return GoalFrame(
        camera,
        f"Positions are in the camera's frame {camera}: the recording has no transform to a robot's"
        f" base, so up is not known.{others}",
        None,
    )
