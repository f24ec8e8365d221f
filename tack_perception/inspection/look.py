# SPDX-License-Identifier: Apache-2.0
"""An album as a network sees it: codes, heat maps, answers and descriptors."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tack_perception.detectors.scene import pictures
from tack_perception.errors import InvalidInputError
from tack_perception.inspection.album import Album, FloatArray
from tack_perception.networks.don import DonHead
from tack_perception.networks.model import KeypointModel
from tack_perception.networks.sampling import peaks, to_pixels
from tack_perception.networks.tack import TackHead

HEADS = ("tack", "don")
_AT_ONCE = 32  # pictures in one pass of the trunk
_DECADES = 4  # of heat that are shown


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What TACK says of M codes on N pictures.

    Attributes:
        heat: (N, M, h, w) float32, natural logarithm of the probability of each cell as a share
            of the picture's highest; 0 at the peak.
        pixels: (N, M, 2) where the points are, px of the pictures.
        share: (N, M) of the probability that lies near there, 0 to 1.
        seen: (N, M) how sure the head is that the point is seen there, 0 to 1: its judge's raw
            word, not calibrated as a detector's confidence is.
    """

    heat: NDArray[np.float32]
    pixels: FloatArray
    share: FloatArray
    seen: FloatArray


class Look:
    """An album as a network sees it.

    Args:
        model: in evaluation mode, on any device.
        album: the pictures.

    Raises:
        InvalidInputError: the model has neither TACK's head nor dense descriptors, or the pictures
            are of another size than its own.
    """

    def __init__(self, model: KeypointModel, album: Album) -> None:
        if model.tack is None and model.don is None:
            raise InvalidInputError(
                "this model has neither a TACK head nor dense descriptors: nothing to inspect"
                f" (heads: {', '.join(model.config.heads)})"
            )
        size = model.config.crop_px
        if any(picture.size != size for picture in album.pictures):
            raise InvalidInputError(f"album {album.name}: pictures of {size} px are expected")
        self.model, self.album = model, album

    @functools.cached_property
    def features(self) -> Tensor:
        """(N, C, h, w) of the pictures."""
        small = [picture.small for picture in self.album.pictures]
        with torch.no_grad():
            parts = [
                self.model.features(pictures(small[i : i + _AT_ONCE], self.model)).float()
                for i in range(0, len(small), _AT_ONCE)
            ]
        return torch.cat(parts)

    @functools.cached_property
    def descriptors(self) -> Tensor:
        """(N, D, h, w) of DON. Raises InvalidInputError where the model has none."""
        with torch.no_grad():
            described: Tensor = self.don(self.features)
        return described

    @property
    def tack(self) -> TackHead:
        """TACK's head. Raises InvalidInputError where the model has none."""
        if self.model.tack is None:
            raise InvalidInputError("this model has no TACK head: train one with --method tack")
        return self.model.tack

    @property
    def don(self) -> DonHead:
        """The head of descriptors. Raises InvalidInputError where the model has none."""
        if self.model.don is None:
            raise InvalidInputError("this model has no head 'don': train one with --method don")
        return self.model.don

    @property
    def heads(self) -> tuple[str, ...]:
        """Which of `HEADS` the model has."""
        return tuple(name for name in HEADS if getattr(self.model, name) is not None)

    def codes(self, number: int, pixels: ArrayLike) -> Tensor:
        """(M, K) codes of TACK of clicks.

        Args:
            number: of the picture.
            pixels: (M, 2) px.

        Raises:
            InvalidInputError: no such picture, or the model has no TACK head.
        """
        self.album.picture(number)
        with torch.no_grad():
            return self.tack.codes(self.features[number : number + 1], self._points(pixels))[0]

    def described(self, number: int, pixels: ArrayLike) -> Tensor:
        """(M, D) descriptors of DON between cells. As `codes`."""
        self.album.picture(number)
        maps = self.descriptors[number : number + 1]
        with torch.no_grad():
            return self.don.sample(maps, self._points(pixels), self.model.stride)[0]

    def embedded(self, head: str, number: int, pixels: ArrayLike) -> Tensor:
        """(M, K or D) what a head of `HEADS` keeps of clicks. As `codes`."""
        return self.codes(number, pixels) if head == "tack" else self.described(number, pixels)

    def find(self, codes: Tensor) -> Answers:
        """Look for codes (M, K) on all pictures."""
        with torch.no_grad():
            every = codes[None].expand(len(self.features), -1, -1)
            heat = self.tack.heat(self.features, every)
            seen, _ = self.tack.evidence(self.features, every, heat)
            cells, _, share = peaks(heat)
            pixels = to_pixels(cells, self.model.stride)
            relative = heat - heat.amax((-2, -1), keepdim=True)
        return Answers(
            relative.float().cpu().numpy(),
            pixels.cpu().numpy().astype(np.float64),
            share.cpu().numpy().astype(np.float64),
            seen.sigmoid().cpu().numpy().astype(np.float64),
        )

    def distances(self, number: int, pixel: ArrayLike) -> NDArray[np.float32]:
        """(N, h, w) distance of each cell's descriptor to that at a pixel of a picture."""
        reference = self.described(number, [self.album.picture(number).check(pixel)])[0]
        with torch.no_grad():
            away = (self.descriptors - reference[None, :, None, None]).square().sum(1).sqrt()
        distances: NDArray[np.float32] = away.float().cpu().numpy()
        return distances

    @property
    def far(self) -> float:
        """The distance from which on two descriptors count as unlike.

        Of unit vectors 1: 60 degrees between them; else half of what 95 % of random pairs keep
        below.
        """
        if self.don.normalise:
            return 1.0
        flat = self.descriptors.permute(0, 2, 3, 1).flatten(0, 2)
        order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))
        mixed = flat[order.to(flat.device)]
        away = (flat - mixed).norm(dim=1)[:100_000]
        return max(float(torch.quantile(away, 0.95)) / 2, 1e-6)

    def _points(self, pixels: ArrayLike) -> Tensor:
        return torch.as_tensor(
            np.asarray(pixels, np.float32).reshape(1, -1, 2), device=self.features.device
        )


def glow(heat: NDArray[np.floating]) -> NDArray[np.float32]:
    """Heat for eyes: 1 at the peak, and 0 where it is less than a ten-thousandth of it.

    Evenly in its logarithm: peaks are so sharp that of a linear picture only a dot would be left.
    """
    return np.asarray(np.clip(1 + heat / (_DECADES * np.log(10)), 0, 1), np.float32)


def best_cells(distances: NDArray[np.floating], stride: int) -> tuple[FloatArray, FloatArray]:
    """Where descriptors are nearest: (N, 2) px of the pictures, (N,) distance."""
    flat = distances.reshape(len(distances), -1)
    best = flat.argmin(axis=1)
    rows, columns = np.divmod(best, distances.shape[2])
    cells = np.stack([columns, rows], axis=1).astype(np.float64)
    nearest: FloatArray = flat[np.arange(len(flat)), best].astype(np.float64)
    return (cells + 0.5) * stride - 0.5, nearest
