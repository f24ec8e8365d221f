# SPDX-License-Identifier: Apache-2.0
"""Which windows were looked at for which clicked objects, and how these lie there: done once each.

What the networks read is asked for through a function, so that this needs no torch.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.constellation import (
    FLOOR,
    Anchors,
    Posed,
    Prediction,
    Proposals,
    Weigh,
    by_facts,
    choose_anchors,
    pose,
    predict,
    propose,
)
from tack_perception.detectors.relief import Relief, relief_of, surface_at
from tack_perception.detectors.texture import (
    Matches,
    Texture,
    backing,
    matches_of,
    poses_of,
    texture_of,
)

if TYPE_CHECKING:
    from tack_perception.detectors.scene import Window

FloatArray = NDArray[np.float64]
LIKELY = 5
"""Poses that a point is carried along with, at the most."""
_MOST_MET = 4  # windows in which a clicked object is looked for
_MOST_READ = 2  # of them those whose texture is compared with its own
_UNLIKE = 0.5  # cosine by which a window's object is less like it than the likest: not looked for
_T = TypeVar("_T")


class Recogniser:
    """Finds clicked objects, as wholes, in windows.

    Args:
        look_for: (W, M, h, w) logarithms of the probability of places of the M anchors of the first
            window's object in W others.
        stride: of the heat maps, px.
        weigh: how likely poses are under which the object of the first window, with its anchors,
            lies in the second, with its relief.
        further: poses that are proposed otherwise, for a closer look.
    """

    def __init__(
        self,
        look_for: Callable[[Window, Anchors, Sequence[Window]], NDArray[np.float32]],
        stride: int,
        weigh: Callable[[Window, Anchors, Window, Relief], Weigh] | None = None,
        further: Callable[[Window, Anchors, Window], Sequence[Proposals]] | None = None,
    ) -> None:
        self._look_for, self._stride = look_for, stride
        self._weigh, self._further = weigh or (lambda *_: by_facts), further or (lambda *_: ())
        self._anchors: weakref.WeakKeyDictionary[Window, Anchors | None] = (
            weakref.WeakKeyDictionary()
        )
        self._met: _ByWindows[Proposals] = _ByWindows()
        self._posed: _ByWindows[Posed] = _ByWindows()
        self._matched: _ByWindows[Matches] = _ByWindows()
        self._spots: _ByWindows[float] = _ByWindows()
        self._reliefs: weakref.WeakKeyDictionary[Window, Relief] = weakref.WeakKeyDictionary()
        self._textures: weakref.WeakKeyDictionary[Window, Texture] = weakref.WeakKeyDictionary()

    def anchors(self, clicked: Window) -> Anchors | None:
        """Points of a clicked object; None where it shows too few to be known by them."""
        if clicked not in self._anchors:
            self._anchors[clicked] = choose_anchors(clicked, self._stride)
        return self._anchors[clicked]

    def heats(self, clicked: Window, windows: Sequence[Window]) -> FloatArray:
        """(W,) how well the points of a clicked object are found in windows, `FLOOR` to 0.

        Windows that were passed over for likelier ones of their frame stay so when they are asked
        about by themselves: what is told of a window must not hang on who asks.
        """
        anchors, met = self.anchors(clicked), self._met.of(clicked)
        new = [window for window in windows if window not in met]
        unmet = _likest(clicked, new)
        if unmet and anchors is not None:
            for window, maps in zip(unmet, self._look_for(clicked, anchors, unmet), strict=True):
                met[window] = propose(anchors, window, maps)
            found = [window for window in unmet if met[window] is not None]
            best = sorted(found, key=lambda window: -_heat(met[window]))
            for window in best[:_MOST_READ]:
                matches = self._match(clicked, anchors, window)
                counts = backing(matches, poses_of(matches, anchors.size), anchors.size)
                self._spots.of(clicked)[window] = float(counts.max(initial=0))
        for window in windows:
            met.setdefault(window, None)
        return np.array([_heat(met.get(window)) for window in windows])

    def spots(self, clicked: Window, windows: Sequence[Window]) -> FloatArray:
        """(W,) how many spots of a clicked object's texture agree on how it lies in windows.

        Of windows that were asked about in `heats`; in others than the best of them, 0.
        """
        known = self._spots.of(clicked)
        return np.array([known.get(window) or 0.0 for window in windows])

    def predict(self, clicked: Window, window: Window, pixels: FloatArray) -> Prediction | None:
        """Where points of a clicked object are in a window that was asked about in `heats`.

        Args:
            clicked: the window of the clicks.
            window: the other window.
            pixels: (L, 2) of the clicks, px of their window's picture.

        Returns:
            What the likeliest poses say; None where the object was not found.
        """
        anchors, met = self._anchors.get(clicked), self._met.of(clicked).get(window)
        if anchors is None or met is None:
            return None
        posed = self._posed.of(clicked)
        known = posed.get(window)
        if known is None:
            matches, relief = self._match(clicked, anchors, window), self._relief(window)
            weigh = self._weigh(clicked, anchors, window, relief)
            proposals = [met, *self._further(clicked, anchors, window)]
            found = pose(window, relief, proposals, matches, weigh)
            known = posed[window] = found.likeliest(LIKELY)
        return predict(anchors, window, known, surface_at(clicked, anchors.relief, pixels))

    def _match(self, clicked: Window, anchors: Anchors, window: Window) -> Matches:
        """Spots of texture of a clicked object in a window."""
        matched = self._matched.of(clicked)
        known = matched.get(window)
        if known is None:
            for one, its in ((clicked, anchors.relief), (window, self._relief(window))):
                if one not in self._textures:
                    self._textures[one] = texture_of(one, its)
            known = matches_of(self._textures[clicked], self._textures[window])
            matched[window] = known
        return known

    def _relief(self, window: Window) -> Relief:
        if window not in self._reliefs:
            self._reliefs[window] = relief_of(window)
        return self._reliefs[window]


def _heat(proposals: Proposals | None) -> float:
    return FLOOR if proposals is None else float(proposals.heat.max())


class _ByWindows(Generic[_T]):
    """What is known of pairs of windows, for as long as both are in use."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[
            Window, weakref.WeakKeyDictionary[Window, _T | None]
        ] = weakref.WeakKeyDictionary()

    def of(self, window: Window) -> weakref.WeakKeyDictionary[Window, _T | None]:
        """By the second window."""
        return self._known.setdefault(window, weakref.WeakKeyDictionary())


def _likest(clicked: Window, windows: Sequence[Window]) -> list[Window]:
    """The windows whose objects may be the clicked one: looking for it in all takes long."""
    alike = {window: float(clicked.embedding @ window.embedding) for window in windows}
    found = sorted((one for one in windows if one.found), key=lambda one: -alike[one])
    return [one for one in found[:_MOST_MET] if alike[one] >= alike[found[0]] - _UNLIKE]
