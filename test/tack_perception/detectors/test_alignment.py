# SPDX-License-Identifier: Apache-2.0
"""Surfaces that are laid onto themselves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("torch", reason="PyTorch is not installed")

from hills import FOOT, dome, hill, motion_of, view, window

from tack_perception.detectors.alignment import Pairs, align, fit_of
from tack_perception.detectors.relief import relief_of
from tack_perception.similarity import Similarities

SIZE = 0.04
NO_PAIRS = Pairs(
    np.zeros((1, 3)), np.full((1, 3), 9.0), 0.4, 0.5
)  # so far apart that it counts nothing


def started(truth, degrees, metres, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    axis, way = (one / np.linalg.norm(one) for one in rng.normal(size=(2, 3)))
    steps = np.r_[np.radians(degrees) * axis, metres * way, np.log(scale)][None]
    return truth.moved(steps, truth.apply(FOOT[None])[:, 0])


def error(found, truth):
    """Largest distance of points of the hill to where they belong, m."""
    x, y = np.meshgrid(np.linspace(-0.03, 0.03, 5), np.linspace(-0.03, 0.03, 5))
    points = np.stack([x, y, hill(x, y)], -1).reshape(-1, 3)
    return np.linalg.norm(found.apply(points) - truth.apply(points), axis=-1).max(axis=1)


TURN = Rotation.from_euler("zyx", [35, 15, -10], degrees=True).as_matrix()
SHIFT = np.array([0.01, -0.015, 0.03])


@pytest.mark.parametrize("scale", [1.0, 1.15])
@pytest.mark.parametrize("seed", range(3))
def test_a_hill_is_laid_onto_itself(seed, scale):
    one = relief_of(window(view()))
    two = relief_of(window(view(turn=TURN, shift=SHIFT, scale=scale)))
    truth = motion_of(TURN, SHIFT, scale)
    start = started(truth, 12, 0.008, seed, 1 / scale)
    found = align(one, two, start, NO_PAIRS, SIZE)
    assert error(start, truth)[0] > 0.006
    assert error(found, truth)[0] < 0.002
    assert found.scale[0] == pytest.approx(scale, abs=0.02)


def test_many_are_laid_as_one_is():
    one, two = relief_of(window(view())), relief_of(window(view(turn=TURN, shift=SHIFT)))
    truth = motion_of(TURN, SHIFT)
    starts = [started(truth, 10, 0.005, seed) for seed in range(3)]
    together = Similarities(
        *(np.concatenate([getattr(s, f.name) for s in starts]) for f in dataclasses.fields(truth))
    )
    found = align(one, two, together, NO_PAIRS, SIZE)
    for n, start in enumerate(starts):
        alone = align(one, two, start, NO_PAIRS, SIZE)
        np.testing.assert_allclose(found[n : n + 1].translation, alone.translation, atol=1e-9)


def grey(frame):
    return dataclasses.replace(frame, color=np.full_like(frame.color, 120))


def test_colours_and_pairs_tell_how_a_round_thing_is_turned():
    turn = Rotation.from_euler("z", 20, degrees=True).as_matrix()
    frames = view(dome), view(dome, turn=turn)
    truth, start = motion_of(turn, np.zeros(3)), motion_of(np.eye(3), np.zeros(3))
    colored = [relief_of(window(frame)) for frame in frames]
    plain = [relief_of(window(grey(frame))) for frame in frames]
    blind = align(*plain, start, NO_PAIRS, SIZE)
    by_color = align(*colored, started(truth, 8, 0.002), NO_PAIRS, SIZE)
    points = colored[0].points[colored[0].seen(20)]
    pairs = Pairs(points, truth.apply(points)[0], 0.4, 0.5)
    held = align(*plain, start, pairs, SIZE)

    def missed(found):
        turned = found.rotation[0] @ turn.T
        return np.degrees(np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1)))

    assert missed(blind) > 15
    assert missed(by_color) < 2
    assert missed(held) < 8


def test_wrong_pairs_do_not_draw_a_pose_away():
    one, two = relief_of(window(view())), relief_of(window(view(turn=TURN, shift=SHIFT)))
    truth = motion_of(TURN, SHIFT)
    points = one.points[one.seen(40)]
    targets = truth.apply(points)[0]
    targets[::2] += (0.03, 0, 0)
    found = align(one, two, started(truth, 8, 0.004), Pairs(points, targets, 0.4, 0.5), SIZE)
    assert error(found, truth)[0] < 0.003


def test_the_right_pose_fits_best():
    one, two = relief_of(window(view())), relief_of(window(view(turn=TURN, shift=SHIFT)))
    truth = motion_of(TURN, SHIFT)
    right, off = fit_of(one, two, truth, SIZE), fit_of(one, two, started(truth, 60, 0), SIZE)
    assert right.met[0] > 0.7
    assert off.met[0] < 0.6 * right.met[0]
    assert right.through[0] < 0.02
    lifted = dataclasses.replace(truth, translation=truth.translation - (0, 0, 0.05))
    assert fit_of(one, two, lifted, SIZE).through[0] > 0.4  # it would hover


def test_without_depth_nothing_is_moved():
    frame = view()
    blind = dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan))
    one, two = relief_of(window(frame)), relief_of(window(blind))
    start = motion_of(TURN, SHIFT)
    found = align(one, two, start, NO_PAIRS, SIZE)
    np.testing.assert_array_equal(found.translation, start.translation)
    assert fit_of(one, two, start, SIZE).met.tolist() == [0]
