# SPDX-License-Identifier: Apache-2.0
"""What of a cell a place specification may name."""

from __future__ import annotations

from tack_grasping.behaviour.planning import Places, places_of
from tack_grasping.placing.scene import Container
from tack_sim.cell.layout import CellLayout

BIN = "bin"


def places_in(layout: CellLayout) -> Places:
    """The table and the bin of a cell."""
    bins = {}
    if layout.bin is not None:
        floor = layout.bin.base_from_bin.copy()
        floor[2, 3] += layout.bin.thickness
        bins[BIN] = Container(floor, layout.bin.inner)
    return places_of(layout.profile, bins)
