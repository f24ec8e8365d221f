# SPDX-License-Identifier: Apache-2.0
"""What differs between two scenes, so that a planning scene is updated and not built anew."""

from __future__ import annotations

import dataclasses

import numpy as np

from tack_grasping.scene.model import SceneModel
from tack_grasping.scene.obstacle import Obstacle

_SAME = 1e-6  # m


@dataclasses.dataclass(frozen=True, eq=False)
class SceneChange:
    """Changes by name.

    Attributes:
        frame_id: of all poses.
        added: not there before.
        changed: there before, but elsewhere or of another shape.
        removed: names of what is gone.
    """

    frame_id: str
    added: tuple[Obstacle, ...] = ()
    changed: tuple[Obstacle, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.added or self.changed or self.removed)


def diff(previous: SceneModel | None, new: SceneModel) -> SceneChange:
    """What a planning scene that holds the previous scene needs to hold the new one.

    Args:
        previous: None where nothing of it is in the planning scene.
        new: read with `previous=`, so that equal things have equal names.
    """
    before = {} if previous is None else {one.name: one for one in previous.solids}
    now = {one.name: one for one in new.solids}
    return SceneChange(
        new.frame_id,
        added=tuple(one for name, one in now.items() if name not in before),
        changed=tuple(
            one for name, one in now.items() if name in before and not _same(before[name], one)
        ),
        removed=tuple(name for name in before if name not in now),
    )


def _same(first: Obstacle, second: Obstacle) -> bool:
    if first is second:
        return True
    a, b = first.corners, second.corners
    return (
        first.is_box == second.is_box and a.shape == b.shape and bool(np.allclose(a, b, atol=_SAME))
    )
