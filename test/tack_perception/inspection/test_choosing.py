# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from tiny_inspection import SIZE, make_model, tile_album, tiles, write_tiles

from tack_perception.correspondence import CorrespondenceSet, Manifest
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.inspection.album import SHARP
from tack_perception.inspection.choosing import album_of_frames, choose, sightings
from tack_perception.inspection.suggest import suggested


def test_an_album_holds_views_of_each_instance_side_by_side(data) -> None:
    album = tile_album(data, instances=3, views=2)
    assert [p.instance for p in album.pictures] == [f"tile_{n}" for n in (0, 0, 1, 1, 2, 2)]
    assert len({p.view for p in album.pictures}) == 6
    for picture in album.pictures:
        assert picture.small.shape == (SIZE, SIZE, 3)
        assert picture.sharp.shape == (SHARP, SHARP, 3)
        assert 0.1 < picture.mask.mean() < 0.6
        np.testing.assert_array_equal(picture.known, picture.mask)


def test_places_are_told_on_one_instance_whatever_a_tile_s_own_size(album) -> None:
    """The middle of any tile is the middle of the first; its corner is that one's corner."""
    width, depth = tiles.SIZES["tile_0"]
    for picture in album.pictures:
        middle = np.array([(SIZE - 1) / 2, (SIZE - 1) / 2])
        np.testing.assert_allclose(picture.place_at(middle), 0, atol=0.01)
        corner = picture.place_at(picture.named["corner"], 2.0)
        np.testing.assert_allclose(corner, (-width / 2, -depth / 2, 0), atol=0.02)
    np.testing.assert_allclose(album.box, [(-0.05, -0.05, 0), (0.05, 0.05, 0)])


def test_truth_is_the_same_place_on_every_picture(album) -> None:
    number, pixel = 3, np.array([14.0, 18.0])
    place = album.pictures[number].place_at(pixel)
    found = album.truth(number, pixel)
    assert len(found) == len(album.pictures)
    np.testing.assert_array_equal(found[number], pixel)
    for picture, other in zip(album.pictures, found, strict=True):
        if other is not None:
            assert np.linalg.norm(picture.place_at(other) - place) <= 0.02 * album.diagonal
    assert sum(other is not None for other in found) > 5
    assert album.truth(number, (0.0, 0.0)) == [None] * len(album.pictures)


def test_what_the_border_cuts_off_is_left_out(tmp_path) -> None:
    cut = tiles.make_view("tile_0", 0, tiles.looking_down(0.13))
    whole = tiles.make_view("tile_0", 0, tiles.looking_down(0.02))
    tiles.write_set(
        tmp_path / "set", [cut, whole], Manifest.read(write_tiles(tmp_path / "x").folder)
    )
    album = tile_album(CorrespondenceSet.open(tmp_path / "set"))
    assert [picture.view for picture in album.pictures] == [1]


def test_views_from_different_sides_come_first(tmp_path) -> None:
    """Of four views, three of which see one side, the two chosen ones see two."""
    turned = [tiles.looking_down(0.0, 0.0, 0.1 * n) for n in range(3)]
    aside = tiles.looking_down(0.05, 0.03)
    views = [tiles.make_view("tile_0", 0, camera) for camera in (*turned, aside)]
    tiles.write_set(tmp_path / "set", views, Manifest.read(write_tiles(tmp_path / "x").folder))
    album = tile_album(CorrespondenceSet.open(tmp_path / "set"), views=2)
    assert 3 in {picture.view for picture in album.pictures}


def test_what_is_not_there_is_refused(data, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match=r"'spoon'.*tile"):
        choose(data, sightings(data), "spoon", SIZE, instances=1, views=1)
    with pytest.raises(InvalidInputError, match="no tile is seen"):
        choose(data, [], "tile", SIZE, instances=1, views=1)
    data.manifest.write(tmp_path / "empty")
    with pytest.raises(InvalidInputError, match="shows no objects"):
        sightings(CorrespondenceSet.open(tmp_path / "empty"))


def test_a_damaged_record_is_named(tmp_path) -> None:
    data = write_tiles(tmp_path / "set")
    (tmp_path / "set/views/000003/view.json").write_text("{")
    with pytest.raises(FileFormatError, match="000003"):
        sightings(data)


def test_frames_without_an_object_head_are_seen_whole() -> None:
    view = tiles.make_view("tile_0", 0, tiles.looking_down())
    frame = RGBDFrame(view.color, view.true_depth, view.intrinsics, 1, "camera")
    album = album_of_frames(make_model(), [(4, frame), (9, frame)], "walk", objects=2)
    assert album.instances == ("frame 4", "frame 9")
    assert album.box is None
    assert np.isnan(album.diagonal)
    assert not album.pictures[0].known.any()
    assert (album.colors(album.pictures[0].places) == 128).all()
    number, ends = suggested(album)
    for pixel in ends:
        album.picture(number).check(pixel)


def test_frames_in_which_nothing_is_found_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no object in the 0 frames"):
        album_of_frames(make_model(("objects", "tack")), [], "walk", objects=2)


def test_two_points_well_apart_are_suggested(album) -> None:
    number, ends = suggested(album)
    picture = album.picture(number)
    assert ends.shape == (2, 2)
    for pixel in ends:
        assert picture.mask[tuple(np.rint(pixel[::-1]).astype(int))]
    assert np.linalg.norm(ends[0] - ends[1]) > 5
    bare = album.pictures[0]
    with pytest.raises(InvalidInputError, match="two numbers"):
        bare.check((SIZE, 0))
    with pytest.raises(InvalidInputError, match="0 to 9"):
        album.picture(10)
