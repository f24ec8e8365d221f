# SPDX-License-Identifier: Apache-2.0
"""A frame as a learned detector sees it: the whole of it once, then a window for each object."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tack_perception.crops import Crop
from tack_perception.detectors.instances import Instance, find_instances
from tack_perception.frame import RGBDFrame
from tack_perception.networks.model import KeypointModel

FloatArray = NDArray[np.float64]
SCENE_CROPS = 2.5
"""Length of the whole picture in sides of a window."""

ZOOM = 1.6
"""Side of a window in sides of its object's box: the middle of what networks are trained on."""


_MULTIPLE = 32  # px, of a side that every trunk takes
_STEEPEST = 1.25  # slope of a surface against the picture that still counts as one surface


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """A part of the frame that is looked at closely.

    Attributes:
        crop: where.
        features: (C, h, w) of the picture, on the model's device.
        embedding: (E,) what the object in it is like, unit length; zeros without an object head. On
            the CPU.
        found: whether an object was found there; else it is only a place to look at.
        frame: that it is a part of.
        shown: (h, w) probability that a cell shows the object in the middle; zeros without an
            object head.
    """

    crop: Crop
    features: Tensor
    embedding: Tensor
    found: bool
    frame: RGBDFrame
    shown: NDArray[np.float32]


class OncePerWindow:
    """What a head makes of windows, whatever is looked for: once for each, while it is in use.

    Args:
        make: tensors (B, ...) from features (B, C, h, w).
    """

    def __init__(self, make: Callable[[Tensor], Sequence[Tensor]]) -> None:
        self._make = make
        self._known: weakref.WeakKeyDictionary[Window, list[Tensor]] = weakref.WeakKeyDictionary()

    def __call__(self, windows: Sequence[Window]) -> list[Tensor]:
        """(W, ...) each."""
        new = [window for window in windows if window not in self._known]
        if new:
            made = self._make(torch.stack([window.features for window in new]))
            for number, window in enumerate(new):
                self._known[window] = [one[number] for one in made]
        each = (self._known[window] for window in windows)
        # Of one window no copy is made: the maps of a whole frame are large.
        return [
            torch.stack(parts) if len(parts) > 1 else parts[0][None]
            for parts in zip(*each, strict=True)
        ]


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """The whole frame.

    Attributes:
        scale: px of the frame in a px of the picture that the trunk saw.
        instances: found in it, px of that picture.
    """

    scale: float
    instances: tuple[Instance, ...]


@torch.inference_mode()
def see(model: KeypointModel, frame: RGBDFrame, scene_px: int, *, bfloat16: bool = False) -> Scene:
    """Find the objects of a frame.

    Args:
        model: with an object head; without one nothing is found.
        frame: the frame.
        scene_px: longer side of the picture that the trunk sees, px; 0: so that things on a table
            are about as large in it as those that the model has learned from.
        bfloat16: whether the trunk computes in it.
    """
    height, width = frame.color.shape[:2]
    scale = max(height, width) / (scene_px or SCENE_CROPS * model.config.crop_px)
    if model.objects is None:
        return Scene(scale, ())
    size = (round(width / scale), round(height / scale))
    small = np.asarray(cv2.resize(frame.color, size, interpolation=cv2.INTER_AREA), np.uint8)
    features = described(model, [small], bfloat16=bfloat16)
    foreground, votes, _ = model.objects(features)
    probability = foreground[0].sigmoid().cpu().numpy()
    cell = model.stride * scale
    found = find_instances(
        probability, votes[0].cpu().numpy(), model.stride,
        depth=_depth_of_cells(frame, probability.shape, cell),
        gap=_STEEPEST * cell / frame.intrinsics.fx,
    )  # fmt: skip
    return Scene(scale, tuple(found))


def _depth_of_cells(frame: RGBDFrame, shape: tuple[int, ...], cell: float) -> NDArray[np.float32]:
    """(h, w) depth in the middle of cells of so many px, m; NaN where it is not known."""
    rows, columns = (
        np.clip(np.rint((np.arange(count) + 0.5) * cell - 0.5), 0, length - 1).astype(np.int64)
        for count, length in zip(shape, frame.depth.shape, strict=True)
    )
    return np.asarray(frame.depth[np.ix_(rows, columns)], np.float32)


