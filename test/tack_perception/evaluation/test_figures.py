# SPDX-License-Identifier: Apache-2.0
"""Figures of trials that are made up, so that they follow from arithmetic."""

import json
import math

import numpy as np
import pytest

from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.acceptance import acceptance, roc, threshold_of_recall
from tack_perception.evaluation.bootstrap import Interval, Resampler
from tack_perception.evaluation.calibration import ellipses, reliability, squared_mahalanobis
from tack_perception.evaluation.columns import make_columns, plain
from tack_perception.evaluation.comparison import difference
from tack_perception.evaluation.figures import figures
from tack_perception.evaluation.trials import PointTrial, to_lines


def trial(**changes) -> PointTrial:
    """A seen point of the same instance, answered 5 px beside the truth."""
    values = {
        "detector": "d", "probe": 0, "relation": "same", "natural": True, "category": "mug",
        "label": "mug.rim", "kind": "named", "clicked": "queries", "click_view": 0,
        "query_view": 1, "occlusion": 0, "state": "seen", "working": False, "angle_deg": 20.0,
        "clutter": 0.1, "box_px": 80.0, "truth": (100.0, 100.0), "answer": (103.0, 104.0),
        "confidence": 0.8,
        "accepted": True, "covariance": (4.0, 0.0, 4.0), "error_m": 0.002, "refusal": "",
    }  # fmt: skip
    values |= changes
    values.setdefault("believed", values["confidence"])
    distance = float(np.hypot(*np.subtract(values["answer"], values["truth"])))
    values.setdefault("error_px", distance)
    values.setdefault("equivalent_px", values["error_px"])
    return PointTrial(**values)


def at(distance, **changes):
    return trial(answer=(100.0 + distance, 100.0), **changes)


def test_figures_of_known_errors():
    refused = trial(
        probe=4, answer=(math.nan, math.nan), error_px=math.inf, equivalent_px=math.inf,
        accepted=False, error_m=math.nan, refusal="no texture",
    )  # fmt: skip
    trials = [at(1), at(4, probe=1), at(9, probe=2, equivalent_px=1.0), at(30, probe=3), refused]
    found = figures(trials)
    assert (found.trials, found.pairs) == (5, 5)
    assert found.median_px.value == 9
    assert {limit: share.hits for limit, share in found.pck.items()} == {2: 1, 5: 2, 10: 3, 20: 3}
    assert found.pck_box.hits == 2  # a tenth of 80 px
    assert found.auc.value == pytest.approx((0.95 + 0.8 + 0.55) / 5)
    assert found.rms_px.value == pytest.approx(math.sqrt((1 + 16 + 81 + 900 + 100**2) / 5))
    assert (found.refused.hits, found.accepted.hits) == (1, 4)
    assert found.equivalent_px.value == 4
    assert found.equivalent_pck[2].hits == 2
    assert found.quantiles_px[0.9] == math.inf
    assert found.lifted == 4
    assert found.lifted_m.value == pytest.approx(0.002)
    written = json.dumps(found.as_dict(), allow_nan=False)
    assert json.loads(written)["pck"]["10"]["hits"] == 3
    with pytest.raises(InvalidInputError, match="not there"):
        figures([trial(error_px=math.nan)])


def test_no_trials_give_no_figures():
    found = figures([])
    assert found.trials == 0
    assert math.isnan(found.median_px.value)
    assert found.median_px.text() == "-"
    assert math.isnan(acceptance([], []).auc)
    assert ellipses([]).trials == 0
    assert reliability([]).trials == 0


def test_trials_become_lines_of_json():
    lines = to_lines([trial(), trial(truth=(math.nan, math.nan), covariance=None)])
    first, second = (json.loads(line) for line in lines.splitlines())
    assert first["answer"] == [103.0, 104.0]
    assert first["error_px"] == 5
    assert second["truth"] == [None, None]
    assert second["covariance"] is None


def test_an_interval_widens_when_points_of_a_pair_agree():
    rng = np.random.default_rng(0)
    alone = rng.normal(size=400)
    together = np.repeat(rng.normal(size=40), 10)
    for figure in ("mean", "median"):
        free = getattr(Resampler(np.arange(400)), figure)(alone)
        tied = getattr(Resampler(np.repeat(np.arange(40), 10)), figure)(together)
        assert free.low < free.value < free.high
        assert tied.high - tied.low > 2 * (free.high - free.low)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 3)
    held = {"mean": 0, "median": 0}
    for _ in range(100):
        values = np.repeat(rng.normal(size=60), 3) + 0.3 * rng.normal(size=180)
        for figure in held:
            found = getattr(Resampler(groups, rounds=200), figure)(values)
            held[figure] += found.low <= 0 <= found.high
    for hits in held.values():
        assert 0.86 <= hits / 100 <= 0.99


def test_resampling_is_the_same_by_seed_and_counts_what_was_not_found():
    values, groups = [1.0, 2.0, 3.0, math.inf], [0, 1, 2, 3]
    one, again, other = (Resampler(groups, seed).median(values) for seed in (0, 0, 1))
    assert one == again
    assert one.value == other.value == 2
    assert one.high == math.inf
    assert one.text() == "2.0 [1.0, ∞]"
    single = Resampler([7, 7, 7]).median([1.0, 2.0, 3.0])
    assert single.text() == "2.0"
    assert math.isnan(single.low)
    assert Interval(0.5, 0.25, 1).text(0, 100) == "50 [25, 100]"
    with pytest.raises(InvalidInputError, match="3 values, 4 groups"):
        Resampler(groups).mean([1, 2, 3])


