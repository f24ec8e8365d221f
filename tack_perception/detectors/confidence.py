# SPDX-License-Identifier: Apache-2.0
"""How probable it is that a match is right."""

from __future__ import annotations

import math

from tack_perception.detectors.matching import Found

_WEIGHTS = (-6.5, 5.8, 5.0, 9.2)  # constant, then as `evidence_of`
"""Logistic regression by `benchmarks/baseline_confidence.py`; no named point of a test was used."""


def evidence_of(found: Found) -> list[float]:
    """The numbers that confidence is made of: agreement, own similarity, lead over the rival."""
    return [found.agreement, found.own, found.lead]


def confidence_of(found: Found) -> float:
    """Probability, 0 to 1, that the pixel is right and the point is seen there."""
    constant, *weights = _WEIGHTS
    logit = constant + sum(w * x for w, x in zip(weights, evidence_of(found), strict=True))
    return 1 / (1 + math.exp(-logit))
