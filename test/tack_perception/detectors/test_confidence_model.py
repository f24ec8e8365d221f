# SPDX-License-Identifier: Apache-2.0
"""What answers are worth: fitted where the truth is known, kept on disk, refused when damaged."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tack_perception.detectors.confidence_model import Evidence, Judges, Logistic
from tack_perception.errors import FileFormatError

JUDGES = Judges(
    Logistic(("a", "b"), (1.0, -2.0), 0.5),
    Logistic(("a",), (3.0,), -1.0),
    Logistic(("b",), (1.0,), 0.0),
    threshold=0.6, factor=2.0, floor_px=1.5,
)  # fmt: skip


def evidence():
    facts = {"a": np.array([[1.0, -1.0]]), "b": np.array([[0.0, 2.0]])}
    return Evidence(np.array([[[3.0, 4.0], [5.0, 6.0]]]), np.tile(np.eye(2), (1, 2, 1, 1)), facts)


def test_probabilities_are_those_of_the_formula():
    judged = JUDGES.judge(evidence())
    assert judged.presence[0] == pytest.approx([1 / (1 + math.exp(-1.5)), 1 / (1 + math.exp(4.5))])
    assert judged.seen[0, 0] == pytest.approx(1 / (1 + math.exp(-2)))
    assert judged.visible[0].tolist() == [True, False]
    assert judged.covariances[0, 0] == pytest.approx(np.eye(2) * (2 + 1.5**2))


def test_before_anything_was_fitted_nothing_is_known():
    judged = Judges().judge(evidence())
    for one in (judged.presence, judged.seen, judged.confidence):
        assert one.tolist() == [[0.5, 0.5]]


def test_a_calibration_for_another_version_is_refused_by_name():
    other = Judges(Logistic(("a", "consensus"), (1.0, 1.0), 0.0))
    for ask in (other.recognise, other.judge):
        with pytest.raises(FileFormatError, match=r"consensus.*tack train"):
            ask(evidence())


def test_a_first_look_tells_what_a_closer_one_does():
    assert JUDGES.recognise(evidence()).tolist() == JUDGES.judge(evidence()).presence.tolist()


def test_what_was_written_is_read():
    assert Judges.from_dict(JUDGES.as_dict(), "here") == JUDGES
    assert Judges.from_dict(Judges().as_dict(), "here") == Judges()


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": math.nan}, {"factor": -1.0}, {"seen": {"weights": {"a": "x"}, "offset": 0}},
        {"right": {"weights": [1], "offset": 0}}, {"presence": {"weights": {"a": math.inf},
                                                             "offset": 0}},
    ],
)  # fmt: skip
def test_damage_is_refused_by_name(change):
    with pytest.raises(FileFormatError, match="models/x"):
        Judges.from_dict({**JUDGES.as_dict(), **change}, "models/x")
    with pytest.raises(FileFormatError):
        Judges.from_dict(None, "models/x")


def test_where_a_point_is_is_not_learned_from_pictures_without_its_object():
    pytest.importorskip("torch")
    from tack_perception.learning.calibration import Answers, fit
    from tack_perception.learning.calibration_pairs import CalibrationConfig

    rng = np.random.default_rng(0)
    there, sharp = np.arange(1200) < 800, rng.normal(0, 1, 1200)
    sharp[800:] += 5  # what is found on another thing is as sharp as can be
    error = np.where(there, np.where(sharp + rng.normal(0, 0.3, 1200) > 0, 1.0, 40.0), np.nan)
    flat = np.broadcast_to(np.eye(2), (1200, 2, 2))
    offset = rng.normal(0, 1, (1200, 2))
    answers = Answers(
        {"sharp": sharp}, error, flat, offset, there, there, there, ~there, np.ones(1200),
        np.linspace(0, 1, 1200),
    )  # fmt: skip
    judges = fit(answers, CalibrationConfig(familiar_share=0.9), 96)
    assert judges.familiar == pytest.approx(0.1, abs=0.01)
    facts = {"sharp": np.array([-2.0, 2.0])}
    assert judges.right(facts)[0] < 0.1 < 0.9 < judges.right(facts)[1]
    assert judges.presence(facts)[0] > judges.presence(facts)[1]
    assert judges.seen(facts)[0] > judges.seen(facts)[1]


def test_a_regression_finds_the_weights_behind_the_data():
    pytest.importorskip("torch")
    from tack_perception.learning.calibration import logistic

    rng = np.random.default_rng(0)
    facts = {"a": rng.normal(5, 2, 20_000), "b": rng.normal(0, 0.1, 20_000)}
    chance = 1 / (1 + np.exp(-(0.8 * facts["a"] - 12 * facts["b"] - 3)))
    found = logistic(facts, rng.random(20_000) < chance)
    assert np.abs(found(facts) - chance).mean() < 0.02
    assert found.weights[0] == pytest.approx(0.8, abs=0.1)
