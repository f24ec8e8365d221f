# SPDX-License-Identifier: Apache-2.0
"""The object families by name."""

from __future__ import annotations

import importlib

from tack_perception.errors import InvalidInputError
from tack_sim.objects.model import ObjectModel, split_of

FAMILIES = ("mug", "cap", "shoe", "hammer", "screwdriver", "wrench", "bottle", "box")
"""Each is a module of this package with `make(seed) -> ObjectModel`."""


def make_object(family: str, seed: int) -> ObjectModel:
    """An instance of a family; the same seed gives the same instance.

    Args:
        family: one of `FAMILIES`.
        seed: in one of the ranges of `model.SPLITS`.

    Raises:
        InvalidInputError: unknown family, or a seed of no split; names what exists.
    """
    if family not in FAMILIES:
        raise InvalidInputError(f"object class {family!r}: there are {', '.join(FAMILIES)}")
    split_of(seed)
    made: ObjectModel = importlib.import_module(f"tack_sim.objects.{family}").make(seed)
    return made
