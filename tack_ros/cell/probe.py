# SPDX-License-Identifier: Apache-2.0
"""What a person at the cell does and sees: looks at images, clicks, waits for detections."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection3DArray

from tack_perception.errors import InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_ros import qos
from tack_ros.calls import CallError, Calls
from tack_ros.conversions.detections import from_detection
from tack_ros.conversions.stamps import to_ns
from tack_ros.frame_subscriber import FrameInputConfig, FrameMessages, FrameSubscriber
from tack_ros.node import TackNode
from tack_ros.pick_place.eyes import RosEyes
from tack_ros.spinning import SpinThread
from tack_ros.transform_listener import TransformListener

FloatArray = NDArray[np.float64]
T = TypeVar("T")
_POLL_S = 0.02
_KEPT = 200
_PATIENCE_S = 30.0  # with an image, and with transforms, on a busy computer
_LOOKS = 10  # at different images: what is in none of them will not be in the next one


class TimedOutError(TackError):
    """What was waited for did not come in time."""


class NotFoundError(TackError):
    """What was looked for was not there in any of several images."""


class Probe:
    """One client of the whole graph. A context manager; blocks, so not for callbacks.

    Args:
        camera: prefix of the camera's topics.
        healthy: called while waiting; raises when waiting is in vain.

    Attributes:
        calls: for services and actions.
    """

    def __init__(self, camera: str, healthy: Callable[[], None] = lambda: None) -> None:
        self._healthy = healthy
        self._context = Context()
        rclpy.init(context=self._context)
        topics = ("color/image_raw", "color/camera_info", "aligned_depth_to_color/image_raw")
        remaps = [word for t in topics for word in ("-r", f"{t}:={camera}/{t}")]
        self._node = TackNode(
            "probe",
            context=self._context,
            cli_args=["--ros-args", *remaps],
            parameter_overrides=[Parameter("use_sim_time", value=True)],
        )
        self.calls = Calls("probe_calls", self._context)
        self._newest: FrameMessages | None = None
        self._detections: dict[int, Detection3DArray] = {}
        self._health: dict[str, DiagnosticStatus] = {}
        self._eyes: RosEyes | None = None
        FrameSubscriber(self._node, self._on_frame, lambda: FrameInputConfig(max_age=0.0))
        self._transforms = TransformListener(self._node)
        self._node.create_subscription(
            Detection3DArray, "/detector/detections", self._on_detections, qos.RESULT
        )
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, qos.RESULT)
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        self._thread = SpinThread(executor, "probe")

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *error: object) -> None:
        self.calls.close()
        self._thread.end()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _on_frame(self, messages: FrameMessages) -> None:
        self._newest = messages
        if self._eyes is not None:
            self._eyes.on_frame(messages)

    def _on_detections(self, message: Detection3DArray) -> None:
        self._detections[to_ns(message.header.stamp)] = message
        _trim(self._detections)
        if self._eyes is not None:
            self._eyes.on_detections(message)

    def _on_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._health[status.name.strip("/").partition(":")[0]] = status

    def check(self) -> None:
        """Raise TackError when waiting is in vain, as `healthy` does."""
        self._healthy()

    def eyes(self, base_frame: str) -> RosEyes:
        """What a behaviour sees from now on with this camera and the detector behind it."""
        eyes = RosEyes(self._node.get_clock(), base_frame, self.transform, lambda: _PATIENCE_S)
        self._eyes = eyes
        return eyes

    def wait(self, look: Callable[[], T | None], what: str, seconds: float) -> T:
        """Wait until `look` finds something.

        Raises:
            TimedOutError: it did not come in time.
            TackError: a node has ended; and what `look` raises.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = look()
            if found is not None:
                return found
            self._healthy()
            time.sleep(_POLL_S)
        raise TimedOutError(f"waited {seconds:g} s in vain for {what}")

    def frame(self, after_ns: int = -1, seconds: float = 30.0) -> RGBDFrame:
        """The next image that was taken after a stamp.

        Raises:
            TackError: none came.
        """

        def look() -> FrameMessages | None:
            newest = self._newest
            return newest if newest is not None and newest.stamp_ns > after_ns else None

        return self.wait(look, "an image", seconds).frame()

    def transform(self, target: str, source: str, stamp_ns: int) -> FloatArray:
        """(4, 4) target_from_source at a stamp, m.

        Raises:
            TackError: it is not known.
        """
        return self._transforms.wait_for(target, source, stamp_ns, _PATIENCE_S)

    def keypoints(self, after_ns: int, label: str, seconds: float = 60.0) -> tuple[int, Keypoint]:
        """Stamp and keypoint of the next detection of a label that has a position in space.

        Args:
            after_ns: stamp, ns.
            label: of the point.
            seconds: to wait for images that were searched.

        Raises:
            NotFoundError: it was in none of several images that were searched.
            TackError: a node has ended.
        """

        def look() -> tuple[int, Keypoint] | None:
            searched = [item for item in sorted(self._detections.items()) if item[0] > after_ns]
            for stamp_ns, message in searched:
                for detection in message.detections:
                    try:
                        keypoint = from_detection(detection)
                    except InvalidInputError:
                        continue
                    if keypoint.label != label:
                        continue
                    if keypoint.xyz is not None and keypoint.visible:
                        return stamp_ns, keypoint
                    seen[label] = keypoint
            if len(searched) >= _LOOKS:
                raise NotFoundError(f"'{label}' was in none of {len(searched)} images")
            return None

        seen: dict[str, Keypoint] = {}
        try:
            return self.wait(look, f"a detection of '{label}' with a position in space", seconds)
        except (NotFoundError, TimedOutError) as error:
            if label not in seen:
                raise NotFoundError(f"{error}; {self._reasons('detector')}") from error
            last = seen[label]
            why = last.refusal or ("" if last.visible else "it is believed to be hidden")
            raise NotFoundError(
                f"{error}; the last one was at pixel ({last.u:.0f}, {last.v:.0f}) with confidence"
                f" {last.confidence:.2f}: {why}"
            ) from error

    def _reasons(self, node: str) -> str:
        """Why a node makes nothing of its input, from its diagnostics."""
        status = self._health.get(node)
        values = [] if status is None else status.values
        refused = [v.value for v in values if v.key.startswith("refused")]
        dropped = [v.key for v in values if v.key.startswith("dropped")]
        return "; ".join(refused or dropped) or "no reason is known"

    def annotate(self, label: str, pixel: tuple[float, float], stamp_ns: int) -> str:
        """Click on a pixel of a stamped image, through the annotation node.

        Raises:
            TackError: the click was refused.
        """
        values: dict[str, Any] = {
            "label": label,
            "pixel": list(pixel),
            "pixel_stamp": stamp_ns,
        }
        request = SetParameters.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
        )
        answer = self.calls.call(SetParameters, "/annotation/set_parameters", request)
        for result in answer.results:
            if not result.successful:
                raise CallError(f"annotation: {result.reason}")
        return self.trigger("/annotation/annotate")

    def trigger(self, service: str) -> str:
        """Call a std_srvs/Trigger service; its message.

        Raises:
            TackError: it is not there, or says no.
        """
        answer = self.calls.call(Trigger, service, Trigger.Request(), timeout_s=20.0)
        if not answer.success:
            raise CallError(f"{service}: {answer.message}")
        return str(answer.message)

    def ask(self, service: str) -> Any:
        """Call a service whose message is JSON.

        Raises:
            TackError: it is not there, or says no.
        """
        return json.loads(self.trigger(service))

    def now_ns(self) -> int:
        """The time of the graph, ns."""
        return int(self._node.get_clock().now().nanoseconds)


def _trim(kept: dict[int, Any]) -> None:
    while len(kept) > _KEPT:
        del kept[min(kept)]
