# SPDX-License-Identifier: Apache-2.0
"""What a network learns from: pairs of pictures that show the same points."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from tack_perception.learning.batch import TensorBatch


@dataclasses.dataclass(frozen=True, eq=False)
class Episodes(TensorBatch):
    """B pairs of pictures with N points each, as tensors.

    Pictures are square crops around one object each. Points are pixels (u, v) of the crop, integers
    at pixel centres. A point is known in the support; in the query it may be hidden, or not known.

    Attributes:
        support, query: (B, 3, S, S) float32 RGB, 0 to 1.
        support_points: (B, N, 2) float32, px.
        query_points: (B, N, 2) float32, px; where the point is, seen or hidden; also outside.
        known: (B, N) bool: `query_points` holds the truth and lies in the picture.
        visible: (B, N) bool: seen in the query; implies `known`.
        same: (B,) bool: support and query show the same instance.
        support_object, query_object: (B, S/2, S/2) float32, 1 where the object is seen.
        support_things, query_things: (B, S/2, S/2) float32, 1 where any labelled object is seen,
            NaN where it is not known.
        support_votes, query_votes: (B, 2, S/2, S/2) float32 px, from each cell to the middle of the
            object that it shows; NaN where none is shown.
        support_surface, query_surface: (B, 3, S/2, S/2) float32, the place on the object that each
            cell sees, in the object's own box of -1 to 1; NaN elsewhere and where not known.
        query_depth: (B, N) float32: how much farther than the object's middle the point is, in
            units of the crop's side at that distance; NaN where not known.
        support_named, query_named: (B, K, 2) float32, px of the class's named points.
        named_known: (B, K, 2) bool: known in the support, in the query (and in the picture).
        named_visible: (B, K, 2) bool: seen in the support, in the query.
        named_index: (B, K) int64 number of the named point among those of all classes, -1: none.
        category: (B,) int64 class of the object.
        instance: (B,) int64 number of the support's instance.
    """

    support: Tensor
    query: Tensor
    support_points: Tensor
    query_points: Tensor
    known: Tensor
    visible: Tensor
    same: Tensor
    support_object: Tensor
    query_object: Tensor
    support_things: Tensor
    query_things: Tensor
    support_votes: Tensor
    query_votes: Tensor
    support_surface: Tensor
    query_surface: Tensor
    query_depth: Tensor
    support_named: Tensor
    query_named: Tensor
    named_known: Tensor
    named_visible: Tensor
    named_index: Tensor
    category: Tensor
    instance: Tensor

    def __len__(self) -> int:
        return int(self.support.shape[0])
