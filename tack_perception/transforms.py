# SPDX-License-Identifier: Apache-2.0
"""A time-indexed tree of transforms: tf2's buffer without ROS.

The offline replay and the nodes use this one class, so both give the same answer. Frames form a
forest: each child has one parent, and the transform parent_from_child is known at stamps (or at all
times, if static). Between two stamps translation is interpolated linearly and rotation by slerp, as
tf2 does. The exceptions carry tf2's names and meanings.
"""

from __future__ import annotations

import bisect
import threading
from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception import geometry
from tack_perception.errors import InvalidInputError, TackError

FloatArray = NDArray[np.float64]
DEFAULT_KEEP_NS = 10_000_000_000


class TransformError(TackError):
    """Root of the errors of a lookup (tf2's TransformException)."""


class LookupException(TransformError):  # noqa: N818 - tf2's name
    """A frame is not known."""


class ConnectivityException(TransformError):  # noqa: N818 - tf2's name
    """Both frames are known, but no chain of transforms joins them."""


class ExtrapolationException(TransformError):  # noqa: N818 - tf2's name
    """The stamp lies outside of the time for which the chain is known."""


class TransformBuffer:
    """Collects stamped transforms and answers lookups. Thread-safe.

    Args:
        keep_ns: how long a moving transform is kept behind its newest stamp, ns; None for ever
            (offline, where the whole recording is at hand).
    """

    def __init__(self, keep_ns: int | None = DEFAULT_KEEP_NS) -> None:
        self._keep_ns = keep_ns
        self._edges: dict[str, _Edge] = {}
        self._lock = threading.Lock()

    def add(
        self,
        parent: str,
        child: str,
        stamp_ns: int,
        parent_from_child: ArrayLike,
        *,
        static: bool = False,
    ) -> None:
        """Add one transform.

        Stamps may come out of order. A stamp that is already known is replaced. A child that gets
        a new parent forgets its history with the old one.

        Args:
            parent, child: frame names; a leading "/" is dropped, as tf2 does.
            stamp_ns: time at which it holds; ignored for a static one.
            parent_from_child: (4, 4), m.
            static: it holds at all times.

        Raises:
            InvalidInputError: an empty name, a frame that is its own parent, a negative stamp, a
                matrix that is not rigid, a loop in the tree, or a stamp older than the buffer.
        """
        parent, child = _frame(parent), _frame(child)
        if parent == child:
            raise InvalidInputError(f"transform of frame {child!r} to itself")
        if not static and stamp_ns < 0:
            raise InvalidInputError(f"transform {parent} ← {child}: stamp {stamp_ns} is negative")
        matrix = geometry.check_transform(parent_from_child, f"transform {parent} ← {child}").copy()
        matrix.flags.writeable = False
        with self._lock:
            if child in self._chain(parent):
                raise InvalidInputError(f"transform {parent} ← {child} closes a loop in the tree")
            edge = self._edges.get(child)
            if edge is None or edge.parent != parent or edge.static != static:
                edge = self._edges[child] = _Edge(parent, static)
            edge.add(0 if static else stamp_ns, matrix, None if static else self._keep_ns)

    def lookup(self, target: str, source: str, stamp_ns: int | None) -> FloatArray:
        """The transform target_from_source at a time.

        Args:
            target, source: frame names.
            stamp_ns: the time, ns; None for the newest time at which the whole chain is known.

        Returns:
            (4, 4) target_from_source, m.

        Raises:
            LookupException: a frame is unknown; the message lists the known ones.
            ConnectivityException: the frames are in different trees.
            ExtrapolationException: the stamp is before or after what is known; the message names
                the transform at fault, its time span and the distance.
        """
        target, source = _frame(target), _frame(source)
        with self._lock:
            if target == source:
                return np.eye(4)
            self._check_known(target)
            self._check_known(source)
            up_target, up_source = self._chain(target), self._chain(source)
            common = next((frame for frame in up_target if frame in up_source), None)
            if common is None:
                raise ConnectivityException(
                    f"no transform joins {target!r} (tree of {up_target[-1]!r}) and"
                    f" {source!r} (tree of {up_source[-1]!r})"
                )
            target_path = up_target[: up_target.index(common)]
            source_path = up_source[: up_source.index(common)]
            if stamp_ns is None:
                stamp_ns = self._newest_common(target_path + source_path)
            common_from_target = self._compose(target_path, stamp_ns)
            common_from_source = self._compose(source_path, stamp_ns)
        return geometry.inverse(common_from_target) @ common_from_source

    def can_transform(self, target: str, source: str, stamp_ns: int | None) -> bool:
        """Whether `lookup` would succeed."""
        try:
            self.lookup(target, source, stamp_ns)
        except TransformError:
            return False
        return True

    def frames(self) -> tuple[str, ...]:
        """All known frame names, sorted."""
        with self._lock:
            return self._frames()

    def root(self, frame: str) -> str:
        """The frame at the top of a frame's tree: itself where nothing is known of it."""
        with self._lock:
            return self._chain(_frame(frame))[-1]

    def edges(self) -> tuple[tuple[str, str, bool], ...]:
        """(parent, child, static) of every known transform, sorted by child."""
        with self._lock:
            known = sorted(self._edges.items())
            return tuple((edge.parent, child, edge.static) for child, edge in known)

    def clear(self) -> None:
        """Forget everything (e.g. when simulated time jumps back)."""
        with self._lock:
            self._edges.clear()

    def _frames(self) -> tuple[str, ...]:
        return tuple(sorted({*self._edges, *(edge.parent for edge in self._edges.values())}))

    def _check_known(self, frame: str) -> None:
        if frame in self._edges or any(edge.parent == frame for edge in self._edges.values()):
            return
        known = ", ".join(self._frames()) or "none yet"
        raise LookupException(f"frame {frame!r} is not in the tree; known are {known}")

    def _chain(self, frame: str) -> list[str]:
        """The frame, its parent, and so on to the root."""
        chain = [frame]
        while chain[-1] in self._edges:
            chain.append(self._edges[chain[-1]].parent)
        return chain

    def _newest_common(self, children: list[str]) -> int:
        moving = [self._edges[child] for child in children if not self._edges[child].static]
        return min((edge.stamps[-1] for edge in moving), default=0)

    def _compose(self, path: list[str], stamp_ns: int) -> FloatArray:
        """ancestor_from_frame, where `path` lists the children from the frame upwards."""
        result = np.eye(4)
        for child in path:
            result = self._edges[child].at(child, stamp_ns) @ result
        return result


