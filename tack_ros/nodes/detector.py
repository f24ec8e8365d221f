# SPDX-License-Identifier: Apache-2.0
"""Finds the annotated points in the newest image and publishes them in space."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path
from typing import Any

from sensor_msgs.msg import Image
from vision_msgs.msg import Detection3DArray, VisionInfo
from visualization_msgs.msg import MarkerArray

from tack_perception.annotation import Annotation
from tack_perception.annotations import AnnotationStore, load_annotations
from tack_perception.configuration import setting
from tack_perception.detectors import DETECTORS, DenseDescriptorConfig, LearnedConfig
from tack_perception.encodings import RawFrame, decode_color
from tack_perception.errors import TackError
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import LiftingConfig
from tack_perception.overlay import draw_keypoints, palette
from tack_perception.pipeline_process import PipelineProcess
from tack_ros import qos
from tack_ros.conversions.detections import to_detections
from tack_ros.conversions.images import to_color_image
from tack_ros.conversions.markers import keypoint_markers
from tack_ros.conversions.stamps import to_header
from tack_ros.diagnostics import DiagnosticsPublisher, Health
from tack_ros.frame_subscriber import FrameInputConfig, FrameMessages, FrameSubscriber
from tack_ros.node import TackNode, run

_THINGS = 4  # of one kind are reported: which is taken is for others to say
NOTHING_ENROLLED = "nothing is annotated yet: click a point, or name a set with 'annotations'"


@dataclasses.dataclass(frozen=True)
class DetectorConfig(FrameInputConfig):
    """Parameters of the detector node beside those of the lifting."""

    method: str = setting(DETECTORS[0], "how points are found again", choices=DETECTORS)
    annotations: str = setting(
        "", "folder of the annotation set to start with; empty: wait for the annotation node"
    )


class DetectorNode(TackNode):
    """The node `detector`.

    Raises:
        TackError: a parameter is refused, or the set named at start-up cannot be used.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("detector", **options)
        fixed = ("slop", "method", "annotations")
        self._config = self.parameters.declare(DetectorConfig, fixed=fixed)
        self._lifting = self.parameters.declare(
            LiftingConfig, "lifting", on_change=self._on_lifting
        )
        self._dense = self.parameters.declare(DenseDescriptorConfig, "dense", fixed="*")
        self._learned = self.parameters.declare(
            LearnedConfig, "learned", fixed="*", defaults=LearnedConfig(instances=_THINGS)
        )
        self.parameters.warn_of_unknown()
        self._announced: deque[str] = deque(maxlen=1)
        self._problem = NOTHING_ENROLLED
        self._refusals: dict[str, str] = {}
        method = self._config.value.method
        dense, settings = (dataclasses.asdict(one.value) for one in (self._dense, self._learned))
        if method == "dense":
            settings = dense
        elif method == "combined":
            settings["dense"] = dense
        # In a process of its own: a detector on a thread would delay the images that come in.
        self._pipeline = PipelineProcess(method, settings, self._lifting.value)
        self.at_end(self._pipeline.close)
        if self._config.value.annotations:
            folder = self._config.value.annotations
            self._enroll(load_annotations(Path(folder).expanduser()), folder)
        self._detections = self.create_publisher(Detection3DArray, "~/detections", qos.RESULT)
        self._markers = self.create_publisher(MarkerArray, "~/markers", qos.RESULT)
        self._overlay = self.create_publisher(Image, "~/overlay", qos.SENSOR)
        worker = self.worker(self._handle, "detector")
        FrameSubscriber(self, worker.offer, lambda: self._config.value)
        self.create_subscription(VisionInfo, "annotation_set", self._on_announcement, qos.LATCHED)
        DiagnosticsPublisher(self, self.monitor, self.drops, self._health)

    def _on_lifting(self, config: LiftingConfig) -> None:
        self._pipeline.lifting = config

    def _on_announcement(self, message: VisionInfo) -> None:
        # Enrolling may take a while: the worker does it, before the next image.
        self._announced.append(message.database_location)

    def _enroll(self, shots: list[Annotation], folder: str) -> None:
        """Replace all that is enrolled; on an error what was enrolled stays.

        Raises:
            TackError: a shot cannot be used.
        """
        self._pipeline.enroll(shots)
        self._problem = "" if shots else NOTHING_ENROLLED
        labels = ", ".join(self._pipeline.labels) or "nothing"
        self.get_logger().info(f"enrolled {len(shots)} annotations of {folder}: {labels}")

    def _handle(self, messages: FrameMessages) -> None:
        """Work on one image. Runs on the worker's thread."""
        if self._announced:
            try:
                folder = self._announced.popleft()
                # A set that was just begun is not on disk yet: it is empty.
                self._enroll(AnnotationStore(folder).load().annotations(), folder)
            except TackError as error:
                self._problem = f"the annotation set could not be used: {error}"
                self.get_logger().error(self._problem)
        if not self._pipeline.labels:
            self.drops.add(NOTHING_ENROLLED, expected=True)
            return
        raw = messages.raw()
        keypoints = self._pipeline.perceive(raw)
        self._refusals = {k.label: k.refusal for k in keypoints if k.refusal}
        self._publish(raw, keypoints)
        self.monitor.handled(raw.stamp_ns)

    def _publish(self, raw: RawFrame, keypoints: list[Keypoint]) -> None:
        header = to_header(raw.stamp_ns, raw.frame_id)
        labels = self._pipeline.labels
        self._detections.publish(to_detections(keypoints, header))
        if self._markers.get_subscription_count():
            self._markers.publish(keypoint_markers(keypoints, header, labels))
        if self._overlay.get_subscription_count():
            color = decode_color(raw.color)
            drawn = draw_keypoints(color, keypoints, colors=palette(labels))
            self._overlay.publish(to_color_image(drawn, header))

    def _health(self) -> Health:
        times = self._pipeline.times
        values = {"labels": ", ".join(self._pipeline.labels)}
        for stage, seconds in sorted(times.seconds.items()):
            values[f"{stage}, mean [ms]"] = f"{seconds / max(times.frames, 1) * 1e3:.1f}"
        for label, why in sorted(self._refusals.items()):
            values[f"refused: {label}"] = why
        return Health(self._problem, values)


def main() -> int:
    """Run the node."""
    return run(DetectorNode)


if __name__ == "__main__":
    raise SystemExit(main())
