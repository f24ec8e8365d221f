# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tack_perception.errors import ConfigurationError
from tack_sim.cameras.look import STEADY, LookConfig, expose, motion_blur, sample_look

GREY = np.full((120, 160, 3), 100, np.uint8)
PLAIN = dataclasses.replace(STEADY, lens_px=(0.0, 0.0))


def look(config=PLAIN, seed=0):
    return sample_look(config, np.random.default_rng(seed))


def test_a_perfect_imager_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    image = np.minimum(image, 200)  # above, highlights roll off
    assert_array_equal(expose(image, look(), np.random.default_rng(0)), image)


def test_exposure_and_metering():
    rng = np.random.default_rng(0)
    brighter = look(dataclasses.replace(PLAIN, exposure_stops=(0.5, 0.5)))
    assert expose(GREY, brighter, rng).mean() == pytest.approx(100 * 2**0.5, abs=1)
    metered = look(dataclasses.replace(PLAIN, metering=0.5))
    for level in (60, 100, 180):
        image = np.full_like(GREY, level)
        assert expose(image, metered, rng).mean() == pytest.approx(127.5, abs=1.5)


def test_noise_has_the_stated_strength():
    noisy = look(dataclasses.replace(PLAIN, read_noise=(3.0, 3.0), shot_noise=(0.4, 0.4)))
    error = expose(GREY, noisy, np.random.default_rng(0)).astype(float) - 100
    assert error.std() == pytest.approx(np.sqrt(3**2 + 0.4**2 * 100), rel=0.05)
    assert abs(error.mean()) < 0.2


def test_motion_blur_smears_along_its_direction():
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 250
    smeared = motion_blur(image, (8.0, 0.0))[..., 0].astype(float)
    assert (smeared[20] > 5).sum() == pytest.approx(9, abs=1)
    assert smeared[[18, 19, 21, 22]].max() == 0
    assert smeared.sum() == pytest.approx(250, rel=0.1)


def test_the_same_seed_gives_the_same_look_and_noise():
    config = LookConfig()
    assert look(config, 3) == look(config, 3)
    assert look(config, 3) != look(config, 4)
    pictures = [expose(GREY, look(config, 3), np.random.default_rng(5)) for _ in range(2)]
    assert_array_equal(*pictures)


def test_lights_stay_in_their_ranges():
    config = LookConfig(key=(0.5, 0.6), ambient=(0.2, 0.3), elevation_deg=(40.0, 50.0))
    for seed in range(20):
        drawn = look(config, seed)
        fill, key = drawn.lights
        assert key.shadow
        assert not fill.shadow
        assert 0.5 <= max(key.diffuse) <= 0.6
        assert 0.2 <= max(fill.ambient) <= 0.3
        assert -np.sin(np.radians(50.01)) <= key.direction[2] <= -np.sin(np.radians(39.99))


def test_a_wrong_range_is_refused():
    with pytest.raises(ConfigurationError, match=r"kelvin.*2000"):
        LookConfig(kelvin=(100.0, 5000.0))