class _Edge:
    """The history of parent_from_child for one child, ordered by stamp."""

    def __init__(self, parent: str, static: bool) -> None:
        self.parent = parent
        self.static = static
        self.stamps: deque[int] = deque()
        self.matrices: deque[FloatArray] = deque()

    def add(self, stamp_ns: int, matrix: FloatArray, keep_ns: int | None) -> None:
        if keep_ns is not None and self.stamps and stamp_ns < self.stamps[-1] - keep_ns:
            late = (self.stamps[-1] - stamp_ns) * 1e-9
            raise InvalidInputError(
                f"transform is {late:.3f} s older than the newest; {keep_ns * 1e-9:g} s are kept"
            )
        index = bisect.bisect_left(self.stamps, stamp_ns)
        if index < len(self.stamps) and self.stamps[index] == stamp_ns:
            self.matrices[index] = matrix
        else:
            self.stamps.insert(index, stamp_ns)
            self.matrices.insert(index, matrix)
        while keep_ns is not None and self.stamps[0] < self.stamps[-1] - keep_ns:
            self.stamps.popleft()
            self.matrices.popleft()

    def at(self, child: str, stamp_ns: int) -> FloatArray:
        if self.static:
            return self.matrices[0]
        index = bisect.bisect_left(self.stamps, stamp_ns)
        if index < len(self.stamps) and self.stamps[index] == stamp_ns:
            return self.matrices[index]
        if index in (0, len(self.stamps)):
            nearest = self.stamps[0 if index == 0 else -1]
            side = "before the oldest" if index == 0 else "after the newest"
            raise ExtrapolationException(
                f"transform {self.parent} ← {child} is known from {self.stamps[0] * 1e-9:.3f} s to"
                f" {self.stamps[-1] * 1e-9:.3f} s; {stamp_ns * 1e-9:.3f} s was asked for,"
                f" {abs(stamp_ns - nearest) * 1e-9:.3f} s {side}"
            )
        before, after = self.stamps[index - 1], self.stamps[index]
        fraction = (stamp_ns - before) / (after - before)
        return geometry.interpolate(self.matrices[index - 1], self.matrices[index], fraction)


def _frame(name: str) -> str:
    stripped = name.strip().removeprefix("/") if isinstance(name, str) else ""
    if not stripped:
        raise InvalidInputError(f"frame name {name!r}: a name is expected")
    return stripped
