# SPDX-License-Identifier: Apache-2.0
"""Settings of the hand-crafted detector."""

from __future__ import annotations

import dataclasses

from tack_perception.configuration import Configuration, setting


@dataclasses.dataclass(frozen=True)
class DenseDescriptorConfig(Configuration):
    """What a descriptor covers, where it is looked for, and when a match is believed."""

    step_px: int = setting(4, "grid on which the frame is searched", unit="px", low=2, high=16)
    cells_px: tuple[float, ...] = setting(
        (3.0, 6.0, 12.0), "cell sizes of the stacked descriptors", unit="px", low=2, high=32
    )
    roll_deg: float = setting(
        0.0, "largest in-plane rotation to search for, both ways", unit="°", low=0, high=180
    )
    roll_step_deg: float = setting(15.0, "step of that search", unit="°", low=5, high=45)
    visible_confidence: float = setting(
        0.5, "confidence from which a point counts as visible", low=0, high=1
    )
