# SPDX-License-Identifier: Apache-2.0
"""What a job is told when it waits for an image and none comes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from rclpy.clock import Clock
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection3DArray

from tack_grasping.behaviour.sight import SightError
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_perception.camera import CameraIntrinsics
from tack_ros.conversions.stamps import to_header
from tack_ros.frame_subscriber import FrameMessages
from tack_ros.pick_place.eyes import RosEyes

pytestmark = pytest.mark.ros

SECOND = 1_000_000_000


@dataclasses.dataclass
class Come:
    """What comes while a job waits: ages of an image and of detections, s before "now"."""

    image: float | None = None
    detections: float | None = None

    def to(self, eyes: RosEyes, now_ns: int) -> None:
        if self.image is not None:
            stamp = now_ns - round(self.image * SECOND)
            camera = CameraIntrinsics(4, 4, 4.0, 4.0, 1.5, 1.5)
            eyes.on_frame(FrameMessages(Image(), Image(), camera, stamp, 0.001))
        if self.detections is not None:
            stamp = now_ns - round(self.detections * SECOND)
            eyes.on_detections(Detection3DArray(header=to_header(stamp, "camera")))


@pytest.mark.parametrize(
    ("come", "code", "words"),
    [
        (Come(), Code.UNABLE_TO_AQUIRE_SENSOR_DATA, "no image has come at all"),
        (Come(image=20), Code.SENSOR_INFO_STALE, "the newest image is 20.1 s too old"),
        (Come(image=-9), Code.UNABLE_TO_AQUIRE_SENSOR_DATA, "the detector has answered none"),
        (Come(image=-9, detections=20), Code.SENSOR_INFO_STALE, "29.0 s older than the newest"),
        (Come(image=-9, detections=-8), Code.SENSOR_INFO_STALE, "45 images behind"),
    ],
    ids=["no image", "old image", "no detector", "slow detector", "detector behind"],
)
def test_it_is_said_what_is_missing(come: Come, code: Code, words: str) -> None:
    clock = Clock()
    eyes = RosEyes(clock, "base", lambda target, source, stamp: np.eye(4), lambda: 0.15)
    come.to(eyes, clock.now().nanoseconds)
    with pytest.raises(SightError, match=r"no new detections within 0\.15 s: ") as refused:
        eyes.look()
    assert refused.value.code is code
    assert words in str(refused.value)
