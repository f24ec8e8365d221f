# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.annotations import FrameHistory
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

CAMERA = CameraIntrinsics(2, 1, 1, 1, 0.5, 0)


def frame(stamp_ns: int) -> RGBDFrame:
    return RGBDFrame(
        np.zeros((1, 2, 3), np.uint8), np.ones((1, 2), np.float32), CAMERA, stamp_ns, "camera"
    )


def test_an_empty_history_says_so() -> None:
    history = FrameHistory()
    with pytest.raises(InvalidInputError, match="no picture has arrived yet"):
        history.newest()
    with pytest.raises(InvalidInputError, match="no picture has arrived yet"):
        history.nearest(1, 1.0)
    with pytest.raises(InvalidInputError, match="at least 1"):
        FrameHistory(0)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 9))
def test_it_keeps_the_newest_stamps_in_any_order_of_arrival(stamps, capacity) -> None:
    history = FrameHistory(capacity)
    kept: list[int] = []
    for stamp in stamps:
        full_of_newer = len(kept) == capacity and stamp < kept[0]
        assert history.add(frame(stamp)) is not full_of_newer
        kept = sorted({*kept, stamp})[-capacity:]
        assert len(history) == len(kept)
        assert history.newest().stamp_ns == kept[-1]
    for stamp in range(51):
        found = history.nearest(stamp, 1.0).stamp_ns
        assert abs(found - stamp) == min(abs(k - stamp) for k in kept)


def test_a_known_stamp_is_replaced_and_clear_forgets() -> None:
    history = FrameHistory(2)
    second = frame(5)
    history.add(frame(5))
    history.add(second)
    assert history.newest() is second
    assert len(history) == 1
    history.clear()
    assert len(history) == 0


@pytest.mark.parametrize(
    ("stamp_s", "message"),
    [
        (9.0, r"is 1\.000 s before the oldest of the 3 pictures kept.*allowed are 0\.5 s"),
        (31.0, r"is 1\.000 s after the newest picture; .*use_sim_time"),
        (15.0, r"is 5\.000 s from the nearest picture: there is a gap"),
    ],
)
def test_a_stamp_that_fits_no_frame_is_refused_with_the_reason(stamp_s, message) -> None:
    history = FrameHistory(3)
    for stamp in (10, 20, 30):
        history.add(frame(stamp * 10**9))
    with pytest.raises(InvalidInputError, match=message):
        history.nearest(int(stamp_s * 1e9), 0.5)


def test_threads_may_add_and_read_at_the_same_time() -> None:
    history = FrameHistory(8)
    history.add(frame(0))
    failures: list[BaseException] = []

    def add(first: int) -> None:
        for stamp in range(first, 2000, 3):
            history.add(frame(stamp))

    def read() -> None:
        try:
            for stamp in range(2000):
                history.nearest(stamp, 10.0)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(i,)) for i in range(3)]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert history.newest().stamp_ns == 1999
    assert len(history) == 8
