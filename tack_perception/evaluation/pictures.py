# SPDX-License-Identifier: Apache-2.0
"""The pictures of an evaluation: views of the sets, kept for a while, with occluders on request."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from tack_perception.correspondence import CorrespondenceSet, View
from tack_perception.evaluation.appearances import Appearance, Catalogue
from tack_perception.evaluation.occluders import Occluder, covered_view, make_occluder
from tack_perception.evaluation.probe import Probe
from tack_perception.frame import RGBDFrame

CLICKS, QUERIES = "clicks", "queries"
_KEPT = 24  # views in memory, about 8 MB each


class Pictures:
    """Views and frames by set and number.

    Args:
        queries, clicks: catalogues of the two sets; they may be the same.
        seed: of the occluders.
    """

    def __init__(self, queries: Catalogue, clicks: Catalogue, seed: int) -> None:
        self._catalogues = {QUERIES: queries, CLICKS: clicks}
        self._seed = seed
        self._views: OrderedDict[tuple[str, int], View] = OrderedDict()
        self._shown = {
            (one.view, one.thing): one for one in queries.appearances
        }  # what can be cut out

    def data(self, which: str) -> CorrespondenceSet:
        """The set, "clicks" or "queries"."""
        return self._catalogues[which].data

    def appearances(self, which: str, instance: str) -> list[Appearance]:
        """Where an instance can be clicked on in a set."""
        return [a for a in self._catalogues[which].appearances if a.instance == instance]

    def view(self, which: str, i: int) -> View:
        """A view of a set."""
        if self.data(which) is self.data(QUERIES):
            which = QUERIES
        key = (which, i)
        if key in self._views:
            self._views.move_to_end(key)
        else:
            self._views[key] = self.data(which).view(i)
            if len(self._views) > _KEPT:
                self._views.popitem(last=False)
        return self._views[key]

    def click(self, probe: Probe) -> RGBDFrame:
        """The frame that a probe's clicks are made on."""
        return frame_of(self.view(probe.clicked, probe.click_view))

    def further(self, probe: Probe) -> dict[int, RGBDFrame]:
        """The frames of its further shots, by their views."""
        views = dict.fromkeys(i for point in probe.points for i, _ in point.further)
        return {i: frame_of(self.view(probe.clicked, i)) for i in views}

    def query(self, probe: Probe, occlusion: int) -> RGBDFrame:
        """The frame that a probe searches."""
        return frame_of(self.query_view(probe, occlusion))

    def query_view(self, probe: Probe, occlusion: int) -> View:
        """The view of that frame."""
        view = self.view(QUERIES, probe.query_view)
        if not occlusion:
            return view
        occluder = self.occluder(probe.query_view, probe.query_thing, probe.number)
        return covered_view(view, probe.query_thing, occluder, occlusion / 100)[0]

    def occluder(self, query_view: int, thing: int, number: int) -> Occluder:
        """What covers an object, the same for all shares.

        Args:
            query_view, thing: the object.
            number: of the probe.
        """
        view = self.view(QUERIES, query_view)
        assert view.instance is not None, "an object that is covered has a mask"
        rng = np.random.default_rng([self._seed, 7, number])
        category = self._shown[query_view, thing].category
        donors = self._donors(category)
        if not donors:
            return make_occluder(view.instance == thing + 1, rng)
        donor_view, donor_thing = donors[int(rng.integers(len(donors)))]
        donor = self.view(QUERIES, donor_view)
        return make_occluder(view.instance == thing + 1, rng, donor, donor_thing)

    def _donors(self, category: str) -> list[tuple[int, int]]:
        """Objects of scenes without the class: an occluder must not show the searched class."""
        present = self._catalogues[QUERIES].present
        return [key for key in self._shown if category not in present[key[0]]]


def frame_of(view: View) -> RGBDFrame:
    """The frame that a camera would give: measured depth where the set has it, else the true one.

    Without either, depth is unknown everywhere.
    """
    depth: NDArray[np.float32] | None = view.depth if view.depth is not None else view.true_depth
    if depth is None:
        depth = np.full(view.color.shape[:2], np.nan, dtype=np.float32)
    return RGBDFrame(view.color, depth, view.intrinsics, 0, "camera")
