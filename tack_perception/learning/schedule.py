# SPDX-License-Identifier: Apache-2.0
"""The course of the learning rate, as a plain function of the step."""

from __future__ import annotations

import math

from tack_perception.learning.settings import TrainConfig

_START = 1 / 25
_END = 1e-4


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of one step.

    `one_cycle` (Smith and Topin, 2018) rises from 1/25 of the highest rate and falls to 1/10000 of
    that, both along half a cosine; `cosine` rises along a line from zero and falls to zero;
    `constant` rises along a line and stays.

    Args:
        config: of the run.
        step: 0 to steps − 1.
    """
    rising = config.warm_up * config.steps
    if step < rising:
        share = (step + 1) / (rising + 1)
        if config.schedule == "one_cycle":
            return config.learning_rate * _between(_START, 1.0, share)
        return config.learning_rate * share
    if config.schedule == "constant":
        return config.learning_rate
    share = (step - rising) / max(config.steps - rising, 1)
    end = _START * _END if config.schedule == "one_cycle" else 0.0
    return config.learning_rate * _between(1.0, end, share)


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
