# SPDX-License-Identifier: Apache-2.0
"""What a set holds: entries (clicks) and the pictures they were made on."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.annotation import Annotation, check_label
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.frame import RGBDFrame

DEPTH_UNIT_M = 1e-4
"""Metres per count of a stored depth image: 0.1 mm, so that 16 bits reach 6.5535 m."""

ORIGINS = ("file", "command", "rviz", "carried")
"""Where a click can come from; "carried": from another image, with the camera's motion."""


@dataclasses.dataclass(frozen=True, eq=False)
class FrameRecord:
    """One RGB-D picture of a set, as PNG bytes in memory or as PNG files, read when needed.

    Attributes:
        key: the picture's name, from its content: 12 hexadecimal digits.
        stamp_ns, frame_id, intrinsics: as of `RGBDFrame`.
        color: PNG of (H, W, 3) uint8.
        depth: PNG of (H, W) uint16 counts of `depth_unit`, 0 where unknown.
        depth_unit: metres per count.
    """

    key: str
    stamp_ns: int
    frame_id: str
    intrinsics: CameraIntrinsics
    color: bytes | Path
    depth: bytes | Path
    depth_unit: float = DEPTH_UNIT_M

    @classmethod
    def of(cls, frame: RGBDFrame) -> FrameRecord:
        """Encode a frame; depths beyond 6.5535 m become unknown."""
        return cls(
            frame_key(frame),
            frame.stamp_ns,
            frame.frame_id,
            frame.intrinsics,
            _png(frame.color[..., ::-1]),
            _png(_counts(frame.depth)),
        )

    @property
    def header(self) -> tuple[int, str, CameraIntrinsics, float]:
        """All but the key and the images."""
        return (self.stamp_ns, self.frame_id, self.intrinsics, self.depth_unit)

    def frame(self) -> RGBDFrame:
        """Decode the picture.

        Raises:
            FileFormatError: an image file is missing, is not a PNG of the right kind, or has
                another size than the intrinsics; the message names it.
        """
        color = _decoded(self.color, self.key, "colour", np.dtype(np.uint8), 3)
        counts = _decoded(self.depth, self.key, "depth", np.dtype(np.uint16), 2)
        depth = counts.astype(np.float32) * np.float32(self.depth_unit)
        depth[counts == 0] = np.nan
        rgb = np.ascontiguousarray(color[..., ::-1])
        try:
            return RGBDFrame(rgb, depth, self.intrinsics, self.stamp_ns, self.frame_id)
        except InvalidInputError as error:
            raise FileFormatError(f"picture {self.key} of the annotation set: {error}") from error

    def pngs(self) -> tuple[bytes, bytes]:
        """The colour and the depth PNG, as bytes.

        Raises:
            FileFormatError: a file is missing or cannot be read.
        """
        return _bytes(self.color, self.key), _bytes(self.depth, self.key)

    def pinned(self) -> FrameRecord:
        """The same record with its bytes in memory, so that it outlives its files."""
        color, depth = self.pngs()
        return dataclasses.replace(self, color=color, depth=depth)


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One annotation of a set.

    Attributes:
        id: its name in the set: 8 hexadecimal digits.
        label, u, v: as of `Annotation`.
        picture: the picture it was made on.
        origin: one of `ORIGINS`.
        depth: depth at the pixel, m, None where unknown (a note for readers of the file).
    """

    id: str
    label: str
    u: float
    v: float
    picture: FrameRecord
    origin: str = "file"
    depth: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))
        if self.origin not in ORIGINS:
            raise InvalidInputError(
                f"origin {self.origin!r} of annotation {self.id}: one of {', '.join(ORIGINS)}"
            )

    @property
    def content(self) -> tuple[str, float, float, str]:
        """What makes two entries the same click: label, u, v, picture."""
        return (self.label, self.u, self.v, self.picture.key)

    def annotation(self) -> Annotation:
        """Decode the picture into an `Annotation`.

        Raises:
            FileFormatError: as `FrameRecord.frame`.
        """
        return Annotation(self.label, self.u, self.v, self.picture.frame())

    def pixel_on(self, frame: RGBDFrame, key: str) -> tuple[float, float] | None:
        """The entry's pixel on a whole frame, or None where it was made on another one.

        Args:
            frame: the frame that is looked at.
            key: its `frame_key`.
        """
        if self.picture.key == key:
            return self.u, self.v
        ours, theirs = self.picture.intrinsics, frame.intrinsics
        is_crop = (ours.width, ours.height) != (theirs.width, theirs.height)
        same_moment = (self.picture.stamp_ns, self.picture.frame_id) == (
            frame.stamp_ns,
            frame.frame_id,
        )
        if not (is_crop and same_moment and (ours.fx, ours.fy) == (theirs.fx, theirs.fy)):
            return None
        return self.u + theirs.cx - ours.cx, self.v + theirs.cy - ours.cy


def frame_key(frame: RGBDFrame) -> str:
    """12 hexadecimal digits from all of a frame: pictures (depth as stored), camera and stamp."""
    digest = hashlib.sha256()
    digest.update(repr((frame.intrinsics, frame.stamp_ns, frame.frame_id)).encode())
    digest.update(np.ascontiguousarray(frame.color).data)
    digest.update(_counts(frame.depth).data)
    return digest.hexdigest()[:12]


def entry_id(label: str, u: float, v: float, key: str, taken: frozenset[str]) -> str:
    """8 hexadecimal digits from the content of a click, other than those taken.

    Ids come from the content, so that two processes that add to one set do not choose the same.
    """
    attempt = 0
    while True:
        digest = hashlib.sha256(repr((label, u, v, key, attempt)).encode()).hexdigest()[:8]
        if digest not in taken:
            return digest
        attempt += 1


def cropped(annotation: Annotation, size: int) -> Annotation:
    """The annotation on a window of its frame around the click.

    Args:
        annotation: made on a whole frame.
        size: edge of the window, px; it is moved (and, on a smaller image, cut) to fit.

    Returns:
        An annotation whose frame has the principal point moved with the window, so that points
        in space stay where they are.
    """
    frame, camera = annotation.frame, annotation.frame.intrinsics
    width, height = min(size, camera.width), min(size, camera.height)
    left = min(max(round(annotation.u) - width // 2, 0), camera.width - width)
    top = min(max(round(annotation.v) - height // 2, 0), camera.height - height)
    window = np.s_[top : top + height, left : left + width]
    smaller = RGBDFrame(
        np.ascontiguousarray(frame.color[window]),
        np.ascontiguousarray(frame.depth[window]),
        dataclasses.replace(
            camera, width=width, height=height, cx=camera.cx - left, cy=camera.cy - top
        ),
        frame.stamp_ns,
        frame.frame_id,
    )
    return Annotation(annotation.label, annotation.u - left, annotation.v - top, smaller)


def depth_at(annotation: Annotation) -> float | None:
    """Depth at the pixel of a click, m, None where unknown."""
    depth = float(annotation.frame.depth[round(annotation.v), round(annotation.u)])
    return None if np.isnan(depth) else depth


def _counts(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    scaled = np.rint(np.nan_to_num(depth.astype(np.float64)) / DEPTH_UNIT_M)
    scaled[scaled > np.iinfo(np.uint16).max] = 0
    return scaled.astype(np.uint16)


def _png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    done, data = cv2.imencode(".png", np.ascontiguousarray(image))
    if not done:
        raise InvalidInputError(f"image of shape {image.shape} cannot be encoded as PNG")
    return bytes(data)


def _bytes(source: bytes | Path, key: str) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise FileFormatError(
            f"{source}: cannot be read: {error.strerror}; restore the file, or delete the"
            f" annotations on picture {key}"
        ) from error


def _decoded(
    source: bytes | Path, key: str, kind: str, dtype: np.dtype[np.generic], axes: int
) -> NDArray[np.generic]:
    data = np.frombuffer(_bytes(source, key), dtype=np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    name = source if isinstance(source, Path) else f"picture {key}"
    if image is None:
        raise FileFormatError(f"{name}: not an image, or cut off; restore it from a copy")
    if image.dtype != dtype or image.ndim != axes or (axes == 3 and image.shape[2] != 3):
        raise FileFormatError(
            f"{name}: a {kind} image is {image.dtype} {image.shape};"
            f" {dtype} with {axes} axes is expected"
        )
    return image
