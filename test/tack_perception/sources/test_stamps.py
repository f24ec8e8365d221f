# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tack_perception.sources.stamps import StampGate

S = 1_000_000_000


def run(gate, stamps):
    return [gate.accepts(round(stamp * S), index * S) for index, stamp in enumerate(stamps)]


def test_a_constant_offset_and_small_jitter_pass():
    assert all(run(StampGate(S), [100.2, 100.9, 102.3, 103.0]))


def test_slow_drift_passes():
    assert all(run(StampGate(S), [0, 0.5, 1.0, 1.5, 2.0]))


def test_single_jumps_are_kept_out():
    stamps = [0, 1, 9999, 3, -50, 5]
    assert run(StampGate(S), stamps) == [True, True, False, True, False, True]


def test_a_clock_that_was_set_is_followed_after_ten():
    stamps = [0, 1] + [500 + index for index in range(2, 15)]
    assert run(StampGate(S), stamps) == [True, True] + [False] * 10 + [True] * 3


def test_jumps_that_differ_do_not_agree():
    assert not any(run(StampGate(S, 0), [100 * (1 + index) for index in range(40)]))


def test_a_known_offset_keeps_a_wrong_first_stamp_out():
    assert run(StampGate(S, offset_ns=0), [7777, 1, 2]) == [False, True, True]