@torch.inference_mode()
def look(
    model: KeypointModel,
    frame: RGBDFrame,
    crops: Sequence[Crop],
    found: Sequence[bool],
    *,
    bfloat16: bool = False,
) -> list[Window]:
    """Describe windows of a frame, all in one pass of the trunk."""
    if not crops:
        return []
    features = described(model, [crop.cut(frame.color) for crop in crops], bfloat16=bfloat16)
    if model.objects is None:
        embedded = torch.zeros(len(crops), 1)
        central = torch.zeros(len(crops), *features.shape[-2:])
    else:
        foreground, votes, _ = model.objects(features)
        central = _central(foreground, votes, model.stride)
        embedded = model.objects.embed(features, central).cpu()
    shown = central.cpu().numpy()
    return [
        Window(crop, features[i], embedded[i], bool(found[i]), frame, shown[i])
        for i, crop in enumerate(crops)
    ]


def _central(foreground: Tensor, votes: Tensor, stride: int) -> Tensor:
    """(B, h, w) weights of the cells of the object in the middle, not of its neighbours."""
    height, width = foreground.shape[-2:]
    u = torch.arange(width, device=votes.device) * stride + (stride - 1) / 2
    v = torch.arange(height, device=votes.device) * stride + (stride - 1) / 2
    du = votes[:, 0] + u - (width * stride - 1) / 2
    dv = votes[:, 1] + v[:, None] - (height * stride - 1) / 2
    reach = 0.2 * width * stride
    return foreground.sigmoid() * torch.exp(-(du**2 + dv**2) / (2 * reach**2))


def described(
    model: KeypointModel, images: Sequence[NDArray[np.uint8]], *, bfloat16: bool = False
) -> Tensor:
    """(B, C, H/2, W/2) float32 features of images, on the model's device.

    The trunk may compute in bfloat16; the heads take so little that they never do.
    """
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        features = model.features(pictures(images, model))
    return features.float()


def pictures(images: Sequence[NDArray[np.uint8]], model: KeypointModel) -> Tensor:
    """(B, 3, H, W) tensor of 0 to 1 from (H, W, 3) uint8 images, where the model is."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    device = next(model.parameters()).device
    return stacked.to(device, torch.float32).div_(255).contiguous(memory_format=torch.channels_last)


def whole(frame: RGBDFrame, focal_px: float) -> Crop:
    """All of a frame, as a camera of another focal length (px) would picture it."""
    height, width = frame.color.shape[:2]
    scale = frame.intrinsics.fx / focal_px
    size = math.ceil(max(height, width) / scale / _MULTIPLE) * _MULTIPLE
    return Crop((width - 1) / 2, (height - 1) / 2, size * scale, size)


def window_of(instance: Instance, scale: float, size: int) -> Crop:
    """The window around an instance, in px of the frame."""
    u0, v0, u1, v1 = instance.box
    u, v = ((u0 + u1) / 2 + 0.5) * scale - 0.5, ((v0 + v1) / 2 + 0.5) * scale - 0.5
    side = max(u1 - u0, v1 - v0) * scale * ZOOM
    return Crop(u, v, max(side, 16.0), size)


def instance_at(scene: Scene, u: float, v: float, reach: float) -> int | None:
    """Number of the instance that a pixel of the frame shows, or the nearest one.

    Args:
        scene: the scene.
        u, v: pixel of the frame.
        reach: how far beside it, px of the frame.
    """
    best, nearest = None, reach
    for number, one in enumerate(scene.instances):
        rows, columns = np.nonzero(one.mask)
        step = scene.scale * 2
        distance = np.hypot((columns + 0.5) * step - 0.5 - u, (rows + 0.5) * step - 0.5 - v).min()
        if distance < nearest:
            best, nearest = number, float(distance)
    return best


def window_around(frame: RGBDFrame, u: float, v: float, size: int, reach_m: float) -> Crop:
    """A window around a click on something that is no known object: as large as its distance asks.

    Args:
        frame: the frame.
        u, v: the click, px.
        size: of the picture, px.
        reach_m: half a side of the window at the click's depth, m.
    """
    row, column = round(v), round(u)
    near = frame.depth[max(row - 8, 0) : row + 9, max(column - 8, 0) : column + 9]
    known = near[np.isfinite(near)]
    side = 160.0 * frame.color.shape[1] / 640
    if known.size:
        side = 2 * reach_m * frame.intrinsics.fx / float(np.quantile(known, 0.3))
    limit = min(frame.color.shape[:2])
    return Crop(u, v, float(np.clip(side, 48.0, limit)), size)


def shrink(features: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) brought to another grid."""
    return functional.interpolate(features, size=size, mode="bilinear", align_corners=False)


def spread(covariance: FloatArray) -> float:
    """Root of the mean variance of a covariance, px."""
    return math.sqrt(float(np.trace(covariance)) / 2)
