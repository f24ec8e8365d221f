# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_inspection import SIZE, Oracle, make_model

from tack_perception.detectors.scene import pictures
from tack_perception.errors import InvalidInputError
from tack_perception.inspection import sheets
from tack_perception.inspection.embedding import embedding_map
from tack_perception.inspection.interpolation import measure
from tack_perception.inspection.look import Look, best_cells, glow
from tack_perception.inspection.saliency import saliency, shown
from tack_perception.inspection.space_sheet import space_sheet
from tack_perception.inspection.ways import WAYS


def test_heat_peaks_where_the_answer_is(look) -> None:
    answers = look.find(look.codes(0, [(15, 15), (20, 10)]))
    cells = SIZE // 2
    assert answers.heat.shape == (10, 2, cells, cells)
    assert answers.heat.max() == 0
    rows, columns = np.divmod(answers.heat.reshape(10, 2, -1).argmax(-1), cells)
    tops = 2 * np.stack([columns, rows], axis=-1) + 0.5
    assert np.abs(tops - answers.pixels).max() < 8  # the mean of a window around the top
    assert ((answers.seen >= 0) & (answers.seen <= 1)).all()
    warm = glow(answers.heat)
    assert warm.min() >= 0
    assert warm.max() == 1
    np.testing.assert_allclose(glow(np.array([0.0, -np.log(100), -np.log(1e5)])), [1, 0.5, 0])


def test_a_descriptor_is_nearest_to_itself(look) -> None:
    pixel = np.array([12.5, 18.5])  # the middle of a cell
    distances = look.distances(2, pixel)
    places, nearest = best_cells(distances, 2)
    np.testing.assert_array_equal(places[2], pixel)
    assert nearest[2] == pytest.approx(0, abs=1e-3)
    assert look.far == 1.0


def test_descriptors_of_any_length_have_a_far_of_their_own(album) -> None:
    model = make_model()
    model.don.normalise = False
    model.don.project.weight.mul_(50)
    look = Look(model, album)
    assert look.far > 0
    assert look.far == look.far


@pytest.mark.parametrize(("heads", "missing"), [(("don",), "TACK"), (("tack",), "'don'")])
def test_a_missing_head_is_named(album, heads: tuple[str, ...], missing: str) -> None:
    look = Look(make_model(heads), album)
    assert look.heads == heads
    other = "tack" if heads == ("don",) else "don"
    with pytest.raises(InvalidInputError, match=missing):
        look.embedded(other, 0, [(3, 3)])


def test_a_model_without_both_heads_is_refused(album) -> None:
    with pytest.raises(InvalidInputError, match=r"neither.*sparse"):
        Look(make_model(("sparse",)), album)


def test_saliency_finds_the_pixels_that_change_the_answer(look) -> None:
    """Changing the brightest pixels of the map moves the answer's logarithm more than others."""
    code = look.codes(0, [(15, 15)])[0]
    found = saliency(look, 4, code)
    again = saliency(look, 4, code)
    np.testing.assert_array_equal(found.map, again.map)
    assert found.map.sum() == pytest.approx(1, abs=1e-3)
    assert 0 < found.reach < 2 * SIZE
    assert 0 <= found.on_object <= 1
    assert shown(found.map).max() == 1

    small = look.album.pictures[4].small
    order = np.argsort(found.map.ravel())
    u, v = ((found.pixel + 0.5) / 2 - 0.5).astype(int)

    def told(chosen: np.ndarray) -> float:
        """Mean change over some random changes of these pixels."""
        rng = np.random.default_rng(0)
        changes = []
        for _ in range(8):
            changed = small.astype(float).reshape(-1, 3)
            changed[chosen] += rng.normal(0, 12, (len(chosen), 3))
            image = np.clip(changed, 0, 255).astype(np.uint8).reshape(small.shape)
            with torch.no_grad():
                both = look.model.features(pictures([small, image], look.model))
                heat = look.tack.heat(both, code.expand(2, 1, -1))
            value = heat.flatten(1).log_softmax(-1)[:, v * 16 + u]
            changes.append(abs(float(value[1] - value[0])))
        return float(np.mean(changes))

    few = len(order) // 10
    assert told(order[-few:]) > 1.5 * told(order[:few])


def test_the_plain_gradient_can_be_asked_for(look) -> None:
    code = look.codes(1, [(10, 12)])[0]
    plain, smooth = saliency(look, 1, code, copies=0), saliency(look, 1, code)
    assert plain.map.sum() == pytest.approx(1, abs=1e-3)
    assert not np.allclose(plain.map, smooth.map)


@pytest.mark.parametrize("way", WAYS)
def test_a_network_that_knows_all_has_no_spread_and_walks_evenly(album, way) -> None:
    found = measure(Oracle(make_model(), album), 12, steps=5, way=way)
    assert found.way == way
    pixel_mm = 1e3 * 0.1 / (SIZE / 1.6)
    assert found.clicked_mm < pixel_mm
    assert found.between_mm < pixel_mm
    assert found.chance_mm > 4 * pixel_mm
    assert found.low <= found.ratio <= found.high
    assert found.even == 0.25
    assert found.even <= found.jump < 0.45
    assert found.clicked_on == found.between_on == 1


def test_a_network_that_has_learned_nothing_spreads(look) -> None:
    counted: list[int] = []
    found = measure(look, 6, progress=counted.append)
    assert sum(counted) == 6
    assert repr(found) == repr(measure(look, 6))  # NaN is not equal to itself
    assert not found.clicked_mm < 5
    assert found.trials == 6
    assert found.instances == 5


def test_the_spread_needs_truth_and_instances(data, look) -> None:
    from tiny_inspection import tile_album

    few = Look(make_model(), tile_album(data, instances=2))
    with pytest.raises(InvalidInputError, match="4 instances"):
        measure(few, 3)
    with pytest.raises(InvalidInputError, match="trials = 0"):
        measure(look, 0)


def test_in_a_perfect_space_neighbours_are_the_same_place(album, look) -> None:
    best = embedding_map(Oracle(make_model(), album), "tack", points=40)
    assert best.neighbour == pytest.approx(best.nearest, abs=0.01)
    assert best.chance > 5 * best.nearest
    assert best.axes.shape == (400, 3)
    assert np.abs(best.axes).max() == 1
    assert best.explained.sum() == pytest.approx(1, abs=1e-6)
    for head in look.heads:
        found = embedding_map(look, head, points=40)
        assert found.nearest <= found.neighbour
        np.testing.assert_array_equal(found.axes, embedding_map(look, head, points=40).axes)
    with pytest.raises(InvalidInputError, match="'sparse'"):
        embedding_map(look, "sparse")


def test_sheets_show_something_and_are_the_same_again(look) -> None:
    ends = [(12, 12), (20, 18)]
    drawn = [
        (sheets.heat_sheet, (0, ends[0])),
        (sheets.distance_sheet, (0, ends[0])),
        (sheets.saliency_sheet, (0, ends[0])),
        (sheets.path_sheet, (0, ends)),
    ]
    shapes = set()
    for draw, arguments in drawn:
        sheet = draw(look, *arguments)
        assert sheet.dtype == np.uint8
        assert sheet.std() > 10
        np.testing.assert_array_equal(sheet, draw(look, *arguments))
        shapes.add(sheet.shape)
    assert len(shapes) == 1
    assert sheets.places_sheet(look.album).shape == shapes.pop()
    space = space_sheet(embedding_map(look, "don", points=20), look.album)
    assert space.std() > 10
