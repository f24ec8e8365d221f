# SPDX-License-Identifier: Apache-2.0
"""Draws batches ahead of their use, so that arithmetic does not wait for data.

The order is that of the numbers, whoever draws: with workers or without, a run is the same.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

B = TypeVar("B")
_AHEAD = 3
_END = object()


class Prefetcher(Generic[B]):
    """Batches in order, drawn by a thread, or by processes whose results a thread fetches.

    Args:
        draw: a batch by its number; called by one thread, or in other processes.
        numbers: of the batches, in order.
        workers: processes; 0 draws in the thread.
        place: brings a batch to where it is used (a GPU); called by the thread.

    Attributes:
        waited_s: for how long its user has had to wait, s.
    """

    def __init__(
        self,
        draw: Callable[[int], B],
        numbers: range,
        *,
        workers: int = 0,
        place: Callable[[B], B] = lambda batch: batch,
    ) -> None:
        self.waited_s = 0.0
        self._ready: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        # Processes are started here and not by the thread: forking beside threads is risky.
        source = _from_processes(draw, numbers, workers) if workers else map(draw, numbers)
        self._thread = threading.Thread(
            target=self._fill, args=(source, place), name="prefetch", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[B]:
        return self

    def __next__(self) -> B:
        began = time.perf_counter()
        found = self._ready.get()
        self.waited_s += time.perf_counter() - began
        if isinstance(found, _Failure):
            raise found.error
        if found is _END:
            raise StopIteration
        batch: B = found
        return batch

    def close(self) -> None:
        """Stop drawing."""
        self._stopped.set()
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._ready.get_nowait()
            self._thread.join(0.05)

    def _fill(self, source: Iterator[B], place: Callable[[B], B]) -> None:
        try:
            for batch in source:
                self._put(place(batch))
                if self._stopped.is_set():
                    return
            self._put(_END)
        except BaseException as error:  # whatever it is, the user's thread has to hear of it
            self._put(_Failure(error))

    def _put(self, item: Any) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._ready.put(item, timeout=0.1)
                return


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Drawn(Dataset[B]):
    def __init__(self, draw: Callable[[int], B]) -> None:
        self._draw = draw

    def __getitem__(self, number: int) -> B:
        return self._draw(number)


def _from_processes(draw: Callable[[int], B], numbers: range, workers: int) -> Iterator[B]:
    # Forked, so that data that is mapped into memory is shared and nothing has to be pickled.
    loader: DataLoader[B] = DataLoader(
        _Drawn(draw), sampler=numbers, batch_size=None, num_workers=workers, collate_fn=_as_it_is,
        worker_init_fn=_begin_worker, multiprocessing_context="fork",
    )  # fmt: skip
    return iter(loader)


def _as_it_is(batch: B) -> B:
    return batch


def _begin_worker(_: int) -> None:
    # Ctrl-C reaches all processes: the first one tells the others when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)  # OpenCV's threads do not survive a fork
