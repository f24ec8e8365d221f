# SPDX-License-Identifier: Apache-2.0
"""One view of a data set: a picture and everything that is known to be true of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.geometry import check_transform

FloatArray = NDArray[np.float64]
NOT_KNOWN = 255
"""In an instance map: nobody knows what is seen."""


@dataclasses.dataclass(frozen=True, eq=False)
class CanonicalMap:
    """The surface point that each pixel sees, in coordinates that all instances of a class share.

    Attributes:
        face: (H, W) int32 triangle, -1 where no known surface is seen.
        weights: (H, W, 3) float32 barycentric weights of its corners; they sum to 1, or are 0.
    """

    face: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class SeenObject:
    """An object of the view, seen or hidden.

    Attributes:
        instance: its name in the manifest.
        world_from_object: (4, 4), m; None where it is not known.
        pixels: how many show it.
    """

    instance: str
    world_from_object: FloatArray | None = None
    pixels: int = 0


@dataclasses.dataclass(frozen=True)
class SeenPoint:
    """A named point of an object.

    Attributes:
        object: index into the view's objects.
        name: as in the class.
        pixel: (u, v), also outside the image.
        xyz: in the camera's optical frame, m.
        visible: in the image and nothing before it.
    """

    object: int
    name: str
    pixel: tuple[float, float]
    xyz: tuple[float, float, float]
    visible: bool


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A picture and what is true of it. Of a real recording some of it is unknown, hence None.

    Attributes:
        scene: views with the same number show the same things in the same places.
        color: (H, W, 3) uint8 RGB.
        intrinsics: of the picture; depth, masks and canonical map lie on the same grid.
        world_from_camera: (4, 4) pose of the optical frame, m.
        depth: (H, W) float32 as a sensor measures it, m, NaN where unknown.
        true_depth: (H, W) float32 without its errors, m, NaN where nothing is there.
        objects: of the scene.
        instance: (H, W) uint8, 0 where none of the objects is seen, 255 where it is not known, else
            1 + its index.
        canonical: what of the object each pixel sees.
        points: the named points of all objects.
    """

    scene: int
    color: NDArray[np.uint8]
    intrinsics: CameraIntrinsics
    world_from_camera: FloatArray | None = None
    depth: NDArray[np.float32] | None = None
    true_depth: NDArray[np.float32] | None = None
    objects: tuple[SeenObject, ...] = ()
    instance: NDArray[np.uint8] | None = None
    canonical: CanonicalMap | None = None
    points: tuple[SeenPoint, ...] = ()

    def __post_init__(self) -> None:
        shape = (self.intrinsics.height, self.intrinsics.width)
        expected: dict[str, tuple[NDArray[Any] | None, tuple[int, ...], type]] = {
            "color": (self.color, (*shape, 3), np.uint8),
            "depth": (self.depth, shape, np.float32),
            "true_depth": (self.true_depth, shape, np.float32),
            "instance": (self.instance, shape, np.uint8),
        }
        if self.canonical is not None:
            expected["canonical face"] = (self.canonical.face, shape, np.int32)
            expected["canonical weights"] = (self.canonical.weights, (*shape, 3), np.float32)
        for name, (image, wanted, kind) in expected.items():
            if image is not None and (image.shape != wanted or image.dtype != kind):
                raise InvalidInputError(
                    f"{name}: {image.dtype} {image.shape}; {np.dtype(kind)} {wanted} is expected"
                )
        if self.world_from_camera is not None:
            check_transform(self.world_from_camera, "world_from_camera")
        if len(self.objects) >= NOT_KNOWN:
            raise InvalidInputError(
                f"{len(self.objects)} objects in one view: {NOT_KNOWN - 1} is the most"
            )
        if self.canonical is not None and self.instance is None:
            raise InvalidInputError("a canonical map needs the instance map that tells whose it is")

    @property
    def best_depth(self) -> NDArray[np.float32] | None:
        """The true depth where it is known, else the measured one."""
        return self.depth if self.true_depth is None else self.true_depth
