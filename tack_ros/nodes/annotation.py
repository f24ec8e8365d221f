# SPDX-License-Identifier: Apache-2.0
"""Takes clicks, in RViz or by pixel, into an annotation set on disk, and tells the detector.

Operations that need no argument are `std_srvs/Trigger` services; what they need beyond that are
parameters (`label`, `selected`, `pixel`), so that everything works from a shell, from rqt and from
code with nothing but standard interfaces.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import PointStamped
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import VisionInfo
from visualization_msgs.msg import MarkerArray

from tack_perception import geometry
from tack_perception.annotation import Annotation, check_label
from tack_perception.annotations import (
    AnnotationStore,
    ClickSettings,
    Entry,
    FrameHistory,
    NotSeenError,
    carried,
    pixel_from_click,
    place_of,
)
from tack_perception.configuration import setting
from tack_perception.errors import ConfigurationError, InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_perception.overlay import draw_click, draw_label, enlarged, palette
from tack_perception.transforms import TransformError
from tack_ros import qos
from tack_ros.conversions.images import to_color_image
from tack_ros.conversions.markers import click_markers
from tack_ros.conversions.stamps import to_header, to_ns
from tack_ros.conversions.transforms import from_point
from tack_ros.diagnostics import DiagnosticsPublisher, Health
from tack_ros.frame_subscriber import FrameInputConfig, FrameMessages, FrameSubscriber
from tack_ros.node import TackNode, run
from tack_ros.transform_listener import TransformListener

_TF_S = 0.2  # a transform may come a little later than its image

METHOD = "tack annotation set"
"""`VisionInfo.method` of the announcement: `database_location` is the folder of a set."""


@dataclasses.dataclass(frozen=True)
class AnnotationConfig(FrameInputConfig):
    """Parameters of the annotation node beside those of the clicks."""

    set: str = setting("annotations", "folder of the annotation set; ~/load switches to it")
    label: str = setting("point", "name of the next click, and the new name for ~/rename")
    selected: str = setting(
        "", "id (or its beginning) that ~/delete and ~/rename act on; empty: the newest"
    )
    pixel: tuple[float, ...] = setting((0.0, 0.0), "pixel [u, v] for ~/annotate", unit="px")
    pixel_stamp: int = setting(
        0, "stamp of the image that `pixel` was read from; 0: the newest image", unit="ns", low=0
    )
    fixed_frame: str = setting(
        "", "frame in which things stand still while the camera moves, for ~/carry: that of the"
        " robot's base; empty: clicks are not carried",
    )  # fmt: skip
    autosave: bool = setting(True, "save after each operation")
    history: int = setting(60, "how many images are kept for clicks", low=1, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.pixel) != 2:
            raise ConfigurationError(f"pixel = {list(self.pixel)}: two numbers [u, v] are expected")
        try:
            check_label(self.label)
        except InvalidInputError as error:
            raise ConfigurationError(str(error)) from error


class _InCamera(NamedTuple):
    """A click in the optical frame of its camera, (3,) m, until it is known where that was."""

    frame_id: str
    stamp_ns: int
    xyz: NDArray[np.float64]


class AnnotationNode(TackNode):
    """The node `annotation`.

    Raises:
        TackError: a parameter is refused, or the set on disk cannot be read.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("annotation", **options)
        fixed = ("slop", "history")
        self._config = self.parameters.declare(AnnotationConfig, fixed=fixed)
        self._click = self.parameters.declare(ClickSettings, "click")
        self.parameters.warn_of_unknown()
        self._announcements = self.create_publisher(VisionInfo, "~/set", qos.LATCHED)
        self._markers = self.create_publisher(MarkerArray, "~/markers", qos.LATCHED)
        self._overlay = self.create_publisher(Image, "~/overlay", qos.LATCHED)
        self._revision = 0
        self._unsaved = ""
        self._places: dict[str, tuple[Header, NDArray[np.float64]]] = {}
        # By id: where a click is in the fixed frame, or in its camera's until that is known.
        self._still: dict[str, NDArray[np.float64] | _InCamera] = {}
        self._here: tuple[RGBDFrame, NDArray[np.float64]] | None = None
        self._load()
        self._history = FrameHistory(self._config.value.history)
        self.when_time_jumps_back(self._forget)
        self._transforms = TransformListener(self)
        worker = self.worker(self._keep, "annotation images")
        FrameSubscriber(self, worker.offer, lambda: self._config.value)
        self.create_subscription(PointStamped, "/clicked_point", self._on_click, qos.RESULT)
        operations: dict[str, Callable[[], str]] = {
            "annotate": self._annotate,
            "carry": self._carry,
            "undo": self._undo,
            "delete": self._delete,
            "rename": self._rename,
            "list": self._list,
            "save": self._save,
            "load": self._load,
        }
        for name, operation in operations.items():
            self.create_service(Trigger, f"~/{name}", functools.partial(self._serve, operation))
        DiagnosticsPublisher(self, self.monitor, self.drops, self._health)

    def _keep(self, messages: FrameMessages) -> None:
        """Runs on the worker's thread, which may wait for a transform."""
        frame = messages.frame()
        self._history.add(frame)
        self.monitor.handled(frame.stamp_ns)
        if self._config.value.fixed_frame:
            with contextlib.suppress(TransformError):
                here = self._fixed_from_camera(frame.frame_id, frame.stamp_ns, _TF_S)
                self._here = frame, here
            # Soon after the click: transforms are not kept for long.
            for name in list(self._still):
                with contextlib.suppress(TransformError, KeyError):
                    self._placed(name)

    def _forget(self) -> None:
        """What was seen is of another time."""
        self._history.clear()
        self._still.clear()
        self._here = None

    def _fixed_from_camera(
        self, frame_id: str, stamp_ns: int, timeout_s: float
    ) -> NDArray[np.float64]:
        fixed = self._config.value.fixed_frame
        return self._transforms.wait_for(fixed, frame_id, stamp_ns, timeout_s)

    def _on_click(self, message: PointStamped) -> None:
        """A click in RViz; its answer goes to the log, because a topic has none."""
        xyz, header = from_point(message.point), message.header
        try:
            frame, u, v, note = pixel_from_click(
                xyz,
                header.frame_id,
                to_ns(header.stamp),
                self._history,
                self._transforms.buffer,
                self._click.value,
            )
            # The click's frame is RViz's fixed frame: a marker there stays where it was made.
            said = self._add(frame, u, v, "rviz", (to_header(0, header.frame_id), xyz))
        except TackError as error:
            self.drops.add(f"click: {error}", always_log=True)
        else:
            self.get_logger().info(said + (f" ({note})" if note else ""))

    def _serve(
        self, operation: Callable[[], str], request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            response.message, response.success = operation(), True
        except TackError as error:
            response.message, response.success = str(error), False
        return response

    def _annotate(self) -> str:
        config = self._config.value
        u, v = config.pixel
        stamp_ns, tolerance_s = config.pixel_stamp, self._click.value.stamp_tolerance_s
        frame = self._history.nearest(stamp_ns, tolerance_s) if stamp_ns else self._history.newest()
        return self._add(frame, u, v, "command", None)

    def _add(
        self,
        frame: RGBDFrame,
        u: float,
        v: float,
        origin: str,
        place: tuple[Header, NDArray[np.float64]] | None,
    ) -> str:
        click = Annotation(self._config.value.label, u, v, frame)
        entry = self._set.add(click, origin)
        said = f"{entry.label} at pixel ({u:.1f}, {v:.1f}) of stamp {frame.stamp_ns}: {entry.id}"
        try:
            xyz = place_of(click, np.eye(4))
            self._still[entry.id] = _InCamera(frame.frame_id, frame.stamp_ns, xyz)
        except NotSeenError as error:
            said += f"; it cannot be carried: {error}"
        if place is None and entry.depth is not None:
            xyz = frame.intrinsics.deproject((u, v), entry.depth)
            place = (to_header(frame.stamp_ns, frame.frame_id), xyz)
        if place is not None:
            self._places[entry.id] = place
        return self._changed(said, entry)

    def _placed(self, name: str) -> NDArray[np.float64]:
        """Where a click is in the fixed frame, by its id."""
        place = self._still[name]
        if isinstance(place, _InCamera):
            fixed_from_camera = self._fixed_from_camera(place.frame_id, place.stamp_ns, 0.0)
            place = self._still[name] = geometry.apply(fixed_from_camera, place.xyz)
        return place

    def _carry(self) -> str:
        """The newest click of each label that was made here, on what the camera sees now."""
        if not self._config.value.fixed_frame:
            raise InvalidInputError(
                "clicks are not carried: set the parameter fixed_frame to the robot's base frame"
            )
        if self._here is None:
            raise InvalidInputError(
                "no image whose place is known has come: is there a transform from"
                f" {self._config.value.fixed_frame!r} to the camera?"
            )
        newest = {entry.label: entry.id for entry in self._set if entry.id in self._still}
        if not newest:
            raise InvalidInputError(
                "nothing whose place is known was clicked on since this node began"
            )
        frame, fixed_from_camera = self._here
        said, entry = [], None
        for label, name in newest.items():
            try:
                click = carried(label, self._placed(name), frame, fixed_from_camera)
                entry = self._set.add(click, "carried")
            except NotSeenError as error:
                said.append(str(error))
            except TransformError as error:
                said.append(
                    f"{label}: click on it again, for it is not known where the camera was when it"
                    f" was clicked on: {error}"
                )
            else:
                said.append(f"{label} at pixel ({entry.u:.1f}, {entry.v:.1f}): {entry.id}")
        sentence = "; ".join(said)
        if entry is None:
            raise NotSeenError(sentence)
        return self._changed(sentence, entry)

    def _undo(self) -> str:
        return self._changed(f"took back: {self._set.undo()}")

    def _delete(self) -> str:
        entry = self._set.delete(self._selected())
        return self._changed(f"deleted {entry.id} ({entry.label})")

    def _rename(self) -> str:
        entry = self._set.rename(self._selected(), self._config.value.label)
        return self._changed(f"{entry.id} is now {entry.label}", entry)

    def _selected(self) -> str:
        selected = self._config.value.selected
        if selected:
            return selected
        entries = list(self._set)
        if not entries:
            raise InvalidInputError("the set is empty: there is nothing to select")
        return entries[-1].id

    def _list(self) -> str:
        lines = [f"{len(self._set)} annotations in {self._store.folder}"]
        lines += [
            f"{entry.id} {entry.label}: pixel ({entry.u:.1f}, {entry.v:.1f}) of stamp"
            f" {entry.picture.stamp_ns}"
            for entry in self._set
        ]
        return "\n".join(lines)

    def _save(self) -> str:
        try:
            self._store.save(self._set)
        except TackError as error:
            self._unsaved = f"not saved: {error}"
            raise
        self._unsaved = ""
        self._announce()
        return f"saved {len(self._set)} annotations to {self._store.folder}"

    def _load(self) -> str:
        store = AnnotationStore(Path(self._config.value.set).expanduser().absolute())
        # Both are replaced only once the set could be read: a bad one leaves us as we were.
        self._set, self._store = store.load(), store
        self._unsaved = ""
        self._places.clear()
        self._still.clear()
        self._announce()
        entries = list(self._set)
        self._show(entries[-1] if entries else None)
        return f"loaded {len(entries)} annotations from {store.folder}"

    def _changed(self, said: str, entry: Entry | None = None) -> str:
        entries = list(self._set)
        self._show(entry or (entries[-1] if entries else None))
        if not self._config.value.autosave:
            self._unsaved = "there are changes that are not saved; call ~/save"
            return said + " (not saved yet)"
        try:
            self._save()
        except TackError as error:
            raise TackError(f"{said}; it is kept in memory but not saved: {error}") from error
        return said

    def _announce(self) -> None:
        self._revision += 1
        self._announcements.publish(
            VisionInfo(
                header=Header(stamp=self.get_clock().now().to_msg()),
                method=METHOD,
                database_location=str(self._store.folder),
                database_version=self._revision,
            )
        )

    def _show(self, newest: Entry | None) -> None:
        """Show the clicks of this session in space, and all those on the newest one's picture."""
        clicks = [(e.label, *self._places[e.id]) for e in self._set if e.id in self._places]
        self._markers.publish(click_markers(clicks))
        if newest is None:
            return
        frame = newest.picture.frame()
        canvas = enlarged(frame.color, 1)
        colors = palette(self._set.labels)
        for entry in self._set:
            if entry.picture.key == newest.picture.key:
                color = colors[entry.label]
                draw_click(canvas, (entry.u, entry.v), color)
                draw_label(canvas, entry.label, (entry.u, entry.v), color)
        self._overlay.publish(to_color_image(canvas, to_header(frame.stamp_ns, frame.frame_id)))

    def _health(self) -> Health:
        values = {
            "set": str(self._store.folder),
            "annotations": str(len(self._set)),
            "labels": ", ".join(self._set.labels),
        }
        return Health(self._unsaved, values)


def main() -> int:
    """Run the node."""
    return run(AnnotationNode)


if __name__ == "__main__":
    raise SystemExit(main())
