# SPDX-License-Identifier: Apache-2.0
"""Puts a textured thing before an object so that a given share of its visible pixels is covered.

Each shape is the set of pixels where a size field is small: the size at which the growing shape
reaches the pixel. The size that covers a share is then a quantile of the field over the object, so
the share is met exactly, and a larger share covers all that a smaller one did.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.correspondence import View
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Image = NDArray[np.uint8]

KINDS = ("disc", "bar", "cutout")
_SOFT_PX = 0.7  # of the occluder's rim
_AHEAD = (0.02, 0.08)  # m that it is nearer than the nearest of the object
_NEAREST = 0.1  # m from the camera
_ANGLES = 180  # of a cut-out's outline


@dataclasses.dataclass(frozen=True, eq=False)
class Occluder:
    """A thing in front, before its size is chosen.

    Attributes:
        kind: one of `KINDS`.
        field: (H, W) size at which it reaches a pixel.
        texture: (H, W, 3) uint8 what it looks like, all over the picture.
        ahead: how much nearer than the object it is, m.
    """

    kind: str
    field: FloatArray
    texture: Image
    ahead: float

    def covering(self, mask: Mask, share: float) -> Mask:
        """(H, W) pixels of the shape that covers a share of a mask's pixels.

        Raises:
            InvalidInputError: the mask is empty, or the share is not in 0 to 1.
        """
        values = np.sort(self.field[mask])
        if not len(values) or not 0 <= share <= 1:
            raise InvalidInputError(f"a share of {share} of {len(values)} pixels cannot be covered")
        count = round(share * len(values))
        if not count:
            return np.zeros(mask.shape, dtype=np.bool_)
        covered: Mask = self.field <= values[count - 1]
        return covered


def make_occluder(
    mask: Mask, rng: np.random.Generator, donor: View | None = None, thing: int = -1
) -> Occluder:
    """A random occluder for an object.

    Args:
        mask: (H, W) pixels that show the object.
        rng: source of all randomness.
        donor: a view of other things, whose picture is the texture; None takes random blotches.
        thing: index of an object of the donor that is cut out; -1: none, hence a disc or a bar.
    """
    rows, columns = np.nonzero(mask)
    pick = int(rng.integers(len(rows)))
    extent = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1], dtype=np.float64)
    anchor = np.array([columns[pick], rows[pick]]) + rng.normal(0, 0.35, 2) * extent
    turn, ahead = float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(*_AHEAD))
    outlined = donor is not None and donor.instance is not None and thing >= 0
    kind = str(rng.choice(KINDS if outlined else KINDS[:2]))
    v, u = np.mgrid[: mask.shape[0], : mask.shape[1]]
    c, s = np.cos(turn), np.sin(turn)
    along = c * (u - anchor[0]) + s * (v - anchor[1])
    across = -s * (u - anchor[0]) + c * (v - anchor[1])
    if kind == "cutout":
        assert donor is not None, "a cut-out has a donor"
        field, middle = _cutout_field(donor, thing, along, across)
        # The field is the enlargement of the donor's outline; one texture serves all shares.
        zoom = max(float(np.median(field[mask])), 0.1)
        texture = _turned_texture(donor.color, anchor, middle, turn, zoom, mask.shape)
        return Occluder(kind, field, texture, ahead)
    stretch = float(rng.uniform(1.0, 1.6) if kind == "disc" else rng.uniform(3.0, 8.0))
    field = (
        np.hypot(along / stretch, across)
        if kind == "disc"
        else np.maximum(np.abs(along) / stretch, np.abs(across))
    )
    if donor is None:
        return Occluder(kind, field, _blotches(mask.shape, rng), ahead)
    middle = rng.uniform(0.25, 0.75, 2) * (donor.color.shape[1], donor.color.shape[0])
    texture = _turned_texture(
        donor.color, anchor, middle, turn, float(rng.uniform(0.7, 1.4)), mask.shape
    )
    return Occluder(kind, field, texture, ahead)


def covered_view(view: View, thing: int, occluder: Occluder, share: float) -> tuple[View, Mask]:
    """The view with the occluder in it, and the pixels that it takes.

    Colour and both depths show it; instance and canonical map lose what it covers. What the view
    says of its points is left as it is.
    """
    assert view.instance is not None, "an object that is covered has a mask"
    shown = view.instance == thing + 1
    taken = occluder.covering(shown, share)
    if not taken.any():
        return view, taken
    soft = cv2.GaussianBlur(taken.astype(np.float32), (0, 0), _SOFT_PX)[..., None]
    color = view.color * (1 - soft) + occluder.texture * soft
    place = _plane(view, shown, occluder.ahead)
    return dataclasses.replace(
        view,
        color=np.rint(color).astype(np.uint8),
        depth=None if view.depth is None else np.where(taken, place, view.depth),
        true_depth=None if view.true_depth is None else np.where(taken, place, view.true_depth),
        instance=np.where(taken, 0, view.instance).astype(np.uint8),
        canonical=None,
    ), taken


def _plane(view: View, shown: Mask, ahead: float) -> np.float32:
    depth = view.best_depth
    known = np.zeros(0) if depth is None else depth[shown & np.isfinite(depth)]
    nearest = float(np.percentile(known, 1)) if len(known) else 0.5
    place: np.float32 = np.float32(max(nearest - ahead, _NEAREST))
    return place


def _cutout_field(
    donor: View, thing: int, along: FloatArray, across: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Field of a donor object's outline about its middle, and that middle (u, v)."""
    assert donor.instance is not None, "a donor that is cut out has a mask"
    rows, columns = np.nonzero(donor.instance == thing + 1)
    middle = np.array([columns.mean(), rows.mean()])
    x, y = columns - middle[0], rows - middle[1]
    bearing = ((np.arctan2(y, x) / (2 * np.pi) + 0.5) * _ANGLES).astype(int) % _ANGLES
    outline = np.zeros(_ANGLES)
    np.maximum.at(outline, bearing, np.hypot(x, y) + 0.5)
    outline = np.maximum(outline, 0.15 * outline.max())  # a middle outside of the shape
    place = ((np.arctan2(across, along) / (2 * np.pi) + 0.5) * _ANGLES).astype(int) % _ANGLES
    field: FloatArray = np.hypot(along, across) / outline[place]
    return field, middle


def _turned_texture(
    color: Image,
    anchor: FloatArray,
    middle: FloatArray,
    turn: float,
    zoom: float,
    shape: tuple[int, ...],
) -> Image:
    """The donor's picture, its `middle` brought to the anchor, turned and enlarged by `zoom`."""
    c, s = np.cos(turn) / zoom, np.sin(turn) / zoom
    linear = np.array([[c, s], [-s, c]])  # from the picture back to the donor
    affine = np.column_stack([linear, middle - linear @ anchor])
    return np.asarray(
        cv2.warpAffine(
            color, affine, (shape[1], shape[0]), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        dtype=np.uint8,
    )  # fmt: skip


def _blotches(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    height, width = shape[0], shape[1]
    rough = rng.uniform(0, 255, (max(2, height // 12), max(2, width // 12), 3)).astype(np.float32)
    smooth = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(smooth, 0, 255), dtype=np.uint8)
