# SPDX-License-Identifier: Apache-2.0
"""Which of the poses of a clicked object is taken, and how good the best of them would have been.

    python benchmarks/pose_choice.py --data VALIDATION --output out/choice [--model DIR] [--fit]

Objects are looked for in other views of them and of others of their class, as the fused detector
does; where they are is known. It prints how far off clicks on them are carried by the pose that the
model's head for poses takes, by that which takes the facts alone, and by the best one. With --fit a
choice by facts (conditional logit: the soft-max of weighted facts) is fitted on half of the cases:
the weights for `tack_perception/detectors/constellation.py`, for models without such a head.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from tack_perception.detectors.constellation import by_facts
from tack_perception.detectors.fused import judged_by
from tack_perception.detectors.shipped import FUSION, model_path
from tack_perception.learning.pose_cases import Case, Cases, CasesConfig, collect
from tack_perception.learning.poses import PoseLossConfig, wanted_of
from tack_perception.networks.fusing import fuse_normalisation
from tack_perception.networks.model import load_model
from tack_perception.networks.poses import PoseHead

FloatArray = NDArray[np.float64]
FACTS = ("met", "through", "heat", "spots", "none")


def main() -> None:
    """Collect, judge and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="views that it has not learned")
    parser.add_argument("--output", type=Path, required=True, help="folder for the cases")
    parser.add_argument("--model", default="", help="folder or name; default: the shipped one")
    parser.add_argument("--fit", action="store_true", help="fit the choice by facts")
    args = parser.parse_args()
    model, notes = load_model(model_path(args.model))
    fuse_normalisation(model)
    files = collect(
        model, float(notes.get(FUSION, 1.0)), args.data, args.output, CasesConfig(),
        workers=os.cpu_count() or 1, progress=True,
    )  # fmt: skip
    cases = list(tqdm(Cases(files, model.config.crop_px), "reading", unit="case"))
    tell(cases, "facts", [by_facts(one.poses, one.facts) for one in cases])
    if model.poses is not None:
        head = model.poses
        tell(cases, "head", [judged(head, one) for one in tqdm(cases, "judging", unit="case")])
    tell(cases, "best", [-one.missed_px for one in cases])
    if args.fit:
        half = np.random.default_rng(0).permutation(len(cases))
        weights = fitted([cases[n] for n in half[::2]])
        print(dict(zip(FACTS, weights.round(2).tolist(), strict=True)))
        others = [cases[n] for n in half[1::2]]
        tell(others, "fitted, held back", [one.facts[:, :4] @ weights[:4] for one in others])


@torch.inference_mode()
def judged(head: PoseHead, case: Case) -> FloatArray:
    """(H,) of a case."""
    return judged_by(head, case.first, case.second, case.size)(case.poses, case.facts)


def tell(cases: Sequence[Case], name: str, scores: Sequence[FloatArray]) -> None:
    """Print how far off the poses with the highest scores are."""
    for same in (True, False):
        chosen = np.array(
            [
                one.missed_px[score.argmax()]
                for one, score in zip(cases, scores, strict=True)
                if one.same == same and np.isfinite(one.missed_px).all()
            ]
        )
        print(
            f"{name:>18}, {'same' if same else 'new '} instance: {len(chosen)} cases, median"
            f" {np.median(chosen):.1f} px, {100 * np.mean(chosen < 10):.0f} % within 10 px"
        )


def fitted(cases: Sequence[Case]) -> FloatArray:
    """(5,) weights of the facts, and of none of the poses."""
    config = PoseLossConfig()

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        total, slope = 1e-3 * float(weights[:4] @ weights[:4]), 2e-3 * weights * (1, 1, 1, 1, 0)
        for one in cases:
            facts = one.facts[:, :4]
            scores = np.r_[facts @ weights[:4], weights[4]]
            chance = np.exp(scores - scores.max())
            chance /= chance.sum()
            wanted = wanted_of(one.missed, config)
            total -= float(wanted @ np.log(chance + 1e-12)) / len(cases)
            apart = (chance - wanted) / len(cases)
            slope += np.r_[facts.T @ apart[:-1], apart[-1]]
        return total, slope

    found: FloatArray = minimize(loss, np.zeros(5), jac=True, method="L-BFGS-B").x
    return found


if __name__ == "__main__":
    main()
