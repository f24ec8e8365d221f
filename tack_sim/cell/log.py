# SPDX-License-Identifier: Apache-2.0
"""What happened in a cell, so that it can be looked at again from anywhere."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tack_grasping.profiles import load_profile
from tack_perception.errors import FileFormatError
from tack_perception.files import write_atomically
from tack_sim.cell.layout import CellLayout, sample_layout
from tack_sim.cell.world import Snapshot
from tack_sim.objects.user_mesh import load_mesh

_VERSION = 1

MESHES = (".obj", ".stl", ".ply", ".glb")
"""Suffixes of files that can stand in for an object class: metres, z up."""


@dataclasses.dataclass(frozen=True)
class CellSetup:
    """What a cell is made from: all that `CellLayout` needs to be made again.

    Attributes:
        robot: profile's name or file.
        object_class: of the target, or a person's own mesh: a path, see `MESHES`.
        seed: of the layout.
        instance: seed of the target; -1 for one that `seed` chooses.
        clutter, occluders: how many.
        alike: how many more of the target's class.
        covered: share of the target that a board hides from the wrist camera at home.
    """

    robot: str = "panda_2f85"
    object_class: str = "mug"
    seed: int = 0
    instance: int = -1
    clutter: int = 0
    occluders: int = 0
    alike: int = 0
    covered: float = 0.0

    def layout(self) -> CellLayout:
        """What stands where at the start.

        Raises:
            InvalidInputError: unknown robot or class, a mesh that cannot be used, or too many
                objects.
        """
        own = Path(self.object_class).suffix.lower() in MESHES
        return sample_layout(
            load_profile(self.robot),
            load_mesh(self.object_class) if own else self.object_class,
            self.seed,
            instance=None if self.instance < 0 else self.instance,
            clutter=self.clutter,
            occluders=self.occluders,
            alike=self.alike,
            covered=self.covered,
        )


class CellLog:
    """Snapshots of a world at a steady rate.

    Args:
        setup: of the cell.
        rate: snapshots per second of the world's time.
    """

    def __init__(self, setup: CellSetup, rate: float = 20.0) -> None:
        self.setup = setup
        self._period = 1 / rate
        self._times: list[float] = []
        self._states: list[NDArray[np.float64]] = []

    def due(self, time: float) -> bool:
        """Whether a snapshot of this time, s, would be kept."""
        return not self._times or time >= self._times[-1] + self._period - 1e-6

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot."""
        self._times.append(snapshot.time)
        self._states.append(snapshot.qpos)

    def __len__(self) -> int:
        return len(self._times)

    def snapshots(self) -> list[Snapshot]:
        """All that were kept, in order of time."""
        none = np.zeros((0, 3)), np.zeros((0, 4))
        return [
            Snapshot(time, state, *none)
            for time, state in zip(self._times, self._states, strict=True)
        ]

    def save(self, path: Path) -> None:
        """Write the log as a .npz file."""
        about = {"version": _VERSION, **dataclasses.asdict(self.setup)}
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            about=np.array(json.dumps(about)),
            times=np.array(self._times),
            states=np.array(self._states),
        )
        write_atomically(path, stream.getvalue())

    @classmethod
    def load(cls, path: Path) -> CellLog:
        """Read a log.

        Raises:
            FileFormatError: it cannot be understood.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                about = json.loads(str(archive["about"]))
                times, states = archive["times"], archive["states"]
            if about.pop("version") != _VERSION:
                raise ValueError("written by another version")
            log = cls(CellSetup(**about))
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise FileFormatError(f"{path} is no log of a cell: {error}") from error
        log._times, log._states = times.tolist(), list(states)
        return log
