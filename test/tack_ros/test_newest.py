# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import threading

from tack_perception.errors import InvalidInputError
from tack_ros.drops import DropCounter
from tack_ros.newest import OVERTAKEN, NewestWorker

WAIT_S = 5.0


def make_drops():
    return DropCounter(logging.getLogger("test"))


def test_only_the_newest_waits_and_the_others_are_counted():
    handled, busy, go_on, done = [], threading.Event(), threading.Event(), threading.Event()

    def handle(item):
        busy.set()
        assert go_on.wait(WAIT_S)
        handled.append(item)
        if item == 4:
            done.set()

    drops = make_drops()
    worker = NewestWorker(handle, drops, "test")
    worker.offer(1)
    assert busy.wait(WAIT_S)
    for item in (2, 3, 4):
        worker.offer(item)
    go_on.set()
    assert done.wait(WAIT_S)
    worker.close()
    assert handled == [1, 4]
    assert drops.counts() == {OVERTAKEN: 2}
    assert drops.unexpected == 0


def test_an_error_drops_the_item_and_not_the_worker(caplog):
    done = threading.Event()

    def handle(item):
        if item == "wrong":
            raise InvalidInputError("it is wrong")
        if item == "fault":
            raise KeyError("surprise")
        done.set()

    drops = make_drops()
    worker = NewestWorker(handle, drops, "test")
    for item in ("wrong", "fault", "right"):
        worker.offer(item)
        while worker._waiting is not None:  # let each one be handled
            threading.Event().wait(0.001)
    assert done.wait(WAIT_S)
    worker.close()
    assert drops.counts() == {
        "it is wrong": 1,
        "internal error in handle: KeyError: 'surprise'": 1,
    }
    assert drops.unexpected == 2
    assert "Traceback" in caplog.text


def test_close_ends_the_thread_and_drops_what_waits():
    before = threading.active_count()
    worker = NewestWorker(lambda item: None, make_drops(), "test")
    worker.close()
    assert threading.active_count() == before
    worker.offer(1)  # too late, but harmless


def test_reasons_that_differ_in_numbers_only_are_one():
    drops = make_drops()
    for age in (0.25, 1, 3e5):
        drops.add(f"image is {age} s old")
    drops.add("no info", 5)
    assert drops.counts() == {"image is 300000.0 s old": 3, "no info": 5}
    assert drops.unexpected == 8


def test_the_list_of_reasons_does_not_grow_for_ever():
    drops = make_drops()
    for number in range(200):
        drops.add("x" * number)
    assert len(drops.counts()) == 51
    assert drops.counts()["other reasons"] == 150


def test_a_repeated_reason_is_logged_at_powers_of_ten(caplog):
    drops = make_drops()
    for _ in range(150):
        drops.add("again")
    assert [record.getMessage() for record in caplog.records] == [
        "dropped: again",
        "dropped: again (10 times by now)",
        "dropped: again (100 times by now)",
    ]
