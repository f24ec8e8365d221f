# SPDX-License-Identifier: Apache-2.0
"""Frames out of a recorded bag."""

from __future__ import annotations

import bisect
import dataclasses
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.configuration import Configuration, setting
from tack_perception.encodings import (
    MILLIMETRE,
    decode_color,
    decode_compressed_color,
    decode_compressed_depth,
    decode_depth,
)
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.registration import register_depth
from tack_perception.sources import bag_messages
from tack_perception.sources.bag_reader import BagReader, BagTopic
from tack_perception.sources.bag_topics import CameraTopics, find_topics
from tack_perception.sources.stamps import StampGate
from tack_perception.synchroniser import ApproximateTimeSynchroniser
from tack_perception.transforms import TransformBuffer, TransformError


@dataclasses.dataclass(frozen=True)
class BagConfiguration(Configuration):
    """How a bag is read. Topics that are not named are found by realsense-ros' names."""

    color_topic: str = setting("", "colour image; empty: find it")
    color_info_topic: str = setting("", "camera_info of the colour image; empty: beside it")
    depth_topic: str = setting("", "depth image; empty: find it, aligned to colour if possible")
    depth_info_topic: str = setting("", "camera_info of the depth image; empty: beside it")
    extrinsics_topic: str = setting("", "depth-to-colour extrinsics; empty: find them, else TF")
    tf_topic: str = setting("/tf", "moving transforms")
    tf_static_topic: str = setting("/tf_static", "static transforms")
    depth_unit: float = setting(
        MILLIMETRE, "length of one step of 16-bit depth images", unit="m", low=1e-6, high=1.0
    )
    slop: float = setting(
        0.02, "farthest that colour and depth of a frame may lie apart", unit="s", low=0.0, high=1.0
    )
    stamp_jump: float = setting(
        10.0, "farthest that stamps may drift from the recorder's clock", unit="s", low=0.01
    )
    color_frame: str = setting(
        "camera_color_optical_frame", "frame of a colour image whose header names none"
    )


