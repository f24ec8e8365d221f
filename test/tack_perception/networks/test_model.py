# SPDX-License-Identifier: Apache-2.0
"""A model on disk: what was saved is loaded, and what is damaged is refused."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from safetensors.torch import load, save

from tack_perception.errors import ConfigurationError, FileFormatError, InvalidInputError
from tack_perception.learning.methods import METHODS, make_method
from tack_perception.networks.model import (
    DESCRIPTION,
    WEIGHTS,
    KeypointModel,
    ModelConfig,
    load_model,
    rounded,
    save_model,
)

SMALL = ModelConfig(width=8, classes=("mug", "shoe"), points=("mug/handle", "shoe/toe"))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return KeypointModel(SMALL).eval()


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (50, 71), (33, 33)])
def test_features_have_half_the_size(model, size):
    with torch.inference_mode():
        features = model.features(torch.rand(2, 3, *size))
    assert features.shape == (2, 12, -(-size[0] // 2), -(-size[1] // 2))


def test_what_was_saved_is_loaded(model, tmp_path):
    save_model(tmp_path / "m", model, {"method": "joint", "note": "Ä"})
    loaded, notes = load_model(tmp_path / "m")
    assert notes == {"method": "joint", "note": "Ä"}
    assert loaded.config == SMALL
    assert not loaded.training
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded.features(picture), model.features(picture))


def test_rounding_is_what_half_precision_keeps(model, tmp_path):
    with torch.no_grad():
        model.don.project.bias[0] = 3e7  # as the variances of a normalisation may get
    save_model(tmp_path, model, {}, half=True)
    loaded, _ = load_model(tmp_path)
    for name, value in rounded(model).state_dict().items():
        assert value.isfinite().all()
        assert torch.equal(value, loaded.state_dict()[name]), name


def test_half_precision_keeps_what_it_cannot_hold(model, tmp_path):
    with torch.no_grad():
        model.don.project.bias[0] = 5e6  # as the variances of a normalisation may get
        model.don.project.weight.fill_(0.1)
    save_model(tmp_path, model, {}, half=True)
    loaded, _ = load_model(tmp_path)
    assert torch.equal(loaded.don.project.bias, model.don.project.bias)
    assert torch.equal(loaded.don.project.weight, model.don.project.weight.half().float())


def test_no_model(tmp_path):
    with pytest.raises(InvalidInputError, match=DESCRIPTION):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (WEIGHTS, b"not tensors"), (WEIGHTS, b""), (DESCRIPTION, b"\xff"), (DESCRIPTION, b"[1]"),
        (DESCRIPTION, b"format: 99"), (DESCRIPTION, b"format: 1\nmodel: {trunk: x}"),
        (DESCRIPTION, b"format: 1\nmodel: {width: 16}"),
    ],
)  # fmt: skip
def test_damage_is_refused(model, tmp_path, name, content):
    save_model(tmp_path, model, {})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=str(tmp_path)):
        load_model(tmp_path)


def test_weights_cut_off_or_not_finite_are_refused(model, tmp_path):
    save_model(tmp_path, model, {})
    whole = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError):
        load_model(tmp_path)
    state = load(whole)
    state["don.project.bias"][0] = torch.nan
    (tmp_path / WEIGHTS).write_bytes(save(state))
    with pytest.raises(FileFormatError, match="finite"):
        load_model(tmp_path)


def test_heads_are_those_asked_for():
    model = KeypointModel(ModelConfig(width=8, heads=("tack",)))
    assert model.tack is not None
    assert model.don is model.sparse is model.objects is None
    with pytest.raises(ConfigurationError, match="points"):
        KeypointModel(ModelConfig(width=8, heads=("sparse",)))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_the_heads_it_names(name, make_episodes):
    method = make_method(name)
    model = KeypointModel(
        ModelConfig(width=8, heads=method.heads, classes=("a", "b", "c"), points=("a/x",) * 3)
    )
    losses = method.losses(
        model, make_episodes(batch=3, points=4, size=32, support_surface=torch.zeros(3, 3, 16, 16))
    )
    sum(losses.values()).backward()
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())
    for head in method.heads:
        slopes = [p.grad for p in getattr(model, head).parameters() if p.grad is not None]
        assert any(float(slope.abs().sum()) > 0 for slope in slopes), head


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigurationError, match="joint"):
        make_method("magic")
