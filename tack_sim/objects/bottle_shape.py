# SPDX-License-Identifier: Apache-2.0
"""The shapes of bottles, and how they are drawn by chance."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Shape:
    """The lengths (m) and shares that make one bottle.

    Attributes:
        kind: what it holds, see `Ware`.
        height: with the cap.
        half: half width of the body (along x).
        flat: its depth as a share of the width.
        square: exponent of the body's section: 2 is round, 5 a rounded box.
        taper: width at the foot as a share of the width at the shoulder.
        waist: how much narrower the middle of the body is, as a share.
        rounding: of the edge at the base.
        shoulder: heights at which it starts and ends, as shares of the height without the cap.
        bend: the shoulder's half width at a third and at two thirds of its way, as shares
            between neck (0) and body (1).
        neck: half width.
        cap_half: half width of the cap.
        cap_height: from its lower edge to the top.
        cap_like_body: share of the body's section in the cap's: 0 is a round cap.
        dome: rounding of the cap's upper edge as a share of its half width.
        label: shares of the body's straight part where the label starts and ends.
    """

    kind: str = "drink"
    height: float = 0.20
    half: float = 0.032
    flat: float = 1.0
    square: float = 2.0
    taper: float = 1.0
    waist: float = 0.0
    rounding: float = 0.006
    shoulder: tuple[float, float] = (0.62, 0.88)
    bend: tuple[float, float] = (0.85, 0.45)
    neck: float = 0.013
    cap_half: float = 0.0155
    cap_height: float = 0.018
    cap_like_body: float = 0.0
    dome: float = 0.15
    label: tuple[float, float] = (0.20, 0.85)

    @property
    def rim(self) -> float:
        """Height of the cap's lower edge, m."""
        return self.height - self.cap_height

    def levels(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Heights of the straight part's foot and top, the label's ends, the shoulder's end, m."""
        low, high = self.rounding, self.shoulder[0] * self.rim
        label = low + (high - low) * np.array(self.label)
        return np.array([low, high]), label, np.array([high, self.shoulder[1] * self.rim])

    def half_width(self, z: FloatArray) -> FloatArray:
        """Along x at heights above the base's rounding and below the cap, m."""
        return self._outline(z, 1.0)

    def half_depth(self, z: FloatArray) -> FloatArray:
        """Along y at heights above the base's rounding and below the cap, m."""
        return self._outline(z, self.flat)

    def _outline(self, z: FloatArray, flat: float) -> FloatArray:
        (low, high), _, (start, end) = self.levels()
        share = np.clip((z - low) / (high - low), 0, 1)
        body = flat * self.half * (self.taper + (1 - self.taper) * share)
        body = body * (1 - self.waist * np.sin(np.pi * share) ** 2)
        bend = PchipInterpolator([0, 1 / 3, 2 / 3, 1], [1.0, *self.bend, 0.0])
        fall = bend(np.clip((z - start) / (end - start), 0, 1))
        return np.asarray(self.neck + (body - self.neck) * fall, dtype=np.float64)

    def roundness(self, z: FloatArray) -> FloatArray:
        """Share of the way from the body's section (0) to the round neck (1) at heights."""
        _, _, (start, end) = self.levels()
        share = np.clip((z - start) / (end - start), 0, 1)
        return np.asarray(share * share * (3 - 2 * share), dtype=np.float64)


def sample(rng: np.random.Generator) -> Shape:
    """A shape by chance: one of six kinds, each with its own ranges."""
    kind = int(rng.integers(len(_KINDS)))
    return _KINDS[kind](rng)


def _drink(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.027, 0.0345)
    neck = rng.uniform(0.0115, 0.0145)
    return Shape(
        "drink", rng.uniform(0.165, 0.225), half, waist=rng.choice([0.0, rng.uniform(0.04, 0.14)]),
        square=rng.choice([2.0, rng.uniform(2.5, 4.0)]), rounding=rng.uniform(0.004, 0.010),
        shoulder=(rng.uniform(0.55, 0.68), rng.uniform(0.86, 0.92)),
        bend=(rng.uniform(0.78, 0.93), rng.uniform(0.35, 0.6)), neck=neck,
        cap_half=neck + rng.uniform(0.0015, 0.003), cap_height=rng.uniform(0.014, 0.022),
        dome=rng.uniform(0.05, 0.2), label=(rng.uniform(0.15, 0.4), rng.uniform(0.75, 0.92)),
    )  # fmt: skip


def _wine(rng: np.random.Generator) -> Shape:
    neck = rng.uniform(0.0115, 0.014)
    start = rng.uniform(0.50, 0.62)
    return Shape(
        "glass", rng.uniform(0.20, 0.25), rng.uniform(0.029, 0.0345), taper=rng.uniform(0.93, 1.0),
        rounding=rng.uniform(0.003, 0.006), shoulder=(start, start + rng.uniform(0.10, 0.26)),
        bend=(rng.uniform(0.72, 0.95), rng.uniform(0.3, 0.65)), neck=neck,
        cap_half=neck + rng.uniform(0.0003, 0.002), cap_height=rng.uniform(0.022, 0.045),
        dome=rng.uniform(0.04, 0.12), label=(rng.uniform(0.15, 0.3), rng.uniform(0.72, 0.9)),
    )  # fmt: skip


def _sauce(rng: np.random.Generator) -> Shape:
    neck = rng.uniform(0.012, 0.017)
    return Shape(
        str(rng.choice(["glass", "drink", "plastic"])), rng.uniform(0.125, 0.175),
        rng.uniform(0.026, 0.034), taper=rng.uniform(0.95, 1.05),
        square=rng.choice([2.0, rng.uniform(3.0, 5.0)]), rounding=rng.uniform(0.003, 0.008),
        shoulder=(rng.uniform(0.48, 0.62), rng.uniform(0.82, 0.9)),
        bend=(rng.uniform(0.6, 0.9), rng.uniform(0.25, 0.5)), neck=neck,
        cap_half=neck + rng.uniform(0.001, 0.003), cap_height=rng.uniform(0.016, 0.03),
        dome=rng.uniform(0.05, 0.6), label=(rng.uniform(0.1, 0.25), rng.uniform(0.8, 0.95)),
    )  # fmt: skip


def _shampoo(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.026, 0.0345)
    flat = rng.uniform(0.55, 0.85)
    wide = rng.random() < 0.5
    neck = min(0.85 * half * flat, rng.uniform(0.010, 0.014))
    return Shape(
        "plastic", rng.uniform(0.13, 0.20), half, flat, rng.uniform(2.2, 4.5),
        taper=rng.uniform(0.85, 1.12), waist=rng.uniform(0.0, 0.10),
        rounding=rng.uniform(0.005, 0.010),
        shoulder=(rng.uniform(0.70, 0.80), rng.uniform(0.93, 0.96)),
        bend=(rng.uniform(0.86, 0.96), rng.uniform(0.55, 0.75)), neck=neck,
        cap_half=0.72 * half if wide else neck + 0.002, cap_height=rng.uniform(0.02, 0.032),
        cap_like_body=1.0 if wide else 0.0, dome=rng.uniform(0.1, 0.4),
        label=(rng.uniform(0.1, 0.25), rng.uniform(0.82, 0.95)),
    )  # fmt: skip


def _medicine(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.020, 0.031)
    neck = half * rng.uniform(0.7, 0.86)
    return Shape(
        "medicine", rng.uniform(0.075, 0.115), half, square=rng.choice([2.0, 4.0]),
        rounding=rng.uniform(0.003, 0.005), shoulder=(rng.uniform(0.72, 0.8), 0.92),
        bend=(0.9, 0.5), neck=neck, cap_half=neck + rng.uniform(0.0015, 0.003),
        cap_height=rng.uniform(0.014, 0.024), dome=rng.uniform(0.04, 0.12),
        label=(rng.uniform(0.06, 0.15), rng.uniform(0.86, 0.95)),
    )  # fmt: skip


def _flask(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.030, 0.0345)
    neck = half * rng.uniform(0.55, 0.78)
    return Shape(
        "metal", rng.uniform(0.165, 0.225), half, rounding=rng.uniform(0.003, 0.006),
        shoulder=(rng.uniform(0.76, 0.86), rng.uniform(0.93, 0.97)),
        bend=(rng.uniform(0.85, 0.95), rng.uniform(0.45, 0.7)), neck=neck,
        cap_half=neck * rng.uniform(1.03, 1.12), cap_height=rng.uniform(0.022, 0.04),
        dome=rng.uniform(0.1, 0.5), label=(rng.uniform(0.3, 0.45), rng.uniform(0.7, 0.85)),
    )  # fmt: skip


_KINDS = (_drink, _wine, _sauce, _shampoo, _medicine, _flask)
