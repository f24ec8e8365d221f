# SPDX-License-Identifier: Apache-2.0
"""Detectors: from a few clicks to named pixels in any later frame."""

from tack_perception.detectors.base import KeypointDetector
from tack_perception.detectors.dense import DenseDescriptorDetector
from tack_perception.detectors.registry import DETECTORS, make_detector
from tack_perception.detectors.settings import DenseDescriptorConfig, LearnedConfig

__all__ = [
    "DETECTORS",
    "DenseDescriptorConfig",
    "DenseDescriptorDetector",
    "KeypointDetector",
    "LearnedConfig",
    "make_detector",
]
