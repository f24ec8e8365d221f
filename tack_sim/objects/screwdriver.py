# SPDX-License-Identifier: Apache-2.0
"""Screwdrivers: ergonomic, fluted and stubby handles, flat, cross and hex tips.

The object's frame: x from the handle to the tip, z up when it lies. Points: tip, shaft_center,
collar, handle_center (these three on the side that usually looks up) and handle_end.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tack_sim.objects import screwdriver_shape, solids
from tack_sim.objects.lofts import Atlas, lying
from tack_sim.objects.model import (
    Image,
    Material,
    ObjectModel,
    RestPose,
    SurfacePoint,
    Symmetry,
    TopGrasp,
)
from tack_sim.objects.screwdriver_shape import AREAS, ScrewdriverLofts, ScrewdriverShape
from tack_sim.objects.surfaces import assemble
from tack_sim.objects.textures import metal, plastic, rubber, wood
from tack_sim.objects.textures.noise import Color, Field, mixed, smoothstep

_FAMILY = 5
_STEEL_DENSITY = 7850.0
_TIP_CLEARANCE = 0.003  # m that finger tips stay above the table
_HEIGHT, _WIDTH = 512, 1024
_BRIGHT = 0.42  # ground that takes dark letters
_STEEL = Material(specular=0.8, shininess=0.75, depth_loss=0.35)


STYLES = {
    "ergonomic": (
        (0.50, 0.72, 0.88, 0.96, 1.0, 0.99, 0.93, 0.84, 0.78, 0.86, 0.84, 0.62),
        (0.0, 0.0, 0.0, 0.02, 0.06, 0.10, 0.10, 0.06, 0.02, 0.0, 0.0, 0.0),
    ),
    "fluted": (
        (0.62, 0.82, 0.95, 1.0, 0.98, 0.98, 0.98, 0.98, 0.96, 0.86, 0.76, 0.66),
        (0.0, 0.0, 0.0, 0.0, 0.14, 0.15, 0.15, 0.15, 0.10, 0.02, 0.0, 0.0),
    ),
    "bulb": (
        (0.45, 0.68, 0.86, 0.97, 1.0, 0.90, 0.74, 0.68, 0.74, 0.82, 0.80, 0.60),
        (0.0, 0.0, 0.02, 0.05, 0.07, 0.07, 0.05, 0.03, 0.02, 0.0, 0.0, 0.0),
    ),
    "precision": (
        (0.55, 0.80, 0.90, 0.92, 0.92, 0.92, 0.94, 0.97, 1.0, 0.97, 0.85, 0.60),
        (0.0, 0.0, 0.0, 0.05, 0.08, 0.08, 0.08, 0.08, 0.06, 0.02, 0.0, 0.0),
    ),
}
"""Radius and depth of the flutes at each of the handle's stations, end first."""


def make(seed: int) -> ObjectModel:
    """A screwdriver; the same seed gives the same one."""
    rng = np.random.default_rng([_FAMILY, seed])
    style = str(rng.choice(list(STYLES), p=[0.36, 0.28, 0.2, 0.16]))
    shape = sample_shape(style, rng)
    lofts = screwdriver_shape.build(shape)
    bodies = {field.name: getattr(lofts, field.name) for field in dataclasses.fields(lofts)}
    mesh, part_of_face, names = assemble([(name, body.mesh) for name, body in bodies.items()])
    finish = _finish(style, rng)
    pieces = screwdriver_shape.pieces(lofts, 780.0 if finish == "wood" else 1180.0, _STEEL_DENSITY)
    rests = (lying("lying", np.eye(3), mesh, pieces),)
    return ObjectModel(
        family="screwdriver",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=(*_handle_materials(finish), _STEEL, _STEEL),
        texture=_paint(shape, finish, rng),
        pieces=pieces,
        mass=sum(solids.volume(piece) * piece.density_scale for piece in pieces),
        friction=0.55,
        points=points_of(lofts),
        rests=rests,
        grasps=_grasps(lofts, rests[0]),
        # Flutes and blade come round a few times a turn; which turn it is nobody can tell.
        symmetries=(Symmetry((1.0, 0.0, 0.0), 0),),
    )


def sample_shape(style: str, rng: np.random.Generator) -> ScrewdriverShape:
    """Measures of a screwdriver with a handle of some style that somebody could sell."""
    profile, flute = (np.array(values) for values in STYLES[style])
    profile = profile * rng.uniform(0.96, 1.03, len(profile))
    flute = flute * rng.uniform(0.7, 1.6)
    slim = style == "precision"
    radius = rng.uniform(0.0105, 0.0130) if slim else rng.uniform(0.0135, 0.0185)
    shaft_radius = rng.uniform(0.0022, 0.0030) if slim else rng.uniform(0.0028, 0.0042)
    tip: screwdriver_shape.Tip = ("flat", "cross", "hex")[int(rng.choice(3, p=[0.45, 0.45, 0.1]))]
    blade = (0.45, 0.0)
    if tip == "flat":
        blade = (shaft_radius * rng.uniform(1.0, 1.4), rng.uniform(0.0005, 0.0007))
    elif tip == "hex":
        blade = (0.13, 0.0)
    return ScrewdriverShape(
        handle=rng.uniform(0.075, 0.118),
        radius=radius,
        profile=tuple(profile.tolist()),
        lobes=int(rng.choice([3, 4, 6])) if style != "fluted" else int(rng.choice([6, 8])),
        flute=tuple(flute.tolist()),
        sharpness=rng.uniform(0.8, 1.6),
        collar=(rng.uniform(0.006, 0.016), radius * profile[-1] * rng.uniform(0.8, 0.98)),
        shaft=rng.uniform(0.042, 0.055) if rng.uniform() < 0.15 else rng.uniform(0.065, 0.145),
        shaft_radius=shaft_radius,
        squareness=float(rng.choice([2.0, 2.0, 6.0])),
        tip=tip,
        blade=blade,
    )


