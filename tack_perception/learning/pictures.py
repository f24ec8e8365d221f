# SPDX-License-Identifier: Apache-2.0
"""What a network sees and says while it learns: pairs of pictures, a click, and heat maps."""

from __future__ import annotations

import colorsys
import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception import drawing
from tack_perception.learning.episode import Episodes
from tack_perception.networks.model import KeypointModel
from tack_perception.overlay import draw_click

Image = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

_TILE = 224
_COLUMNS = 2  # episodes side by side
_GAP = 10
_MARK = 0.9  # size of the cross-hair
_GREEN, _GREY = (90, 220, 110), (190, 190, 190)


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """Where a head believes one point of each episode to be.

    Attributes:
        title: of the head.
        heat: (B, h, w) probability of each cell, as a share of the highest one.
        truth: (B, 2) px.
        known, visible: (B,) bool.
    """

    title: str
    heat: FloatArray
    truth: Tensor
    known: Tensor
    visible: Tensor


def draw_samples(model: KeypointModel, episodes: Episodes, *, count: int = 8) -> Image:
    """A sheet of some episodes of a batch.

    Of each: the support with the clicked point, the query with the true point, and for each head
    the query under its heat map: of that point, or for the fixed set of one of the named points.
    Dots of one colour are one point in both pictures; a grey ring is a point that is hidden.

    Args:
        model: the network.
        episodes: the batch, on the network's device.
        count: how many episodes.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    few = first_episodes(episodes, count)
    return sheet_of(few, answers(model, few))


def first_episodes(episodes: Episodes, count: int) -> Episodes:
    """The first few of a batch."""
    return Episodes(**{name: value[:count] for name, value in vars(episodes).items()})


def answers(model: KeypointModel, episodes: Episodes) -> list[Answer]:
    """What each head says of the first point of each episode that is seen."""
    support, query = model.features(episodes.support), model.features(episodes.query)
    chosen = _first(episodes.visible, episodes.known)
    rows = torch.arange(len(episodes), device=chosen.device)
    points = episodes.support_points
    heat: dict[str, Tensor] = {}
    if model.tack is not None:
        heat["tack"] = model.tack.heat(query, model.tack.codes(support, points))
    if model.don is not None:
        codes = model.don.sample(model.don(support), points, model.stride)
        heat["don"] = model.don.logits(codes, model.don(query))
    known, visible = episodes.known[rows, chosen], episodes.visible[rows, chosen]
    truth = episodes.query_points[rows, chosen]
    told = [
        Answer(name, _share(logits[rows, chosen]), truth, known, visible)
        for name, logits in heat.items()
    ]
    if model.sparse is not None and episodes.named_index.shape[1]:
        there, seen = episodes.named_known[..., 1], episodes.named_visible[..., 1]
        named = _first(there & seen, there)
        number = episodes.named_index[rows, named]
        share = _share(model.sparse.heat(query, number[:, None])[:, 0])
        truth = episodes.query_named[rows, named]
        told.append(Answer("sparse", share, truth, there[rows, named], seen[rows, named]))
    return told


def sheet_of(episodes: Episodes, told: Sequence[Answer]) -> Image:
    """Draw episodes, all of them, and what heads say of them.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    strips = [_strip(episodes, index, told) for index in range(len(episodes))]
    height, width = strips[0].shape[0] + _GAP, strips[0].shape[1] + _GAP
    rows = -(-len(strips) // _COLUMNS)
    sheet = np.full((rows * height - _GAP, _COLUMNS * width - _GAP, 3), 255, np.uint8)
    for index, strip in enumerate(strips):
        top, left = index // _COLUMNS * height, index % _COLUMNS * width
        sheet[top : top + strip.shape[0], left : left + strip.shape[1]] = strip
    return sheet


def _strip(episodes: Episodes, index: int, told: Sequence[Answer]) -> Image:
    """One episode: support, query, and a tile for each answer."""
    clicks, truths = episodes.support_points[index].tolist(), episodes.query_points[index].tolist()
    known, visible = episodes.known[index].tolist(), episodes.visible[index].tolist()
    chosen = int(_first(episodes.visible[index], episodes.known[index]))
    support, scale = _tile(episodes.support[index])
    query, _ = _tile(episodes.query[index])
    plain = query.copy()
    for point, (click, truth) in enumerate(zip(clicks, truths, strict=True)):
        color = _hue(point, len(clicks))
        _dot(support, click, color, scale)
        if visible[point]:
            _dot(query, truth, color, scale)
    draw_click(support, clicks[chosen], _GREEN, scale=scale, size=_MARK / scale)
    if known[chosen]:
        _ring(query, truths[chosen], visible[chosen], scale)
    same = "same" if bool(episodes.same[index]) else "other"
    _title(support, "click")
    _title(query, f"truth, {same} instance" + ("" if visible[chosen] else ", hidden"))
    tiles = [support, query]
    for answer in told:
        tile = _glow(plain, answer.heat[index])
        if bool(answer.known[index]):
            _ring(tile, answer.truth[index].tolist(), bool(answer.visible[index]), scale)
        _title(tile, answer.title)
        tiles.append(tile)
    return np.concatenate(tiles, axis=1)


def _first(wanted: Tensor, otherwise: Tensor) -> Tensor:
    """(..., N) bool → (...) index of the first that is wanted, else the first of the others."""
    return (2 * wanted.int() + otherwise.int()).argmax(-1)


def _share(logits: Tensor) -> FloatArray:
    """(B, h, w) logits → probability as a share of the highest."""
    share: FloatArray = (logits - logits.amax((-2, -1), keepdim=True)).exp().float().cpu().numpy()
    return share


def _ring(tile: Image, pixel: list[float], seen: bool, scale: int) -> None:
    centre = drawing.place(pixel, scale)
    drawing.circle(tile, centre, 9.0, drawing.INK, 4)
    drawing.circle(tile, centre, 9.0, _GREEN if seen else _GREY, 2)


def _tile(picture: Tensor) -> tuple[Image, int]:
    """(3, S, S) of 0 to 1 → an enlarged picture to draw on, and the factor."""
    pixels = (picture.permute(1, 2, 0).float().cpu().numpy() * 255).round().astype(np.uint8)
    scale = max(1, min(8, round(_TILE / pixels.shape[0])))
    return drawing.enlarged(pixels, scale), scale


def _glow(tile: Image, heat: FloatArray) -> Image:
    """A picture under a heat map."""
    size = (tile.shape[1], tile.shape[0])
    heat = np.clip(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    color = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = tile.mean(axis=2, keepdims=True) * 0.6
    share = np.sqrt(heat)[..., None] * 0.9
    return np.asarray((1 - share) * grey + share * color, dtype=np.uint8)


def _dot(tile: Image, pixel: list[float], color: drawing.Color, scale: int) -> None:
    centre = drawing.place(pixel, scale)
    drawing.circle(tile, centre, 4.0, drawing.INK, -1)
    drawing.circle(tile, centre, 2.8, color, -1)


def _title(tile: Image, text: str) -> None:
    drawing.draw_label(tile, text, (-8.0, 12.0), drawing.PAPER)


def _hue(index: int, count: int) -> drawing.Color:
    red, green, blue = colorsys.hsv_to_rgb(index / max(count, 1), 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
