# SPDX-License-Identifier: Apache-2.0
"""Learned detectors behind the port, with untrained weights: what holds whatever was learned."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import DETECTORS, KeypointDetector, make_detector
from tack_perception.detectors.shipped import CALIBRATION
from tack_perception.detectors.tack import adapted
from tack_perception.errors import ConfigurationError, InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_perception.learning.losses import heat_cross_entropy
from tack_perception.networks.model import DESCRIPTION, KeypointModel, ModelConfig, save_model

KINDS = ("tack", "don", "fused")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    heads = ("objects", "tack", "don")
    save_model(path, KeypointModel(ModelConfig(width=8, crop_px=64, heads=heads)), {})
    return path


def frame(seed=0, depth=0.5):
    rng = np.random.default_rng(seed)
    color = rng.integers(0, 255, (15, 20, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    distances = np.full((120, 160), depth, np.float32)
    return RGBDFrame(color, distances, CameraIntrinsics(160, 120, 150, 150, 79.5, 59.5), 1, "cam")


@pytest.fixture(scope="module")
def with_instances(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    heads = ("objects", "tack", "don", "instance")
    save_model(path, KeypointModel(ModelConfig(width=8, crop_px=64, heads=heads)), {})
    return path


@pytest.fixture(scope="module")
def of_scenes(tmp_path_factory):
    """It looks at frames as a whole."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    config = ModelConfig(width=8, crop_px=64, heads=("tack", "don"), focal_px=120)
    save_model(path, KeypointModel(config), {})
    return path


@pytest.fixture(params=[*KINDS, "fused with instances", *(f"{kind} of scenes" for kind in KINDS)])
def detector(request, folder, with_instances, of_scenes):
    kind, _, more = request.param.partition(" ")
    model = {"": folder, "with instances": with_instances, "of scenes": of_scenes}[more]
    return make_detector(kind, {"model": str(model)})


@pytest.mark.parametrize("kind", KINDS)
def test_what_surrounds_a_click_is_asked_in_whole_frames(kind, of_scenes):
    detector = make_detector(kind, {"model": str(of_scenes)})
    reader = detector.reader
    clicks = [Annotation("a", 90, 70, frame()), Annotation("b", 40, 50, frame())]
    detector.enroll([*clicks, Annotation("b", 42, 55, frame(3))])
    shots = [[shot] for shot in detector._shots["b"]] + [detector._shots["b"]]
    window = detector._windows(frame(1))
    with torch.inference_mode():
        first, closer = reader.find(shots, window), reader.find(shots, window, closely=True)
    assert "agreement" not in first.evidence
    assert reader.closer <= closer.evidence.keys()
    agreement = closer.evidence["agreement"]
    assert agreement.shape == (1, 3)
    assert ((agreement >= 0) & (agreement <= 1)).all()
    # How sure the clicks are by themselves stays a fact of theirs; the place becomes exact.
    assert (closer.heat <= first.heat + 1e-5).all()


def test_it_keeps_the_port(detector):
    assert isinstance(detector, KeypointDetector)
    assert detector.detect(frame()) == []
    detector.enroll([Annotation("b", 30, 40, frame()), Annotation("a", 90, 70, frame())])
    assert detector.labels == ("b", "a")
    found = detector.detect(frame(1))
    assert [one.label for one in found] == ["b", "a"]
    for one in found:
        assert frame().intrinsics.contains(one.u, one.v)
        assert one.visible == (one.seen >= detector.judges.threshold)
        assert one.pixel_covariance is not None
        assert np.linalg.eigvalsh(one.pixel_covariance).min() > 0
    detector.forget("b")
    assert detector.labels == ("a",)
    with pytest.raises(InvalidInputError, match="a"):
        detector.forget("b")
    detector.forget()
    assert detector.labels == ()


def test_the_same_frame_gives_the_same_answer(detector):
    detector.enroll([Annotation("a", 90, 70, frame())])
    one, two = (detector.detect(frame(2))[0] for _ in range(2))
    assert (one.u, one.v, one.confidence) == (two.u, two.v, two.confidence)


def test_labels_do_not_disturb_each_other(detector):
    shots = [Annotation("a", 90, 70, frame()), Annotation("b", 20, 20, frame())]
    detector.enroll(shots)
    together = {one.label: one for one in detector.detect(frame(2))}
    detector.forget("b")
    alone = detector.detect(frame(2))[0]
    assert (alone.u, alone.v) == pytest.approx((together["a"].u, together["a"].v), abs=0.05)


def test_the_order_of_shots_does_not_matter(detector):
    shots = [Annotation("a", 90, 70, frame()), Annotation("a", 20, 20, frame(3))]
    answers = []
    for order in (shots, shots[::-1]):
        detector.forget()
        detector.enroll(order)
        answers.append(detector.detect(frame(2))[0])
    assert (answers[0].u, answers[0].v) == pytest.approx((answers[1].u, answers[1].v), abs=0.2)


def test_a_frame_without_depth_and_a_click_on_the_border_will_do(detector):
    blind = frame(depth=np.nan)
    detector.enroll([Annotation("a", -0.5, 119.4, blind)])
    assert len(detector.detect(blind)) == 1


