# SPDX-License-Identifier: Apache-2.0
"""Who touches whom in the cell, how hard, and which of those contacts are collisions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_sim.cell.furniture import BIN, FLOOR, TABLE
from tack_sim.cell.layout import CellLayout

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEFT_PAD, RIGHT_PAD = "left_pad", "right_pad"
"""Beginnings of the names of the pads' geoms."""

_FORCE = 1.0  # N, below which a touch is no collision
_INSIDE = 0.002  # m, that a contact may lie in a wall
_APART = 0.1  # s without contact, after which the same pair collides anew


@dataclasses.dataclass
class Collision:
    """Two things that met and should not have.

    Attributes:
        first, second: a link of the robot or an object, and what it met.
        start, end: first and latest contact, s.
        force: the largest sum of normal forces, N.
    """

    first: str
    second: str
    start: float
    end: float
    force: float

    def __str__(self) -> str:
        return f"{self.first} met {self.second} at {self.start:.2f} s with {self.force:.1f} N"


class ContactMonitor:
    """Reads the contacts of a MuJoCo state, and keeps the list of collisions.

    Collisions are: a link of the robot with table, floor, bin, clutter or an occluder, or with
    another link outside the gripper; a link that is not the gripper's with the target; and the
    target with clutter, an occluder, or the bin other than its inside, where it is to lie.

    Args:
        model: mujoco.MjModel of the cell.
        layout: what it was built from.
    """

    def __init__(self, model: Any, layout: CellLayout) -> None:
        self.collisions: list[Collision] = []
        self._labels = [model.body(index).name for index in range(model.nbody)]
        self._body_of_geom: IntArray = np.asarray(model.geom_bodyid, dtype=np.int64)
        self._counted = _counted_pairs(self._labels, model, layout)
        self._bin = layout.bin
        self._bin_body = self._labels.index(BIN) if BIN in self._labels else -1
        self._targets = [
            self._labels.index(placed.name) for placed in layout.objects if placed.role == "target"
        ]
        names = [model.geom(index).name for index in range(model.ngeom)]
        self._pads = {
            pad: np.array([name.startswith(pad) for name in names]) for pad in (LEFT_PAD, RIGHT_PAD)
        }
        self._latest: dict[tuple[int, int], Collision] = {}

    def observe(self, data: Any) -> None:
        """Add the collisions of this moment. Call it after every few steps of physics."""
        geoms = data.contact.geom
        if not len(geoms):
            return
        bodies = self._body_of_geom[geoms]
        counted = self._counted[bodies[:, 0], bodies[:, 1]] & ~self._laid(bodies, data)
        if not counted.any():
            return
        forces = normal_forces(data)[counted]
        pairs, index = np.unique(np.sort(bodies[counted], axis=1), axis=0, return_inverse=True)
        sums = np.bincount(index.ravel(), forces, minlength=len(pairs))
        for pair, force in zip(pairs.tolist(), sums.tolist(), strict=True):
            if force >= _FORCE:
                self._note((pair[0], pair[1]), force, float(data.time))

    def _laid(self, bodies: IntArray, data: Any) -> NDArray[np.bool_]:
        """(contacts,) whether the target touches the bin from inside: there it is put down."""
        laid = (bodies == self._bin_body).any(axis=1) & np.isin(bodies, self._targets).any(axis=1)
        if self._bin is not None:
            for index in np.flatnonzero(laid):
                laid[index] = self._bin.holds(data.contact.pos[index], margin=_INSIDE)
        return np.asarray(laid, dtype=np.bool_)

    def pads_on(self, data: Any, name: str, force: float = 0.02) -> tuple[bool, bool]:
        """Whether the left and the right pad press on an object with at least a force, N."""
        geoms = data.contact.geom
        if not len(geoms):
            return False, False
        forces = normal_forces(data)
        on = self._body_of_geom[geoms] == self._labels.index(name)
        left, right = (
            bool(forces[(pad[geoms] & on[:, ::-1]).any(axis=1)].sum() >= force)
            for pad in self._pads.values()
        )
        return left, right

    def touching(self, data: Any, name: str) -> set[str]:
        """Names of the bodies that an object is in contact with."""
        bodies = self._body_of_geom[data.contact.geom]
        body = self._labels.index(name)
        return {
            self._labels[second if first == body else first]
            for first, second in bodies.tolist()
            if body in (first, second)
        }

    def reset(self) -> None:
        """Forget all collisions."""
        self.collisions.clear()
        self._latest.clear()

    def _note(self, pair: tuple[int, int], force: float, time: float) -> None:
        known = self._latest.get(pair)
        if known is None or time - known.end > _APART:
            first, second = (self._labels[body] for body in pair)
            known = self._latest[pair] = Collision(first, second, time, time, force)
            self.collisions.append(known)
        known.end, known.force = time, max(known.force, force)


def normal_forces(data: Any) -> FloatArray:
    """(number of contacts,) normal force of each contact, N; 0 for those without a constraint."""
    address = data.contact.efc_address
    # With elliptic cones the first row of a contact is its normal force.
    forces = np.where(address >= 0, data.efc_force[address], 0.0) if data.nefc else 0.0 * address
    return np.asarray(forces, dtype=np.float64)


def _counted_pairs(labels: list[str], model: Any, layout: CellLayout) -> NDArray[np.bool_]:
    """(bodies, bodies): whether a contact of the two is a collision."""
    furniture = {TABLE, FLOOR, BIN}
    target = {placed.name for placed in layout.objects if placed.role == "target"}
    others = {placed.name for placed in layout.objects} - target
    touching = _gripper_bodies(labels, model, layout)

    def kind(index: int) -> str:
        label = labels[index]
        if index == 0 or label in furniture:
            return "furniture"
        if label in target:
            return "target"
        if label in others:
            return "other"
        if int(model.body_weldid[index]) == 0:
            return "base"  # stands on the table
        return "gripper" if index in touching else "arm"

    kinds = [kind(index) for index in range(len(labels))]
    collide = {
        frozenset(pair)
        for pair in (
            *(("arm", other) for other in ("furniture", "target", "other", "gripper", "base")),
            ("arm",),
            *(("gripper", other) for other in ("furniture", "other", "base")),
            *(("base", other) for other in ("target", "other")),
            ("target", "other"),
        )
    }
    counted = np.array([[frozenset((a, b)) in collide for b in kinds] for a in kinds])
    if BIN in labels:
        container = labels.index(BIN)
        for index, name in enumerate(kinds):
            if name == "target":
                counted[index, container] = counted[container, index] = True
    return counted


def _gripper_bodies(labels: list[str], model: Any, layout: CellLayout) -> set[int]:
    """The bodies of the gripper: those that may touch what is grasped, and all they carry."""
    links = {*layout.profile.gripper.touch_links}
    bodies: set[int] = set()
    for index in range(1, len(labels)):  # parents come before their children
        if labels[index] in links or int(model.body_parentid[index]) in bodies:
            bodies.add(index)
    return bodies
