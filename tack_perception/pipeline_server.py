# SPDX-License-Identifier: Apache-2.0
"""The other side of `pipeline_process`: the program that runs the pipeline."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from tack_perception.annotation import Annotation
from tack_perception.annotations.records import frame_key
from tack_perception.detectors import make_detector
from tack_perception.encodings import RawFrame
from tack_perception.errors import TackError
from tack_perception.frame import RGBDFrame
from tack_perception.lifting import LiftingConfig
from tack_perception.pipeline import PerceptionPipeline
from tack_perception.pipeline_process import RemoteFaultError, receive, send

Click = tuple[str, float, float, str]
"""Label, pixel, name of the picture."""

_NICE = 5  # on a busy computer fewer detections are better than lost images


class Server:
    """Holds the pipeline. Each method is a request of `PipelineProcess`."""

    def __init__(self) -> None:
        self._fresh: Callable[[], PerceptionPipeline]
        self._pipeline: PerceptionPipeline
        self._clicks: list[Click] = []
        self._frames: dict[str, RGBDFrame] = {}

    def start(self, method: str, settings: Mapping[str, Any]) -> None:
        """Choose the detector."""
        self._fresh = lambda: PerceptionPipeline(make_detector(method, settings))
        self._pipeline = self._fresh()

    def enroll(self, shots: list[Annotation]) -> tuple[str, ...]:
        """Replace what is enrolled; the labels.

        Shots that follow those of last time are only added: reading a shot takes a while.
        """
        keys = {id(shot.frame): shot.frame for shot in shots}
        named = {number: frame_key(frame) for number, frame in keys.items()}
        # What is seen in one picture belongs together, whenever it was clicked on.
        frames = {key: self._frames.get(key, keys[number]) for number, key in named.items()}
        clicks = [(shot.label, shot.u, shot.v, named[id(shot.frame)]) for shot in shots]
        known = len(self._clicks)
        followed = clicks[:known] == self._clicks
        pipeline = PerceptionPipeline(self._pipeline.detector) if followed else self._fresh()
        new = clicks[known:] if followed else clicks
        if new:
            pipeline.enroll([Annotation(label, u, v, frames[key]) for label, u, v, key in new])
        self._pipeline, self._clicks, self._frames = pipeline, clicks, frames
        return pipeline.detector.labels

    def perceive(self, frame: RawFrame, lifting: LiftingConfig) -> tuple[Any, ...]:
        """The keypoints of a frame, the number of frames so far, seconds by stage."""
        self._pipeline.lifting = lifting
        keypoints = self._pipeline.perceive(frame.frame())
        return keypoints, self._pipeline.times.frames, self._pipeline.times.seconds


def serve(connection: Connection) -> None:
    """Answer until the other side has gone."""
    server = Server()
    with contextlib.suppress(EOFError, OSError):
        while True:
            what, arguments = receive(connection)
            answer: Any
            try:
                answer = getattr(server, what)(*arguments)
            except TackError as error:
                answer = error
            except Exception:
                answer = RemoteFaultError(traceback.format_exc())
            send(connection, answer)


if __name__ == "__main__":
    os.nice(_NICE)
    serve(Connection(int(sys.argv[1])))
