# SPDX-License-Identifier: Apache-2.0
"""The fixed set of named points behind the port: the upper bound that evaluations compare with.

It is no product: it finds a point by its name and does not look at the click but for the object
that was clicked on. Labels are `class.point`, as evaluations name their clicks; any other point is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception.annotation import Annotation
from tack_perception.detectors.confidence_model import Judges, Logistic
from tack_perception.detectors.learned import Found, LearnedDetector, Shot
from tack_perception.detectors.scene import Window
from tack_perception.detectors.settings import LearnedConfig
from tack_perception.detectors.shipped import CALIBRATION, model_path
from tack_perception.errors import InvalidInputError
from tack_perception.networks.model import KeypointModel, load_model
from tack_perception.networks.sparse import SparseHead

FloatArray = NDArray[np.float64]

NAME = "sparse"
_JUDGE = Logistic(("judge",), (1.0,), 0.0)
_UNFITTED = Judges(presence=Logistic(("alike",), (1.0,), 0.0), seen=_JUDGE, right=_JUDGE)
"""Without a calibration of its own: the object that is most alike, and the head's own logit."""


class FixedSetReader:
    """Heat maps of named points.

    Args:
        model: with the sparse head.

    Raises:
        InvalidInputError: the model has no such head.
    """

    closer: frozenset[str] = frozenset()

    def __init__(self, model: KeypointModel) -> None:
        if model.sparse is None:
            raise InvalidInputError("this model has no sparse head: train one with --method joint")
        self.head: SparseHead = model.sparse
        points = model.config.points
        self.index = {name.replace("/", "."): number for number, name in enumerate(points)}

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Tensor]:
        """Nothing of the click."""
        return {}

    def prepare(self, shots: Sequence[Shot]) -> None:
        """Nothing: names are known."""

    def find(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], *, closely: bool = False
    ) -> Found:
        """Look for L labels in W windows."""
        features = torch.stack([window.features for window in windows])
        wanted = [self.index[several[0].annotation.label] for several in shots]
        asked = torch.tensor(wanted)[None].expand(len(windows), -1)
        heat = self.head.heat(features, asked)
        return Found(heat, {"judge": self.head.evidence(features, heat, asked)})


class FixedSetDetector(LearnedDetector):
    """A `LearnedDetector` that knows its points by name."""

    def __init__(self, model: KeypointModel, judges: Judges, config: LearnedConfig) -> None:
        self._names = FixedSetReader(model)
        super().__init__(model, self._names, judges, config)

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Add shots.

        Raises:
            InvalidInputError: a label that names no point of the set; none of the shots is added.
        """
        unknown = sorted({shot.label for shot in shots} - set(self._names.index))
        if unknown:
            raise InvalidInputError(f"{', '.join(unknown)}: not in the fixed set of named points")
        super().enroll(shots)


def make_fixed_set(settings: Mapping[str, Any]) -> FixedSetDetector:
    """The fixed set of a model.

    Args:
        settings: of `LearnedConfig`.

    Raises:
        ConfigurationError: a wrong setting.
        InvalidInputError: no such model, or it lacks the head.
        FileFormatError: the model is damaged.
    """
    config = LearnedConfig.from_mapping(settings, f"detector {NAME}")
    path = model_path(config.model)
    model, notes = load_model(path)
    fitted = (notes.get(CALIBRATION) or {}).get(NAME)
    judges = _UNFITTED if fitted is None else Judges.from_dict(fitted, str(path))
    return FixedSetDetector(model, judges, config)
