# SPDX-License-Identifier: Apache-2.0
"""TACK at run time: a click is a code, a code is looked for in every window."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.adam import adam

from tack_perception.detectors.learned import Found, Shot
from tack_perception.detectors.scene import OncePerWindow, Window
from tack_perception.detectors.surrounded import FACTS, Surrounded
from tack_perception.errors import InvalidInputError
from tack_perception.learning.losses import heat_cross_entropy
from tack_perception.networks.model import KeypointModel
from tack_perception.networks.tack import Ground, TackHead

FloatArray = NDArray[np.float64]
ADAPTATION_STEPS = 20
_ADAPTATION_RATE = 0.05
_CODE_LIMIT = 0.999
_BLUR = 1.0  # cells: the middle of a broad peak, not its highest cell, is where a code is found
_SURE = 0.05  # a cell's probability where a code is found for sure, after that
_SOFT = 0.35  # exponent of what is less probable


class TackReader:
    """Codes of the clicks, decoded on each window.

    Several shots of a label: their codes' mean, adapted to all of the clicks at once by a few
    gradient steps on the code alone; so few numbers cannot be over-fitted. A model that looks at
    frames as a whole is asked for what surrounds the clicks as well.

    Args:
        model: with TACK's head.
        adapt: whether codes of several shots are adapted.

    Raises:
        InvalidInputError: the model has no such head.
    """

    def __init__(self, model: KeypointModel, *, adapt: bool = True) -> None:
        if model.tack is None:
            raise InvalidInputError("this model has no TACK head: train one with --method tack")
        self.head: TackHead = model.tack
        self.adapt = adapt
        self._around = Surrounded.of(model, self.describe, self.likeness)
        self.closer = frozenset[str]() if self._around is None else FACTS
        self._ground = OncePerWindow(self.head.ground)
        # By the newest shot: those before it, and the code of all. It goes with that shot.
        self._codes: weakref.WeakKeyDictionary[Shot, tuple[list[Shot], Tensor]]
        self._codes = weakref.WeakKeyDictionary()

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Any]:
        """The code of a click, and in a whole frame those of what surrounds it."""
        point = self.point(window, pixel)
        return point if self._around is None else point | self._around.read(window, pixel)

    def point(self, window: Window, pixel: FloatArray) -> dict[str, Any]:
        """The code of a click alone."""
        return {"code": self.describe(window, pixel[None])[0]}

    def describe(self, window: Window, pixels: NDArray[np.floating]) -> Tensor:
        """(N, K) codes of (N, 2) px of a window's picture."""
        points = torch.as_tensor(pixels, dtype=torch.float32, device=window.features.device)
        return self.head.codes(window.features[None], points[None])[0]

    def likeness(self, codes: Tensor, window: Window, every: int = 1) -> NDArray[np.float32]:
        """(N, h, w) of (N, K) codes to a window's cells, 0 to 1: how probable beside a sure one."""
        ground = self.ground([window])
        heat = self.head.heat_on(ground if every == 1 else ground.halved(), codes[None])[0]
        chance = heat.flatten(1).softmax(1).reshape(heat.shape).cpu().numpy()
        for one in chance:
            cv2.GaussianBlur(one, (0, 0), _BLUR / every, dst=one)
        sure = np.float32(_SURE * every**2)
        likeness: NDArray[np.float32] = np.minimum(chance / sure, 1) ** _SOFT
        return likeness

    def ground(self, windows: Sequence[Window]) -> Ground:
        """What kernels read of windows."""
        return Ground(*self._ground(windows))

    def prepare(self, shots: Sequence[Shot]) -> None:
        """Adapt the code of a label."""
        self.code(shots)

    def code(self, shots: Sequence[Shot]) -> Tensor:
        """(K,) the code of a label."""
        if len(shots) == 1:
            code: Tensor = shots[0].what["code"]
            return code
        *before, newest = shots
        held = self._codes.get(newest)
        if held is None or held[0] != before:
            mean = torch.stack([shot.what["code"] for shot in shots]).mean(0)
            held = before, adapted(self.head, mean, shots) if self.adapt else mean
            self._codes[newest] = held
        return held[1]

    def find(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], *, closely: bool = False
    ) -> Found:
        """Look for L labels in W windows."""
        features = torch.stack([window.features for window in windows])
        codes = torch.stack([self.code(several) for several in shots])
        codes = codes[None].expand(len(windows), -1, -1)
        heat = self.head.heat_on(self.ground(windows), codes)
        seen, depth = self.head.evidence(features, codes, heat)
        evidence = {"judge": seen, "behind": depth}
        if self._around is not None and closely:
            heat, told = self._around.find(shots, windows, heat)
            evidence |= told
        return Found(heat, evidence)


def adapted(head: TackHead, code: Tensor, shots: Sequence[Shot]) -> Tensor:
    """A code made to fit several clicks: gradient steps on the code alone (methods.md 1.3, 5).

    Args:
        head: TACK's.
        code: (K,) to start from.
        shots: the clicks.

    Returns:
        (K,) code; the start itself where the steps made it no better.
    """
    features = torch.stack([shot.window.features for shot in shots]).clone()
    points = torch.as_tensor(
        np.stack([shot.pixel for shot in shots]), dtype=torch.float32, device=features.device
    )[:, None]
    with torch.inference_mode(False), torch.enable_grad():
        free = torch.atanh(code.clone().clamp(-_CODE_LIMIT, _CODE_LIMIT)).requires_grad_()
        features = features.clone()
        mean, square, steps = torch.zeros_like(free), torch.zeros_like(free), torch.zeros(())
        first, best, kept = float("inf"), float("inf"), code
        for step in range(ADAPTATION_STEPS + 1):
            now = torch.tanh(free)
            heat = head.heat(features, now.expand(len(shots), 1, -1))
            loss = heat_cross_entropy(heat, points, head.stride).mean()
            value = loss.item()
            first = value if step == 0 else first
            if value < best:
                best, kept = value, now.detach().clone()
            (gradient,) = torch.autograd.grad(loss, free)
            # Not `torch.optim.Adam`: that loads torch's compiler first, 1 to 2 s at a second click.
            adam(
                [free.detach()], [gradient], [mean], [square], [], [steps],
                lr=_ADAPTATION_RATE, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
                amsgrad=False, maximize=False,
            )  # fmt: skip
    return kept if best < first else code
