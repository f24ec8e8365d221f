# SPDX-License-Identifier: Apache-2.0
"""Stamps and headers."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

_SECOND_NS = 1_000_000_000


def to_ns(stamp: Time) -> int:
    """A stamp in ns; negative where a broken driver sends a negative second."""
    return int(stamp.sec) * _SECOND_NS + int(stamp.nanosec)


def to_stamp(stamp_ns: int) -> Time:
    """The stamp of a time in ns; exact."""
    return Time(sec=stamp_ns // _SECOND_NS, nanosec=stamp_ns % _SECOND_NS)


def to_header(stamp_ns: int, frame_id: str) -> Header:
    """A header of a time in ns and a frame."""
    return Header(stamp=to_stamp(stamp_ns), frame_id=frame_id)
