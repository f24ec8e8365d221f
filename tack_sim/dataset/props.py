# SPDX-License-Identifier: Apache-2.0
"""What stands around the objects of a synthetic scene: table, room, distractors, occluders."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from tack_sim import prints, shapes
from tack_sim.objects.model import Material, ObjectModel, RestPose
from tack_sim.objects.textures.noise import Field, fbm, hsv, mixed, plain, ramp, to_bytes
from tack_sim.prints import Image
from tack_sim.shapes import Mesh

PROP = "prop"
"""Family of things that have no class."""

_SIDE = 256  # px of a texture: at 320×240 a table shows about so many pixels
_WORDS = ("NOVA", "ORBIT", "LUMEN", "PIXEL", "TERRA", "DELTA", "VEGA", "ARBOR", "KITE", "RUMBA")


def prop(mesh: Mesh, texture: Image, material: Material) -> ObjectModel:
    """A mesh as an object without class, points and physics."""
    return ObjectModel(
        PROP, -1, mesh, np.zeros(len(mesh.faces), np.int32), ("surface",), (material,), texture,
        (), 1.0, 1.0, {}, (RestPose("standing", np.eye(4)),), (),
    )  # fmt: skip


def slab(
    width: float, depth: float, thickness: float, texture: Image, repeat: float
) -> ObjectModel:
    """A board whose top is at z = 0, the texture repeated on all its sides.

    Args:
        width, depth, thickness: along x, y and z, m.
        texture: that tiles.
        repeat: side of one repetition, m.
    """
    box = shapes.box(width, depth, thickness)
    vertices = box.vertices - (0, 0, thickness)
    normals = np.abs(np.cross(vertices[1::4] - vertices[::4], vertices[3::4] - vertices[::4]))
    axes = np.repeat(normals.argmax(axis=1), 4)
    flat = np.where((axes == 0)[:, None], vertices[:, 1:], vertices[:, :2])
    flat = np.where((axes == 1)[:, None], vertices[:, ::2], flat)
    return prop(Mesh(vertices, flat / repeat, box.faces), texture, Material(0.1, 0.1))


def surface_texture(rng: np.random.Generator) -> Image:
    """A table, floor or wall: plain, mottled, wooden, woven or tiled, in a random colour."""
    kind = str(rng.choice(("plain", "mottled", "wood", "woven", "tiles", "speckled")))
    color = hsv(rng.uniform(0, 1), rng.beta(1.2, 3.5), rng.uniform(0.25, 0.95))
    if kind == "wood":
        return _wood(rng)
    ground: Field = plain(_SIDE, _SIDE, color)
    ground *= 1 + 0.05 * fbm(_SIDE, _SIDE, rng, 4)[..., None]
    if kind == "mottled":
        other = hsv(rng.uniform(0, 1), rng.beta(1.2, 3.5), rng.uniform(0.2, 0.95))
        ground = mixed(ground, other, 0.5 + 0.8 * fbm(_SIDE, _SIDE, rng, 6, cells=(3, 3)))
    elif kind == "speckled":
        ground[rng.random((_SIDE, _SIDE)) < 0.04] *= rng.uniform(0.3, 1.4)
    elif kind in ("woven", "tiles"):
        ground *= _pattern(kind, rng)[..., None]
    return to_bytes(ground)


def _wood(rng: np.random.Generator) -> Image:
    dark = np.array(hsv(rng.uniform(0.04, 0.11), rng.uniform(0.3, 0.75), rng.uniform(0.2, 0.6)))
    light = np.clip(dark * rng.uniform(1.2, 1.6), 0, 1)
    grain = fbm(_SIDE, _SIDE, rng, 5, cells=(40, 3))
    return to_bytes(ramp(0.5 + 0.6 * grain, (tuple(dark), tuple(light))))


def _pattern(kind: str, rng: np.random.Generator) -> Field:
    cells = int(rng.integers(4, 12)) if kind == "tiles" else int(rng.integers(20, 50))
    phase = np.arange(_SIDE) * cells / _SIDE
    if kind == "tiles":
        odd = (phase.astype(int)[:, None] + phase.astype(int)) % 2
        return np.asarray(1 - rng.uniform(0.1, 0.6) * odd, dtype=np.float32)
    wave = np.sin(2 * math.pi * phase)
    return np.asarray(1 + 0.12 * wave[:, None] + 0.12 * wave[None], dtype=np.float32)


def distractor(rng: np.random.Generator) -> ObjectModel:
    """A package, can or block of no class."""
    texture = _print(int(rng.integers(12)))
    material = Material(
        float(rng.uniform(0.0, 0.6)),
        float(rng.uniform(0.1, 0.8)),
        float(rng.choice([0.0, 0.0, rng.uniform(0, 0.5)])),
    )
    if rng.random() < 0.4:
        mesh = shapes.can(rng.uniform(0.02, 0.045), rng.uniform(0.05, 0.14))
    else:
        width, depth, height = rng.uniform((0.03, 0.03, 0.02), (0.14, 0.1, 0.16))
        mesh = shapes.box(float(width), float(depth), float(height))
    if rng.random() < 0.4:
        texture = surface_texture(rng)
    return prop(mesh, texture, material)


def occluder(rng: np.random.Generator) -> ObjectModel:
    """A tall thin thing that hides part of what stands behind it."""
    height = rng.uniform(0.15, 0.35)
    if rng.random() < 0.5:
        mesh = shapes.can(rng.uniform(0.008, 0.03), height, segments=24)
    else:
        mesh = shapes.box(rng.uniform(0.015, 0.12), rng.uniform(0.01, 0.03), height)
    return prop(mesh, surface_texture(rng), Material(float(rng.uniform(0, 0.5)), 0.4))


@functools.lru_cache(maxsize=16)
def _print(number: int) -> Image:
    """One of a few printed packages; drawing one for each scene would take too long."""
    rng = np.random.default_rng(number)

    def color(low: float, high: float) -> tuple[int, int, int]:
        red, green, blue = hsv(rng.uniform(0, 1), rng.uniform(0.2, 0.9), rng.uniform(low, high))
        return round(255 * red), round(255 * green), round(255 * blue)

    content = prints.Print(
        str(rng.choice(_WORDS)),
        "no. " + str(rng.integers(10, 99)),
        (color(0.2, 0.7), color(0.4, 1.0)),
        (color(0.6, 1.0), color(0.3, 1.0), color(0.2, 1.0)),
    )
    cells = [
        prints.resized((prints.panel if i in (0, 1, 4) else prints.side)(360, 300, rng, content),
                       _SIDE, _SIDE)
        for i in range(len(shapes.BOX_CELLS))
    ]  # fmt: skip
    image: NDArray[np.uint8] = np.concatenate(cells, axis=1)
    return image