class BagSource:
    """The RGB-D frames of one camera in a bag, in the order of their stamps.

    Reads rosbag2 (MCAP and SQLite, also compressed, cut off or without metadata) and ROS 1 bags;
    raw, JPEG, PNG and compressedDepth images. Depth in a frame of its own is registered to colour.
    On entering, a first pass reads all transforms and calibrations; images are read one by one.

    Args:
        path: a bag folder, or an .mcap, .db3 or .bag file.
        configuration: topics, units and tolerances.

    Raises:
        SourceError: on entering, if the bag cannot be read or lacks what a frame needs.
    """

    def __init__(self, path: Path | str, configuration: BagConfiguration | None = None) -> None:
        self._path = Path(path)
        self._configuration = configuration or BagConfiguration()
        self._reader = BagReader(self._path)
        self._first_pass: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._topics: CameraTopics | None = None
        self._held: dict[str, BagTopic] = {}
        self._transforms = TransformBuffer(keep_ns=None)
        self._color_info = _Calibration()
        self._depth_info = _Calibration()
        self._extrinsics: NDArray[np.float64] | None = None

    @property
    def name(self) -> str:
        """The file or folder name of the bag."""
        return self._path.name

    @property
    def drops(self) -> Counter[str]:
        """Messages and frames that were dropped, by reason; also what of the bag was unreadable."""
        return self._first_pass + self._drops + self._reader.losses

    @property
    def transforms(self) -> TransformBuffer:
        """All transforms of the bag."""
        return self._transforms

    @property
    def topics(self) -> CameraTopics:
        """The topics that are read.

        Raises:
            SourceError: the source has not been entered.
        """
        if self._topics is None:
            raise SourceError(f"{self._path}: open the bag first: `with source: …`")
        return self._topics

    def __len__(self) -> int:
        """The most frames that the bag can give (colour or depth messages, whichever is fewer)."""
        topics = self.topics
        return min(self._held[topics.color].messages, self._held[topics.depth].messages)

    def __enter__(self) -> BagSource:
        config = self._configuration
        self._reader.__enter__()
        try:
            self._held = self._reader.topics
            told = CameraTopics(
                config.color_topic,
                config.color_info_topic,
                config.depth_topic,
                config.depth_info_topic,
                config.extrinsics_topic,
            )
            self._topics = find_topics(self._held, told, str(self._path))
            self._read_calibration(self._topics)
        except BaseException:
            self._reader.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[RGBDFrame]:
        """Yield the frames; a second iteration starts again from the first one.

        Raises:
            SourceError: the source has not been entered.
        """
        topics = self.topics
        config = self._configuration
        self._drops.clear()
        synchroniser = ApproximateTimeSynchroniser(
            (topics.color, topics.depth), slop_ns=round(config.slop * 1e9)
        )
        gate = StampGate(round(config.stamp_jump * 1e9), self._color_info.offset)
        for topic, log_ns, message in self._messages({topics.color, topics.depth}, self._drops):
            stamp = bag_messages.stamp_ns(message)
            if gate.accepts(stamp, log_ns):
                yield from self._frames(synchroniser.add(topic, stamp, message))
            else:
                self._drops[f"{topic}: stamp jumps away from the recorder's clock"] += 1
        yield from self._frames(synchroniser.flush())
        self._drops.update(synchroniser.drops)

    def _frames(self, matches: list[tuple[Any, ...]]) -> Iterator[RGBDFrame]:
        for color, depth in matches:
            try:
                frame = self._frame(color, depth)
            except (InvalidInputError, TransformError) as error:
                self._drops[str(error)] += 1
            else:
                yield frame

    def _frame(self, color: Any, depth: Any) -> RGBDFrame:
        topics, unit = self.topics, self._configuration.depth_unit
        stamp = bag_messages.stamp_ns(color)
        intrinsics = self._color_info.at(stamp)
        compressed = self._held[topics.color].kind == bag_messages.COMPRESSED
        try:
            pixels = decode_compressed_color(color) if compressed else decode_color(color)
        except InvalidInputError as error:
            raise InvalidInputError(f"{topics.color}: {error}") from error
        compressed = self._held[topics.depth].kind == bag_messages.COMPRESSED
        try:
            metres = (decode_compressed_depth if compressed else decode_depth)(depth, unit)
        except InvalidInputError as error:
            raise InvalidInputError(f"{topics.depth}: {error}") from error
        if pixels.shape[:2] != (intrinsics.height, intrinsics.width):
            raise InvalidInputError(
                f"{topics.color}: image of {pixels.shape[1]}×{pixels.shape[0]} px, but camera_info"
                f" is for {intrinsics.width}×{intrinsics.height} px"
            )
        frame_id = _frame_id(color) or self._configuration.color_frame
        depth_frame = _frame_id(depth) or frame_id
        if depth_frame != frame_id or metres.shape != pixels.shape[:2]:
            metres = self._registered(metres, depth_frame, intrinsics, frame_id, stamp)
        return RGBDFrame(pixels, metres, intrinsics, stamp, frame_id)

    def _registered(
        self,
        depth: NDArray[np.float32],
        depth_frame: str,
        intrinsics: CameraIntrinsics,
        frame_id: str,
        stamp: int,
    ) -> NDArray[np.float32]:
        topics = self.topics
        if not self._depth_info:
            raise InvalidInputError(
                f"{topics.depth}: depth {depth.shape} in {depth_frame!r} is not on the grid of"
                f" {topics.color} in {frame_id!r}, and there is no camera_info to register it"
            )
        color_from_depth = self._extrinsics
        if depth_frame == frame_id:
            color_from_depth = np.eye(4)
        elif color_from_depth is None:
            color_from_depth = self._transforms.lookup(frame_id, depth_frame, stamp)
        return register_depth(depth, self._depth_info.at(stamp), intrinsics, color_from_depth)

    def _read_calibration(self, topics: CameraTopics) -> None:
        """The first pass: transforms, camera_infos and extrinsics."""
        config = self._configuration
        self._first_pass.clear()
        self._transforms.clear()
        self._color_info, self._depth_info = _Calibration(), _Calibration()
        self._extrinsics = None
        transforms = {
            name
            for name in (config.tf_topic, config.tf_static_topic)
            if name in self._held and self._held[name].kind == bag_messages.TF
        }
        wanted = {topics.color_info, topics.depth_info, topics.extrinsics, *transforms} - {""}
        for topic, log_ns, message in self._messages(wanted, self._first_pass):
            try:
                if topic in transforms:
                    self._add_transforms(message, static=topic == config.tf_static_topic)
                if topic == topics.color_info:
                    self._color_info.add(message, log_ns)
                if topic == topics.depth_info:
                    self._depth_info.add(message, log_ns)
                if topic == topics.extrinsics:
                    self._extrinsics = bag_messages.extrinsics_of(message)
            except InvalidInputError as error:
                self._first_pass[f"{topic}: {error}"] += 1
        if not self._color_info:
            raise SourceError(
                f"{self._path}: no usable camera_info on {topics.color_info}: "
                + "; ".join(self._first_pass)
            )

    def _add_transforms(self, message: Any, *, static: bool) -> None:
        for transform in message.transforms:
            try:
                self._transforms.add(
                    transform.header.frame_id,
                    transform.child_frame_id,
                    bag_messages.stamp_ns(transform),
                    bag_messages.transform_of(transform),
                    static=static,
                )
            except InvalidInputError as error:
                self._first_pass[f"transform refused: {error}"] += 1

    def _messages(self, topics: set[str], drops: Counter[str]) -> Iterator[tuple[str, int, Any]]:
        for stored in self._reader.messages(topics):
            try:
                message = self._reader.deserialise(stored, self._held[stored.topic].kind)
            except InvalidInputError as error:
                drops[f"{stored.topic}: {error}"] += 1
            else:
                yield stored.topic, stored.log_ns, message


class _Calibration:
    """The intrinsics of a camera over time: usually one, but zoom and resolution may change."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._intrinsics: list[CameraIntrinsics] = []
        self._offsets: list[int] = []

    @property
    def offset(self) -> int | None:
        """How far stamps are ahead of the recorder's clock; of a few messages nothing is said."""
        return statistics.median_low(self._offsets) if len(self._offsets) > 2 else None

    def __bool__(self) -> bool:
        return bool(self._stamps)

    def add(self, message: Any, log_ns: int) -> None:
        intrinsics = bag_messages.intrinsics_of(message)
        stamp = bag_messages.stamp_ns(message)
        self._offsets.append(stamp - log_ns)
        index = bisect.bisect_right(self._stamps, stamp)
        if index == 0 or self._intrinsics[index - 1] != intrinsics:
            self._stamps.insert(index, stamp)
            self._intrinsics.insert(index, intrinsics)

    def at(self, stamp: int) -> CameraIntrinsics:
        """What held at a time; before the first message, what that one says."""
        return self._intrinsics[max(0, bisect.bisect_right(self._stamps, stamp) - 1)]


def _frame_id(message: Any) -> str:
    """The frame of a message; ROS 1 wrote it with a leading slash."""
    return str(message.header.frame_id).strip().removeprefix("/")
