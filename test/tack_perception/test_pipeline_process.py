# SPDX-License-Identifier: Apache-2.0
"""The pipeline in a process of its own answers as the one in this process, whatever happens."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tack_perception import pipeline_server
from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import make_detector
from tack_perception.detectors.dense import DenseDescriptorDetector
from tack_perception.encodings import RawFrame, encode_color, encode_depth
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.lifting import LiftingConfig
from tack_perception.pipeline import PerceptionPipeline
from tack_perception.pipeline_process import PipelineProcess, ProcessEndedError, RemoteFaultError

CAMERA = CameraIntrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)


def raw_frame():
    blocks = np.random.default_rng(0).integers(0, 255, (15, 20, 3), dtype=np.uint8)
    color = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
    metres = np.full((120, 160), 0.5, np.float32)
    return RawFrame(encode_color(color), encode_depth(metres), CAMERA, 1, "camera", 0.001)


def shot(label="corner"):
    return Annotation(label, 84.0, 52.0, raw_frame().frame())


@pytest.fixture
def process():
    process = PipelineProcess("dense", {})
    yield process
    process.close()


def test_it_answers_as_a_pipeline_in_this_process_does(process):
    process.enroll([shot()])
    there = process.perceive(raw_frame())
    here = PerceptionPipeline(make_detector("dense"))
    here.enroll([shot()])
    (ours,), (theirs,) = here.perceive(raw_frame().frame()), there
    assert theirs.label == ours.label
    # OpenCV rounds with the alignment of its arrays (docs/decisions.md, 13).
    np.testing.assert_allclose((theirs.u, theirs.v), (ours.u, ours.v), atol=1e-4)
    np.testing.assert_allclose(theirs.xyz, ours.xyz, atol=1e-6)
    np.testing.assert_allclose(theirs.xyz_covariance, ours.xyz_covariance, atol=1e-9)
    assert process.labels == ("corner",)
    assert process.times.frames == 1
    assert set(process.times.seconds) == {"detect", "lift"}


def test_the_lift_takes_new_settings_with_the_next_frame(process):
    process.enroll([shot()])
    process.lifting = LiftingConfig(max_depth_m=0.3)
    (keypoint,) = process.perceive(raw_frame())
    assert keypoint.xyz is None
    assert keypoint.refusal


def test_what_was_enrolled_stays_when_new_shots_are_refused(process):
    process.enroll([shot()])
    blank = dataclasses.replace(raw_frame().frame(), color=np.zeros((120, 160, 3), np.uint8))
    with pytest.raises(InvalidInputError, match=r"blank: .* has no texture"):
        process.enroll([shot("edge"), Annotation("blank", 84.0, 52.0, blank)])
    assert process.labels == ("corner",)
    assert [k.label for k in process.perceive(raw_frame())] == ["corner"]
    process.enroll([])
    assert process.labels == ()
    assert process.perceive(raw_frame()) == []


def test_shots_that_follow_are_added_and_share_the_picture(monkeypatch):
    given: list[list[Annotation]] = []

    class Noting(DenseDescriptorDetector):
        def enroll(self, shots):
            given.append(list(shots))
            super().enroll(shots)

    monkeypatch.setattr(pipeline_server, "make_detector", lambda method, settings: Noting())
    server = pipeline_server.Server()
    server.start("dense", {})
    server.enroll([shot()])
    other = Annotation("other", 60.0, 52.0, raw_frame().frame())
    assert server.enroll([shot(), other]) == ("corner", "other")
    assert [[one.label for one in some] for some in given] == [["corner"], ["other"]]
    assert given[0][0].frame is given[1][0].frame  # points of one picture belong to one thing
    assert server.enroll([other]) == ("other",)  # the first was deleted: everything anew
    assert [one.label for one in given[2]] == ["other"]
    blank = dataclasses.replace(raw_frame().frame(), color=np.zeros((120, 160, 3), np.uint8))
    with pytest.raises(InvalidInputError):
        server.enroll([other, Annotation("blank", 84.0, 52.0, blank)])
    assert server.enroll([other, shot()]) == ("other", "corner")


def test_wrong_input_and_faults_come_back_as_errors(process):
    process.enroll([shot()])
    odd = dataclasses.replace(raw_frame().color, encoding="bayer_rggb8")
    with pytest.raises(InvalidInputError, match="colour encoding 'bayer_rggb8'"):
        process.perceive(dataclasses.replace(raw_frame(), color=odd))
    with pytest.raises(RemoteFaultError, match="AttributeError"):
        process.perceive(None)
    assert len(process.perceive(raw_frame())) == 1


def test_a_setting_that_is_not_known_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="no_such"):
        PipelineProcess("dense", {"no_such": 1})


def test_a_killed_process_is_told_and_started_anew(process):
    process.enroll([shot()])
    process._process.kill()
    with pytest.raises(ProcessEndedError, match="exit code -9"):
        process.perceive(raw_frame())
    assert [k.label for k in process.perceive(raw_frame())] == ["corner"]


def test_ctrl_c_of_the_terminal_does_not_reach_it(process):
    process._process.send_signal(signal.SIGINT)
    process.enroll([shot()])
    assert len(process.perceive(raw_frame())) == 1


def test_closing_ends_a_call_under_way(process):
    process.enroll([shot()])
    errors = []

    def call():
        try:
            while True:
                process.perceive(raw_frame())
        except ProcessEndedError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.1)
    process.close()
    thread.join(10.0)
    assert not thread.is_alive()
    assert errors


PARENT = """
import time
from tack_perception.pipeline_process import PipelineProcess
print(PipelineProcess("dense", {})._process.pid, flush=True)
time.sleep(60)
"""


def test_it_does_not_outlive_its_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    end = time.monotonic() + 20.0
    while time.monotonic() < end and running(child):
        time.sleep(0.05)
    assert not running(child)


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that nobody waits for stays as a zombie.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
