# SPDX-License-Identifier: Apache-2.0
"""Windows cut, covered and changed for a whole batch at once, on whatever device the data are on.

The same as `crops` and `augment` do for one picture on the CPU, but for what is said at each.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional

from tack_perception.crops import OUTSIDE

_CHUNK = 256  # pictures that are unpacked to floats at once
_TAPS = 3  # of a blur, on each side


@dataclasses.dataclass(frozen=True, eq=False)
class Windows:
    """N square windows on images, each turned and scaled into a picture of `size` pixels.

    Attributes:
        middle: (N, 2) px of the image.
        side: (N,) px of the image.
        angle: (N,) rad, how far the window is turned against the image.
        size: side of the pictures, px.
    """

    middle: Tensor
    side: Tensor
    angle: Tensor
    size: int

    def linear(self) -> Tensor:
        """(N, 2, 2) px of the image for each px of the picture."""
        c, s = self.angle.cos(), self.angle.sin()
        turn = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
        return turn * (self.side / self.size)[:, None, None]

    def to_image(self, pixels: Tensor) -> Tensor:
        """(N or 1, M, 2) px of the pictures → (N, M, 2) px of the images."""
        local = pixels - (self.size - 1) / 2
        return local @ self.linear().transpose(1, 2) + self.middle[:, None]

    def to_crop(self, pixels: Tensor) -> Tensor:
        """(N, M, 2) px of the images → (N, M, 2) px of the pictures."""
        local = (pixels - self.middle[:, None]) * (self.size / self.side)[:, None, None]
        c, s = self.angle.cos()[:, None], self.angle.sin()[:, None]
        u, v = local.unbind(-1)
        return torch.stack([c * u + s * v, c * v - s * u], -1) + (self.size - 1) / 2

    def __getitem__(self, which: slice | Tensor) -> Windows:
        """Some of them."""
        return Windows(self.middle[which], self.side[which], self.angle[which], self.size)


def pixel_grid(size: int, step: float, device: torch.device, first: float = 0.0) -> Tensor:
    """(size², 2) places (u, v), row by row, `step` apart."""
    axis = torch.arange(size, device=device, dtype=torch.float32) * step + first
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows], -1).reshape(-1, 2)


def cut(images: Tensor, view: Tensor, windows: Windows) -> Tensor:
    """Windows of images, averaged where a picture would skip pixels.

    Each pixel is the mean of k × k bilinear samples, k = 256 / size but at least 1, where `Crop`
    shrinks the image by whole blocks first.

    Args:
        images: (V, H, W, 3) uint8.
        view: (N,) which image each window is on.
        windows: N windows.

    Returns:
        (N, 3, size, size) float32, 0 to 1.
    """
    size, device = windows.size, images.device
    fine = max(1, round(256 / size))
    step = 1 / fine
    grid = pixel_grid(size * fine, step, device, step / 2 - 0.5)[None]
    height, width = images.shape[1:3]
    scale = torch.tensor([2 / width, 2 / height], device=device)
    outside = torch.tensor(OUTSIDE, device=device, dtype=torch.float32)[:, None, None]
    pictures = []
    for start in range(0, len(view), _CHUNK):
        part = slice(start, start + _CHUNK)
        places = (windows[part].to_image(grid) + 0.5) * scale - 1
        colour = images[view[part]].permute(0, 3, 1, 2).float() - outside
        taken = functional.grid_sample(
            colour, places.reshape(-1, size * fine, size * fine, 2), mode="bilinear",
            padding_mode="zeros", align_corners=False,
        )  # fmt: skip
        pictures.append((functional.avg_pool2d(taken, fine) + outside) / 255)
    return torch.cat(pictures)


def look_up(images: Tensor, view: Tensor, pixels: Tensor) -> Tensor:
    """(N, M) values of (V, H, W) images at the nearest of (N, M, 2) pixels; 0 outside."""
    height, width = images.shape[1:]
    cells = pixels.nan_to_num(-1e6).round().long()
    u, v = cells.unbind(-1)
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    taken = images[view[:, None], v.clamp(0, height - 1), u.clamp(0, width - 1)]
    return torch.where(inside, taken, torch.zeros_like(taken))


def uniform(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Random numbers on the generator's device."""
    drawn = torch.rand(shape, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def normal(generator: torch.Generator, shape: tuple[int, ...], spread: float) -> Tensor:
    """Random numbers of a Gaussian on the generator's device."""
    return spread * torch.randn(shape, generator=generator, device=generator.device)


class Occluder:
    """Something that stands before an object in each of N pictures: a disc, a box or a blob.

    Args:
        target: (N, size/2, size/2) bool, where the object is seen.
        share: least and largest share of the object that it hides, as drawn; met roughly.
        chosen: (N,) bool, in which pictures there is one.
        generator: source of all randomness.
    """

    def __init__(
        self, target: Tensor, share: tuple[float, float], chosen: Tensor,
        generator: torch.Generator,
    ) -> None:  # fmt: skip
        count, side = target.shape[:2]
        mine = target.flatten(1)
        pixels = mine.sum(1).float()
        drawn = torch.rand(mine.shape, generator=generator, device=mine.device)
        pick = (drawn * mine).argmax(1)
        self._middle = 2.0 * torch.stack([pick % side, pick // side], -1) + 0.5
        self._kind = torch.randint(3, (count,), generator=generator, device=mine.device)
        self._aspect = normal(generator, (count,), 0.6).exp()
        self._turn = uniform(generator, (count,), 0, math.pi)
        self._waves = normal(generator, (count, 3, 2), 0.12)
        self._there = chosen & (pixels > 0)
        wanted = uniform(generator, (count,), *share)
        self._size = 2 * pixels.sqrt() * wanted.sqrt()
        cells = pixel_grid(side, 2.0, mine.device, 0.5)[None]
        settled = torch.zeros_like(self._there)
        for _ in range(6):
            hidden = (self.covers(cells) & mine).sum(1) / pixels.clamp_min(1)
            settled = settled | ((hidden - wanted).abs() < 0.08)
            factor = (wanted / hidden.clamp_min(0.02)).sqrt().clamp(0.6, 1.6)
            self._size = torch.where(settled, self._size, self._size * factor)

    def covers(self, pixels: Tensor) -> Tensor:
        """(N, M) whether it is before (N or 1, M, 2) pixels of the pictures."""
        away = pixels - self._middle[:, None]
        c, s = self._turn.cos()[:, None], self._turn.sin()[:, None]
        x, y = c * away[..., 0] + s * away[..., 1], c * away[..., 1] - s * away[..., 0]
        radius, size = torch.hypot(x, y), self._size[:, None]
        aspect = self._aspect[:, None]
        disc = radius < 0.56 * size
        box = (x.abs() < size * aspect / 2) & (y.abs() < size / aspect / 2)
        angle = torch.atan2(y, x)
        reach = torch.full_like(angle, 0.55)
        for number in range(3):
            wave, turned = self._waves[:, number], (number + 2) * angle
            reach = reach + wave[:, :1] * turned.cos() + wave[:, 1:] * turned.sin()
        blob = radius < size * reach
        kind = self._kind[:, None]
        found = torch.where(kind == 0, disc, torch.where(kind == 1, box, blob))
        return found & self._there[:, None]


def photometric(pictures: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Other light, another camera: gains, hue, grey, contrast, gamma, blur, noise.

    As `augment.photometric`, without its JPEG.

    Args:
        pictures: (N, 3, S, S) float32, 0 to 1.
        generator: source of all randomness.
        strength: 0 for none, 1 for what real cameras and lamps do.
    """
    if strength <= 0:
        return pictures
    count, device = len(pictures), pictures.device

    def chance(share: float) -> Tensor:
        return torch.rand(count, generator=generator, device=device) < share * strength

    gains = normal(generator, (count, 3), 0.12 * strength)
    gains = (gains + normal(generator, (count, 1), 0.2 * strength)).exp()
    angle = torch.where(chance(0.3), normal(generator, (count,), 0.6), 0.0)
    mixing = _hue_turns(angle) * gains[:, None, :]
    grey = torch.full((3, 3), 1 / 3, device=device)
    mixing = torch.where(chance(0.1)[:, None, None], grey @ mixing, mixing)
    values = torch.einsum("nij,njhw->nihw", mixing, pictures)
    mean = values.mean((1, 2, 3), keepdim=True)
    contrast = normal(generator, (count, 1, 1, 1), 0.2 * strength).exp()
    gamma = normal(generator, (count, 1, 1, 1), 0.2 * strength).exp()
    values = ((values - mean) * contrast + mean).clamp(1e-4, 1) ** gamma
    sigma = torch.where(chance(0.3), uniform(generator, (count,), 0.3, 1.2), 0.05)
    values = _blurred(values, sigma)
    noise = normal(generator, (count, 1, 1, 1), 0.02 * strength).abs()
    values = values + noise * normal(generator, tuple(values.shape), 1.0)
    return values.clamp(0, 1)


def _blurred(values: Tensor, sigma: Tensor) -> Tensor:
    """Each picture under a Gaussian of its own, its borders repeated."""
    steps = torch.arange(-_TAPS, _TAPS + 1, device=values.device)
    weights = torch.softmax(-(steps**2) / (2 * sigma[:, None] ** 2), 1)[..., None, None, None]
    count = 2 * _TAPS + 1
    for axis, pad in ((3, (_TAPS, _TAPS, 0, 0)), (2, (0, 0, _TAPS, _TAPS))):
        padded, length = functional.pad(values, pad, mode="replicate"), values.shape[axis]
        values = sum(
            (weights[:, i] * padded.narrow(axis, i, length) for i in range(count)),
            torch.zeros_like(values),
        )
    return values


def _hue_turns(angle: Tensor) -> Tensor:
    """(N, 3, 3) turns of colours about the grey axis (Rodrigues)."""
    skew = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device) / math.sqrt(3)
    eye = torch.eye(3, device=angle.device)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return eye + sine * skew + (1 - cosine) * (skew @ skew)
