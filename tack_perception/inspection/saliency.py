# SPDX-License-Identifier: Apache-2.0
"""Where in a picture the decoder's answer comes from.

SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825): the gradient of one number with respect to the
picture, averaged over copies of it with a little noise. The number is the logarithm of the
probability that the heat map gives its own peak, so that what speaks for another place counts as
much as what speaks for this one. A plain gradient says the same, but is grainy: strided
convolutions look at some pixels harder than at their neighbours.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from tack_perception.detectors.scene import pictures
from tack_perception.inspection.album import FloatArray
from tack_perception.inspection.look import Look
from tack_perception.networks.sampling import to_pixels

COPIES = 16
_NOISE = 0.06  # of the range of colours
_BLUR_PX = 1.2  # at 96 px of picture; about the stride of the trunk's first convolution
_SEED = 11


@dataclasses.dataclass(frozen=True, eq=False)
class Saliency:
    """Where an answer comes from.

    Attributes:
        map: (S, S) float32, adds up to 1.
        pixel: (2,) the answer, px.
        reach: distance from the answer within which half of the map lies, px.
        on_object: share of the map that lies on pixels of the object.
        area: share of the picture that the object fills: what chance would give `on_object`.
    """

    map: NDArray[np.float32]
    pixel: FloatArray
    reach: float
    on_object: float
    area: float


def saliency(look: Look, number: int, code: torch.Tensor, *, copies: int = COPIES) -> Saliency:
    """Where on a picture TACK's answer for a code comes from.

    Args:
        look: the album as the network sees it.
        number: of the picture.
        code: (K,) what is looked for.
        copies: of the picture, each with noise of its own; 0 takes the plain gradient.

    Returns:
        The same for the same arguments.

    Raises:
        InvalidInputError: no such picture, or the model has no TACK head.
    """
    picture, head = look.album.picture(number), look.tack
    model = look.model
    clean = pictures([picture.small], model)
    # Of the picture as it is: all copies are asked about the same cell.
    heat = head.heat(model.features(clean), code[None, None])
    cell = int(heat.flatten().argmax())
    width = heat.shape[-1]
    noise = torch.randn(
        (max(copies, 1), *clean.shape[1:]), generator=torch.Generator().manual_seed(_SEED)
    ).to(clean.device)
    with torch.enable_grad():
        asked = (clean + (_NOISE if copies else 0.0) * noise).requires_grad_()
        logits = head.heat(model.features(asked), code.expand(len(asked), 1, -1))
        told = logits.flatten(1).log_softmax(-1)[:, cell].sum()
        (gradient,) = torch.autograd.grad(told, asked)
    strength = gradient.abs().amax(1).mean(0).float().cpu().numpy()
    sigma = _BLUR_PX * picture.size / 96
    smooth = np.asarray(cv2.GaussianBlur(strength, (0, 0), sigma), np.float32)
    smooth /= max(float(smooth.sum()), 1e-20)
    place = to_pixels(torch.tensor([cell % width, cell // width]), model.stride)
    pixel = place.numpy().astype(np.float64)
    return Saliency(
        smooth, pixel, _reach(smooth, pixel), float(smooth[picture.mask].sum()),
        float(picture.mask.mean()),
    )  # fmt: skip


def _reach(weights: NDArray[np.float32], pixel: FloatArray) -> float:
    v, u = np.mgrid[0 : weights.shape[0], 0 : weights.shape[1]]
    distance = np.hypot(u - pixel[0], v - pixel[1]).ravel()
    order = np.argsort(distance, kind="stable")
    within = np.cumsum(weights.ravel()[order])
    return float(distance[order][min(int(np.searchsorted(within, 0.5)), len(order) - 1)])


def shown(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map for eyes: 0 to 1, where 1 is what only one pixel in two hundred exceeds."""
    top = max(float(np.quantile(weights, 0.995)), 1e-20)
    return np.asarray(np.clip(weights / top, 0, 1), np.float32)
