# SPDX-License-Identifier: Apache-2.0
"""How a scene is lit and how the colour imager answers: exposure, white balance, noise, blur."""

from __future__ import annotations

import dataclasses
import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.configuration import Configuration, setting

Image = NDArray[np.uint8]
Vector = tuple[float, float, float]

_POOL = 1024  # px, side of the field that image noise is cut from


@dataclasses.dataclass(frozen=True)
class Light:
    """One light.

    Attributes:
        position: m; of a directional light it says where its shadow map is centred.
        direction: in which it shines.
        diffuse, ambient, specular: strengths of red, green and blue, 0 to 1.
        shadow: whether things cast shadows in it.
        spot: a cone instead of parallel rays.
        cutoff_deg: half angle of the cone.
    """

    position: Vector
    direction: Vector
    diffuse: Vector
    ambient: Vector = (0.0, 0.0, 0.0)
    specular: Vector = (0.0, 0.0, 0.0)
    shadow: bool = False
    spot: bool = False
    cutoff_deg: float = 60.0


@dataclasses.dataclass(frozen=True)
class LookConfig(Configuration):
    """Ranges from which lights and the colour imager's answer are drawn."""

    ambient: tuple[float, ...] = setting((0.22, 0.5), "light from everywhere", low=0, high=1)
    key: tuple[float, ...] = setting((0.3, 0.75), "strength of the main light", low=0, high=1.5)
    fill: tuple[float, ...] = setting((0.05, 0.3), "strength of the second light", low=0, high=1)
    elevation_deg: tuple[float, ...] = setting(
        (35.0, 85.0), "of the main light above the table", unit="°", low=5, high=90
    )
    kelvin: tuple[float, ...] = setting(
        (3200.0, 8000.0), "colour temperature of the lights", unit="K", low=2000, high=15000
    )
    metering: float = setting(
        0.42,
        "mean brightness that the automatic exposure aims at; 0: fixed exposure",
        low=0,
        high=1,
    )
    exposure_stops: tuple[float, ...] = setting(
        (-0.5, 0.5), "exposure beside the right one", unit="stops", low=-3, high=3
    )
    white_balance: float = setting(
        0.06, "standard deviation of the channels' gains (of their logarithm)", low=0, high=0.5
    )
    contrast: tuple[float, ...] = setting(
        (0.85, 1.2), "exponent of the tone curve", low=0.3, high=3
    )
    read_noise: tuple[float, ...] = setting(
        (0.3, 2.0), "noise in the dark", unit="of 255", low=0, high=30
    )
    shot_noise: tuple[float, ...] = setting(
        (0.02, 0.16), "noise over the square root of the signal", unit="of √255", low=0, high=2
    )
    lens_px: tuple[float, ...] = setting(
        (0.3, 0.7), "standard deviation of the lens blur", unit="px", low=0, high=10
    )
    blur_px: tuple[float, ...] = setting(
        (0.0, 2.0), "length of the motion blur in a picture 640 px wide", unit="px", low=0, high=50
    )


STEADY = LookConfig(
    ambient=(0.38, 0.38), key=(0.6, 0.6), fill=(0.16, 0.16), elevation_deg=(60.0, 60.0),
    kelvin=(6000.0, 6000.0), metering=0.0, exposure_stops=(0.0, 0.0), white_balance=0.0,
    contrast=(1.0, 1.0), read_noise=(0.0, 0.0), shot_noise=(0.0, 0.0), lens_px=(0.45, 0.45),
    blur_px=(0.0, 0.0),
)  # fmt: skip
"""A pleasant light and a good imager: nothing is left to chance but the light's direction."""


@dataclasses.dataclass(frozen=True)
class Look:
    """One draw from a `LookConfig`.

    Attributes:
        lights: the main light last.
        metering: mean brightness aimed at, 0 for a fixed exposure.
        gains: of red, green and blue, exposure included.
        contrast: exponent of the tone curve.
        read_noise, shot_noise: see `LookConfig`.
        lens: standard deviation of the lens blur, px.
        blur: motion blur along u and v in a picture 640 px wide, px.
    """

    lights: tuple[Light, ...]
    metering: float
    gains: Vector
    contrast: float
    read_noise: float
    shot_noise: float
    lens: float
    blur: tuple[float, float]


