# SPDX-License-Identifier: Apache-2.0
"""Detectors by name, so that a command line or a parameter can choose one."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tack_perception.detectors.base import KeypointDetector
from tack_perception.detectors.combined import CombinedDetector
from tack_perception.detectors.dense import DenseDescriptorDetector
from tack_perception.detectors.settings import DenseDescriptorConfig
from tack_perception.errors import ConfigurationError, DependencyError

if TYPE_CHECKING:
    from tack_perception.detectors.learned import LearnedDetector


def _dense(settings: Mapping[str, Any]) -> KeypointDetector:
    return DenseDescriptorDetector(DenseDescriptorConfig.from_mapping(settings, "detector dense"))


def _learned(kind: str, settings: Mapping[str, Any]) -> LearnedDetector:
    # Here and not above: the hand-crafted detector needs no torch.
    try:
        from tack_perception.detectors.shipped import make_learned
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"detector {kind}: {error.name} is not installed: pip install 'tack[learn]', or take"
            " the detector dense, which needs no learned weights"
        ) from error
    return make_learned(kind, settings)


def _combined(settings: Mapping[str, Any]) -> KeypointDetector:
    """Settings are those of `fused`, and below `dense` those of `dense`."""
    own = dict(settings)
    dense = _dense(own.pop("dense", {}))
    try:
        return CombinedDetector(_learned("fused", own), dense)
    except DependencyError as error:
        # What is taken where nobody asks for anything has to work on a small installation, too.
        logging.getLogger(__name__).warning("%s; until then all is left to that one", error)
        return dense


_MAKERS: dict[str, Callable[[Mapping[str, Any]], KeypointDetector]] = {
    "combined": _combined,
    "dense": _dense,
    **{kind: functools.partial(_learned, kind) for kind in ("fused", "tack", "don")},
}

DETECTORS: tuple[str, ...] = tuple(_MAKERS)
"""The names that `make_detector` knows; the first is taken where nobody names one."""


def make_detector(
    name: str = DETECTORS[0], settings: Mapping[str, Any] | None = None
) -> KeypointDetector:
    """A new detector without any shots.

    Args:
        name: one of `DETECTORS`.
        settings: setting name → value; missing ones keep their default.

    Raises:
        ConfigurationError: an unknown detector or setting, or a value outside its range.
        TackError: of a learned detector: its model is missing or damaged.
        DependencyError: torch or safetensors is not installed.
    """
    if name not in _MAKERS:
        raise ConfigurationError(f"detector {name!r}: known are {', '.join(DETECTORS)}")
    return _MAKERS[name](settings or {})