def test_many_points_of_an_object_are_found_as_a_few_are(detector, monkeypatch):
    """Only some of them are looked for everywhere; the others where these are."""
    rng = np.random.default_rng(0)
    clicks = rng.uniform(5, 110, (40, 2))
    detector.enroll([Annotation(f"{n}", u, v, frame()) for n, (u, v) in enumerate(clicks)])
    monkeypatch.setattr(detector, "_groups", lambda: [list(range(40))])
    windows, evidence = detector.evidence(frame(2))
    judged = detector.judges.judge(evidence)
    found = detector.detect(frame(2))
    assert [one.label for one in found] == [f"{n}" for n in range(40)]
    w = int(judged.presence[:, ::3].mean(axis=1).argmax())
    expected = windows[w].crop.to_image(judged.pixels[w])
    camera = frame().intrinsics
    expected = np.clip(expected, -0.5, (camera.width - 0.501, camera.height - 0.501))
    np.testing.assert_allclose([(one.u, one.v) for one in found], expected, atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_further_things_come_after_the_surest(kind, folder, monkeypatch):
    detector = make_detector(kind, {"model": str(folder), "instances": 3})
    detector.enroll([Annotation("a", 90, 70, frame()), Annotation("b", 20, 20, frame())])
    windows = detector._windows(frame(2))
    apart = [dataclasses.replace(windows[0], crop=dataclasses.replace(windows[0].crop, u=u))
             for u in (20.0, 80.0, 140.0, 22.0)]  # fmt: skip
    monkeypatch.setattr(detector, "_windows", lambda frame: apart)
    judges = detector.judges

    def judge(evidence):
        judged = judges.judge(evidence)
        return dataclasses.replace(judged, visible=np.ones_like(judged.visible))

    monkeypatch.setattr(
        detector, "judges", SimpleNamespace(recognise=judges.recognise, judge=judge)
    )
    found = detector.detect(frame(2))
    assert [one.label for one in found[:2]] == ["a", "b"]
    assert {one.instance for one in found[:2]} == {0}
    for label in "ab":
        places = [one.u for one in found if one.label == label]
        assert [one.instance for one in found if one.label == label] == [*range(len(places))]
        assert 2 <= len(places) <= 3
        assert np.diff(sorted(places)).min() > 10  # two windows on one thing count once


def test_what_is_told_of_a_window_does_not_hang_on_which_others_are_asked(folder):
    """Of many windows only the likeliest are searched for the object's pose."""
    detector = make_detector("fused", {"model": str(folder)})
    detector.enroll([Annotation("a", 90, 70, frame())])
    shot = detector._shots["a"][0]
    clicked = dataclasses.replace(shot.window, shown=np.ones_like(shot.window.shown), found=True)
    detector._shots["a"] = [dataclasses.replace(shot, window=clicked)]
    one = detector._windows(frame(2))[0]
    windows = [
        dataclasses.replace(
            one, found=True, crop=dataclasses.replace(one.crop, u=u),
            embedding=one.embedding * (1 - u / 1000),
        )
        for u in (30.0, 50.0, 70.0, 90.0, 110.0, 130.0)
    ]  # fmt: skip
    detector._evidence(windows, [0])  # a quick look at all of them
    together = detector._evidence(windows, [0], closely=True)
    for number, window in enumerate(windows):
        alone = detector._evidence([window], [0], closely=True)
        for name, value in together.facts.items():
            np.testing.assert_allclose(alone.facts[name][0], value[number], atol=1e-4, err_msg=name)
    met = together.facts["met"][:, 0]
    assert (met[:4] > met[4:].max()).all()  # the others are passed over


def test_a_code_adapted_to_clicks_fits_them_better(folder):
    detector = make_detector("tack", {"model": str(folder)})
    detector.enroll([Annotation("a", 90, 70, frame()), Annotation("a", 40, 52, frame(3))])
    shots = detector._shots["a"]
    mean = torch.stack([shot.what["code"] for shot in shots]).mean(0)
    head = detector.model.tack
    features = torch.stack([shot.window.features for shot in shots])
    points = torch.tensor(np.stack([shot.pixel for shot in shots]), dtype=torch.float32)[:, None]

    def loss(code):
        heat = head.heat(features, code.expand(2, 1, -1))
        return heat_cross_entropy(heat, points, 2).mean().item()

    assert loss(adapted(head, mean, shots)) < loss(mean)


def test_what_is_wrong_is_said(folder, tmp_path):
    assert set(KINDS) <= set(DETECTORS)
    with pytest.raises(InvalidInputError, match="no folder"):
        make_detector("tack", {"model": str(tmp_path / "nothing")})
    with pytest.raises(ConfigurationError, match="scene_px"):
        make_detector("tack", {"model": str(folder), "scene_px": -3})
    save_model(tmp_path, KeypointModel(ModelConfig(width=8, heads=("don",))), {})
    with pytest.raises(InvalidInputError, match="TACK"):
        make_detector("tack", {"model": str(tmp_path)})
    text = (tmp_path / DESCRIPTION).read_text() + f"{CALIBRATION}: {{don: 3}}\n"
    (tmp_path / DESCRIPTION).write_text(text)
    with pytest.raises(TackError, match="calibration"):
        make_detector("don", {"model": str(tmp_path)})
