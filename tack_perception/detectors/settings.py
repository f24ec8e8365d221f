# SPDX-License-Identifier: Apache-2.0
"""Settings of the detectors, hand-crafted and learned."""

from __future__ import annotations

import dataclasses

from tack_perception.configuration import Configuration, setting

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "single", "bfloat16")


@dataclasses.dataclass(frozen=True)
class DenseDescriptorConfig(Configuration):
    """What a shot remembers, where it is looked for, and when a match is believed."""

    step_px: int = setting(
        4,
        "finest grid on which a point is looked for; the whole frame is searched on twice of it",
        unit="px",
        low=2,
        high=16,
    )
    cells_px: tuple[float, ...] = setting(
        (4.0, 8.0, 16.0), "cell sizes of the stacked descriptors", unit="px", low=2, high=32
    )
    support_m: float = setting(
        0.1, "radius around a click whose look is remembered", unit="m", low=0.01, high=1
    )
    support_depth_m: float = setting(
        0.05,
        "how much nearer or farther than the click that surrounding may be: it should be the"
        " object, not the background",
        unit="m",
        low=0.005,
        high=1,
    )
    support_px: float = setting(
        64.0, "that radius where the shot has no depth", unit="px", low=16, high=256
    )
    anchors: int = setting(48, "number of surrounding points that are remembered", low=8, high=256)
    roll_deg: float = setting(
        30.0, "largest in-plane rotation to search for, both ways", unit="°", low=0, high=180
    )
    scale: float = setting(
        1.5, "largest change of apparent size to search for, both ways", low=1, high=4
    )
    visible_confidence: float = setting(
        0.5, "confidence from which a point counts as visible", low=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class LearnedConfig(Configuration):
    """What the learned detectors share."""

    model: str = setting("", "folder of the model, or its name in models/; empty: the shipped one")
    scene_px: int = setting(
        0, "longer side of the picture in which objects are looked for; 0: as fits the model",
        unit="px", low=0, high=1280,
    )  # fmt: skip
    most_windows: int = setting(8, "objects that are looked at closely, at most", low=1, high=32)
    instances: int = setting(
        1, "things of one kind that are reported, at most, the surest first", low=1, high=32
    )
    reach_m: float = setting(
        0.12, "half a side of the window around a click on something that is no known object",
        unit="m", low=0.02, high=1,
    )  # fmt: skip
    threads: int = setting(0, "CPU threads of torch; 0 leaves them as they are", low=0, high=256)
    device: str = setting("auto", "auto: a GPU where there is one", choices=DEVICES)
    precision: str = setting(
        "auto", "of the trunk's arithmetic; auto: bfloat16 on a GPU", choices=PRECISIONS
    )

    def uses_bfloat16(self, device: str) -> bool:
        """Whether the trunk computes in bfloat16 on a kind of device (cpu, cuda)."""
        return self.precision == "bfloat16" or (self.precision == "auto" and device == "cuda")
