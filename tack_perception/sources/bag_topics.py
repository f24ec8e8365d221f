# SPDX-License-Identifier: Apache-2.0
"""Finds a camera's topics in a bag by the names that realsense-ros gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from tack_perception.errors import SourceError
from tack_perception.sources.bag_messages import CAMERA_INFO, COMPRESSED, EXTRINSICS, IMAGE
from tack_perception.sources.bag_reader import BagTopic

# In the order of preference: what needs no decoding and no registration first.
_COLOR = ("color/image_raw", "color/image_rect_raw", "color/image_rect")
_DEPTH = ("aligned_depth_to_color/image_raw", "depth/image_rect_raw", "depth/image_raw")
_COLOR_TRANSPORTS = ("", "/compressed")
_DEPTH_TRANSPORTS = ("", "/compressedDepth", "/compressed")
_NEED = (
    "needed are a colour image (…/color/image_raw), its …/color/camera_info and a depth image"
    " (…/aligned_depth_to_color/image_raw or …/depth/image_rect_raw), raw or compressed, or their"
    " names (color_topic, color_info_topic, depth_topic)"
)


class CameraTopics(NamedTuple):
    """The topics of one camera; empty where there is none."""

    color: str
    color_info: str
    depth: str
    depth_info: str
    extrinsics: str


def find_topics(topics: Mapping[str, BagTopic], told: CameraTopics, bag: str) -> CameraTopics:
    """The topics of the camera in a bag.

    Args:
        topics: what the bag holds.
        told: names that are not to be looked for; the others are empty.
        bag: what to call the bag in messages.

    Raises:
        SourceError: a topic is missing, is empty, has the wrong type, or there are several
            cameras; the message lists what the bag holds.
    """
    filled = {name: topic for name, topic in topics.items() if topic.messages}
    for name in told:
        if name and name not in filled:
            raise _missing(f"no messages on {name}", topics, bag)
    color = told.color or _one(filled, _COLOR, _COLOR_TRANSPORTS, "color_topic", told.depth, bag)
    depth = told.depth or _one(filled, _DEPTH, _DEPTH_TRANSPORTS, "depth_topic", color, bag)
    for what, name in (("colour", color), ("depth", depth)):
        if not name:
            raise _missing(f"no {what} image", topics, bag)
        if filled[name].kind not in (IMAGE, COMPRESSED):
            raise _missing(f"{name} is a {filled[name].kind}, not an image", topics, bag)
    color_info = told.color_info or _sibling(filled, color, CAMERA_INFO)
    if not color_info:
        raise _missing(f"no camera_info beside {color}", topics, bag)
    extrinsics = f"{_camera(depth)}/extrinsics/depth_to_color"
    known = extrinsics in filled and filled[extrinsics].kind == EXTRINSICS
    return CameraTopics(
        color,
        color_info,
        depth,
        told.depth_info or _sibling(filled, depth, CAMERA_INFO),
        told.extrinsics or (extrinsics if known else ""),
    )


def _one(
    topics: Mapping[str, BagTopic],
    names: tuple[str, ...],
    transports: tuple[str, ...],
    setting: str,
    beside: str,
    bag: str,
) -> str:
    """The best topic of the one camera, of the same camera as `beside` if that is given."""
    best: dict[str, str] = {}
    for name in names:
        for transport in transports:
            kind = COMPRESSED if transport else IMAGE
            for topic, (found, _) in topics.items():
                suffix = f"/{name}{transport}"
                if found == kind and topic.endswith(suffix):
                    best.setdefault(topic.removesuffix(suffix), topic)
    if beside and _camera(beside) in best:
        return best[_camera(beside)]
    if len(best) > 1:
        raise SourceError(
            f"{bag}: several cameras; choose one with {setting}: {', '.join(best.values())}"
        )
    return next(iter(best.values()), "")


def _camera(topic: str) -> str:
    """The namespace of the camera that a stream's image belongs to."""
    return _stream(topic).rpartition("/")[0]


def _stream(topic: str) -> str:
    return re.sub(r"/(compressed|compressedDepth)$", "", topic).rpartition("/")[0]


def _sibling(topics: Mapping[str, BagTopic], image: str, kind: str) -> str:
    name = f"{_stream(image)}/camera_info"
    return name if name in topics and topics[name].kind == kind else ""


def _missing(what: str, topics: Mapping[str, BagTopic], bag: str) -> SourceError:
    held = ", ".join(f"{name} ({kind}, {count})" for name, (kind, count) in topics.items())
    return SourceError(f"{bag}: {what}. It holds {held or 'no topics'}; {_NEED}")
