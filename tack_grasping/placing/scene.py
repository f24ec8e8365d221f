# SPDX-License-Identifier: Apache-2.0
"""What a place specification is solved with: the thing's points, and all that stands around.

The solver works in a frame of the thing's own (z up, origin in its middle). So the motion does not
depend on the camera or base frame that all was given in, and numbers are small.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from tack_grasping.placing.targets import Direction, Where
from tack_grasping.points import NamedPoint
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

_MOST_POINTS = 400  # of a cloud, for distances to other things
_DIGITS = 9


@dataclasses.dataclass(frozen=True, eq=False)
class Support:
    """A flat place to stand on.

    Attributes:
        pose: (4, 4) goal_from_support, m; z is the normal, away from the support.
        size: (x, y) of the rectangle about the origin, m; None where it has no edges.
    """

    pose: FloatArray
    size: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "pose", geometry.check_transform(self.pose, "support"))
        if self.size is not None:
            object.__setattr__(self, "size", _size(self.size, 2, "support"))


@dataclasses.dataclass(frozen=True, eq=False)
class Container:
    """A bin with four walls.

    Attributes:
        pose: (4, 4) goal_from_bin, m: origin in the middle of the floor, z out of the bin.
        size: (x, y, z) inside, m.
    """

    pose: FloatArray
    size: tuple[float, float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pose", geometry.check_transform(self.pose, "bin"))
        object.__setattr__(self, "size", _size(self.size, 3, "bin"))


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """All that a specification may name, in one frame, m.

    Attributes:
        points: of the thing, by label.
        up: (3,) unit vector against gravity.
        cloud: (N, 3) seen surface of the thing; None where it is not known: then its named
            points stand for it.
        supports, bins: by name.
        others: points of other objects, by the object's name.
        frames: name → (4, 4) goal_from_named.
    """

    points: Mapping[str, NamedPoint]
    up: FloatArray
    cloud: FloatArray | None = None
    supports: Mapping[str, Support] = dataclasses.field(default_factory=dict)
    bins: Mapping[str, Container] = dataclasses.field(default_factory=dict)
    others: Mapping[str, Mapping[str, NamedPoint]] = dataclasses.field(default_factory=dict)
    frames: Mapping[str, FloatArray] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.points:
            raise InvalidInputError("the thing that is placed has no named point")
        object.__setattr__(self, "up", geometry.unit(self.up, "up direction"))
        if self.cloud is not None:
            cloud = np.asarray(self.cloud, dtype=np.float64)
            if cloud.ndim != 2 or cloud.shape[1] != 3 or not np.isfinite(cloud).all():
                raise InvalidInputError(f"cloud of shape {cloud.shape}: finite (N, 3) is expected")
            object.__setattr__(self, "cloud", cloud if len(cloud) else None)
        for name, pose in self.frames.items():
            geometry.check_transform(pose, f"frame {name}")

    @property
    def surface(self) -> FloatArray:
        """(N, 3) points that stand for the thing's surface, at most 400, m."""
        if self.cloud is None:
            return np.array([self.points[label].position for label in sorted(self.points)])
        return self.cloud[:: -(-len(self.cloud) // _MOST_POINTS)]

    def extremes(self) -> FloatArray:
        """(N, 3) those that can touch a plane: the corners of the surface's convex hull, m."""
        every = self.surface if self.cloud is None else self.cloud
        try:
            corners: FloatArray = every[ConvexHull(every).vertices]
            return corners
        except (QhullError, ValueError):  # flat, or a few points only
            return every

    def frame(self, name: str) -> FloatArray:
        """(4, 4) goal_from_named; the frame "" is the goals' own."""
        return self.frames[name] if name else np.eye(4)

    def place(self, where: Where) -> tuple[FloatArray, FloatArray]:
        """A place's position (3,), m, and its covariance (3, 3), m²."""
        frame = self.frame(where.frame)
        if where.object:
            point = self.others[where.object][where.point]
            position = point.position + geometry.rotate(frame, where.position)
            return position + where.above * self.up, point.covariance
        return geometry.apply(frame, where.position) + where.above * self.up, np.zeros((3, 3))

    def direction(self, along: Direction) -> FloatArray:
        """(3,) unit vector of a direction."""
        if along.kind == "vector":
            return geometry.unit(geometry.rotate(self.frame(along.frame), along.vector))
        if along.kind == "object":
            known = self.others[along.object]
            return axis_of(known[along.start], known[along.end] if along.end else None)
        return self.up if along.kind == "up" else -self.up

    def canonical(self) -> tuple[Scene, FloatArray]:
        """The scene in a frame of the thing's own, and (4, 4) goal_from_own.

        Directions about up are chosen by the scene itself, so that two descriptions of one scene
        in different frames give the same.
        """
        middle = (self.surface if self.cloud is None else self.cloud).mean(axis=0)
        heading = next(
            (v for v in self._vectors(middle) if _across(v, self.up) > 1e-6), np.zeros(3)
        )
        goal_from_own = geometry.frame_from_axes(self.up, heading, middle)
        return self._moved(geometry.inverse(goal_from_own)), goal_from_own

    def _vectors(self, middle: FloatArray) -> Iterator[FloatArray]:
        """Directions that belong to the scene, the thing's own first."""
        yield from (self.points[label].position - middle for label in sorted(self.points))
        yield from self.surface[:10] - middle
        for name in sorted(self.others):
            others = self.others[name]
            yield from (others[label].position - middle for label in sorted(others))
        poses = [
            {name: support.pose for name, support in self.supports.items()},
            {name: container.pose for name, container in self.bins.items()},
            self.frames,
        ]
        for named in poses:
            for name in sorted(named):
                yield from named[name][:3, :3].T

    def _moved(self, by: FloatArray) -> Scene:
        """The same scene in another frame: (4, 4) other_from_this, m.

        Positions are rounded to a nanometre: the rounding of another frame's numbers must not tip
        a search between two ways that are equally good.
        """

        def points(known: Mapping[str, NamedPoint]) -> dict[str, NamedPoint]:
            there = {label: point.moved(by) for label, point in known.items()}
            return {
                label: dataclasses.replace(point, position=point.position.round(_DIGITS))
                for label, point in there.items()
            }

        def own(pose: FloatArray) -> FloatArray:
            return geometry.nearest_transform((by @ pose).round(_DIGITS))

        return _Canonical(
            points=points(self.points),
            up=np.array([0.0, 0.0, 1.0]),
            cloud=None if self.cloud is None else geometry.apply(by, self.cloud).round(_DIGITS),
            supports={n: Support(own(s.pose), s.size) for n, s in self.supports.items()},
            bins={n: Container(own(b.pose), b.size) for n, b in self.bins.items()},
            others={name: points(known) for name, known in self.others.items()},
            frames={"": own(np.eye(4)), **{n: own(frame) for n, frame in self.frames.items()}},
        )


class _Canonical(Scene):
    """A scene whose frame "" is still that of the goals."""

    def frame(self, name: str) -> FloatArray:
        """(4, 4) own_from_named."""
        return self.frames[name]


def axis_of(start: NamedPoint, end: NamedPoint | None) -> FloatArray:
    """(3,) unit vector from one point to another, or the normal of the one."""
    if end is not None:
        return geometry.unit(end.position - start.position)
    assert start.normal is not None  # what a scene lacks has been refused
    return start.normal


def _across(vector: FloatArray, up: FloatArray) -> float:
    return float(np.linalg.norm(np.cross(up, vector)))


def _size(values: ArrayLike, count: int, what: str) -> tuple[float, ...]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,) or not np.isfinite(array).all() or not (array > 0).all():
        raise InvalidInputError(f"{what}: size {array.tolist()}: {count} lengths above 0 expected")
    return tuple(array.tolist())