def test_columns_take_what_they_should():
    columns = {column.key: column for column in make_columns((40,), frozenset({0}))}
    cases = {
        "same": trial(),
        "new_surface": trial(relation="new", kind="surface"),
        "viewpoint_60_90": trial(angle_deg=75, natural=False),
        "viewpoint_90_180": trial(angle_deg=180),
        "same_occlusion_40": trial(occlusion=40),
        "same_covered_40": trial(occlusion=40, state="covered"),
        "new_hidden": trial(relation="new", state="hidden"),
        "same_clutter_2": trial(clutter=7),
        "self": trial(relation="self"),
        "new_working": trial(relation="new", natural=False, working=True),
    }
    held = {
        name: {key for key, column in columns.items() if column.holds(one)}
        for name, one in cases.items()
    }
    assert all(name in keys for name, keys in held.items())
    assert held["viewpoint_60_90"] == {"viewpoint_60_90", "same_occlusion_0"}
    assert held["same_covered_40"] == {"same_covered_40"}
    assert held["same"] == {
        "same", "viewpoint_0_30", "same_occlusion_0", "same_named", "same_clutter_0",
    }  # fmt: skip
    assert not make_columns((), frozenset())[5].holds(trial(relation="absent", state="absent"))


def test_thresholds_of_acceptance():
    seen = [trial(confidence=c) for c in (0.2, 0.5, 0.6, 0.7, 0.8, 0.8, 0.9, 0.9, 0.95, 1.0)]
    others = [
        trial(state="hidden", confidence=0.1, accepted=False),
        trial(state="hidden", confidence=0.55, answer=(100.0, 150.0)),
        trial(state="absent", confidence=0.3, truth=(math.nan,) * 2, error_px=math.nan),
    ]
    found = acceptance(seen, others)
    assert found.threshold_at_recall == 0.5
    assert (found.wrong_at_recall.hits, found.wrong_at_recall.trials) == (1, 3)
    assert found.recall_at_wrong.hits == 8  # all above 0.55
    assert found.right_at_wrong.hits == 8
    assert (found.wrong_accept.hits, found.astray.hits) == (2, 2)
    assert found.auc == pytest.approx((9 + 8 + 10) / 30)
    assert found.curve[0] == (0, 0)
    assert found.curve[-1] == (1, 1)


def test_equal_confidences_are_accepted_together():
    assert threshold_of_recall([0.5] * 10, 0.9) == 0.5
    assert roc([0.5] * 4, [0.5] * 2) == ((0.0, 0.0), (1.0, 1.0))
    found = acceptance([trial(confidence=0.5)] * 4, [trial(confidence=0.5, state="hidden")] * 2)
    assert found.recall_at_wrong.hits == 0
    assert found.wrong_at_recall.hits == 2
    assert found.auc == 0.5


def test_what_is_accepted_goes_by_belief_not_by_confidence_in_the_pixel():
    seen = [trial(confidence=0.1, believed=0.9), trial(confidence=0.9, believed=0.8)]
    others = [trial(confidence=0.5, believed=0.2, state="hidden")] * 2
    assert acceptance(seen, others).auc == 1


def test_reliability_by_bins():
    trials = [
        trial(confidence=0.95),
        trial(confidence=0.95, answer=(200.0, 100.0)),
        trial(confidence=0.05, state="hidden"),
        trial(confidence=1.0),
    ]
    found = reliability(trials)
    assert (found.right[9].hits, found.right[9].trials) == (2, 3)
    assert (found.right[0].hits, found.right[0].trials) == (0, 1)
    assert found.stated[9] == pytest.approx((0.95 + 0.95 + 1) / 3)
    assert math.isnan(found.stated[5])


def test_ellipses_of_known_errors():
    assert squared_mahalanobis([[3, 4]], [[4, 0, 4]])[0] == pytest.approx(25 / 4, rel=1e-5)
    tilted = squared_mahalanobis([[1, 1], [1, -1]], [[2, 1, 2], [2, 1, 2]])
    assert tilted == pytest.approx([2 / 3, 2], rel=1e-5)
    found = ellipses([trial(), trial(covariance=None), trial(state="hidden")], within_px=20)
    assert (found.trials, found.without) == (1, 1)
    assert found.nees == pytest.approx(25 / 4, rel=1e-5)
    assert found.inside[0.9].hits == 0
    assert ellipses([trial()], within_px=2).trials == 0


def test_differences_are_over_the_same_questions():
    one = [at(1, probe=i, label=f"p{i}") for i in range(20)]
    other = [at(12 if i % 2 else 2, probe=i, label=f"p{i}") for i in range(20)]
    found = difference(one, other)
    assert found.pck.value == 0.5
    assert found.pck.low > 0.2
    assert found.capped_px.value == -6
    assert found.median_ratio.value == 0.5
    assert found.pairs == 20
    with pytest.raises(InvalidInputError, match="same trials"):
        difference(one, other[:-1])


def test_plain_trials_are_without_occluder():
    assert plain("same")(trial())
    assert not plain("same")(trial(occlusion=20))
    assert not plain("same")(trial(natural=False))
