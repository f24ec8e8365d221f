# SPDX-License-Identifier: Apache-2.0
"""The port that every source of RGB-D frames stands behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, runtime_checkable

from tack_perception.frame import RGBDFrame
from tack_perception.transforms import TransformBuffer


@runtime_checkable
class FrameSource(Protocol):
    """A context manager that yields frames in the order of their stamps."""

    @property
    def name(self) -> str:
        """What a person calls it: a serial number, a file name."""
        ...

    @property
    def drops(self) -> Counter[str]:
        """How many inputs were dropped, by reason (a sentence)."""
        ...

    @property
    def transforms(self) -> TransformBuffer | None:
        """Transforms that were recorded with the frames, or None where the source has none."""
        ...

    def __len__(self) -> int:
        """Number of frames where it is known beforehand, 0 for a live source."""
        ...

    def __iter__(self) -> Iterator[RGBDFrame]:
        """Yield frames until the source ends.

        Raises:
            SourceError: the source ended for a reason that the user must know.
        """
        ...

    def __enter__(self) -> FrameSource: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