def sample_look(
    config: LookConfig,
    rng: np.random.Generator,
    centre: Vector = (0.0, 0.0, 0.0),
    *,
    shadows: bool = True,
) -> Look:
    """Draw lights and an imager.

    Args:
        config: the ranges.
        rng: source of all randomness.
        centre: what the lights shine at, m in the world.
        shadows: whether the main light casts them.
    """

    def draw(low_high: tuple[float, ...]) -> float:
        return float(rng.uniform(min(low_high), max(low_high)))

    azimuth = float(rng.uniform(-math.pi, math.pi))
    elevation, opposite = draw(config.elevation_deg), azimuth + math.pi + rng.uniform(-1.0, 1.0)
    ambient, tint = draw(config.ambient), draw(config.kelvin)
    lights = (
        # MuJoCo leaves out the ambient part of lights that cast shadows.
        _light(centre, float(opposite), 40.0, draw(config.fill), tint, ambient=ambient),
        _light(centre, azimuth, elevation, draw(config.key), draw(config.kelvin), shadow=shadows),
    )
    exposure = 2.0 ** draw(config.exposure_stops)
    balance = np.exp(rng.normal(0.0, config.white_balance, 3)) if config.white_balance else 1.0
    red, green, blue = (float(gain) for gain in np.ones(3) * exposure * balance)
    length, angle = draw(config.blur_px), float(rng.uniform(0, math.pi))
    return Look(
        lights,
        config.metering,
        (red, green, blue),
        draw(config.contrast),
        draw(config.read_noise),
        draw(config.shot_noise),
        draw(config.lens_px),
        (length * math.cos(angle), length * math.sin(angle)),
    )


def expose(color: Image, look: Look, rng: np.random.Generator) -> Image:
    """What the imager makes of a perfectly rendered picture.

    Args:
        color: (H, W, 3) uint8 RGB.
        look: the imager.
        rng: source of the noise.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    image = motion_blur(color, look.blur, color.shape[1] / 640)
    if look.lens:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), look.lens), dtype=np.uint8)
    gains = np.array(look.gains) * _metered(color, look.metering)
    levels = np.arange(256, dtype=np.float64)[:, None] / 255 * gains
    # Highlights roll off instead of clipping hard, as in any camera's tone curve.
    curve = np.where(levels < 0.8, levels, 0.8 + 0.2 * np.tanh((levels - 0.8) / 0.2))
    curve = np.clip(curve, 0, 1) ** look.contrast
    if (gains != 1).any() or look.contrast != 1.0:
        table = np.rint(curve * 255).astype(np.uint8)[None]
        image = np.asarray(cv2.LUT(image, table), dtype=np.uint8)
    if look.read_noise or look.shot_noise:
        image = _noisy(image, look, rng)
    return image


def _metered(color: Image, aim: float) -> float:
    """Gain of the automatic exposure, within what such an exposure can do."""
    if not aim:
        return 1.0
    brightness = float(color[::4, ::4].mean()) / 255
    return min(max(aim / max(brightness, 1e-3), 0.4), 4.0)


def motion_blur(color: Image, blur: tuple[float, float], scale: float = 1.0) -> Image:
    """The picture smeared along a straight line of `blur`·`scale` px."""
    u, v = (component * scale for component in blur)
    reach = math.ceil(max(abs(u), abs(v)) / 2)
    if math.hypot(u, v) < 0.5:
        return color
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for step in np.linspace(-0.5, 0.5, 16 * reach + 1):
        column, row = reach + step * u, reach + step * v
        left, top = math.floor(column), math.floor(row)
        for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = abs(1 - x - (column - left)) * abs(1 - y - (row - top))
            if weight > 0:
                kernel[top + y, left + x] += weight
    smeared = cv2.filter2D(color, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smeared, dtype=np.uint8)


def _noisy(image: Image, look: Look, rng: np.random.Generator) -> Image:
    """Shot and read noise; the field is cut from a pool, since drawing it anew takes far longer."""
    height, width = image.shape[:2]
    pool = _noise_pool(max(_POOL, height + 1), max(_POOL, width + 1))
    top = int(rng.integers(pool.shape[0] - height))
    left = int(rng.integers(pool.shape[1] - width))
    field = pool[top : top + height, left : left + width]
    level = np.arange(256, dtype=np.float32)
    sigma = np.sqrt(np.float32(look.read_noise**2) + np.float32(look.shot_noise**2) * level)
    noise = cv2.multiply(cv2.LUT(image, sigma), field)
    noisy = cv2.add(image, noise, dtype=cv2.CV_8U)
    return np.asarray(noisy, dtype=np.uint8)


@functools.lru_cache(maxsize=2)
def _noise_pool(height: int, width: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)  # the pool is a constant; what is cut from it is drawn
    pool = rng.standard_normal((height, width, 3), dtype=np.float32)
    pool.flags.writeable = False
    return pool


def _light(
    centre: Vector,
    azimuth: float,
    elevation_deg: float,
    strength: float,
    kelvin: float,
    *,
    ambient: float = 0.0,
    shadow: bool = False,
) -> Light:
    elevation = math.radians(elevation_deg)
    level = math.cos(elevation)
    away = np.array([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)])
    tint = np.array(_tint(kelvin))
    return Light(
        _vector(np.array(centre) + 1.5 * away),
        _vector(-away),
        _vector(strength * tint),
        _vector(ambient * tint),
        _vector(0.5 * strength * tint),
        shadow,
    )


def _tint(kelvin: float) -> Vector:
    """Colour of a black body beside daylight (6500 K), roughly: warm is red, cold is blue."""
    warmth = math.log(6500 / kelvin)
    gains = np.exp(np.array([0.30, 0.0, -0.45]) * warmth)
    return _vector(gains / gains.max())


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
