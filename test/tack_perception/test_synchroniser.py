# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.errors import InvalidInputError
from tack_perception.synchroniser import ApproximateTimeSynchroniser

MS = 1_000_000


def run(events, slop_ms=20, capacity=30, streams=("color", "depth")):
    sync = ApproximateTimeSynchroniser(streams, slop_ms * MS, capacity)
    matches = [m for stream, ms in events for m in sync.add(stream, ms * MS, (stream, ms))]
    return [tuple(ms for _, ms in match) for match in matches + sync.flush()], sync


def test_equal_stamps_match_at_once():
    sync = ApproximateTimeSynchroniser(("color", "depth"))
    assert sync.add("color", 5, "c") == []
    assert sync.add("depth", 5, "d") == [("c", "d")]


def test_the_nearest_partner_wins_not_the_first():
    events = [("depth", 0), ("color", 14), ("depth", 16), ("depth", 33)]
    matches, sync = run(events)
    assert matches == [(14, 16)]
    assert sync.drops == {"depth: no partner within 20 ms": 2}


def test_nothing_is_matched_beyond_the_slop():
    matches, sync = run([("color", 0), ("depth", 21), ("color", 40), ("depth", 60)])
    assert matches == [(40, 21)] or matches == [(40, 60)]
    assert sync.drops["color: no partner within 20 ms"] == 1


def test_three_streams():
    events = [("color", 0), ("info", 0), ("depth", 3), ("color", 33), ("depth", 36), ("info", 33)]
    matches, sync = run(events, streams=("color", "depth", "info"))
    assert matches == [(0, 3, 0), (33, 36, 33)]
    assert not sync.drops


def test_repeated_and_late_stamps_are_counted():
    matches, sync = run([("color", 50), ("color", 50), ("depth", 50), ("color", 10), ("depth", 10)])
    assert matches == [(50, 50)]
    assert sync.drops["color: stamp repeated"] == 1
    assert sync.drops["color: stamp not newer than the last one used"] == 1


def test_a_silent_stream_does_not_fill_the_memory():
    matches, sync = run([("color", 33 * i) for i in range(100)], capacity=10)
    assert matches == []
    assert sum(sync.drops.values()) == 100


@given(
    st.lists(st.tuples(st.sampled_from(["color", "depth"]), st.integers(0, 400)), max_size=60),
    st.integers(0, 40),
)
def test_every_message_is_matched_once_or_counted(events, slop_ms):
    matches, sync = run(events, slop_ms)
    assert all(abs(a - b) <= slop_ms for a, b in matches)
    assert 2 * len(matches) + sum(sync.drops.values()) == len(events)
    pivots = [a for a, _ in matches]
    assert pivots == sorted(set(pivots))


def test_wrong_use_is_refused():
    with pytest.raises(InvalidInputError, match="two or more"):
        ApproximateTimeSynchroniser(("color",))
    with pytest.raises(InvalidInputError, match="positive"):
        ApproximateTimeSynchroniser(("a", "b"), capacity=0)
    with pytest.raises(InvalidInputError, match="known are 'color', 'depth'"):
        ApproximateTimeSynchroniser(("color", "depth")).add("sound", 0, None)
