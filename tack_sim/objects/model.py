# SPDX-License-Identifier: Apache-2.0
"""What an instance of an object family is: surface, looks, physics and named points."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import InvalidInputError
from tack_perception.geometry import check_transform
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
Split = Literal["train", "validation", "held_out"]

SPLITS: dict[Split, range] = {
    "train": range(0, 100_000),
    "validation": range(100_000, 110_000),
    "held_out": range(110_000, 120_000),
}
"""Seeds of the instances in each split. No seed is in two, so no instance is."""


def split_of(seed: int) -> Split:
    """The split that an instance's seed belongs to.

    Raises:
        InvalidInputError: it belongs to none; names the ranges.
    """
    for name, seeds in SPLITS.items():
        if seed in seeds:
            return name
    ranges = ", ".join(
        f"{name} {seeds.start} to {seeds.stop - 1}" for name, seeds in SPLITS.items()
    )
    raise InvalidInputError(f"instance seed {seed}: the splits are {ranges}")


@dataclasses.dataclass(frozen=True)
class Material:
    """How a part of the surface looks to a colour and to a depth camera.

    Attributes:
        specular: strength of highlights, 0 to 1.
        shininess: their sharpness, 0 to 1.
        depth_loss: share of it that a stereo depth camera loses (black, clear, mirror), 0 to 1.
    """

    specular: float = 0.2
    shininess: float = 0.3
    depth_loss: float = 0.0


@dataclasses.dataclass(frozen=True)
class SurfacePoint:
    """A place on the surface that is the same on every instance of the family.

    Attributes:
        face: index of the triangle.
        weights: barycentric, of the triangle's three corners; they sum to 1.
    """

    face: int
    weights: tuple[float, float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """A convex solid; an object's pieces together are what physics sees of it.

    Attributes:
        kind: box (size: half lengths), cylinder and capsule (size: radius, half length along z,
            without the caps), sphere (size: radius), or hull (of `vertices`).
        object_from_piece: (4, 4), m.
        size: m, see `kind`; empty for a hull.
        vertices: (N, 3) of a hull in the piece's frame, m; None for the others.
        density_scale: density relative to the object's other pieces (a steel head on a wooden
            handle); the object's mass is spread by volume times this.
    """

    kind: Literal["box", "cylinder", "capsule", "sphere", "hull"]
    object_from_piece: FloatArray
    size: tuple[float, ...] = ()
    vertices: FloatArray | None = None
    density_scale: float = 1.0

    def __post_init__(self) -> None:
        check_transform(self.object_from_piece, f"{self.kind}: object_from_piece")
        numbers = {"box": 3, "cylinder": 2, "capsule": 2, "sphere": 1, "hull": 0}
        if len(self.size) != numbers[self.kind] or any(not side > 0 for side in self.size):
            raise InvalidInputError(
                f"{self.kind} of size {self.size}: {numbers[self.kind]} positive lengths (m)"
                " are expected"
            )
        if (self.kind == "hull") != (self.vertices is not None):
            raise InvalidInputError("a hull has vertices, and nothing else has")
        if not self.density_scale > 0:
            raise InvalidInputError(f"{self.kind}: density_scale {self.density_scale} must be > 0")


@dataclasses.dataclass(frozen=True, eq=False)
class RestPose:
    """One way in which the object lies or stands on a level surface.

    Attributes:
        name: standing, lying, …
        table_from_object: (4, 4) with the surface at z = 0 and the object touching it, m.
    """

    name: str
    table_from_object: FloatArray

    def __post_init__(self) -> None:
        check_transform(self.table_from_object, f"rest pose {self.name}")


@dataclasses.dataclass(frozen=True, eq=False)
class TopGrasp:
    """How a parallel gripper takes the object from straight above at a named point.

    Attributes:
        point: name of the point; the gripper's axis goes down through it.
        rest: name of the rest pose for which this holds.
        closing: (3,) unit vector in the object's frame along which the fingers close; level in
            that rest pose.
        width: opening that the fingers need, m.
        depth: how far the finger tips go below the point, m.
    """

    point: str
    rest: str
    closing: FloatArray
    width: float
    depth: float


@dataclasses.dataclass(frozen=True)
class Symmetry:
    """Turns that leave the object unchanged up to its print.

    Attributes:
        axis: in the object's frame.
        order: number of equal turns; 0 means any angle.
        breaks: names of points that it does not hold for (a mug turns about z but for its handle).
    """

    axis: tuple[float, float, float]
    order: int
    breaks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class ObjectModel:
    """One instance of a family (or a person's own mesh).

    Attributes:
        family: name of the class.
        seed: of the instance; -1 for a person's own mesh.
        mesh: the surface in the object's frame, m. z is up in the usual pose.
        part_of_face: (M,) index into `part_names` of each face.
        part_names: the same for all instances.
        materials: one for each part.
        texture: (H, W, 3) uint8 RGB, one atlas for the whole mesh.
        pieces: what physics sees.
        mass: kg.
        friction: sliding friction coefficient.
        points: name → surface point; the same names and faces on all instances.
        rests: ways to rest on a table, the most usual first.
        grasps: top-down grasps at named points.
        symmetries: none for most.
    """

    family: str
    seed: int
    mesh: Mesh
    part_of_face: NDArray[np.int32]
    part_names: tuple[str, ...]
    materials: tuple[Material, ...]
    texture: Image
    pieces: tuple[Piece, ...]
    mass: float
    friction: float
    points: Mapping[str, SurfacePoint]
    rests: tuple[RestPose, ...]
    grasps: tuple[TopGrasp, ...]
    symmetries: tuple[Symmetry, ...] = ()

    def __post_init__(self) -> None:
        name = self.name
        faces = len(self.mesh.faces)
        if self.part_of_face.shape != (faces,):
            raise InvalidInputError(f"{name}: {faces} faces, parts {self.part_of_face.shape}")
        if not (self.part_of_face.min() >= 0 and self.part_of_face.max() < len(self.part_names)):
            raise InvalidInputError(f"{name}: a face belongs to no named part")
        if len(self.materials) != len(self.part_names):
            raise InvalidInputError(f"{name}: one material for each part is expected")
        if self.texture.ndim != 3 or self.texture.shape[2] != 3 or self.texture.dtype != np.uint8:
            raise InvalidInputError(f"{name}: texture {self.texture.shape} {self.texture.dtype}")
        if not (math.isfinite(self.mass) and self.mass > 0 and self.friction > 0):
            raise InvalidInputError(f"{name}: mass and friction must be positive")
        if not self.rests:
            raise InvalidInputError(f"{name}: at least one rest pose is expected")
        for label, point in self.points.items():
            if not 0 <= point.face < faces or abs(sum(point.weights) - 1) > 1e-9:
                raise InvalidInputError(f"{name}: point {label} is not on the surface")
        rests = {rest.name for rest in self.rests}
        for grasp in self.grasps:
            if grasp.point not in self.points or grasp.rest not in rests:
                raise InvalidInputError(f"{name}: grasp at {grasp.point} in {grasp.rest}: unknown")

    @property
    def name(self) -> str:
        """The family and the seed, for messages and files."""
        return f"{self.family}_{self.seed}"

    def position(self, point: str) -> FloatArray:
        """(3,) of a named point in the object's frame, m.

        Raises:
            InvalidInputError: no such point; names those that exist.
        """
        if point not in self.points:
            raise InvalidInputError(
                f"{self.family} has no point {point!r}; it has {', '.join(self.points)}"
            )
        place = self.points[point]
        position: FloatArray = self.surface(np.array([place.face]), np.array([place.weights]))[0]
        return position

    def surface(self, faces: NDArray[np.integer], weights: FloatArray) -> FloatArray:
        """Canonical coordinates → places on this instance.

        Args:
            faces: (N,) triangle indices.
            weights: (N, 3) barycentric weights.

        Returns:
            (N, 3) in the object's frame, m.
        """
        corners = self.mesh.vertices[self.mesh.faces[faces]]
        places: FloatArray = np.einsum("nc,ncd->nd", weights, corners)
        return places

    def rest(self, name: str) -> RestPose:
        """The rest pose of that name.

        Raises:
            InvalidInputError: no such pose; names those that exist.
        """
        for rest in self.rests:
            if rest.name == name:
                return rest
        names = ", ".join(rest.name for rest in self.rests)
        raise InvalidInputError(f"{self.family} does not rest {name!r}; it rests {names}")
