# SPDX-License-Identifier: Apache-2.0
"""Data sets of dense correspondences: views with poses, depth, masks and canonical coordinates.

`CorrespondenceSet.open(folder)` reads one, `CorrespondenceWriter` writes one; docs/datasets.md
describes the files. Neither needs a simulator.
"""

from tack_perception.correspondence.dataset import CorrespondenceSet
from tack_perception.correspondence.manifest import ClassInfo, InstanceInfo, Manifest
from tack_perception.correspondence.pairs import Pairs, draw_pairs
from tack_perception.correspondence.view import CanonicalMap, SeenObject, SeenPoint, View
from tack_perception.correspondence.writer import CorrespondenceWriter

__all__ = [
    "CanonicalMap",
    "ClassInfo",
    "CorrespondenceSet",
    "CorrespondenceWriter",
    "InstanceInfo",
    "Manifest",
    "Pairs",
    "SeenObject",
    "SeenPoint",
    "View",
    "draw_pairs",
]
