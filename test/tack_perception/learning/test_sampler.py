# SPDX-License-Identifier: Apache-2.0
"""Packs and episodes: what is drawn is true, and always the same."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.learning.augment import occluder, photometric
from tack_perception.learning.carry import carry
from tack_perception.learning.device_sampler import DeviceSampler
from tack_perception.learning.episode import Episodes
from tack_perception.learning.pack import make_pack
from tack_perception.learning.sampler import EpisodeSampler, SamplerConfig

_PATH = Path(__file__).parents[1] / "correspondence" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("tiles", _PATH)
tiles = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tiles)

PLAIN = SamplerConfig(
    crop_px=64, points=8, turn_share=0.5, photometric=0.0, occluded_share=0.0, fewest_pixels=50
)


@pytest.fixture
def folder(tmp_path):
    tiles.write_set(tmp_path / "set", color="png")
    return tmp_path / "set"


@pytest.fixture
def pack(folder):
    return make_pack(folder)


def world_of(view, pixels):
    """(N, 3) where pixels of a view of the tiles meet their plane."""
    rays = tiles.CAMERA.rays(pixels) @ view.world_from_camera[:3, :3].T
    origin = view.world_from_camera[:3, 3]
    return origin + rays * ((tiles.TABLE - origin[2]) / rays[:, 2])[:, None]


def tile_coordinates(view, pixels):
    thing = view.objects[0]
    local = geometry.apply(geometry.inverse(thing.world_from_object), world_of(view, pixels))
    return local[:, :2] / tiles.SIZES[thing.instance]


@pytest.mark.parametrize(("mine", "theirs"), [(0, 1), (1, 0), (0, 2), (2, 1), (3, 0)])
def test_points_are_carried_to_the_same_place_of_the_tile(pack, mine, theirs):
    views = tiles.make_views()
    carried = carry(pack, mine, pack, theirs)
    assert carried.known.all()
    first = tile_coordinates(views[mine], carried.source)
    second = tile_coordinates(views[theirs], carried.pixels)
    # To about a pixel: the canonical map is stored per pixel, in 16 bits.
    assert np.abs(first - second).max() < 0.01
    inside = ((carried.pixels > 1) & (carried.pixels < (62, 46))).all(axis=1)
    assert carried.visible[inside].mean() > 0.9
    assert not carried.visible[~((carried.pixels > -1) & (carried.pixels < (64, 48))).all(1)].any()


def test_a_scene_without_shapes_is_carried_by_depth(pack):
    blind = dataclasses.replace(pack, shapes=(None,) * len(pack.shapes))
    by_shape, by_depth = carry(pack, 0, pack, 1), carry(blind, 0, blind, 1)
    assert by_depth.known.mean() > 0.9
    assert by_depth.pixels == pytest.approx(by_shape.pixels, abs=0.2)
    assert not carry(blind, 0, blind, 2).known.any()


@pytest.mark.parametrize(
    "make", [EpisodeSampler, lambda *a, **k: DeviceSampler(*a, torch.device("cpu"), **k)],
    ids=["one by one", "on a device"],
)  # fmt: skip
def test_episodes_are_a_pure_function_of_their_number(pack, make):
    config = dataclasses.replace(PLAIN, photometric=1.0, occluded_share=1.0)
    first, again = (make([pack], config, seed=3, batch=4) for _ in range(2))
    first.batch(0)
    one, two = first.batch(5), again.batch(5)
    for field in dataclasses.fields(Episodes):
        a, b = getattr(one, field.name), getattr(two, field.name)
        assert torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0)), field.name
    assert not torch.equal(one.support, first.batch(6).support)


def test_points_of_both_pictures_show_the_same_place(pack):
    """The picture's second and third colour are the pixel of the view, so they tell the place."""
    episodes = EpisodeSampler([pack], dataclasses.replace(PLAIN, same_share=1.0), batch=16).batch(0)
    views = {int(one.scene * 2 + n % 2): one for n, one in enumerate(tiles.make_views())}
    seen = episodes.visible
    assert float(seen.float().mean()) > 0.4
    for b in range(16):
        place = []
        for picture, points in (
            (episodes.support, episodes.support_points),
            (episodes.query, episodes.query_points),
        ):
            at = points[b][seen[b]].round().long().clamp(0, 63)
            place.append(picture[b][1:, at[:, 1], at[:, 0]].T.numpy() * 255)
        best = min(
            float(np.abs(tile_coordinates(one, place[0]) - tile_coordinates(two, place[1])).max())
            for one in views.values()
            for two in views.values()
        )
        assert best < 0.12  # of a tile of 10 to 30 px; pictures are rounded to a pixel


