# SPDX-License-Identifier: Apache-2.0
"""Fits how likely a pose of a clicked object is, away from the trials that are reported.

    python benchmarks/pose_choice.py --data VALIDATION [--model DIR] [--pairs 300]

For pairs of pictures of one object, and of two of a class, poses are proposed and laid onto the
surfaces, as the fused detector does; where the truth lies is known. A choice between the poses, and
none of them, is fitted (conditional logit: the soft-max of weighted facts) on half of the pairs. It
prints the weights for `tack_perception/detectors/constellation.py`, and what they choose on the
other half.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from tack_perception.annotation import Annotation
from tack_perception.detectors.alignment import fit_of
from tack_perception.detectors.constellation import (
    aligned,
    choose_anchors,
    heat_of,
    propose,
    surface_at,
)
from tack_perception.detectors.fused import FusedReader
from tack_perception.detectors.relief import relief_of
from tack_perception.detectors.scene import Window
from tack_perception.detectors.shipped import make_learned
from tack_perception.learning.calibration import (
    CalibrationConfig,
    choose_pair,
    frame_of,
    thing_in,
)
from tack_perception.learning.carry import carry
from tack_perception.learning.pack import Pack, make_pack

FloatArray = NDArray[np.float64]
FACTS = ("met", "through", "heat")
NEAR_PX, FAR_PX = 6.0, 20.0  # scale of right poses, and error from which none is right
CLICKS = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """Poses of one object in one picture: facts (H, 3), median errors of seen points (H,) px."""

    same: bool
    facts: FloatArray
    errors: FloatArray

    @property
    def wanted(self) -> FloatArray:
        """(H + 1,) shares of the poses, and of none of them."""
        near = np.exp(-self.errors / NEAR_PX) * (self.errors < FAR_PX)
        right = near.sum() > 1e-3
        wanted: FloatArray = np.r_[near / near.sum() if right else 0 * near, not right]
        return wanted


def main() -> None:
    """Collect, fit and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="views that it has not learned")
    parser.add_argument("--model", default="", help="folder or name; default: the shipped one")
    parser.add_argument("--pairs", type=int, default=300)
    args = parser.parse_args()
    choices = collect(make_pack(args.data), args.model, args.pairs)
    half = len(choices) // 2
    weights = fitted(choices[:half])
    print(dict(zip((*FACTS, "none"), weights.round(2).tolist(), strict=True)))
    for name, some in (("fitted", choices[:half]), ("held back", choices[half:])):
        for same in (True, False):
            several = [one for one in some if one.same == same]
            chosen = [one.errors[(one.facts @ weights[:3]).argmax()] for one in several]
            best = [one.errors.min() for one in several]
            print(
                f"{name:>10}, {'same' if same else 'new '} instance: {len(several)} pairs, chosen"
                f" {np.median(chosen):.1f} px, the best of them {np.median(best):.1f} px"
            )


def collect(pack: Pack, model: str, pairs: int) -> list[Choice]:
    """Poses of objects in other pictures."""
    detector, config = make_learned("fused", {"model": model}), CalibrationConfig()
    reader = detector.reader
    assert isinstance(reader, FusedReader)
    rng, found = np.random.default_rng(0), []
    for _ in tqdm(range(pairs), "poses", unit="pair"):
        pair = choose_pair(pack, pack, config, rng)
        if pair is None:
            continue
        first, second = pair
        thing, other = pack.things[first], pack.things[second]
        clicks = rng.permutation(int(thing["count"]))[:CLICKS]
        frames = [frame_of(pack, int(one["view"])) for one in (thing, other)]
        u, v = thing["point_pixel"][clicks[0]].astype(float).tolist()
        detector.forget()
        detector.enroll([Annotation("click", u, v, frames[0])])
        windows = [
            [w for w in detector.evidence(frame)[0] if shows(pack, one["view"], w) == number]
            for frame, one, number in zip(frames, (thing, other), pair, strict=True)
        ]
        truth = carry(pack, first, pack, second)
        if all(windows) and truth.visible[clicks].any():
            seen = clicks[truth.visible[clicks]]
            one = choice(
                reader, windows[0][0], windows[1][0],
                thing["point_pixel"][seen].astype(float), truth.pixels[seen],
                bool(thing["instance"] == other["instance"]),
            )  # fmt: skip
            if one is not None:
                found.append(one)
    return found


def shows(pack: Pack, view: int, window: Window) -> int | None:
    """Number of the thing that a window of a view is around."""
    return thing_in(pack, np.flatnonzero(pack.things["view"] == view), window)


def choice(
    reader: FusedReader, first: Window, second: Window, clicks: FloatArray, truth: FloatArray,
    same: bool,
) -> Choice | None:  # fmt: skip
    """Poses of the object of one window in another."""
    anchors = choose_anchors(first, reader.tack.head.stride)
    if anchors is None or not (first.found and second.found):
        return None
    with torch.inference_mode():
        maps = reader.look_for(first, anchors, [second])[0]
    proposals = propose(anchors, second, maps)
    surfaces = surface_at(first, anchors.relief, first.crop.to_crop(clicks))[:, 0]
    known = np.isfinite(surfaces).all(axis=1)
    if proposals is None or not known.any():
        return None
    relief = relief_of(second)
    poses = aligned(anchors, second, relief, proposals)
    fit = fit_of(anchors.relief, relief, poses, anchors.size)
    facts = np.stack([fit.met, fit.through, heat_of(anchors, second, maps, poses)], axis=1)
    places = second.frame.intrinsics.project(poses.apply(surfaces[known]))
    missed = np.linalg.norm(places - truth[known], axis=-1)
    return Choice(same, facts, np.median(np.nan_to_num(missed, nan=1e3), axis=1))


def fitted(choices: list[Choice]) -> FloatArray:
    """(4,) weights of the facts, and of none of the poses."""

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        total, slope = 1e-3 * float(weights[:3] @ weights[:3]), 2e-3 * weights * (1, 1, 1, 0)
        for one in choices:
            scores = np.r_[one.facts @ weights[:3], weights[3]]
            chance = np.exp(scores - scores.max())
            chance /= chance.sum()
            wanted = one.wanted
            total -= float(wanted @ np.log(chance + 1e-12)) / len(choices)
            apart = (chance - wanted) / len(choices)
            slope += np.r_[one.facts.T @ apart[:-1], apart[-1]]
        return total, slope

    found: FloatArray = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B").x
    return found


if __name__ == "__main__":
    main()
