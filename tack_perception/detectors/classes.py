# SPDX-License-Identifier: Apache-2.0
"""What a model knows of a clicked object's class tells how the object lies in another window.

Two heads have learned it: the fixed set finds points of the class that have names, more surely than
the others find a click, and the object head says where on its object each cell lies.
"""

from __future__ import annotations

import dataclasses
import math
import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception.detectors.constellation import Anchors, Proposals, propose
from tack_perception.detectors.relief import points_of
from tack_perception.detectors.scene import Window
from tack_perception.errors import InvalidInputError
from tack_perception.networks.model import KeypointModel
from tack_perception.networks.sampling import log_probabilities, peaks, to_pixels

_SEEN = 0.5  # probability from which a named point is taken to be seen
_FEWEST = 3  # points that fix how a thing lies


class Classes:
    """The classes of a model.

    Args:
        model: with an object head; with a fixed set poses can be proposed.

    Raises:
        InvalidInputError: it has no object head.
    """

    def __init__(self, model: KeypointModel) -> None:
        if model.objects is None:
            raise InvalidInputError("classes are told by the object head, which this model lacks")
        self._sparse, self._objects, self._stride = model.sparse, model.objects, model.stride
        points = [one.split("/")[0] for one in model.config.points]
        self._numbers = [
            torch.tensor([n for n, kind in enumerate(points) if kind == name], dtype=torch.int64)
            for name in model.config.classes
        ]
        self._known: weakref.WeakKeyDictionary[Window, _Known | None] = weakref.WeakKeyDictionary()

    def places(self, window: Window) -> NDArray[np.float32]:
        """(12, h, w) where on the object each cell lies, as a descriptor of unit length.

        Each of three coordinates, of -1 to 1 in the object's own box, as two waves: the product of
        two descriptors falls with the distance of the places.
        """
        places = self._objects(window.features[None])[2][0, self._kind(window)]
        angles = places.clamp(-1.5, 1.5) * (math.pi / 2)
        several = [wave(angles * times) for times in (1, 2) for wave in (torch.sin, torch.cos)]
        told: NDArray[np.float32] = (torch.cat(several) / math.sqrt(6)).cpu().numpy()
        return told

    def propose(self, clicked: Window, anchors: Anchors, window: Window) -> Proposals | None:
        """Poses of the object of the first window, with its anchors, in the second.

        Returns:
            Proposals by the named points of its class that are seen in the first window, where
            depth is known; None where these are fewer than three, or none fits.
        """
        if clicked not in self._known:
            self._known[clicked] = self._read(clicked, anchors)
        known = self._known[clicked]
        if known is None:
            return None
        maps = log_probabilities(self._heat(window, known.numbers)).cpu().numpy()
        return propose(known.anchors, window, maps)

    def _kind(self, window: Window) -> int:
        device = self._objects.prototypes.device
        return int(self._objects.classes(window.embedding.to(device)).argmax())

    def _read(self, window: Window, anchors: Anchors) -> _Known | None:
        """The named points that a window shows."""
        kind = self._kind(window)
        if self._sparse is None or kind >= len(self._numbers):
            return None
        numbers = self._numbers[kind].to(window.features.device)
        if len(numbers) < _FEWEST:
            return None
        heat = self._heat(window, numbers)[None]
        seen = self._sparse.evidence(window.features[None], heat, numbers[None])[0].sigmoid()
        pixels = to_pixels(peaks(heat)[0], self._stride)[0].cpu().numpy().astype(np.float64)
        points = points_of(window.frame, window.crop.to_image(pixels))
        shown = (seen > _SEEN).cpu().numpy() & np.isfinite(points).all(axis=1)
        if shown.sum() < _FEWEST:
            return None
        mine = dataclasses.replace(anchors, pixels=pixels[shown], points=points[shown])
        return _Known(numbers[torch.from_numpy(shown).to(numbers.device)], mine)

    def _heat(self, window: Window, numbers: Tensor) -> Tensor:
        """(M, h, w) logits of named points in a window."""
        assert self._sparse is not None
        return self._sparse.heat(window.features[None], numbers[None])[0]


@dataclasses.dataclass(frozen=True, eq=False)
class _Known:
    """Named points of a clicked object: their numbers in the fixed set, and where they are."""

    numbers: Tensor
    anchors: Anchors
