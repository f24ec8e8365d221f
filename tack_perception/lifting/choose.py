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

_TOUCHING_PX = 1.5  # a hole this near may hide the surface that the pixel is on
_DECISIVE = 0.8  # share of the colour evidence that settles a doubt
_ALIKE = 0.1  # least colour evidence that counts at all
_COPLANAR_SIGMAS = 2.0
_REMNANTS = 2  # flying pixels that tell of something in front
_REMNANT_LINKS = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """One surface that the pixel may be on: its pixels near by, distance and colour likeness."""

    seeds: Mask
    gap_px: float
    likeness: float


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
    hole = _hole(patch, config.search_px)
    rim = np.asarray(cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    near = (rim | (patch.distance <= gate)) & patch.solid
    if not near.any():
        return _nothing(patch, config)
    wide = near | (patch.solid & (patch.distance <= gate + config.fit_px))
    candidates = _candidates(patch, near, wide, focal, config)
    if not candidates:
        return Refusal(
            RefusalReason.SCATTERED_DEPTH,
            f"only scattered depths within {config.search_px:g} px: no surface to lift onto",
        )
    chosen = _settle(candidates, gate, config)
    if isinstance(chosen, Refusal):
        return chosen
    bridged = np.count_nonzero(hole) > np.pi * config.edge_px**2 and hole[patch.centre]
    if bridged and chosen.likeness < _ALIKE:
        return Refusal(
            RefusalReason.UNLIKE_SURFACE,
            f"no depth at the pixel, and the nearest surface ({chosen.gap_px:.1f} px away) is of"
            " another colour",
        )
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


def _settle(candidates: list[Candidate], gate: float, config: LiftingConfig) -> Candidate | Refusal:
    """One of the candidates, which are ordered from near to far."""
    if len(candidates) == 1:
        return candidates[0]
    first = candidates[0]
    favourite = max(candidates, key=lambda candidate: candidate.likeness)
    total = sum(candidate.likeness for candidate in candidates)
    decided = favourite.likeness >= max(_ALIKE, _DECISIVE * total)
    if decided and favourite is first:
        return first
    if first.gap_px <= config.edge_px:
        # At the edge itself, a colour that is plainly not the object's is a reason to doubt.
        if decided and first.gap_px > _TOUCHING_PX:
            return _ambiguous(candidates, "its colour is that of the farther surface")
        return first
    if first.gap_px <= gate:
        return _ambiguous(candidates, "both are within the uncertainty of the pixel")
    if decided:
        return favourite
    return _ambiguous(candidates, "and colour tells for neither")


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


def _hole(patch: Patch, search: float) -> Mask:
    """The pixels without depth that are connected to the patch's pixel."""
    empty = (~patch.solid & (patch.distance <= search)).astype(np.uint8)
    _, labels = cv2.connectedComponents(empty, connectivity=4)
    touching = np.unique(labels[(empty > 0) & (patch.distance <= _TOUCHING_PX)])
    return np.asarray(np.isin(labels, touching) & (empty > 0))


def _candidates(
    patch: Patch, near: Mask, wide: Mask, focal: float, config: LiftingConfig
) -> list[Candidate]:
    """The surfaces seen in the wide region that reach into the near one, near to far."""
    positions = np.flatnonzero(wide)
    found: list[Candidate] = []
    for group in layers(patch.inverse_depth.flat[positions], patch.link, SMALLEST):
        seeds = np.zeros(near.shape, dtype=np.bool_)
        seeds.flat[positions[group]] = True
        if not (seeds & near).any():
            continue
        if found and _coplanar(patch, found[-1].seeds, seeds, focal, config):
            seeds |= found.pop().seeds
        found.append(
            Candidate(seeds, float(patch.distance[seeds].min()), _likeness(patch, seeds, config))
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


def _nearer_remnants(patch: Patch, chosen: Candidate, config: LiftingConfig) -> int:
    """Number of flying pixels in front of a surface, at the pixel."""
    level = float(patch.inverse_depth[chosen.seeds].max()) + _REMNANT_LINKS * patch.link
    in_front = ~patch.solid & (patch.inverse_depth > level)
    return int(np.count_nonzero(in_front & (patch.distance <= config.edge_px)))


def _likeness(patch: Patch, seeds: Mask, config: LiftingConfig) -> float:
    """How much of the surface near by has the pixel's colour, 0 to 1."""
    difference = np.linalg.norm(patch.lab[seeds] - patch.lab[patch.centre], axis=-1)
    alike = np.exp(-0.5 * (difference / config.color_tolerance) ** 2)
    weight = np.exp(-0.5 * (patch.distance[seeds] / config.fit_px) ** 2)
    return float(np.sum(alike * weight) / np.sum(weight))
