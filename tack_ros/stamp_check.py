# SPDX-License-Identifier: Apache-2.0
"""Whether a message's stamp can be right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from rclpy.clock import Clock, ROSClock

from tack_perception.configuration import Configuration, setting

RESTART_NS = 1_000_000_000
"""A stream whose stamps go back by more than this was started again."""


@dataclasses.dataclass(frozen=True)
class StampConfig(Configuration):
    """Which stamps are taken, compared with the node's clock."""

    max_age: float = setting(
        1.0, "what is older than this is dropped; 0 accepts any age", unit="s", low=0.0, high=3600.0
    )
    max_lead: float = setting(
        0.5,
        "what is stamped farther than this in the future is dropped",
        unit="s",
        low=0.0,
        high=3600.0,
    )


class StampCheck:
    """Compares stamps with the node's clock.

    Args:
        clock: of the node; simulated time where `use_sim_time` is set.
        config: returns the settings in force.
    """

    def __init__(self, clock: Clock, config: Callable[[], StampConfig]) -> None:
        self._clock = clock
        self._config = config

    def refusal(self, stamp_ns: int, what: str) -> str:
        """Why the stamp is refused, or "".

        Args:
            stamp_ns: the stamp, ns.
            what: how the sentence calls the message ("colour image").
        """
        now_ns = self._clock.now().nanoseconds
        age_s = (now_ns - stamp_ns) * 1e-9
        config = self._config()
        if stamp_ns <= 0:
            return f"{what}: no stamp"
        if isinstance(self._clock, ROSClock) and self._clock.ros_time_is_active and not now_ns:
            return "use_sim_time is set, but no time has come on /clock yet"
        if config.max_age and age_s > config.max_age:
            return (
                f"{what}: {age_s:.3f} s old, max_age is {config.max_age:g} s (for a bag set"
                " use_sim_time and play it with its clock; max_age 0 accepts any age)"
            )
        if -age_s > config.max_lead:
            return (
                f"{what}: stamped {-age_s:.3f} s in the future, max_lead is {config.max_lead:g} s"
                " (are the clocks of camera and computer in step?)"
            )
        return ""


class OrderCheck:
    """Takes each stamp once and in order, but lets a stream start again."""

    def __init__(self) -> None:
        self._newest_ns = -1

    def forget(self) -> None:
        """Take any stamp next: time has jumped back."""
        self._newest_ns = -1

    def refusal(self, stamp_ns: int, what: str) -> str:
        """Why the stamp is refused, or "" (and it is the newest one from then on)."""
        if self._newest_ns - RESTART_NS <= stamp_ns <= self._newest_ns:
            return f"{what}: stamp not newer than the last one used"
        self._newest_ns = stamp_ns
        return ""