def _finish(style: str, rng: np.random.Generator) -> str:
    if style == "fluted":
        return str(rng.choice(["acetate", "plain"], p=[0.7, 0.3]))
    return str(rng.choice(["two_colour", "plain", "wood"], p=[0.7, 0.2, 0.1]))


def _handle_materials(finish: str) -> tuple[Material, Material]:
    looks = {
        "acetate": Material(specular=0.7, shininess=0.8, depth_loss=0.15),
        "two_colour": Material(specular=0.25, shininess=0.3),
        "plain": Material(specular=0.45, shininess=0.6),
        "wood": Material(specular=0.3, shininess=0.4),
    }
    return looks[finish], looks["plain"] if finish != "wood" else _STEEL


def points_of(lofts: ScrewdriverLofts) -> dict[str, SurfacePoint]:
    """The named points, by place on the topology."""
    collar = len(lofts.handle.mesh.faces)
    shaft = collar + len(lofts.collar.mesh.faces)
    tip = shaft + len(lofts.shaft.mesh.faces)
    thin_top = screwdriver_shape.SHAFT_AROUND // 2
    thick_top = screwdriver_shape.HANDLE_AROUND // 2
    return {
        "tip": lofts.tip.tip(tip),
        "shaft_center": lofts.shaft.point(screwdriver_shape.SHAFT_MIDDLE_ROW, thin_top, shaft),
        "collar": lofts.collar.point(screwdriver_shape.COLLAR_ROW, thin_top, collar),
        "handle_center": lofts.handle.point(screwdriver_shape.HANDLE_MIDDLE_ROW, thick_top),
        "handle_end": lofts.handle.tip(start=True),
    }


def _grasps(lofts: ScrewdriverLofts, rest: RestPose) -> tuple[TopGrasp, ...]:
    """Across the handle, and across the shaft."""
    grasps = []
    for name, ring in (
        ("handle_center", lofts.handle.rings[screwdriver_shape.HANDLE_MIDDLE_ROW]),
        ("shaft_center", lofts.shaft.rings[screwdriver_shape.SHAFT_MIDDLE_ROW]),
    ):
        height = ring @ rest.table_from_object[2, :3] + rest.table_from_object[2, 3]
        top = float(height[len(ring) // 2])
        depth = min(top - float(height.min()) + 0.004, top - _TIP_CLEARANCE)
        across = np.array([0.0, 1.0, 0.0])
        grasps.append(TopGrasp(name, rest.name, across, float(np.ptp(ring[:, 1])), depth))
    return tuple(grasps)


def _paint(shape: ScrewdriverShape, finish: str, rng: np.random.Generator) -> Image:
    """(_HEIGHT, _WIDTH, 3) uint8 atlas."""
    atlas = Atlas(_HEIGHT, _WIDTH)
    colors = plastic.tool_colors(rng)
    tones = wood.WOODS[int(rng.integers(len(wood.WOODS)))]
    dark_tip = rng.uniform() < 0.5
    for name, area in AREAS.items():
        height, width = atlas.size(area)
        if name == "handle":
            surface = _handle(height, width, shape, finish, colors, tones, rng)
        elif name in ("collar", "end", "front"):
            surface = plastic.plastic(height, width, rng, colors[name != "end"])
            if finish == "wood":
                surface = metal.brushed(height, width, rng, metal.BRASS)
                if name == "end":
                    surface = wood.end_grain(height, width, rng, tones)
        else:
            dark = dark_tip and name in ("tip", "steel")
            surface = metal.brushed(height, width, rng, metal.GUNMETAL if dark else metal.CHROME)
        atlas.paint(area, surface)
    return atlas.image()


def _handle(
    height: int,
    width: int,
    shape: ScrewdriverShape,
    finish: str,
    colors: tuple[Color, Color],
    tones: tuple[Color, Color],
    rng: np.random.Generator,
) -> Field:
    u = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    angles = np.linspace(-np.pi / 2, 1.5 * np.pi, height, endpoint=False)[:, None]
    deep = screwdriver_shape.flutes(shape, angles)
    if finish == "acetate":
        surface = plastic.striped(height, width, rng, colors, shape.lobes)
    elif finish == "wood":
        surface = wood.grain(height, width, rng, tones)
    elif finish == "plain":
        surface = plastic.plastic(height, width, rng, colors[0])
    else:
        surface = plastic.plastic(height, width, rng, colors[0])
        soft = rubber.rubber(height, width, rng, colors[1])
        inlay = smoothstep(0.10, 0.16, u) * smoothstep(0.84, 0.78, u) * smoothstep(0.30, 0.42, deep)
        band = smoothstep(0.86, 0.88, u) * smoothstep(0.96, 0.94, u) + 0 * deep
        surface = mixed(surface, soft, np.maximum(inlay, band).astype(np.float32))
    name = str(rng.choice(plastic.BRANDS))
    ground = surface[2 * height // 5 : 3 * height // 5, round(0.3 * width) : round(0.65 * width)]
    letters = (0.07, 0.07, 0.08) if float(ground.mean()) > _BRIGHT else (0.95, 0.95, 0.93)
    ink = metal.stroke_text(
        height, width, name, (0.47 * width, 0.5 * height), (0.36 * width, 0.09 * height)
    )
    return mixed(surface, letters, ink)
