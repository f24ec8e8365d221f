# SPDX-License-Identifier: Apache-2.0
"""What truly stands in the cell: what a camera could see of it, and how high it is everywhere."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim import shapes
from tack_sim.cameras.cell_camera import CameraImages
from tack_sim.cameras.ids import RayScene, Surface
from tack_sim.cell.world import CellWorld

FloatArray = NDArray[np.float64]

_SAME_M = 0.004  # between a ray and the rendered depth, for both to have met the same thing
_ABOVE = 2.0  # m, from where rays go down


@dataclasses.dataclass(frozen=True, eq=False)
class VisiblePoints:
    """True points of things that a camera sees.

    Attributes:
        points: (N, 3) in the base frame, m.
        owner: (N,) index into the names of the truth.
    """

    points: FloatArray
    owner: NDArray[np.int64]


class SceneTruth:
    """Objects and bin of a cell where they are now.

    Attributes:
        names: of the objects in the layout's order, then "bin" where there is one.

    Args:
        world: the cell.
    """

    def __init__(self, world: CellWorld) -> None:
        placed = world.layout.objects
        surfaces = [
            Surface(one.model.mesh.vertices, one.model.mesh.faces, world.object_pose(one.name))
            for one in placed
        ]
        owners = list(range(len(placed)))
        self.names = [one.name for one in placed]
        if world.layout.bin is not None:
            self.names.append("bin")
            for base_from_slab, size in world.layout.bin.slabs():
                mesh = shapes.box(*size)
                foot = geometry.make_transform(np.eye(3), (0, 0, -size[2] / 2))
                surfaces.append(Surface(mesh.vertices, mesh.faces, base_from_slab @ foot))
                owners.append(len(placed))
        self._owners = np.array([*owners, -1, -1])  # nothing and occluders: -1 and -2
        self._rays = RayScene(surfaces)

    def visible(self, clean: CameraImages, step: int = 2) -> VisiblePoints:
        """What a camera sees of the things, every so many-th pixel.

        Args:
            clean: a shot of this state without noise, its depth aligned.
            step: px.
        """
        hits = self._rays.view(clean.color_intrinsics, clean.world_from_color)
        with np.errstate(invalid="ignore"):
            shown = np.abs(hits.depth - clean.depth) < _SAME_M
        shown &= hits.surface >= 0
        shown[np.arange(len(shown)) % step != 0] = False
        shown[:, np.arange(shown.shape[1]) % step != 0] = False
        vs, us = np.nonzero(shown)
        local = clean.color_intrinsics.deproject(np.column_stack([us, vs]), hits.depth[shown])
        points = geometry.apply(clean.world_from_color, local)
        return VisiblePoints(points, self._owners[hits.surface[shown]])

    def heights(
        self, low: FloatArray, high: FloatArray, cell: float, padding: float
    ) -> NDArray[np.float32]:
        """(nx, ny) how high things reach above each cell, m; -1 where nothing stands.

        Args:
            low, high: (2,) corners of the map in the base frame, m.
            cell: its cells, m.
            padding: added around and above all things, m.
        """
        nx, ny = np.ceil((np.asarray(high) - low) / cell).astype(int).tolist()
        grid = np.stack(np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij"), axis=-1)
        flat = (low + (grid + 0.5) * cell).reshape(-1, 2)
        origins = np.column_stack([flat, np.full(len(flat), _ABOVE)])
        hits = self._rays.cast(origins, np.broadcast_to((0.0, 0.0, -1.0), origins.shape))
        tops = np.nan_to_num(_ABOVE - hits.depth, nan=-1.0).astype(np.float32).reshape(nx, ny)
        reach = 2 * int(np.ceil(padding / cell)) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        grown = np.asarray(cv2.dilate(tops, disc), dtype=np.float32)
        padded: NDArray[np.float32] = np.where(grown >= 0, grown + np.float32(padding), grown)
        return padded
