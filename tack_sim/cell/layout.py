# SPDX-License-Identifier: Apache-2.0
"""Where things stand in the cell: a target, clutter, occluders and a bin, drawn by a seed."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.bin import Bin
from tack_sim.cell.footprint import footprint, gap
from tack_sim.cell.hiding import HomeView
from tack_sim.cell.panel import make_panel
from tack_sim.objects.families import FAMILIES, make_object
from tack_sim.objects.model import SPLITS, ObjectModel, split_of

FloatArray = NDArray[np.float64]
Role = Literal["target", "alike", "clutter", "occluder"]

_ATTEMPTS = 400
_PLACES, _HEIGHTS = 12, (0.10, 0.26)  # of a panel that are tried, and how high it is, m
_ABOUT = 0.05  # by which what is hidden may be more or less than wanted
_BIN_SIZE = (0.36, 0.27, 0.06)
_BIN_BESIDE = 0.07  # how far its middle is beside the workspace, m: within reach, out of view
_REDRAWS = 10  # of clutter that is too large for what space is left
_BESIDE = 0.14  # how far clutter may stand outside the workspace, m
_HAND = 0.11  # half the width of the widest gripper: it must come down beside the bin


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """One object in the cell.

    Attributes:
        name: of its body; unique in the layout.
        model: the instance.
        base_from_object: (4, 4) at the start, m.
        role: target, alike (another one of its class), clutter or occluder.
    """

    name: str
    model: ObjectModel
    base_from_object: FloatArray
    role: Role = "target"

    def __post_init__(self) -> None:
        geometry.check_transform(self.base_from_object, f"{self.name}: base_from_object")

    def point(self, name: str) -> FloatArray:
        """(3,) of a named point in the base frame at the start, m."""
        return geometry.apply(self.base_from_object, self.model.position(name))


@dataclasses.dataclass(frozen=True, eq=False)
class CellLayout:
    """Everything that stands in the cell.

    Attributes:
        profile: the robot, at the origin.
        objects: the target first.
        bin: where things are placed; None without one.
        seed: of the looks of table, floor and bin.
    """

    profile: RobotProfile
    objects: tuple[Placed, ...]
    bin: Bin | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        names = [placed.name for placed in self.objects]
        if len(set(names)) != len(names):
            raise InvalidInputError(f"names of objects must differ: {', '.join(names)}")

    @property
    def target(self) -> Placed:
        """The object that is to be picked.

        Raises:
            InvalidInputError: there is none.
        """
        for placed in self.objects:
            if placed.role == "target":
                return placed
        raise InvalidInputError("this layout has no target")

    @property
    def wanted(self) -> tuple[Placed, ...]:
        """The target, and the others of its class."""
        return tuple(placed for placed in self.objects if placed.role in ("target", "alike"))

    def placed(self, name: str) -> Placed:
        """The object of that name.

        Raises:
            InvalidInputError: no such object; names those that exist.
        """
        for placed in self.objects:
            if placed.name == name:
                return placed
        names = ", ".join(placed.name for placed in self.objects)
        raise InvalidInputError(f"no object {name!r} in the cell; it has {names}")


def sample_layout(
    profile: RobotProfile,
    family: str | ObjectModel,
    seed: int,
    *,
    instance: int | None = None,
    alike: int = 0,
    clutter: int = 0,
    occluders: int = 0,
    covered: float = 0.0,
    rest: str | None = None,
    clearance: float = 0.03,
) -> CellLayout:
    """A random layout; the same arguments give the same one.

    The bin stands at the end of the robot's workspace that is farther from the cameras that watch
    the scene, so that it hides nothing from them. The target lies anywhere else in it, at any yaw,
    where the gripper gets to; clutter also beside it.

    Args:
        profile: the robot.
        family: class of the target, or the target itself (a person's own mesh).
        seed: decides where things stand, and which instances where `instance` does not.
        instance: seed of the target's instance; a held-out one is drawn where it is None.
        alike: number of further instances of the target's class, of the same split, where the
            gripper gets to as well.
        clutter: number of objects of other classes, of the same split as the target.
        occluders: number of panels that stand close to the target.
        covered: share of what the wrist camera would see of the target from home that one more
            panel hides, about; 0 for no such panel.
        rest: name of the target's rest pose; its most usual one where None.
        clearance: least distance between two footprints, m.

    Raises:
        InvalidInputError: unknown class or rest pose, so many objects that they do not fit, or a
            share that no panel hides.
    """
    if not 0 <= covered < 1:
        raise InvalidInputError(f"covered {covered:g}: a share of at least 0 and below 1 is needed")
    rng = np.random.default_rng(seed)
    container = _place_bin(profile, rng)
    target = _target(family, instance, rng)
    rest_pose = target.rests[0] if rest is None else target.rest(rest)
    sampler = _Sampler(profile, container, clearance, rng)
    split = "held_out" if target.seed < 0 else split_of(target.seed)
    rested = Placed(target.family, target, rest_pose.table_from_object, "target")
    if covered > 0:
        objects = sampler.place_hidden(rested, HomeView(profile), covered)
    else:
        objects = [sampler.place(rested, reachable=True)]
    for index in range(occluders):
        panel = make_panel(int(rng.integers(2**31)))
        objects.append(sampler.place_near(objects[0], f"panel_{index}", panel))
    objects += [sampler.alike(index, target, SPLITS[split]) for index in range(alike)]
    objects += [sampler.clutter(index, target.family, SPLITS[split]) for index in range(clutter)]
    return CellLayout(profile, tuple(objects), container, seed)


def with_target_moved(layout: CellLayout, seed: int, *, clearance: float = 0.03) -> CellLayout:
    """The layout with its target elsewhere and turned; all else stays.

    Args:
        layout: as it is.
        seed: decides where the target comes to lie.
        clearance: least distance between two footprints, m.

    Raises:
        InvalidInputError: there is no free place.
    """
    if layout.bin is None:
        raise InvalidInputError("a layout without a bin leaves no area to move things in")
    target = layout.target
    sampler = _Sampler(
        layout.profile,
        layout.bin,
        clearance,
        np.random.default_rng(seed),
        [footprint(p.model, p.base_from_object) for p in layout.objects if p is not target],
    )
    level = target.base_from_object.copy()
    level[:3, 3] -= (0.0, 0.0, layout.profile.table_height)
    moved = sampler.place(dataclasses.replace(target, base_from_object=level), reachable=True)
    objects = tuple(moved if placed is target else placed for placed in layout.objects)
    return dataclasses.replace(layout, objects=objects)


def _target(
    family: str | ObjectModel, instance: int | None, rng: np.random.Generator
) -> ObjectModel:
    held_out = SPLITS["held_out"]
    drawn = int(rng.integers(held_out.start, held_out.stop))
    if isinstance(family, ObjectModel):
        return family
    return make_object(family, drawn if instance is None else instance)


def _place_bin(profile: RobotProfile, rng: np.random.Generator) -> Bin:
    low, high = profile.workspace
    watching = [
        float(camera.parent_from_optical[1, 3])
        for camera in profile.cameras.values()
        if camera.parent == profile.base_frame
    ]
    # Beside the workspace it leaves the wrist camera's first look to the objects.
    y = low[1] - _BIN_BESIDE if sum(watching) > 0 else high[1] + _BIN_BESIDE
    x = (low[0] + high[0]) / 2 + float(rng.uniform(-0.03, 0.03))
    return Bin(geometry.make_transform(np.eye(3), (x, y, profile.table_height)), _BIN_SIZE)


class _Sampler:
    """Places objects one after the other, clear of those before."""

    def __init__(
        self,
        profile: RobotProfile,
        container: Bin,
        clearance: float,
        rng: np.random.Generator,
        taken: Iterable[FloatArray] = (),
    ) -> None:
        self._profile, self._bin, self._clearance, self._rng = profile, container, clearance, rng
        self._taken: list[FloatArray] = [container.outline(), *taken]

    def alike(self, index: int, target: ObjectModel, seeds: range) -> Placed:
        """Another instance of a class, drawn from `seeds`; of a person's own mesh, a copy of it."""
        model = target
        if target.family in FAMILIES and target.seed >= 0:
            model = make_object(target.family, int(self._rng.integers(seeds.start, seeds.stop)))
        pose = model.rests[0].table_from_object
        placed = Placed(f"{target.family}_{index}", model, pose, "alike")
        return self.place(placed, reachable=True)

    def clutter(self, index: int, without: str, seeds: range) -> Placed:
        """An object of any other class than `without`, its instance drawn from `seeds`."""
        for _ in range(_REDRAWS):
            with contextlib.suppress(InvalidInputError):
                return self.place(self._drawn(index, without, seeds))
        return self.place(self._drawn(index, without, seeds))

    def _drawn(self, index: int, without: str, seeds: range) -> Placed:
        others = [name for name in FAMILIES if name != without]
        name = others[int(self._rng.integers(len(others)))]
        model = make_object(name, int(self._rng.integers(seeds.start, seeds.stop)))
        pose = model.rests[int(self._rng.integers(len(model.rests)))].table_from_object
        return Placed(f"{name}_{index}", model, pose, "clutter")

    def place(self, placed: Placed, *, reachable: bool = False) -> Placed:
        """The object at a random place; `base_from_object` is its rest pose."""
        low, high = (corner[:2] for corner in self._profile.workspace)
        beside = 0.0 if reachable else _BESIDE
        for _ in range(_ATTEMPTS):
            x, y = self._rng.uniform(low - beside, high + beside)
            found = self._try(placed, (x, y), float(self._rng.uniform(-math.pi, math.pi)))
            if found and (not reachable or self._reached(found)):
                return found
        raise InvalidInputError(
            f"no free place for {placed.name} beside {len(self._taken) - 1} objects;"
            " ask for less clutter or fewer occluders"
        )

    def place_near(self, target: Placed, name: str, model: ObjectModel) -> Placed:
        """The panel close to the target, its broad side towards it, at a random azimuth."""
        middle = footprint(target.model, target.base_from_object).mean(axis=0)
        for _ in range(_ATTEMPTS):
            azimuth = float(self._rng.uniform(-math.pi, math.pi))
            distance = float(self._rng.uniform(0.08, 0.24))
            askew = float(self._rng.normal(0, 0.2))
            found = self._try_panel(name, model, middle, azimuth, distance, askew)
            if found:
                return found
        raise InvalidInputError(f"no free place for {name} near {target.name}: ask for fewer")

    def place_hidden(self, target: Placed, view: HomeView, covered: float) -> list[Placed]:
        """The target, and a panel between it and the camera that hides about such a share of it."""
        for _ in range(_ATTEMPTS):
            found = self.place(target, reachable=True)
            board = self._hiding(found, view, covered)
            if board is not None:
                return [found, board]
            self._taken.pop()
        raise InvalidInputError(
            f"no panel hides {covered:.0%} of the {target.name} from the wrist camera at home"
        )

    def _hiding(self, target: Placed, view: HomeView, covered: float) -> Placed | None:
        middle = footprint(target.model, target.base_from_object).mean(axis=0)
        inwards = view.towards(middle)
        sights = view.sights(target.model, target.base_from_object)
        seed, height = int(self._rng.integers(2**31)), float(self._rng.uniform(*_HEIGHTS))
        # Nothing else of the target's class stands around, and a printed board is a carton.
        panel = make_panel(seed, height, plain=target.model.family == "box")
        for _ in range(_PLACES):
            azimuth = inwards + float(self._rng.normal(0, 0.4))
            distance = float(self._rng.uniform(0.05, 0.2))
            found = self._try_panel("panel_hiding", panel, middle, azimuth, distance, 0.0)
            if found is None:
                continue
            if abs(view.hidden(sights, panel, found.base_from_object) - covered) <= _ABOUT:
                return found
            self._taken.pop()
        return None

    def _try_panel(
        self,
        name: str,
        model: ObjectModel,
        middle: FloatArray,
        azimuth: float,
        distance: float,
        askew: float,
    ) -> Placed | None:
        """A panel so far (m) from a point (2,), its broad side towards it but for an angle, rad."""
        place = middle + distance * np.array([math.cos(azimuth), math.sin(azimuth)])
        panel = Placed(name, model, model.rests[0].table_from_object, "occluder")
        return self._try(panel, (place[0], place[1]), azimuth + math.pi / 2 + askew)

    def _try(self, placed: Placed, place: tuple[float, float], yaw: float) -> Placed | None:
        turned = geometry.from_axis_angle((0, 0, 1), yaw) @ placed.base_from_object
        outline = footprint(placed.model, turned)
        shift = np.array(place) - (outline.min(axis=0) + outline.max(axis=0)) / 2
        outline = outline + shift
        low, high = (corner[:2] for corner in self._profile.workspace)
        if (outline < low - _BESIDE).any() or (outline > high + _BESIDE).any():
            return None
        if any(gap(outline, other) < self._clearance for other in self._taken):
            return None
        turned[:3, 3] += (*shift, self._profile.table_height)
        self._taken.append(outline)
        return dataclasses.replace(placed, base_from_object=turned)

    def _reached(self, placed: Placed) -> bool:
        """Whether the gripper gets to all graspable points; a place is given back where not."""
        points = np.array([placed.point(grasp.point) for grasp in placed.model.grasps])
        low, high = (corner[:2] for corner in self._profile.workspace)
        middle, half = self._bin.base_from_bin[1, 3], self._bin.outer[1] / 2
        places = points.reshape(-1, 3)[:, :2]
        if (
            (places >= low).all()
            and (places <= high).all()
            and (np.linalg.norm(places, axis=1) <= high[0]).all()
            and (np.abs(places[:, 1] - middle) >= half + _HAND).all()
        ):
            return True
        self._taken.pop()
        return False
