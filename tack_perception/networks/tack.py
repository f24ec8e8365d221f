# SPDX-License-Identifier: Apache-2.0
"""TACK's head: a click becomes a code of a few numbers, a code becomes a detector of that point.

After Vecerik et al. (arXiv 2112.04910): an encoder infers from one annotated picture which point is
meant, a decoder that is conditioned on it finds the point in any other. Encoder and decoder share
the trunk here; the code generates the decoder's kernels, so that many points of one picture cost
one pass of the trunk (docs/methods/tack.md says how this was decided).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tack_perception.networks.precision import full
from tack_perception.networks.sampling import peaks, pool_gaussian, sample, to_cells
from tack_perception.networks.waves import waves

_SIGMA = 1.0  # cells, of the Gaussian under which a click is read


class Ground(NamedTuple):
    """What the generated kernels read of B pictures, whatever the codes.

    Attributes:
        keys: (B, keys, h, w) that the 1×1 kernels read.
        patches: (B, 9·wide, h/2, w/2) that the 3×3 kernels read, channels outside, taps inside.
    """

    keys: Tensor
    patches: Tensor

    def halved(self) -> Ground:
        """In half the resolution, in which heat maps cost a quarter; two by two cells are one."""
        return Ground(functional.avg_pool2d(self.keys, 2, ceil_mode=True), self.patches)


class TackHead(nn.Module):
    """Codes, heat maps and what else is to be known of a point.

    Args:
        channels: of the trunk's features.
        code: numbers in a code.
        keys: channels that the generated 1×1 kernels read.
        wide: channels that the generated 3×3 kernels read, at half the resolution.
        hidden: width of the small networks.
        stride: of the trunk, px.
        octaves: of the waves in which a code is written out, each twice as fine: more tell more
            places apart, fewer learn sooner.
    """

    def __init__(
        self,
        channels: int,
        code: int = 4,
        *,
        keys: int = 32,
        wide: int = 16,
        hidden: int = 96,
        stride: int = 2,
        octaves: int = 2,
    ) -> None:
        super().__init__()
        self.code, self.stride, self._keys, self._wide = code, stride, keys, wide
        self._octaves = octaves
        self.encoder = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, code), nn.Tanh()
        )
        self.generator = nn.Sequential(
            nn.Linear(code * (1 + 2 * octaves), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, keys + 9 * wide),
        )
        self.log_scale = nn.Parameter(torch.tensor(1.0))  # heat maps begin sharp, learn sooner
        self.keys = nn.Conv2d(channels, keys, 1, bias=False)  # a soft-max knows no constant
        self.wide = nn.Conv2d(channels, wide, 1)
        self.look = nn.Conv2d(channels, 16, 1)
        self.judge = nn.Sequential(
            nn.Linear(16 + 3 * code + 4, hidden), nn.ReLU(), nn.Linear(hidden, 2)
        )

    def codes(self, features: Tensor, points: Tensor) -> Tensor:
        """Which points are meant: the encoder.

        Args:
            features: (B, C, h, w) of the annotated pictures.
            points: (B, N, 2) clicks, px.

        Returns:
            (B, N, code), each between -1 and 1.
        """
        pooled = pool_gaussian(features, to_cells(points, self.stride), _SIGMA)
        codes: Tensor = self.encoder(pooled)
        return codes

    def heat(self, features: Tensor, codes: Tensor) -> Tensor:
        """Where the points are: the decoder.

        Args:
            features: (B, C, h, w).
            codes: (B, N, code).

        Returns:
            (B, N, h, w) logits of a soft-max over the picture.
        """
        return self.heat_on(self.ground(features), codes)

    def ground(self, features: Tensor) -> Ground:
        """What is read of pictures, (B, C, h, w), whatever is looked for."""
        pooled = functional.avg_pool2d(self.wide(features), 2, ceil_mode=True)
        patches = functional.unfold(pooled, 3, padding=1)
        return Ground(self.keys(features), patches.reshape(*patches.shape[:2], *pooled.shape[-2:]))

    def heat_on(self, ground: Ground, codes: Tensor) -> Tensor:
        """As `heat`, of pictures that were read already."""
        height, width = ground.keys.shape[-2:]
        kernels = self.generator(waves(codes, self._octaves, math.pi))
        with torch.autocast(codes.device.type, enabled=False):
            kernels = full(kernels)
            # Of one size, whatever the code: else kernels and scale drive each other apart.
            kernels = kernels * (kernels.square().mean(-1, keepdim=True) + 1e-12).rsqrt()
            fine = kernels[..., : self._keys] / math.sqrt(self._keys)
            coarse = kernels[..., self._keys :] / math.sqrt(9 * self._wide)
            keys = full(ground.keys).flatten(2)
            heat = torch.bmm(fine, keys).reshape(*codes.shape[:2], height, width)
            heat = heat + self._correlate(full(ground.patches), coarse, (height, width))
            return heat * self.log_scale.exp()

    def _correlate(self, patches: Tensor, kernels: Tensor, size: tuple[int, int]) -> Tensor:
        """The 3×3 kernels on features of half the resolution: one product with all patches."""
        taps = kernels.reshape(*kernels.shape[:2], 9, self._wide).transpose(-1, -2).flatten(-2)
        total = torch.bmm(taps, patches.flatten(2)).reshape(*taps.shape[:2], *patches.shape[-2:])
        return functional.interpolate(total, size=size, mode="bilinear", align_corners=False)

    def evidence(self, features: Tensor, codes: Tensor, heat: Tensor) -> tuple[Tensor, Tensor]:
        """Whether the points are seen where they were found, and how far behind the middle.

        The judge looks at the place that was found, reads the code anew there (another point, or
        something before it, gives another code), and at how sure the heat map is. Its gradient
        does not reach the heat map.

        Args:
            features: (B, C, h, w).
            codes: (B, N, code).
            heat: (B, N, h, w) logits.

        Returns:
            (B, N) logit of "seen", (B, N) depth beyond the object's middle, in sides of the window
            at the object's distance.
        """
        with torch.no_grad():
            places, covariance, share = peaks(heat)
            flat = heat.flatten(2).float()
            top = flat.amax(-1)
            log_top = top - flat.logsumexp(-1)
            spread = covariance.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(1e-6).log()
        here = sample(self.look(features), places)
        again = self.encoder(pool_gaussian(features, places, _SIGMA))
        facts = torch.stack([share, log_top / 4, top / 10, spread], -1).to(here.dtype)
        codes = codes.to(here.dtype)
        judged = self.judge(torch.cat([here, codes, again, (again - codes).abs(), facts], -1))
        return judged[..., 0], judged[..., 1]
