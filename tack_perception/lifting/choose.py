# SPDX-License-Identifier: Apache-2.0
"""Which of the surfaces around a pixel the pixel belongs to.

Depth errs at silhouettes: the edge is ragged, the stereo shadow beside it is empty, and a click or
a detection may be off by a pixel or two. A grasp that aims at the background behind an object is
the worst answer, so the nearer surface wins where both are plausible, colour decides where depth
is missing, and where neither tells the answer is a refusal.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.lifting.fit import SMALLEST, fit
from tack_perception.lifting.patch import Patch, layers
from tack_perception.lifting.result import Refusal, RefusalReason
from tack_perception.lifting.settings import LiftingConfig

Mask = NDArray[np.bool_]

_TOUCHING_PX = 1.5  # pixels this near are as good as the pixel itself
_DECISIVE = 0.8  # share of the colour evidence that settles a doubt
_ALIKE = 0.1  # least colour evidence that counts at all
_ONE_SIDED_ALIKE = 0.5  # colour evidence needed where a surface is only continued, not bridged
_COPLANAR_SIGMAS = 2.0
_REMNANTS = 2  # flying pixels that tell of something in front
_REMNANT_LINKS = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """One surface that the pixel may be on.

    Attributes:
        seeds: (h, w) its pixels near by.
        gap_px: distance to the nearest of them.
        likeness: (K,) how much of it has the colour of each pixel that may be meant, 0 to 1; the
            first is the patch's own.
    """

    seeds: Mask
    gap_px: float
    likeness: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """The surface that was settled on: (h, w) pixels known to be of it, and of others."""

    seeds: Mask
    others: Mask


def choose(
    patch: Patch, focal: float, pixel_sigma: float, config: LiftingConfig
) -> Choice | Refusal:
    """The surface that the patch's pixel is on.

    Args:
        patch: the window.
        focal: px.
        pixel_sigma: largest standard deviation of the pixel, px.
        config: reach and tolerances.

    Returns:
        The surface, or why none can be told.
    """
    gate = min(max(config.edge_px, 2 * pixel_sigma), config.search_px)
    doubt = max(_TOUCHING_PX, min(2 * pixel_sigma, gate))
    hole = _hole(patch, doubt, config.search_px)
    rim = np.asarray(cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    near = (rim | (patch.distance <= gate)) & patch.solid
    if not near.any():
        return _nothing(patch, config)
    wide = near | (patch.solid & (patch.distance <= gate + config.fit_px))
    candidates = _candidates(patch, near, wide, doubt, focal, config)
    if not candidates:
        return Refusal(
            RefusalReason.SCATTERED_DEPTH,
            f"only scattered depths within {config.search_px:g} px: no surface to lift onto",
        )
    chosen = _settle(candidates, bool(patch.solid[patch.centre]), gate, config)
    if isinstance(chosen, Refusal):
        return chosen
    doubtful = _continued(patch, chosen, hole, config)
    if doubtful is not None:
        return doubtful
    if _nearer_remnants(patch, chosen, config) >= _REMNANTS:
        return Refusal(
            RefusalReason.AMBIGUOUS_SURFACE,
            f"isolated nearer depths within {config.edge_px:g} px: something too thin to measure"
            " may be in front of the surface behind it",
        )
    others = np.zeros_like(near)
    for candidate in candidates:
        if candidate is not chosen:
            others |= candidate.seeds
    return Choice(chosen.seeds, others)


def _settle(
    candidates: list[Candidate], measured: bool, gate: float, config: LiftingConfig
) -> Candidate | Refusal:
    """One of the candidates, which are ordered from near to far.

    Args:
        candidates: at least one.
        measured: whether there is depth at the pixel itself.
        gate: distance within which the pixel may be meant for a surface.
        config: gives the distance within which depth errs at an edge.
    """
    first = candidates[0]
    if len(candidates) == 1:
        return first
    likeness = np.stack([candidate.likeness for candidate in candidates])
    decisive = likeness >= np.maximum(_ALIKE, _DECISIVE * likeness.sum(axis=0))
    if decisive[0, 0]:
        return first
    # For a farther surface, every pixel that may be meant has to speak.
    farther = np.flatnonzero(decisive[1:].all(axis=1)) + 1
    if first.gap_px <= config.edge_px:
        if decisive[1:, 0].any() and first.gap_px > _TOUCHING_PX:
            return _ambiguous(candidates, "its colour is that of a farther one")
        if measured and first.gap_px > _TOUCHING_PX:
            return _ambiguous(candidates, "an edge is near and the depth is that of a farther one")
        return first
    if first.gap_px <= gate:
        return _ambiguous(candidates, "all are within the uncertainty of the pixel")
    if farther.size:
        return candidates[int(farther[0])]
    return _ambiguous(candidates, "and colour tells for none")


def _ambiguous(candidates: list[Candidate], why: str) -> Refusal:
    gaps = " and ".join(f"{candidate.gap_px:.1f}" for candidate in candidates)
    return Refusal(
        RefusalReason.AMBIGUOUS_SURFACE,
        f"{len(candidates)} surfaces at different depths are {gaps} px away (near to far), {why}",
    )


def _nothing(patch: Patch, config: LiftingConfig) -> Refusal:
    reach = patch.distance <= config.search_px
    if (patch.inverse_depth[reach] > 0).any():
        return Refusal(
            RefusalReason.SCATTERED_DEPTH,
            f"only isolated depths within {config.search_px:g} px: no surface to lift onto",
        )
    return Refusal(RefusalReason.NO_DEPTH, f"no valid depth within {config.search_px:g} px")


def _hole(patch: Patch, doubt: float, search: float) -> Mask:
    """The pixels without depth that are connected to the surroundings of the patch's pixel."""
    empty = (~patch.solid & (patch.distance <= search)).astype(np.uint8)
    _, labels = cv2.connectedComponents(empty, connectivity=4)
    touching = np.unique(labels[(empty > 0) & (patch.distance <= doubt)])
    return np.asarray(np.isin(labels, touching) & (empty > 0))


