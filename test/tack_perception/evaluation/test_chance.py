# SPDX-License-Identifier: Apache-2.0
"""Every figure gives a guesser the score of chance, and one that sees a better one."""

import math

import numpy as np
import pytest
from scipy import stats

from tack_perception.camera import CameraIntrinsics
from tack_perception.evaluation.acceptance import acceptance, cases
from tack_perception.evaluation.calibration import ellipses, reliability
from tack_perception.evaluation.chance import CHANCE, UniformGuess, UniformOnObject
from tack_perception.evaluation.columns import covered_pairs, make_columns
from tack_perception.evaluation.comparison import difference, occlusion_ratio
from tack_perception.evaluation.figures import AUC_PX, RMS_CAP_PX, figures
from tack_perception.evaluation.plan import make_plan
from tack_perception.evaluation.probe import ProtocolConfig
from tack_perception.evaluation.protocol import run
from tack_perception.frame import RGBDFrame

from .conftest import ColorDetector
from .test_figures import trial

WIDTH, HEIGHT = 640, 480
AREA = WIDTH * HEIGHT


def guesses(count, make=UniformGuess, box=None, truth=None):
    """Trials of guesses over an empty 640×480 frame, the truths anywhere inside."""
    camera = CameraIntrinsics(WIDTH, HEIGHT, 600, 600, 320, 240)
    frame = RGBDFrame(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        np.full((HEIGHT, WIDTH), np.nan, np.float32),
        camera, 0, "camera",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    detector = make(0)
    detector._labels = dict.fromkeys(f"p{i}" for i in range(count))
    if box is not None:
        detector.tell(box)
    made = []
    for i, keypoint in enumerate(detector.detect(frame)):
        place = rng.uniform((0, 0), (WIDTH, HEIGHT)) if truth is None else np.array(truth)
        c = keypoint.pixel_covariance
        made.append(
            trial(
                probe=i // 100,  # as if of few pairs: resampling is then quick
                truth=tuple(place),
                answer=(keypoint.u, keypoint.v),
                confidence=keypoint.confidence,
                accepted=keypoint.visible,
                covariance=(c[0, 0], c[0, 1], c[1, 1]),
            )
        )
    return made


@pytest.fixture(scope="module")
def inner():
    """Truths 100 px or more from the border: no circle of the figures is cut off."""
    return [
        t
        for t in guesses(30_000)
        if 100 < t.truth[0] < WIDTH - 100 and 100 < t.truth[1] < HEIGHT - 100
    ]


def test_pck_of_a_guess_is_the_share_of_the_area(inner):
    found = figures(inner)
    for limit, share in found.pck.items():
        assert share.low <= math.pi * limit**2 / AREA <= share.high
    assert found.auc.low <= math.pi * AUC_PX**2 / 3 / AREA <= found.auc.high
    side = 80.0  # of the box of `trial`
    assert found.pck_box.low <= math.pi * (0.1 * side) ** 2 / AREA <= found.pck_box.high


def test_median_and_rms_of_a_guess_are_those_of_the_square(inner):
    rng = np.random.default_rng(5)
    size = (WIDTH, HEIGHT)
    truths = rng.uniform((100, 100), (WIDTH - 100, HEIGHT - 100), (200_000, 2))
    distance = np.linalg.norm(rng.uniform((0, 0), size, truths.shape) - truths, axis=1)
    found = figures(inner)
    assert found.median_px.value == pytest.approx(np.median(distance), rel=0.02)
    capped = np.minimum(distance, RMS_CAP_PX)
    assert found.rms_px.value == pytest.approx(np.sqrt((capped**2).mean()), rel=0.01)


def test_confidence_of_a_guess_tells_nothing(inner):
    half = len(inner) // 2
    hidden = [trial(**{**t.__dict__, "state": "hidden"}) for t in inner[half:]]
    found = acceptance(inner[:half], hidden)
    assert found.auc == pytest.approx(0.5, abs=0.02)
    assert found.wrong_at_recall.value == pytest.approx(0.9, abs=0.02)
    assert found.recall_at_wrong.value == pytest.approx(0.01, abs=0.005)
    assert found.recall.value == pytest.approx(0.5, abs=0.02)
    assert found.wrong_accept.value == pytest.approx(0.5, abs=0.02)
    curve = np.array(found.curve)
    assert np.abs(curve[:, 0] - curve[:, 1]).max() < 0.04
    # Right by chance once in a thousand, but half sure on average.
    assert reliability(inner).error == pytest.approx(0.5, abs=0.01)


def test_covariance_of_a_guess_is_honest():
    found = ellipses(guesses(20_000))
    assert found.nees == pytest.approx(2, rel=0.02)
    assert found.trials == 20_000
    # The distance of two uniform pixels is no Gaussian, but near enough for these.
    assert found.inside[0.5].value == pytest.approx(0.5, abs=0.05)
    assert found.inside[0.9].value == pytest.approx(0.9, abs=0.05)


def test_a_gaussian_covariance_is_judged_by_chi_square():
    rng = np.random.default_rng(2)
    covariance = np.array([[9.0, 4.0], [4.0, 5.0]])
    truth = np.array([320.0, 240.0])
    answers = rng.multivariate_normal(truth, covariance, 10_000)
    honest, bold = (
        ellipses(
            [
                trial(
                    probe=i, truth=tuple(truth), answer=tuple(a), covariance=(9 / k, 4 / k, 5 / k)
                )
                for i, a in enumerate(answers)
            ]
        )
        for k in (1, 4)
    )
    assert honest.nees == pytest.approx(2, rel=0.05)
    assert honest.median == pytest.approx(stats.chi2(2).median(), rel=0.05)
    assert honest.inside[0.9].low <= 0.9 <= honest.inside[0.9].high
    assert max(honest.histogram) < 0.12
    assert honest.sigma_px == pytest.approx((9 * 5 - 16) ** 0.25)
    assert bold.nees == pytest.approx(8, rel=0.05)
    assert bold.inside[0.9].value == pytest.approx(stats.chi2(2).cdf(4.605 / 4), abs=0.02)


def test_a_guess_on_the_object_knows_its_box():
    box = (300.0, 200.0, 380.0, 280.0)
    found = figures(guesses(5_000, UniformOnObject, box, truth=(340, 240)))
    assert found.pck[20].low <= math.pi * 400 / 6400 <= found.pck[20].high
    cut = guesses(200, UniformOnObject, (-50.0, 400.0, 40.0, 500.0))
    answers = np.array([t.answer for t in cut])
    assert (answers >= -0.5).all()
    assert answers[:, 0].max() < 40
    assert answers[:, 1].max() < HEIGHT - 0.5
    nowhere = np.array([t.answer for t in guesses(500, UniformOnObject)])
    assert nowhere.std(axis=0) == pytest.approx(np.array([WIDTH, HEIGHT]) / 12**0.5, rel=0.1)


@pytest.fixture(scope="module")
def answered(blocks):
    plan = make_plan(blocks, config=ProtocolConfig(trials=30))
    searched = []
    makers = {"color": ColorDetector, **{n: lambda n=n: CHANCE[n](0) for n in CHANCE}}
    found = {name: run(plan, make, name, searched.append) for name, make in makers.items()}
    assert sum(searched) == 3 * plan.queries
    return {name: trials for name, (trials, _) in found.items()}, found["color"][1]


def test_in_every_column_looking_beats_guessing_on_the_object_beats_guessing(answered):
    trials, _ = answered
    columns = make_columns((20, 40, 60), covered_pairs(trials["color"]))
    filled = [
        c
        for c in columns
        if c.of(trials["color"])
        and c.group != "clutter"
        and "hidden" not in c.key
        and "covered" not in c.key
    ]
    assert len(filled) > 14
    for column in filled:
        by_name = {name: figures(column.of(some)) for name, some in trials.items()}
        names = ("color", "random-on-object", "random")
        seeing, told, blind = (by_name[n].median_px.value for n in names)
        assert seeing < 4 < told < blind, column.key
        assert by_name["color"].pck[5].value > 0.7, column.key
        assert by_name["color"].refused.hits == 0


def test_the_protocol_tells_seen_from_hidden_and_absent(answered):
    trials, _ = answered
    for name, low, high in (("color", 0.85, 1.0), ("random", 0.3, 0.7)):
        for title, (seen, others) in cases(trials[name]).items():
            yes, no = ([t for t in trials[name] if holds(t)] for holds in (seen, others))
            assert len(no) >= 20, title
            assert low <= acceptance(yes, no).auc <= high, (name, title)
    absent = [t for t in trials["color"] if t.relation == "absent"]
    assert len(absent) >= 30
    assert all(math.isnan(t.error_px) for t in absent)


def test_seeing_is_better_than_guessing_beyond_the_interval(answered):
    trials, _ = answered
    column = make_columns((), frozenset())[0]
    seeing, blind = (column.of(trials[name]) for name in ("color", "random"))
    found = difference(seeing, blind)
    assert found.pck.low > 0.5
    assert found.capped_px.high < -30
    assert found.median_ratio.high < 0.2
    same = difference(blind, blind)
    assert (same.pck.value, same.pck.low, same.pck.high) == (0, 0, 0)


def test_points_that_stay_free_are_found_as_before(answered):
    trials, _ = answered
    ratio = occlusion_ratio(trials["color"], "same", 40, seed=0)
    assert 0.8 < ratio.value < 1.3
    assert ratio.low <= ratio.value <= ratio.high


def test_answers_are_lifted_where_there_is_depth(answered):
    trials, speed = answered
    seen = [t for t in trials["color"] if t.relation == "self" and t.error_px < 1]
    lifted = np.array([t.error_m for t in seen if math.isfinite(t.error_m)])
    assert len(lifted) > 0.5 * len(seen)
    assert np.median(lifted) < 0.003
    assert all(t.refusal for t in seen if math.isnan(t.error_m))
    assert len(speed.detect_s) == len(speed.labels)
    assert max(speed.labels) <= 16
    assert speed.peak_bytes > speed.added_bytes >= 0
