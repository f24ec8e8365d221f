# SPDX-License-Identifier: Apache-2.0
"""From a 3D click (RViz's Publish Point) back to the pixel of the picture it was made on."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.annotations.history import FrameHistory
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.transforms import TransformBuffer, TransformError


@dataclasses.dataclass(frozen=True)
class ClickSettings(Configuration):
    """When a 3D click is believed to lie on a picture."""

    stamp_tolerance_s: float = setting(
        0.5, "how far the click's stamp may be from a picture's", unit="s", low=0, high=3600
    )
    surface_tolerance_m: float = setting(
        0.03, "how far the click may lie from the surface that its pixel shows", unit="m", low=0
    )
    search_radius_px: int = setting(
        4, "how far around the pixel that surface is looked for", unit="px", low=0, high=50
    )


class ClickedPixel(NamedTuple):
    """A click in its picture.

    Attributes:
        frame: the picture that the click was made on.
        u, v: the pixel, sub-pixel.
        note: what a person should know of how the picture was chosen; "" for nothing.
    """

    frame: RGBDFrame
    u: float
    v: float
    note: str


def pixel_from_click(
    point: ArrayLike,
    point_frame: str,
    stamp_ns: int,
    history: FrameHistory,
    transforms: TransformBuffer | None,
    settings: ClickSettings | None = None,
) -> ClickedPixel:
    """Take a 3D click back into the stamped RGB-D image it was made on.

    The picture is the one nearest to the click's stamp (the newest for stamp 0). The point goes
    into the camera's optical frame with the transform at the picture's stamp, because the cloud
    that was clicked on was drawn with that one, and is projected. The depth image must show a
    surface there: where the pixel itself does not (hole, silhouette), the nearest pixel within the
    search radius that does is taken.

    Args:
        point: (3,) in `point_frame`, m.
        point_frame: the click's frame: the camera's optical frame, or any that `transforms` joins
            to it and that does not move between the picture and the click (RViz's fixed frame).
        stamp_ns: the click's stamp, ns; 0 for "the newest".
        history: the camera's last frames.
        transforms: the transform tree; None where clicks come in the optical frame only.
        settings: tolerances.

    Raises:
        InvalidInputError: the point is not finite, the stamp fits no picture, the transform is not
            known at that time, or the point is behind the camera, outside the image, hidden, or
            not on a surface. The message gives the numbers and says what to do.
    """
    settings = settings or ClickSettings()
    xyz = np.asarray(point, dtype=np.float64)
    if xyz.shape != (3,) or not np.isfinite(xyz).all():
        raise InvalidInputError(f"click {xyz.tolist()}: three finite coordinates are expected")
    if stamp_ns < 0:
        raise InvalidInputError(f"click stamp {stamp_ns}: 0 or more ns are expected")
    note = ""
    if stamp_ns == 0:
        frame = history.newest()
        note = "the click has no stamp, so the newest picture was taken"
    else:
        frame = history.nearest(stamp_ns, settings.stamp_tolerance_s)
    in_camera = _in_camera(xyz, point_frame, frame, transforms)
    if in_camera[2] <= 0:
        raise InvalidInputError(
            f"click {_metres(xyz)} in {point_frame!r} is {-in_camera[2]:.3f} m behind the camera"
            f" {frame.frame_id!r} at stamp {frame.stamp_ns}; click on a surface that it sees"
        )
    u, v = (float(value) for value in frame.intrinsics.project(in_camera))
    if not (frame.intrinsics.contains(u, v) and _is_seen(frame, u, v, in_camera)):
        raise InvalidInputError(
            f"click {_metres(xyz)} in {point_frame!r} falls on pixel ({u:.1f}, {v:.1f}), outside"
            f" the {frame.intrinsics.width}×{frame.intrinsics.height} picture of stamp"
            f" {frame.stamp_ns}; turn the camera so that it sees the point"
        )
    u, v = _on_surface(frame.depth, u, v, float(in_camera[2]), settings)
    return ClickedPixel(frame, u, v, note)


def _in_camera(
    xyz: NDArray[np.float64], point_frame: str, frame: RGBDFrame, transforms: TransformBuffer | None
) -> NDArray[np.float64]:
    if point_frame.lstrip("/") == frame.frame_id.lstrip("/"):
        return xyz
    if not point_frame.strip("/ "):
        raise InvalidInputError("the click has no frame_id; it is needed to find its picture")
    if transforms is None:
        raise InvalidInputError(
            f"click in frame {point_frame!r}: there are no transforms, so only clicks in"
            f" {frame.frame_id!r} can be used"
        )
    try:
        camera_from_click = transforms.lookup(frame.frame_id, point_frame, frame.stamp_ns)
    except TransformError as error:
        raise InvalidInputError(
            f"click in frame {point_frame!r} cannot be taken to the camera {frame.frame_id!r} at"
            f" its picture's stamp {frame.stamp_ns}: {error}"
        ) from error
    return camera_from_click[:3, :3] @ xyz + camera_from_click[:3, 3]


def _is_seen(frame: RGBDFrame, u: float, v: float, xyz: NDArray[np.float64]) -> bool:
    """Whether the pixel's ray meets the point: lens polynomials fold far points into the image."""
    back = frame.intrinsics.deproject((u, v), xyz[2])
    return bool(np.linalg.norm(back - xyz) <= 1e-3 * float(np.linalg.norm(xyz)))


def _on_surface(
    depth: NDArray[np.float32], u: float, v: float, z: float, settings: ClickSettings
) -> tuple[float, float]:
    """The pixel itself where the surface is seen there, else the nearest pixel where it is."""
    radius, tolerance = settings.search_radius_px, settings.surface_tolerance_m
    column, row = math.floor(u + 0.5), math.floor(v + 0.5)
    left, top = max(column - radius, 0), max(row - radius, 0)
    patch = depth[top : row + radius + 1, left : column + radius + 1]
    if abs(float(depth[row, column]) - z) <= tolerance:
        return u, v
    if np.isnan(patch).all():
        raise InvalidInputError(
            f"no depth within {radius} px of pixel ({u:.1f}, {v:.1f}): the click was not made on"
            " a point of this picture, or the surface gives no depth"
        )
    rows, columns = np.nonzero(np.abs(patch - z) <= tolerance)
    if rows.size:
        nearest = np.argmin((columns + left - u) ** 2 + (rows + top - v) ** 2)
        return float(columns[nearest] + left), float(rows[nearest] + top)
    seen = float(patch.flat[np.nanargmin(np.abs(patch - z))])
    if seen < z:
        why = "the clicked point is hidden from this picture; move what is in front, or the camera"
    else:
        why = "the click floats in front of the surface; click on a point of the cloud"
    raise InvalidInputError(
        f"click at {z:.3f} m from the camera, but pixel ({u:.1f}, {v:.1f}) shows a surface at"
        f" {seen:.3f} m (allowed are {tolerance:g} m): {why}"
    )


def _metres(xyz: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in xyz) + ") m"
