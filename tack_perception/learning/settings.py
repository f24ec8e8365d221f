# SPDX-License-Identifier: Apache-2.0
"""The settings of a training run."""

from __future__ import annotations

import dataclasses
from typing import Any

from tack_perception.configuration import Configuration, setting

SCHEDULES = ("one_cycle", "cosine", "constant")
PRECISIONS = ("auto", "32-true", "bf16-mixed")
DEVICES = ("auto", "cpu", "cuda")
DRAWING = ("auto", "workers", "device")

FREE = frozenset(
    {
        "device", "devices", "num_nodes", "threads", "workers", "checkpoint_every_s",
        "log_every", "pictures_every", "validate_every", "validation_batches",
    }
)  # fmt: skip
"""Settings that a run may change when it goes on: they do not say what is learned."""


@dataclasses.dataclass(frozen=True)
class TrainConfig(Configuration):
    """How a network is trained."""

    steps: int = setting(20000, "how often the weights are changed", low=1)
    batch: int = setting(32, "pairs of pictures in one step, over all processes", low=1)
    learning_rate: float = setting(1e-3, "its highest value", low=0.0, high=10.0)
    pretrained_rate: float = setting(
        0.2, "share of the learning rate for weights that began pretrained", low=0.0, high=1.0
    )
    weight_decay: float = setting(1e-4, "of AdamW, for weights but not biases", low=0.0, high=1.0)
    schedule: str = setting("one_cycle", "course of the learning rate", choices=SCHEDULES)
    warm_up: float = setting(0.1, "share of the steps with a rising rate", low=0.0, high=1.0)
    clip: float = setting(1.0, "largest norm of the gradient; 0: any", low=0.0)
    ema_decay: float = setting(
        0.999, "of the moving average of the weights, which is what is saved; 0: none",
        low=0.0, high=0.999999,
    )  # fmt: skip
    precision: str = setting(
        "auto", "of the arithmetic; auto: bf16-mixed on a GPU that has it", choices=PRECISIONS
    )
    channels_last: bool = setting(True, "keep the channels of a pixel side by side: faster")
    seed: int = setting(0, "of everything drawn at random", low=0, high=2**31 - 1)
    device: str = setting("auto", "auto: a GPU where there is one", choices=DEVICES)
    devices: int = setting(1, "processes on this machine; torchrun says it itself", low=1)
    num_nodes: int = setting(1, "machines; torchrun says it itself", low=1)
    threads: int = setting(0, "of a process on the CPU; 0: one for each core", low=0)
    workers: int = setting(
        -1, "processes that draw data; 0: a thread; -1: 0 on the CPU, else some of the cores",
        low=-1,
    )  # fmt: skip
    drawing: str = setting(
        "auto", "who cuts and changes the pictures: worker processes, or the device, which then"
        " holds all data; auto: a GPU in whose memory rendered data fit, else workers",
        choices=DRAWING,
    )  # fmt: skip
    checkpoint_every_s: float = setting(120.0, "between checkpoints", unit="s", low=0.0)
    log_every: int = setting(20, "steps between lines of log.csv", low=1)
    pictures_every: int = setting(500, "steps between drawings of samples.png; 0: none", low=0)
    validate_every: int = setting(500, "steps between looks at validation data; 0: none", low=0)
    validation_batches: int = setting(8, "batches of such a look", low=1)

    def recipe(self) -> dict[str, Any]:
        """The settings that say what is learned: the same in all parts of one run."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in FREE}
