# SPDX-License-Identifier: Apache-2.0
"""Clicks as they are written on a command line, and the frames that they were made on."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from tack_perception.annotation import Annotation
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.base import FrameSource

_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_POINT = re.compile(rf"(?:(\d+)|@({_NUMBER})):(-?{_NUMBER}),(-?{_NUMBER})")


@dataclasses.dataclass(frozen=True)
class Click:
    """One `--point FRAME:U,V`.

    Attributes:
        text: as it was written, for messages.
        u, v: pixel (column, row).
        index: of the frame, from 0; or None where a time is given.
        seconds: after the first frame; the nearest frame is meant.
        label: the point's name, "" until it is known.
    """

    text: str
    u: float
    v: float
    index: int | None = None
    seconds: float = 0.0
    label: str = ""


def parse_click(text: str) -> Click:
    """Read `FRAME:U,V`, with FRAME an index (`12`) or a time in seconds (`@1.5`).

    Raises:
        InvalidInputError: it is written in another way; the message shows the right one.
    """
    match = _POINT.fullmatch(text.replace(" ", ""))
    if match is None:
        raise InvalidInputError(
            f"--point {text}: FRAME:U,V is expected, e.g. 0:412,233 (frame 0, column 412, row 233)"
            " or @1.5:412,233 (the frame at 1.5 s)"
        )
    index, seconds, u, v = match.groups()
    return Click(
        text, float(u), float(v), None if index is None else int(index), float(seconds or 0)
    )


def named(clicks: list[Click]) -> list[Click]:
    """The clicks with a name each: `point`, or `point_1` and so on, where none was given."""
    taken = {click.label for click in clicks}
    if len(clicks) == 1:
        return [dataclasses.replace(clicks[0], label=clicks[0].label or "point")]
    names = (f"point_{i}" for i in range(1, 10**6) if f"point_{i}" not in taken)
    return [
        click if click.label else dataclasses.replace(click, label=next(names)) for click in clicks
    ]


def find_shots(source: FrameSource, clicks: list[Click]) -> list[tuple[int, Annotation]]:
    """The clicks as annotations, each with the index of its frame, in the order given.

    Reads the source only as far as the last frame that was clicked on.

    Raises:
        InvalidInputError: a frame is beyond the end, or a pixel is outside the image.
        SourceError: the source holds no frame at all.
    """
    found: dict[int, tuple[int, RGBDFrame]] = {}
    first: RGBDFrame | None = None
    previous: tuple[int, RGBDFrame] | None = None
    steps: list[float] = []
    for index, frame in enumerate(source):
        first = first or frame
        now = (frame.stamp_ns - first.stamp_ns) * 1e-9
        if previous is not None:
            steps.append((frame.stamp_ns - previous[1].stamp_ns) * 1e-9)
        for number, click in enumerate(clicks):
            if number in found:
                continue
            if click.index == index:
                found[number] = (index, frame)
            elif click.index is None and click.seconds <= now:
                is_nearer = previous is None or now - click.seconds <= steps[-1] / 2
                found[number] = (index, frame) if is_nearer or previous is None else previous
        previous = (index, frame)
        if len(found) == len(clicks):
            break
    if first is None or previous is None:
        raise SourceError(f"{source.name} holds no frame" + drop_hint(source))
    length = (previous[1].stamp_ns - first.stamp_ns) * 1e-9
    reach = length + (float(np.median(steps)) / 2 if steps else 0.0)
    for number, click in enumerate(clicks):
        if number not in found and click.index is None and click.seconds <= reach:
            found[number] = previous
        if number not in found:
            raise InvalidInputError(
                f"--point {click.text}: {source.name} has {previous[0] + 1} frames (0 to"
                f" {previous[0]}, or @0 to @{math.floor(length * 100) / 100:g})"
            )
    return [(found[i][0], _annotation(click, found[i][1])) for i, click in enumerate(clicks)]


def depth_warning(shot: Annotation) -> str:
    """A sentence where the click has no depth under it, else ""."""
    if np.isfinite(shot.frame.depth[round(shot.v), round(shot.u)]):
        return ""
    return (
        f"{shot.label}: there is no depth at the clicked pixel ({shot.u:g}, {shot.v:g}); the point"
        " is learned from the colour image all the same"
    )


def _annotation(click: Click, frame: RGBDFrame) -> Annotation:
    try:
        return Annotation(click.label, click.u, click.v, frame)
    except InvalidInputError as error:
        raise InvalidInputError(f"--point {click.text}: {error}") from error


def drop_hint(source: FrameSource) -> str:
    """What a source dropped, as the end of an error message; "" where it dropped nothing."""
    return "".join(f"; {count} dropped: {reason}" for reason, count in source.drops.items())
