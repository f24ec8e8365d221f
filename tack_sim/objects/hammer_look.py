# SPDX-License-Identifier: Apache-2.0
"""What hammers are made of and how they are painted."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from tack_sim.objects.hammer_shape import AREAS, HammerShape
from tack_sim.objects.lofts import Atlas
from tack_sim.objects.model import Image, Material
from tack_sim.objects.textures import metal, plastic, rubber, wood
from tack_sim.objects.textures.noise import Color, Field, mixed, plain, smoothstep

HEIGHT, WIDTH = 512, 1024
_LEGIBLE = 0.25  # difference of brightness that letters need
_WOODEN = Material(specular=0.25, shininess=0.35)
_RUBBER = Material(specular=0.12, shininess=0.15, depth_loss=0.03)
_PAINTED = Material(specular=0.4, shininess=0.6)
_STEEL = Material(specular=0.6, shininess=0.55, depth_loss=0.15)
_POLISHED = Material(specular=0.9, shininess=0.85, depth_loss=0.35)


@dataclasses.dataclass(frozen=True)
class Look:
    """What a hammer is made of.

    Attributes:
        head: forged, polished, rubber, wood or brass.
        handle: wood, steel or fibreglass.
        head_density, handle_density: kg/m³.
        materials: of the parts handle, grip, head, left and right prong.
        tones: of the wood.
        color, second: strong colour and the one beside it.
        dark: of rubber.
        scale: of the forged head, painted or not.
    """

    head: str
    handle: str
    head_density: float
    handle_density: float
    materials: tuple[Material, ...]
    tones: tuple[Color, Color]
    color: Color
    second: Color
    dark: Color
    scale: Color


def choose_look(shape: HammerShape, rng: np.random.Generator) -> Look:
    """Materials and colours that belong together."""
    color, second = plastic.tool_colors(rng)
    shade = float(rng.choice([rng.uniform(0.05, 0.15), rng.uniform(0.6, 0.8)], p=[0.8, 0.2]))
    head = str(rng.choice(["forged", "polished"]))
    head_density = 7850.0
    if shape.kind == "mallet":
        head = "wood" if shape.squareness > 3 else str(rng.choice(["rubber", "plastic"]))
        head_density = {"wood": 900.0, "rubber": 1250.0, "plastic": 1500.0}[head]
    handle = "wood"
    if shape.grip == "rubber":
        handle = str(rng.choice(["steel", "fibreglass"]))
    handle_density = {"wood": 760.0, "steel": 1900.0, "fibreglass": 1400.0}[handle]
    top = {"forged": _STEEL, "polished": _POLISHED, "wood": _WOODEN}.get(head, _RUBBER)
    stick = {"wood": _WOODEN, "steel": _POLISHED, "fibreglass": _PAINTED}[handle]
    sleeve = {"wood": _WOODEN, "painted": _PAINTED, "rubber": _RUBBER}[shape.grip]
    return Look(
        head,
        handle,
        head_density,
        handle_density,
        (stick, sleeve, top, top, top),
        wood.WOODS[int(rng.integers(len(wood.WOODS)))],
        color,
        second,
        (shade, shade, shade * rng.uniform(0.9, 1.1)),
        metal.GUNMETAL if rng.uniform() < 0.6 else color,
    )


def paint(shape: HammerShape, look: Look, rng: np.random.Generator) -> Image:
    """(HEIGHT, WIDTH, 3) uint8 atlas of the hammer."""
    atlas = Atlas(HEIGHT, WIDTH)
    size = {name: atlas.size(area) for name, area in AREAS.items()}
    handle, grip = _stick(size["handle"], size["grip"], shape, look, rng)
    atlas.paint(AREAS["handle"], handle)
    atlas.paint(AREAS["grip"], grip)
    for name in ("top", "end", "collar"):
        atlas.paint(AREAS[name], _end(*size[name], name, shape, look, rng))
    for name in ("head", "left", "right", "face", "tips"):
        atlas.paint(AREAS[name], _head(*size[name], name, look, rng))
    return atlas.image()


def _stick(
    handle: tuple[int, int],
    grip: tuple[int, int],
    shape: HammerShape,
    look: Look,
    rng: np.random.Generator,
) -> tuple[Field, Field]:
    """The skins of handle and grip; the grain of wood runs on from one to the other."""
    if look.handle == "wood":
        height, width = grip
        whole = wood.grain(height, 2 * width, rng, look.tones)
        start = width - width // 8  # the handle starts a little inside the grip
        upper = cv2.resize(whole[:, start : start + width], handle[::-1])
        lower = whole[:, :width]
        return np.asarray(upper, np.float32), _wooden_grip(lower, shape, look, rng)
    if look.handle == "steel":
        upper = metal.brushed(*handle, rng, metal.CHROME)
    else:
        upper = plastic.plastic(*handle, rng, look.color)
    return np.asarray(upper, np.float32), _sleeve(*grip, look, rng)


def _wooden_grip(surface: Field, shape: HammerShape, look: Look, rng: np.random.Generator) -> Field:
    letters = look.dark
    if shape.grip == "painted":
        dip = rng.uniform(0.5, 0.75)
        surface = _band(surface, look.color, 0.0, dip)
        surface = _band(surface, look.color, dip + 0.04, dip + 0.07)
        letters = (0.95, 0.94, 0.9)
    return _named(surface, letters, rng)


def _sleeve(height: int, width: int, look: Look, rng: np.random.Generator) -> Field:
    surface = rubber.rubber(height, width, rng, look.second)
    surface = _band(surface, look.color, 0.0, rng.uniform(0.05, 0.12))
    surface = _band(surface, look.color, rng.uniform(0.86, 0.95), 1.0)
    if rng.uniform() < 0.5:  # an inlay of the other colour along the upper and the lower side
        t = np.linspace(0, 1, height)[:, None]
        u = np.linspace(0, 1, width)[None, :]
        near = np.minimum(np.abs(t - 0.5), 0.5 - np.abs(t - 0.5))
        inlay = smoothstep(0.075, 0.065, near) * smoothstep(0.16, 0.17, u)
        surface = mixed(surface, look.color, inlay * smoothstep(0.82, 0.81, u))
        return _named(surface, look.second, rng)
    return _named(surface, look.color, rng)


def _band(surface: Field, color: Color, start: float, end: float) -> Field:
    """The surface with a ring of colour around it, from one share of its length to another."""
    width = surface.shape[1]
    first, last = round(start * width), round(end * width)
    banded: Field = surface.copy()
    banded[:, first:last] = surface[:, first:last] * 0.1 + np.array(color, np.float32) * 0.9
    return banded


def _named(surface: Field, color: Color, rng: np.random.Generator) -> Field:
    """The surface with a maker's name on its upper side."""
    height, width = surface.shape[:2]
    name = str(rng.choice(plastic.BRANDS))
    place, size = (0.45 * width, 0.5 * height), (0.36 * width, 0.11 * height)
    ground = float(surface[height // 2, round(0.3 * width) : round(0.6 * width)].mean())
    if abs(ground - float(np.mean(color))) < _LEGIBLE:
        color = (0.06, 0.06, 0.07) if ground > 0.4 else (0.93, 0.92, 0.88)
    return mixed(surface, color, metal.stroke_text(height, width, name, place, size))


def _end(
    height: int,
    width: int,
    area: str,
    shape: HammerShape,
    look: Look,
    rng: np.random.Generator,
) -> Field:
    """The flat ends of handle and grip."""
    wooden = look.handle == "wood"
    if wooden and (area == "top" or shape.grip == "wood"):
        return wood.end_grain(height, width, rng, look.tones)
    return plain(height, width, look.dark if area == "top" else look.color)


def _head(height: int, width: int, area: str, look: Look, rng: np.random.Generator) -> Field:
    if look.head == "wood":
        return wood.grain(height, width, rng, look.tones)
    if look.head == "plastic":
        soft = area != "head"
        return plastic.plastic(height, width, rng, look.second if soft else look.color)
    if look.head == "rubber":
        return rubber.rubber(height, width, rng, look.dark)
    if look.head == "polished":
        surface = metal.brushed(height, width, rng, metal.CHROME)
    elif area == "face":
        surface = metal.brushed(height, width, rng, metal.STEEL)
    else:
        surface = metal.forged(height, width, rng, look.scale, wear=0.2)
    if area == "head":
        bright = round(0.86 * width)  # ground near the face
        surface[:, bright:] = metal.brushed(height, width - bright, rng, metal.STEEL)
        place, size = (0.2 * width, 0.25 * height), (0.16 * width, 0.07 * height)
        metal.stamp(surface, str(rng.choice(["300", "450", "16oz", "500"])), place, size)
    return surface
