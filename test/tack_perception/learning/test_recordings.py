# SPDX-License-Identifier: Apache-2.0
"""Training on a recording, and the verdict on what it has brought."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import yaml

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("open3d", reason="Open3D is not installed")
import torch

from tack_cli import main
from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceWriter, Manifest
from tack_perception.correspondence.manifest import HELD_OUT
from tack_perception.detectors.confidence_model import Evidence, Judges, Logistic
from tack_perception.detectors.scene import Window, whole
from tack_perception.detectors.shipped import CALIBRATION
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.keypoint import Keypoint
from tack_perception.learning.calibration import ask
from tack_perception.learning.calibration_pairs import CalibrationConfig, choose, choose_pair
from tack_perception.learning.job import adopt
from tack_perception.learning.pack import make_pack
from tack_perception.learning.recordings import (
    Recorded,
    Trials,
    kind_of,
    one_click,
    preset,
    recorded,
)
from tack_perception.learning.sampler import EpisodeSampler, SamplerConfig
from tack_perception.networks.model import KeypointModel, ModelConfig, load_model, save_model
from tack_perception.recording import RecordConfig, record, write
from test.tack_perception.recording import scenes

TINY = {
    "model": {"width": 4},
    "episodes": {"crop_px": 32, "points": 4, "fewest_pixels": 20},
    "calibration": {"pairs": 20, "points": 2},
}


def made(folder, things="object"):
    frames, poses = scenes.film(12)
    known = {frame.stamp_ns: pose for frame, pose in zip(frames, poses, strict=True)}
    config = RecordConfig(voxel_m=0.005, held_out=0.3, things=things)
    one = record(frames, "thing", config, pose_of=lambda frame: (known[frame.stamp_ns], ""))
    write(one, folder, "thing", {"things": things})
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return made(tmp_path_factory.mktemp("recording") / "box")


@pytest.fixture(scope="module")
def packs(recording):
    return make_pack(recording), make_pack(recording / HELD_OUT)


@pytest.fixture(scope="module")
def start(recording, tmp_path_factory):
    """A tiny model that has learned nothing."""
    folder = tmp_path_factory.mktemp("start")
    settings = folder / "tiny.yaml"
    settings.write_text(yaml.safe_dump(TINY))
    rendered = folder / "set"
    words = ["--class", "mug", "--instances", "1", "--views", "4", "--size", "96x72", "--quiet"]
    assert main.main(["render", *words, "--output", str(rendered)]) == 0
    words = ["--data", str(rendered), "--output", str(folder / "run"), "--config", str(settings)]
    more = ["--method", "don", "--steps", "1", "--batch", "2", "--device", "cpu", "--quiet"]
    assert main.main(["train", *words, *more]) == 0
    return folder / "run" / "model"


class Told:
    """A detector that is told the truth, and moves it by an offset."""

    def __init__(self, offset=(0.0, 0.0), visible=True):
        self._offset, self._visible = offset, visible
        self._shots = []

    def forget(self, label=None):
        self._shots = []

    def enroll(self, shots):
        self._shots += shots

    def detect(self, frame):
        found = []
        for shot in self._shots:
            before, after = (self._pose(f) for f in (shot.frame, frame))
            local = shot.frame.intrinsics.deproject(
                np.array([shot.u, shot.v]), shot.frame.depth[round(shot.v), round(shot.u)]
            )
            there = geometry.apply(geometry.inverse(after) @ before, local)
            u, v = frame.intrinsics.project(there) + self._offset
            found.append(Keypoint(shot.label, float(u), float(v), 1.0, self._visible))
        return found

    def _pose(self, frame):
        return self.poses[frame.color.tobytes()]


def told(packs, **options):
    detector = Told(**options)
    detector.poses = {
        pack.color[n].tobytes(): pack.views[n]["world_from_camera"]
        for pack in packs
        for n in range(len(pack.color))
    }
    return detector


def test_what_is_a_recording(recording, tmp_path):
    kind = recorded([recording])
    assert kind == Recorded(scene=False, focal_px=scenes.CAMERA.fx)
    assert recorded([made(tmp_path / "scene", "scene")]).scene
    CorrespondenceWriter(tmp_path / "other", Manifest(views=0))
    assert recorded([tmp_path / "other"]) is None
    with pytest.raises(InvalidInputError, match="cannot be mixed"):
        recorded([recording, tmp_path / "other"])
    with pytest.raises(InvalidInputError, match="of objects and of scenes"):
        recorded([recording, tmp_path / "scene"])


def test_the_preset_gives_way_to_what_is_asked():
    asked = {"episodes": {"points": 5}, "tack": {"autoencoder": 0.5}}
    sections = preset(Recorded(scene=False, focal_px=600.0), asked)
    assert sections["episodes"]["points"] == 5
    assert sections["episodes"]["same_share"] == 1.0
    assert sections["tack"] == {"autoencoder": 0.5}
    scene = preset(Recorded(scene=True, focal_px=600.0), {})
    assert scene["episodes"]["around"] == "point"


def test_methods_that_need_no_names():
    assert kind_of("joint") == "fused"
    with pytest.raises(ConfigurationError, match="tack, don, joint"):
        kind_of("sparse")


def test_one_who_knows_all_makes_no_error(packs):
    trials = one_click(told(packs), *packs, pairs=10)
    assert len(trials.error_px) > 50
    assert trials.median_px < 0.3  # the fused surface is not quite the table's
    assert trials.within(5) > 0.98
    assert trials.believed.all()
    assert trials.recall == 1


def test_an_offset_is_the_error(packs):
    trials = one_click(told(packs, offset=(3.0, 4.0), visible=False), *packs, pairs=10)
    assert trials.median_px == pytest.approx(5.0, abs=0.5)
    assert not trials.believed.any()
    assert trials.recall == 0


def test_points_that_are_hidden_are_told_apart(packs):
    trials = one_click(told(packs), *packs, pairs=30)
    assert len(trials.hidden_believed) > 10  # the box hides its other sides
    assert trials.wrong_accept == trials.as_dict()["wrong_accept"] == 1  # who knows all, says so
    blind = one_click(told(packs, visible=False), *packs, pairs=30)
    assert (blind.wrong_accept, blind.as_dict()["recall"]) == (0, 0)
    nothing = Trials(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    assert nothing.as_dict()["wrong_accept"] is None


def test_twins_show_the_same_pixels(packs):
    config = SamplerConfig(
        crop_px=64, points=20, twin_share=1.0, around="point", scale=(1.0, 1.5), occluded_share=0.0,
        photometric=0.0, turn_share=0.0, turn_deg=0.0,
    )  # fmt: skip
    batch = EpisodeSampler(packs[:1], config, seed=3, batch=6).batch(0)
    assert batch.visible.float().mean() > 0.8
    errors = []
    for n in range(len(batch)):
        seen = batch.visible[n]
        both = [
            picture[n][:, points[n, seen, 1].round().long(), points[n, seen, 0].round().long()]
            for picture, points in (
                (batch.support, batch.support_points), (batch.query, batch.query_points)
            )
        ]  # fmt: skip
        errors.append((both[0] - both[1]).abs().mean(0))
    assert torch.cat(errors).median() < 0.05


class Listening:
    """A detector that remembers what was clicked on, and knows nothing."""

    def __init__(self):
        self.clicked = set()

    def enroll(self, shots):
        self.labels = len(shots)
        self.clicked.add(shots[0].frame.color.tobytes())

    def familiarity(self, shot):
        return 0.25

    def forget(self):
        self.labels = 0

    def evidence(self, frame):
        nothing = np.zeros((1, self.labels))
        cells = torch.zeros(1, 1, 1)
        crop = whole(frame, frame.intrinsics.fx)
        window = Window(crop, cells, torch.zeros(1), True, frame, np.zeros((1, 1), np.float32))
        flat = np.tile(np.eye(2), (1, self.labels, 1, 1))
        return [window], Evidence(np.zeros((1, self.labels, 2)), flat, {"share": nothing})


def test_answers_are_weighed_by_clicks_on_all_views(packs):
    learned, kept_back = packs
    views = [{pack.color[n].tobytes() for n in range(len(pack.color))} for pack in packs]
    config = CalibrationConfig(pairs=60, points=2, same_share=1.0)
    listening = Listening()
    answers = ask(listening, kept_back, config, clicked=[learned])
    assert listening.clicked & views[0]
    assert listening.clicked & views[1]
    assert listening.clicked <= views[0] | views[1]
    assert answers.same.any()
    assert set(answers.familiarity) == {0.25}
    alone = Listening()
    ask(alone, kept_back, config)
    assert alone.clicked <= views[1]


def test_pairs_of_two_packs_are_of_things_of_one_name(packs):
    learned, kept_back = packs
    rng, same = np.random.default_rng(0), CalibrationConfig(same_share=1.0)
    for _ in range(20):
        first, second = choose_pair(kept_back, kept_back, same, rng)
        assert kept_back.things[first]["view"] != kept_back.things[second]["view"]
    named = [learned.instances[0], kept_back.instances[0]]
    assert named[0] == named[1]
    renamed = dataclasses.replace(learned, instances=("another",))
    assert choose_pair(renamed, kept_back, same, rng) is None
    small = learned.things.copy()
    small["pixels"] = 100
    assert choose_pair(dataclasses.replace(learned, things=small), kept_back, same, rng) is not None
    unlike = dataclasses.replace(renamed, classes=("another",))
    assert choose_pair(unlike, kept_back, CalibrationConfig(same_share=0.0), rng) is None
    assert choose_pair(renamed, kept_back, CalibrationConfig(same_share=0.0), rng) is not None


def test_things_are_looked_for_where_nothing_of_their_class_is_too(packs):
    learned, kept_back = packs
    rng, often = np.random.default_rng(0), CalibrationConfig(absent_share=0.5)
    views = np.unique(kept_back.things["view"])
    without = dataclasses.replace(
        kept_back, things=kept_back.things[kept_back.things["view"] != views[0]]
    )
    asked = [choose(learned, without, often, rng) for _ in range(80)]
    there = [one[1] in without.things["view"] for one in asked if one is not None]
    assert 5 < sum(there) < len(there) - 5
    answers = ask(Listening(), without, CalibrationConfig(pairs=40, points=2), clicked=[learned])
    assert answers.absent.any()
    assert not (answers.absent & (answers.present | answers.seen)).any()
    assert not ask(Listening(), kept_back, CalibrationConfig(pairs=20)).absent.any()


def test_which_trials_are_no_worse():
    def some(*errors):
        return Trials(np.array(errors, float), np.ones(len(errors), bool), np.zeros(0, bool))

    assert some(1, 2, 30).no_worse_than(some(1, 3, 30))
    assert not some(1, 4, 30).no_worse_than(some(1, 3, 30))
    assert not some(1, 2, 30, 30).no_worse_than(some(8, 9, 9, 9))
    assert some(2, 2).no_worse_than(some(2, 2))


def train(recording, start, output, *more):
    settings = output.parent / "tiny.yaml"
    settings.write_text(yaml.safe_dump({k: v for k, v in TINY.items() if k != "model"}))
    words = ["--data", str(recording), "--from", str(start), "--output", str(output)]
    words += ["--config", str(settings), "--batch", "2", "--device", "cpu"]
    return main.main(["train", "--method", "don", *words, *more])


def test_a_run_on_a_recording_says_what_it_has_brought(recording, start, tmp_path, capsys):
    assert train(recording, start, tmp_path / "run", "--steps", "2") == 0
    said = capsys.readouterr().out
    assert "on views that were kept back" in said
    assert "before" in said
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["after"]["trials"] > 20
    model, _ = load_model(tmp_path / "run" / "model")
    assert model.config.heads == ("objects", "places", "don")
    assert model.config.focal_px == 0


def test_weights_that_became_worse_are_not_kept(recording, start, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Trials, "no_worse_than", lambda self, other: False)
    assert train(recording, start, tmp_path / "run", "--steps", "2") == 0
    assert "the model is the one that it began with" in capsys.readouterr().out
    kept, _ = load_model(tmp_path / "run" / "model")
    old, _ = load_model(start)
    for name, value in old.state_dict().items():
        assert torch.equal(kept.state_dict()[name], value), name


def test_a_scene_is_looked_at_as_a_whole(start, tmp_path, monkeypatch):
    monkeypatch.setattr(Trials, "no_worse_than", lambda self, other: True)  # one step brings little
    scene, begin = made(tmp_path / "scene", "scene"), tmp_path / "begin"
    # What the start's answers are worth was fitted on objects, as of every model that ships.
    model, notes = load_model(start)
    by = Logistic(("alike",), (1.0,), 0.0)
    save_model(begin, model, notes | {CALIBRATION: {"don": Judges(by, by, by).as_dict()}})
    assert train(scene, begin, tmp_path / "run", "--steps", "1", "--quiet") == 0
    model, notes = load_model(tmp_path / "run" / "model")
    assert model.config.focal_px == pytest.approx(scenes.CAMERA.fx * 0.75)
    weighed = Judges.from_dict(notes[CALIBRATION]["don"], "notes").seen
    assert {"agreement", "correlation"} <= set(weighed.names)
    assert "alike" not in weighed.names
    assert json.loads((tmp_path / "run" / "verdict.json").read_text())["kept"]


def test_weights_that_are_kept_look_at_a_scene_as_they_were_judged(start, tmp_path, monkeypatch):
    monkeypatch.setattr(Trials, "no_worse_than", lambda self, other: False)
    scene = made(tmp_path / "scene", "scene")
    assert train(scene, start, tmp_path / "run", "--steps", "1", "--quiet") == 0
    kept, notes = load_model(tmp_path / "run" / "model")
    assert kept.config.focal_px == pytest.approx(scenes.CAMERA.fx * 0.75)
    assert CALIBRATION not in notes  # nothing was fitted to what these weights say of a scene
    for name, value in load_model(start)[0].state_dict().items():
        torch.testing.assert_close(kept.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_codes_that_are_written_out_finer_say_the_same_at_first():
    torch.manual_seed(0)
    old = KeypointModel(ModelConfig(width=4, heads=("tack",)))
    new = KeypointModel(ModelConfig(width=4, heads=("tack",), octaves=4))
    adopt(new, old)
    features, points = torch.randn(1, old.trunk.channels, 16, 16), torch.tensor([[[9.0, 20.0]]])
    before, after = (
        one.tack.heat(features, one.tack.codes(features, points)) for one in (old, new)
    )
    assert new.tack.generator[0].in_features > old.tack.generator[0].in_features
    torch.testing.assert_close(after, before)


def test_a_method_that_needs_names_is_refused(recording, start, tmp_path, capsys):
    words = ["--data", str(recording), "--from", str(start), "--output", str(tmp_path / "run")]
    assert main.main(["train", "--method", "sparse", *words]) == 2
    assert "from a recording learn tack, don, joint" in capsys.readouterr().err