def test_masks_votes_and_surface_agree(pack):
    episodes = EpisodeSampler([pack], PLAIN, batch=8).batch(1)
    mask = episodes.query_object > 0
    assert torch.equal(episodes.query_votes.isfinite().all(1), episodes.query_things > 0)
    assert bool((mask <= (episodes.query_things > 0)).all())
    surface = episodes.query_surface
    assert torch.equal(surface[:, 0].isfinite() & mask, surface[:, 0].isfinite())
    assert float(surface[:, :2].abs().nan_to_num(0.0).max()) < 1.2
    middle = episodes.query_votes.clone()
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    middle += torch.stack([columns, rows]) * 2 + 0.5
    for b in range(8):  # one tile in each view: all cells vote for one place
        votes = middle[b][:, mask[b]]
        assert float((votes - votes[:, :1]).abs().max()) < 1e-3


def test_what_is_pasted_hides(pack):
    config = dataclasses.replace(PLAIN, occluded_share=1.0, occlusion=(0.4, 0.6))
    free = EpisodeSampler([pack], PLAIN, batch=16).batch(0)
    covered = EpisodeSampler([pack], config, batch=16).batch(0)
    assert float(covered.query_object.mean()) < 0.75 * float(free.query_object.mean())
    assert float(covered.visible.float().mean()) < float(free.visible.float().mean())
    assert bool((covered.visible <= covered.known).all())


def test_a_pack_is_made_anew_when_its_data_changed(folder):
    make_pack(folder)
    made = (folder / "pack" / "color.npy").stat().st_mtime_ns
    make_pack(folder)
    assert (folder / "pack" / "color.npy").stat().st_mtime_ns == made
    tiles.write_set(
        folder.parent / "other", [*tiles.make_views(), tiles.make_views()[0]],
        dataclasses.replace(tiles.MANIFEST, views=5), color="png",
    )  # fmt: skip
    assert len(make_pack(folder.parent / "other", folder / "pack").views) == 5


def test_unknown_classes_and_empty_data_are_refused(folder, pack):
    with pytest.raises(InvalidInputError, match="tile"):
        make_pack(folder, classes=["mug"])
    with pytest.raises(InvalidInputError, match="nothing to learn from"):
        EpisodeSampler([pack], dataclasses.replace(PLAIN, fewest_pixels=100_000))
    with pytest.raises(InvalidInputError, match="no data"):
        EpisodeSampler([], PLAIN)


def test_light_changes_and_shape_does_not():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
    assert photometric(picture, rng, 0.0) is picture
    changed = photometric(picture, rng)
    assert changed.shape == picture.shape
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, picture)


@pytest.mark.parametrize("wanted", [0.2, 0.4, 0.6])
def test_occluders_hide_about_what_was_asked(wanted):
    target = np.zeros((128, 128), np.bool_)
    target[40:90, 30:100] = True
    hidden = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        where, _ = occluder(target, np.zeros((128, 128, 3), np.uint8), rng, (wanted, wanted))
        hidden.append((where & target).sum() / target.sum())
    assert np.median(hidden) == pytest.approx(wanted, abs=0.1)


def test_classes_and_points_are_numbered_as_a_model_does(pack):
    sampler = EpisodeSampler([pack], PLAIN, batch=2)
    assert sampler.batch(0).category.tolist() == [0, 0]
    sampler.number_as(("mug", "tile"), ("mug/handle", "tile/corner"))
    episodes = sampler.batch(0)
    assert episodes.category.tolist() == [1, 1]
    assert episodes.named_index.tolist() == [[1], [1]]
    sampler.number_as(("mug",), ())
    assert sampler.batch(0).category.tolist() == [1, 1]
    assert sampler.batch(0).named_index.tolist() == [[-1], [-1]]
