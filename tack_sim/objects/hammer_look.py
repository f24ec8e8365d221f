# SPDX-License-Identifier: Apache-2.0
"""What hammers are made of and how they are painted."""

from __future__ import annotations

import dataclasses

import numpy as np

from tack_sim.objects.hammer_shape import AREAS, HammerShape
from tack_sim.objects.lofts import Atlas
from tack_sim.objects.model import Image, Material
from tack_sim.objects.textures import metal, plastic, rubber, wood
from tack_sim.objects.textures.noise import Color, Field, mixed, plain

HEIGHT, WIDTH = 512, 1024
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
        dark: of rubber and forge scale.
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


def choose_look(shape: HammerShape, rng: np.random.Generator) -> Look:
    """Materials and colours that belong together."""
    color, second = plastic.tool_colors(rng)
    shade = rng.uniform(0.06, 0.15)
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
        (shade, shade, shade * rng.uniform(1.0, 1.15)),
    )


def paint(shape: HammerShape, look: Look, rng: np.random.Generator) -> Image:
    """(HEIGHT, WIDTH, 3) uint8 atlas of the hammer."""
    atlas = Atlas(HEIGHT, WIDTH)
    for area in ("handle", "grip", "head", "left", "right", "top", "end", "face", "tips", "collar"):
        height, width = atlas.size(AREAS[area])
        paint_area = {"handle": _handle, "top": _top, "grip": _grip, "end": _end, "collar": _end}
        atlas.paint(AREAS[area], paint_area.get(area, _head)(height, width, shape, look, rng, area))
    return atlas.image()


def _handle(
    height: int, width: int, shape: HammerShape, look: Look, rng: np.random.Generator, area: str
) -> Field:
    if look.handle == "wood":
        return wood.grain(height, width, rng, look.tones)
    if look.handle == "steel":
        return metal.brushed(height, width, rng, metal.CHROME)
    return plastic.plastic(height, width, rng, look.color)


def _top(
    height: int, width: int, shape: HammerShape, look: Look, rng: np.random.Generator, area: str
) -> Field:
    if look.handle == "wood":
        return wood.end_grain(height, width, rng, look.tones)
    return plain(height, width, look.dark)


def _end(
    height: int, width: int, shape: HammerShape, look: Look, rng: np.random.Generator, area: str
) -> Field:
    if shape.grip == "wood":
        return wood.end_grain(height, width, rng, look.tones)
    return plain(height, width, look.second if shape.grip == "rubber" else look.color)


def _grip(
    height: int, width: int, shape: HammerShape, look: Look, rng: np.random.Generator, area: str
) -> Field:
    name = str(rng.choice(plastic.BRANDS))
    if shape.grip == "rubber":
        surface = rubber.rubber(height, width, rng, look.second)
        u = np.linspace(0, 1, width)[None, :]
        ends = ((u < 0.09) | (u > 0.93)).astype(np.float32) + np.zeros((height, 1), np.float32)
        surface = mixed(surface, look.color, ends)
        letters = look.color
    else:
        surface = wood.grain(height, width, rng, look.tones)
        letters = look.dark
        if shape.grip == "painted":
            u = np.linspace(0, 1, width)[None, :]
            dipped = (u < 0.66).astype(np.float32) + np.zeros((height, 1), np.float32)
            ring = ((u > 0.70) & (u < 0.73)).astype(np.float32) + np.zeros((height, 1), np.float32)
            surface = mixed(mixed(surface, look.color, dipped), look.color, ring)
            letters = (0.95, 0.94, 0.9)
    ink = metal.stroke_text(
        height, width, name, (0.45 * width, 0.5 * height), (0.34 * width, 0.13 * height)
    )
    return mixed(surface, letters, ink)


def _head(
    height: int, width: int, shape: HammerShape, look: Look, rng: np.random.Generator, area: str
) -> Field:
    if look.head == "polished":
        return metal.brushed(height, width, rng, metal.CHROME)
    if look.head == "forged":
        surface = metal.forged(height, width, rng, metal.GUNMETAL, wear=0.2)
        if area == "face":
            return metal.brushed(height, width, rng, metal.STEEL)
        if area == "head":
            u = np.linspace(0, 1, width)[None, :] + np.zeros((height, 1))
            bright = metal.brushed(height, width, rng, metal.STEEL)
            surface = np.where((u > 0.86)[..., None], bright, surface)
        return surface
    if look.head == "wood":
        return wood.grain(height, width, rng, look.tones)
    if look.head == "plastic":
        return plastic.plastic(height, width, rng, look.color)
    return rubber.rubber(height, width, rng, look.dark)
