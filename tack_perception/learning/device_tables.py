# SPDX-License-Identifier: Apache-2.0
"""The contents of packs as tensors on a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception.learning.pack import Pack, Shape

_CHUNK = 256  # views that are copied at once


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """V views, T things and I instances of one or several packs, numbered through.

    Attributes:
        color: (V, H, W, 3) uint8; depth: (V, H, W) int16, the bits of uint16 counts of
            `depth_unit`; ids: (V, H, W) uint8.
        intrinsics: (V, 4) fx, fy, cx, cy; measured: (V,) bool; middles: (V, M, 2) px.
        view, object, instance, category, pixels: (T,) int64.
        box: (T, 4) px; camera_from_object: (T, 3, 4) m; named: (T, K, 3).
        point_pixel: (T, P, 2) px; point_face: (T, P) int64; point_weights: (T, P, 3);
            filled: (T, P) bool.
        middle, half: (I, 3) m, of the instance's box.
        vertices: all vertices, m; faces: (…, 3) all faces; first_vertex, first_face: (I,).
        depth_unit: m.
    """

    color: Tensor
    depth: Tensor
    ids: Tensor
    intrinsics: Tensor
    measured: Tensor
    middles: Tensor
    view: Tensor
    object: Tensor
    instance: Tensor
    category: Tensor
    pixels: Tensor
    box: Tensor
    camera_from_object: Tensor
    named: Tensor
    point_pixel: Tensor
    point_face: Tensor
    point_weights: Tensor
    filled: Tensor
    middle: Tensor
    half: Tensor
    vertices: Tensor
    faces: Tensor
    first_vertex: Tensor
    first_face: Tensor
    depth_unit: float

    @classmethod
    def load(cls, packs: Sequence[Pack], device: torch.device) -> Tables:
        """Copy packs of one picture size, in which every thing has a pose and a shape."""
        things = np.concatenate([pack.things for pack in packs])
        counts = [len(pack.things) for pack in packs]
        view_offset = np.cumsum([0] + [len(pack.views) for pack in packs[:-1]])
        instance_offset = np.cumsum([0] + [len(pack.instances) for pack in packs[:-1]])
        views = np.concatenate([pack.views for pack in packs])
        shapes = [shape for pack in packs for shape in pack.shapes]
        most = int(things["object"].max()) + 1
        middles = np.concatenate([pack.middles[:, :most] for pack in packs])

        def put(values: Any, kind: Any = np.float32) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values, dtype=kind)).to(device)

        return cls(
            color=_stacked([pack.color for pack in packs], device),
            depth=_stacked([pack.depth.view(np.int16) for pack in packs], device),
            ids=_stacked([pack.instance for pack in packs], device),
            intrinsics=put(views["intrinsics"]),
            measured=put(views["measured"], np.bool_),
            middles=put(middles),
            view=put(things["view"] + np.repeat(view_offset, counts), np.int64),
            object=put(things["object"], np.int64),
            instance=put(things["instance"] + np.repeat(instance_offset, counts), np.int64),
            category=put(things["category"], np.int64),
            pixels=put(things["pixels"], np.int64),
            box=put(things["box"]),
            camera_from_object=put(things["camera_from_object"][:, :3]),
            named=put(np.concatenate([pack.named for pack in packs])),
            point_pixel=put(things["point_pixel"]),
            point_face=put(np.maximum(things["point_face"], 0), np.int64),
            point_weights=put(things["point_weights"]),
            filled=put(
                np.arange(things["point_face"].shape[1]) < things["count"][:, None], np.bool_
            ),
            middle=put([_middle(shape) for shape in shapes]),
            half=put([_half(shape) for shape in shapes]),
            **{name: put(values, kind) for name, (values, kind) in _surfaces(shapes).items()},
            depth_unit=packs[0].depth_unit,
        )

    def corners(self, things: Tensor, face: Tensor) -> Tensor:
        """(B, N, 3, 3) m, corners of (B, N) faces of (B,) things, each in its object's frame."""
        instance = self.instance[things]
        corner = self.faces[face + self.first_face[instance][:, None]]
        return self.vertices[corner + self.first_vertex[instance][:, None, None]]


def _stacked(arrays: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """Arrays one after another on the device; copied in parts, since they may be mapped files."""
    shape = (sum(map(len, arrays)), *arrays[0].shape[1:])
    kind = torch.from_numpy(np.zeros(1, arrays[0].dtype)).dtype
    whole = torch.empty(shape, dtype=kind, device=device)
    at = 0
    for array in arrays:
        for start in range(0, len(array), _CHUNK):
            part = torch.from_numpy(np.array(array[start : start + _CHUNK]))
            whole[at : at + len(part)] = part
            at += len(part)
    return whole


def _surfaces(shapes: Sequence[Shape | None]) -> dict[str, tuple[NDArray[Any], Any]]:
    """Vertices and faces of all instances one after another, and where each begins."""
    none = np.zeros((0, 3))
    vertices = [none if shape is None else shape.vertices for shape in shapes]
    faces = [none if shape is None else shape.faces for shape in shapes]
    return {
        "vertices": (np.concatenate(vertices), np.float32),
        "faces": (np.concatenate(faces), np.int64),
        "first_vertex": (np.cumsum([0, *map(len, vertices)])[:-1], np.int64),
        "first_face": (np.cumsum([0, *map(len, faces)])[:-1], np.int64),
    }


def _middle(shape: Shape | None) -> NDArray[np.float64]:
    return np.zeros(3) if shape is None else shape.middle


def _half(shape: Shape | None) -> NDArray[np.float64]:
    if shape is None:
        return np.ones(3)
    extent = np.asarray(shape.vertices.max(axis=0) - shape.vertices.min(axis=0), np.float64)
    return np.maximum(extent / 2, 1e-3)
