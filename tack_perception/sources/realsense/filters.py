# SPDX-License-Identifier: Apache-2.0
"""librealsense's depth filters, in the order that its manual recommends."""

from __future__ import annotations

from typing import Any

from tack_perception.sources.realsense.sdk import rs
from tack_perception.sources.realsense.settings import RealSenseConfiguration


class DepthFilters:
    """Decimation, spatial, temporal and hole filter, then alignment to colour.

    Alignment comes last and gives depth the colour image's size again: each decimated pixel then
    covers a block of pixels. The spatial and temporal filters work on disparity, where the noise of
    a stereo camera does not depend on the distance.
    """

    def __init__(self, settings: RealSenseConfiguration) -> None:
        self._blocks: list[Any] = []
        if settings.decimation > 1:
            decimation = rs.decimation_filter()
            decimation.set_option(rs.option.filter_magnitude, settings.decimation)
            self._blocks.append(decimation)
        if settings.spatial or settings.temporal:
            self._blocks.append(rs.disparity_transform(True))
            if settings.spatial:
                self._blocks.append(rs.spatial_filter())
            if settings.temporal:
                self._blocks.append(rs.temporal_filter())
            self._blocks.append(rs.disparity_transform(False))
        if settings.hole_filling:
            self._blocks.append(rs.hole_filling_filter())
        self._align = rs.align(rs.stream.color)

    def process(self, frames: Any) -> Any:
        """A frame set with colour and depth → the same with depth filtered and on colour's grid."""
        for block in self._blocks:
            frames = block.process(frames).as_frameset()
        return self._align.process(frames)
