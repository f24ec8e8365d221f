# SPDX-License-Identifier: Apache-2.0
"""What is asked and what is held to be true, on blocks whose colour tells the place."""

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.evaluation.appearances import catalogue
from tack_perception.evaluation.plan import make_plan
from tack_perception.evaluation.probe import ProtocolConfig
from tack_perception.evaluation.protocol import run
from tack_perception.evaluation.truth import State, look_at, named_points

from .conftest import CAMERA, POINTS, SIZES, SYMMETRY, VIEWS, ColorDetector, place_of

CONFIG = ProtocolConfig(trials=40)


@pytest.fixture(scope="module")
def plan(blocks):
    return make_plan(blocks, config=CONFIG)


def targets(plan, state, relations=("same", "new")):
    return [
        (probe, query, point, target)
        for probe in plan.probes
        if probe.relation in relations
        for query in probe.queries
        for point, target in zip(probe.points, query.targets, strict=True)
        if target is not None and target.state is state
    ]


def color_distances(plan, found):
    """Least difference of clicked colours to those of the nine pixels around the truth."""
    pictures, distances = {}, []
    for probe, query, point, target in found:
        if (probe.number, query.occlusion) not in pictures:
            searched = plan.pictures.query(probe, query.occlusion).color
            pictures[probe.number, query.occlusion] = plan.pictures.click(probe).color, searched
        here, there = pictures[probe.number, query.occlusion]
        u, v = np.rint(point.pixel).astype(int)
        clicked = here[v, u].astype(float)
        u, v = np.rint(target.pixel).astype(int)
        around = there[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
        distances.append(np.abs(around - clicked).max(axis=-1).min())
    return np.array(distances)


def test_seen_points_have_the_color_that_was_clicked(plan):
    seen = targets(plan, State.SEEN, ("same", "new", "self"))
    assert len(seen) > 150
    assert {probe.relation for probe, *_ in seen} == {"same", "new", "self"}
    distances = color_distances(plan, seen)
    # A pixel is 1/18 of a side or less: 10 levels.
    assert distances.max() < 15
    assert distances.mean() < 4


def test_hidden_and_covered_points_do_not_show(plan):
    for state in (State.HIDDEN, State.COVERED):
        found = targets(plan, state)
        assert len(found) > 20
        assert (
            color_distances(plan, found) < 15
        ).mean() < 0.35  # behind an edge is nearly the same place


def test_the_truth_in_space_is_that_of_arithmetic(plan):
    for probe, _, point, target in targets(plan, State.SEEN):
        name = point.label.partition(".")[2]
        if name not in POINTS:
            continue
        view = plan.pictures.view("queries", probe.query_view)
        thing = view.objects[probe.query_thing]
        face, weights = POINTS[name]
        place = place_of(np.array([face]), np.array([weights]))[0] * SIZES[thing.instance]
        world = geometry.apply(thing.world_from_object, place)
        local = geometry.apply(geometry.inverse(view.world_from_camera), world)
        assert_allclose(target.xyz, local, atol=1e-6)
        assert_allclose(target.pixel, CAMERA.project(local), atol=1e-3)


def test_an_occluder_covers_the_share_that_it_should(plan):
    probe = next(p for p in plan.probes if len(p.queries) > 1)
    assert [query.occlusion for query in probe.queries] == [0, 20, 40, 60]
    before = plan.pictures.query_view(probe, 0)
    mask = before.instance == probe.query_thing + 1
    for share in (20, 40, 60):
        after = plan.pictures.query_view(probe, share)
        left = (after.instance == probe.query_thing + 1).sum() / mask.sum()
        assert left == pytest.approx(1 - share / 100, abs=0.02)
        taken = mask & (after.instance == 0)
        assert (after.true_depth[taken] < before.true_depth[taken]).all()


def test_columns_of_the_plan(plan):
    relations = {probe.relation for probe in plan.probes}
    assert relations == {"same", "new", "self", "absent"}
    for probe in plan.probes:
        view = plan.pictures.view("queries", probe.query_view)
        if probe.relation == "absent":
            assert probe.category not in {t.instance.partition("_")[0] for t in view.objects}
            assert {t.state for t in probe.queries[0].targets} == {State.ABSENT}
            continue
        here = plan.pictures.view(probe.clicked, probe.click_view).objects[probe.click_thing]
        there = view.objects[probe.query_thing]
        assert (here.instance == there.instance) == (probe.relation in ("same", "self"))
        assert (probe.click_view == probe.query_view) == (probe.relation == "self")
        assert probe.clutter == 0
    # The only plate has no other instance to be clicked on.
    assert {p.category for p in plan.probes if p.relation == "new"} == {"block"}


def test_the_change_of_viewpoint_is_that_of_the_cameras(plan):
    """Cameras of a scene stand at known bearings around it."""
    probe = next(
        p
        for p in plan.probes
        if p.relation == "same" and {p.click_view % VIEWS, p.query_view % VIEWS} == {0, 1}
    )
    one, other = (math.radians(x) for x in (45, 52))  # elevations; azimuths are 70 degrees apart
    cosine = math.sin(one) * math.sin(other) + math.cos(one) * math.cos(other) * math.cos(
        math.radians(70)
    )
    assert probe.angle_deg == pytest.approx(math.degrees(math.acos(cosine)), abs=3)


def test_working_size_is_whole_and_large(plan, blocks):
    working = {probe.working for probe in plan.probes if probe.relation == "same"}
    assert working == {True}  # the cameras look at the middle from near
    here = catalogue(blocks, 0.0).appearances[0]
    view = blocks.view(0)
    rows, columns = np.nonzero(view.instance)
    shown = (columns.min(), rows.min(), columns.max(), rows.max())
    assert_allclose(here.box, shown, atol=1)
    assert here.share == pytest.approx((view.instance > 0).mean())
    cut = dataclasses.replace(here, box=(-1.0, 10.0, 60.0, 50.0))
    small = dataclasses.replace(here, box=(10.0, 10.0, 33.0, 33.0))
    assert (here.working, cut.working, small.working) == (True, False, False)


def test_equivalents_are_half_a_turn_away(plan):
    turned = [
        (probe, target)
        for probe, _, point, target in targets(plan, State.SEEN)
        if point.label.endswith(".top") and len(target.equivalents)
    ]
    assert turned
    for _, target in turned:  # the middle of the upper side is on the axis
        assert_allclose(target.equivalents, target.pixel[None], atol=1e-3)
    broken = [t for _, _, p, t in targets(plan, State.SEEN) if p.label.endswith(".corner")]
    assert broken
    assert all(len(target.equivalents) == 0 for target in broken)
    assert SYMMETRY["order"] == 2


def test_a_point_on_the_far_side_is_hidden(blocks):
    view = blocks.view(0)
    pose = view.objects[0].world_from_object
    camera = geometry.apply(geometry.inverse(pose), view.world_from_camera[:3, 3])
    size = np.array(SIZES["block_0"])
    side = np.sign(camera[0]) * np.array([1.0, 0, 0])
    near = look_at(view, 0, (side * size / 2)[None], side[None])
    far = look_at(view, 0, (-side * size / 2)[None], -side[None])
    # Without a normal, depth alone tells.
    blind = look_at(view, 0, (-side * size / 2)[None])
    outside = look_at(view, 0, np.array([[0.0, 0.0, 5.0]]))
    states = [look.states[0] for look in (near, far, blind, outside)]
    assert states == [State.SEEN, State.HIDDEN, State.HIDDEN, State.OUTSIDE]


def test_what_the_set_calls_visible_is_seen(blocks):
    view = blocks.view(1)
    found = named_points(blocks, view, 0)
    stated = {point.name: point.visible for point in view.points}
    assert set(found) == set(stated)
    for name, look in found.items():
        assert (look.states[0] is State.SEEN) == stated[name]
    said = dataclasses.replace(
        view, points=tuple(dataclasses.replace(p, visible=False) for p in view.points)
    )
    unsure = named_points(blocks, said, 0)
    assert all(look.states[0] is not State.SEEN for look in unsure.values())


def test_the_same_seed_asks_the_same(blocks, plan):
    again = make_plan(blocks, config=CONFIG)
    other = make_plan(blocks, config=dataclasses.replace(CONFIG, seed=1))

    def asked(one):
        return [
            (p.click_view, p.query_view, q.occlusion, *(c.pixel for c in p.points))
            for p in one.probes
            for q in p.queries
        ]

    assert asked(again) == asked(plan)
    assert asked(other) != asked(plan)
    probe = next(p for p in plan.probes if len(p.queries) > 1)
    pictures = [one.pictures.query(probe, 40).color for one in (plan, again)]
    assert np.array_equal(*pictures)


def test_further_shots_show_the_clicked_place_and_change_no_question(blocks, plan):
    many = make_plan(blocks, config=dataclasses.replace(CONFIG, shots=4))
    distances = []
    for probe, one in zip(many.probes, plan.probes, strict=True):
        assert [p.pixel for p in probe.points] == [p.pixel for p in one.points]
        assert all(not p.further for p in one.points)
        pictures, clicked = many.pictures.further(probe), many.pictures.click(probe).color
        for point in probe.points:
            assert len(point.further) <= 3
            u, v = np.rint(point.pixel).astype(int)
            color = clicked[v, u].astype(float)
            for view, pixel in point.further:
                assert view not in (probe.click_view, probe.query_view)
                u, v = np.rint(pixel).astype(int)
                around = pictures[view].color[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
                distances.append(np.abs(around - color).max(axis=-1).min())
    assert len(distances) > 100
    assert max(distances) < 15


def test_a_detector_gets_all_shots_of_a_click(blocks):
    plan = make_plan(blocks, config=ProtocolConfig(trials=10, shots=4))
    given: list[list[str]] = []

    class Counting(ColorDetector):
        def enroll(self, shots):
            given.append([shot.label for shot in shots])
            super().enroll(shots)

        def forget(self, label=None):
            given.append([])
            super().forget(label)

    trials, _ = run(plan, Counting, "color")
    assert {trial.probe for trial in trials} == {probe.number for probe in plan.probes}
    first = given[: given.index([])] if [] in given else given
    counts = Counter(label for labels in first for label in labels)
    probe = plan.probes[0]
    assert counts == {point.label: 1 + len(point.further) for point in probe.points}


def test_clicks_from_another_set(blocks, tmp_path):
    both = make_plan(blocks, CorrespondenceSet.open(blocks.folder), ProtocolConfig(trials=10))
    new = [p for p in both.probes if p.relation == "new"]
    assert {p.clicked for p in new} == {"clicks"}
    assert {p.clicked for p in both.probes if p.relation == "same"} == {"queries"}
    assert not both.own_clicks
    one = make_plan(blocks, config=ProtocolConfig(trials=10), classes=["plate"])
    assert {p.category for p in one.probes} == {"plate"}
    with pytest.raises(InvalidInputError, match=r"class cup: .*block, plate"):
        make_plan(blocks, classes=["cup"])
    with pytest.raises(ConfigurationError, match="trials"):
        ProtocolConfig(trials=0)
