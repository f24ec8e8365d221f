# SPDX-License-Identifier: Apache-2.0
"""Episodes drawn for a whole batch at once are those that are drawn one by one."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.crops import Crop
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.learning.carry import carry
from tack_perception.learning.device_pictures import Occluder, Windows, cut, photometric
from tack_perception.learning.device_sampler import DeviceSampler, _carry, why_not
from tack_perception.learning.device_tables import Tables
from tack_perception.learning.episode import Episodes
from tack_perception.learning.job import draws_on_device
from tack_perception.learning.pack import make_pack
from tack_perception.learning.sampler import EpisodeSampler, SamplerConfig
from tack_perception.learning.settings import TrainConfig

_PATH = Path(__file__).parents[1] / "correspondence" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("tiles", _PATH)
tiles = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tiles)

CPU = torch.device("cpu")
PLAIN = SamplerConfig(
    crop_px=64, points=8, turn_share=0.5, photometric=0.0, occluded_share=0.0, fewest_pixels=50
)


@pytest.fixture
def pack(tmp_path):
    tiles.write_set(tmp_path / "set", color="png")
    return make_pack(tmp_path / "set")


def windows_of(crop: Crop) -> Windows:
    return Windows(
        torch.tensor([[crop.u, crop.v]]), torch.tensor([crop.side]), torch.tensor([crop.angle]),
        crop.size,
    )  # fmt: skip


@pytest.mark.parametrize(("mine", "theirs"), [(0, 1), (1, 0), (0, 2), (2, 1), (3, 0)])
def test_points_are_carried_as_one_by_one(pack, mine, theirs):
    expected = carry(pack, mine, pack, theirs)
    tables = Tables.load([pack], CPU)
    found = _carry(tables, torch.tensor([mine]), torch.tensor([theirs]))
    count = len(expected.source)
    assert found.filled[0].tolist() == [True] * count + [False] * (256 - count)
    assert found.source[0, :count].numpy() == pytest.approx(expected.source)
    assert found.pixels[0, :count].numpy() == pytest.approx(expected.pixels, abs=1e-3)
    assert found.depth[0, :count].numpy() == pytest.approx(expected.depth, abs=1e-6)
    assert found.known[0, :count].numpy().tolist() == expected.known.tolist()
    # Single precision may move a pixel that lies between two.
    assert (found.visible[0, :count].numpy() == expected.visible).mean() > 0.99


def test_windows_map_pixels_as_crops_do():
    crop = Crop(20.0, 31.0, 24.0, 64, 0.7)
    windows = windows_of(crop)
    pixels = np.random.default_rng(0).uniform(0, 60, (20, 2))
    there = windows.to_crop(torch.tensor(pixels, dtype=torch.float32)[None])[0]
    assert there.numpy() == pytest.approx(crop.to_crop(pixels), abs=1e-3)
    assert windows.to_image(there[None])[0].numpy() == pytest.approx(pixels, abs=1e-3)


@pytest.mark.parametrize("side", [40.0, 100.0, 260.0])
def test_pictures_are_those_of_crops(side):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (15, 20, 3)).astype(np.uint8)
    image = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
    crop = Crop(150.0, 110.0, side, 64, -0.4)
    expected = crop.cut(image).astype(float)
    found = cut(torch.from_numpy(image)[None], torch.tensor([0]), windows_of(crop))
    assert np.abs(found[0].permute(1, 2, 0).numpy() * 255 - expected).mean() < 3.0


def test_batches_are_like_those_drawn_one_by_one(pack):
    """Of the same kind, and in the mean of many much the same."""
    config = dataclasses.replace(PLAIN, occluded_share=0.5)
    several = (
        DeviceSampler([pack], config, CPU, batch=96).batch(0),
        EpisodeSampler([pack], config, batch=96).batch(0),
    )
    for field in dataclasses.fields(Episodes):
        found, expected = (getattr(one, field.name) for one in several)
        assert found.shape == expected.shape, field.name
        assert found.dtype == expected.dtype, field.name
    for name, tolerance in (
        ("known", 0.1), ("visible", 0.12), ("same", 0.15), ("support_object", 0.1),
        ("query_things", 0.1), ("named_known", 0.15), ("named_visible", 0.15), ("support", 0.05),
    ):  # fmt: skip
        found, expected = (float(getattr(one, name).float().nanmean()) for one in several)
        assert found == pytest.approx(expected, abs=tolerance), name
    for name in ("query_votes", "query_surface", "query_depth"):
        found, expected = (float(getattr(one, name).abs().nanmean()) for one in several)
        assert found == pytest.approx(expected, rel=0.15), name


def test_masks_votes_and_surface_agree(pack):
    episodes = DeviceSampler([pack], PLAIN, CPU, batch=8).batch(1)
    mask = episodes.query_object > 0
    assert torch.equal(episodes.query_votes.isfinite().all(1), episodes.query_things > 0)
    surface = episodes.query_surface
    assert torch.equal(surface[:, 0].isfinite() & mask, surface[:, 0].isfinite())
    assert float(surface[:, :2].abs().nan_to_num(0.0).max()) < 1.2
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    middle = episodes.query_votes + torch.stack([columns, rows]) * 2 + 0.5
    for b in range(8):  # one tile in each view: all cells vote for one place
        votes = middle[b][:, mask[b]]
        assert float((votes - votes[:, :1]).abs().max()) < 1e-3


@pytest.mark.parametrize("wanted", [0.2, 0.4, 0.6])
def test_occluders_hide_about_what_was_asked(wanted):
    target = torch.zeros(60, 64, 64, dtype=torch.bool)
    target[:, 20:45, 15:50] = True
    generator = torch.Generator().manual_seed(0)
    there = torch.arange(60) < 50
    occluder = Occluder(target, (wanted, wanted), there, generator)
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    cells = torch.stack([columns, rows], -1).reshape(1, -1, 2) * 2 + 0.5
    hidden = (occluder.covers(cells).reshape(60, 64, 64) & target).sum((1, 2)) / target[0].sum()
    assert float(hidden[:50].median()) == pytest.approx(wanted, abs=0.1)
    assert float(hidden[50:].max()) == 0


def test_light_changes_and_shape_does_not():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(4, 3, 32, 32, generator=generator)
    assert photometric(pictures, generator, 0.0) is pictures
    changed = photometric(pictures, generator)
    assert changed.shape == pictures.shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert float((changed - pictures).abs().mean()) > 0.01


def test_what_has_no_shape_is_left_to_workers(pack):
    blind = dataclasses.replace(pack, shapes=(None,) * len(pack.shapes))
    assert why_not([pack]) == ""
    assert "shape" in why_not([blind])
    with pytest.raises(InvalidInputError, match="shape"):
        DeviceSampler([blind], PLAIN, CPU)
    with pytest.raises(ConfigurationError, match=r"drawing = 'device'.*shape"):
        draws_on_device(TrainConfig(drawing="device"), [blind], CPU)
    assert draws_on_device(TrainConfig(drawing="device"), [pack], CPU)
    assert not draws_on_device(TrainConfig(), [pack], CPU)