def _candidates(
    patch: Patch, near: Mask, wide: Mask, doubt: float, focal: float, config: LiftingConfig
) -> list[Candidate]:
    """The surfaces seen in the wide region that reach into the near one, near to far.

    Pixels within `doubt` of the patch's pixel may be meant instead of it.
    """
    positions = np.flatnonzero(wide)
    meant = np.argsort(patch.distance, axis=None)[: np.count_nonzero(patch.distance <= doubt)]
    colors = patch.lab.reshape(-1, 3)[meant]
    found: list[Candidate] = []
    for group in layers(patch.inverse_depth.flat[positions], patch.link, SMALLEST):
        seeds = np.zeros(near.shape, dtype=np.bool_)
        seeds.flat[positions[group]] = True
        if not (seeds & near).any():
            continue
        if found and _coplanar(patch, found[-1].seeds, seeds, focal, config):
            seeds |= found.pop().seeds
        found.append(
            Candidate(
                seeds, float(patch.distance[seeds].min()), _likeness(patch, seeds, colors, config)
            )
        )
    return found


def _coplanar(patch: Patch, first: Mask, second: Mask, focal: float, config: LiftingConfig) -> bool:
    """Whether two patches of depth are parts of one plane: each must predict the other."""
    for known, other in ((first, second), (second, first)):
        surface = fit(patch.without(other), known, focal, config)
        if surface is None:
            return False
        predicted, variance = surface.predict(patch.slope[other])
        doubt = float(np.sqrt(np.median(variance) + surface.sigma**2))
        error = abs(float(np.median(predicted - patch.inverse_depth[other])))
        # The bound on the error keeps a vague prediction from agreeing with anything.
        if error > min(_COPLANAR_SIGMAS * doubt, patch.link / 2):
            return False
    return True


def _continued(
    patch: Patch, chosen: Candidate, hole: Mask, config: LiftingConfig
) -> Refusal | None:
    """Why a surface cannot be continued to a pixel without depth, or None where it can."""
    if not hole[patch.centre]:
        return None
    large = np.count_nonzero(hole) > np.pi * config.edge_px**2
    if large and chosen.likeness[0] < _ALIKE:
        return Refusal(
            RefusalReason.UNLIKE_SURFACE,
            f"no depth at the pixel, and the nearest surface ({chosen.gap_px:.1f} px away) is of"
            " another colour",
        )
    if chosen.gap_px <= config.edge_px or _surrounds(patch, chosen):
        return None
    if chosen.gap_px <= 2 * config.edge_px and (chosen.likeness >= _ONE_SIDED_ALIKE).all():
        return None
    return Refusal(
        RefusalReason.ONE_SIDED_SURFACE,
        f"no depth at the pixel, and the nearest surface ({chosen.gap_px:.1f} px away) lies to one"
        " side of it only: it may end before the pixel",
    )


def _surrounds(patch: Patch, chosen: Candidate) -> bool:
    """Whether the surface is seen in every half-plane around the pixel."""
    offset = patch.offset[chosen.seeds]
    angles = np.sort(np.arctan2(offset[:, 1], offset[:, 0]))
    return float(np.diff(angles, append=angles[0] + 2 * np.pi).max()) < np.pi


def _nearer_remnants(patch: Patch, chosen: Candidate, config: LiftingConfig) -> int:
    """Number of flying pixels in front of a surface, at the pixel."""
    level = float(patch.inverse_depth[chosen.seeds].max()) + _REMNANT_LINKS * patch.link
    in_front = ~patch.solid & (patch.inverse_depth > level)
    return int(np.count_nonzero(in_front & (patch.distance <= config.edge_px)))


def _likeness(
    patch: Patch, seeds: Mask, colors: NDArray[np.float32], config: LiftingConfig
) -> NDArray[np.float32]:
    """How much of the surface near by has each of the (K, 3) Lab colours, (K,) 0 to 1."""
    difference = np.linalg.norm(patch.lab[seeds][:, None] - colors, axis=-1)
    alike = np.exp(-0.5 * (difference / config.color_tolerance) ** 2)
    weight = np.exp(-0.5 * (patch.distance[seeds] / config.fit_px) ** 2)
    share: NDArray[np.float32] = (weight @ alike / weight.sum()).astype(np.float32)
    return share
