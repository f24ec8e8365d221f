# SPDX-License-Identifier: Apache-2.0
"""The perception pipeline in a process of its own, for a process that has to listen meanwhile.

Python runs one thread at a time: a detector on a thread delays whatever else its process does, by
several milliseconds for each image that comes in. The two processes talk over a pair of sockets
that nobody else can open; what goes over them is pickled, the pixels without a copy.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from tack_perception.annotation import Annotation
from tack_perception.encodings.pair import RawFrame
from tack_perception.errors import TackError
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import LiftingConfig
from tack_perception.pipeline import StageTimes

_SERVER = "tack_perception.pipeline_server"
_END_S = 2.0


class ProcessEndedError(TackError):
    """The process of the pipeline has ended by itself, or was killed."""


class RemoteFaultError(Exception):
    """An error in the other process that nobody expected; its text is the trace."""


class PipelineProcess:
    """A `PerceptionPipeline` that runs elsewhere. One caller at a time; the others wait.

    If the process dies, the call that was under way fails, and the next one starts it anew with
    what is enrolled.

    Args:
        method: name of the detector.
        settings: of the detector.
        lifting: settings of the lift; may be replaced at any time, for the frames that follow.

    Attributes:
        labels: what is enrolled.
        times: as of `PerceptionPipeline`, since the last enrolment.

    Raises:
        TackError: as `make_detector`.
    """

    def __init__(
        self, method: str, settings: Mapping[str, Any], lifting: LiftingConfig | None = None
    ) -> None:
        self.lifting = lifting or LiftingConfig()
        self.labels: tuple[str, ...] = ()
        self.times = StageTimes()
        self._method, self._settings = method, dict(settings)
        self._shots: list[Annotation] = []
        self._lock = threading.Lock()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        with self._lock:
            self._start()

    def enroll(self, shots: Iterable[Annotation]) -> None:
        """Replace all that is enrolled; on an error what was enrolled stays.

        Raises:
            TackError: a shot cannot be used, or the process has ended.
        """
        taken = list(shots)
        with self._lock:
            self.labels = self._ask("enroll", taken)
            self._shots = taken
            self.times = StageTimes()

    def perceive(self, frame: RawFrame) -> list[Keypoint]:
        """As `PerceptionPipeline.perceive`, decoding included.

        Raises:
            TackError: the images cannot be decoded, or the process has ended.
        """
        with self._lock:
            keypoints, self.times.frames, self.times.seconds = self._ask(
                "perceive", frame, self.lifting
            )
        return list(keypoints)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        process = self._process
        if process is not None:
            process.terminate()  # a call under way fails, and lets go of the lock
        with self._lock:
            self._end()

    def _ask(self, what: str, *arguments: Any) -> Any:
        if self._process is None:
            self._start()
            if self._shots and what != "enroll":
                self._answer("enroll", self._shots)
        return self._answer(what, *arguments)

    def _start(self) -> None:
        if self._closed:
            raise ProcessEndedError("the process of the detector was closed")
        ours, theirs = Pipe()
        words = [sys.executable, "-m", _SERVER, str(theirs.fileno())]
        # Ctrl-C in a terminal reaches both; this process decides about the end of the other.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self._connection = ours
        try:
            self._answer("start", self._method, self._settings)
        except BaseException:
            self._end()
            raise

    def _answer(self, what: str, *arguments: Any) -> Any:
        assert self._connection is not None
        try:
            send(self._connection, (what, arguments))
            answer = receive(self._connection)
        except (EOFError, OSError) as error:
            code = self._end()
            raise ProcessEndedError(
                f"the process of the detector has ended (exit code {code}); the next image starts"
                " it anew"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _end(self) -> int | None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def send(connection: Connection, item: Any) -> None:
    """Send an item, the memory of its arrays as it lies there."""
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(item, protocol=5, buffer_callback=arrays.append)
    connection.send_bytes(pickle.dumps((head, len(arrays))))
    for array in arrays:
        connection.send_bytes(array.raw())


def receive(connection: Connection) -> Any:
    """Wait for an item of `send`.

    Raises:
        EOFError: the other side has gone.
    """
    head, count = pickle.loads(connection.recv_bytes())
    return pickle.loads(head, buffers=[connection.recv_bytes() for _ in range(count)])
