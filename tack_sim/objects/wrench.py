# SPDX-License-Identifier: Apache-2.0
"""Combination wrenches: an open jaw at one end, a ring at the other.

The object's frame: x from the ring to the jaw, z up when it lies. Points, all on the upper side:
jaw (the bottom of its mouth), jaw_neck, shaft_center, ring_neck and ring_outer (the far end).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tack_sim.objects import solids, wrench_shape
from tack_sim.objects.lofts import Atlas, lying
from tack_sim.objects.model import Image, Material, ObjectModel, RestPose, SurfacePoint, TopGrasp
from tack_sim.objects.surfaces import assemble
from tack_sim.objects.textures import metal, plastic
from tack_sim.objects.textures.noise import Field, hsv, mixed
from tack_sim.objects.wrench_shape import AREAS, WrenchLofts, WrenchShape
from tack_sim.shapes import Mesh

_FAMILY = 6
_STEEL_DENSITY = 7850.0
_SIZES = (12, 13, 14, 15, 16, 17, 18, 19)
_TIP_CLEARANCE = 0.0025  # m that finger tips stay above the table
_FINGER = 0.013  # m, half width of a finger, with room for error
_FLARE = 0.005  # m that the shaft may widen along a finger
_HEIGHT, _WIDTH = 320, 1024


def make(seed: int) -> ObjectModel:
    """A wrench; the same seed gives the same one."""
    rng = np.random.default_rng([_FAMILY, seed])
    shape = sample_shape(rng)
    lofts = wrench_shape.build(shape)
    bodies = {field.name: getattr(lofts, field.name) for field in dataclasses.fields(lofts)}
    mesh, part_of_face, names = assemble([(name, body.mesh) for name, body in bodies.items()])
    pieces = wrench_shape.pieces(lofts)
    rests = tuple(
        lying(name, turn, mesh, pieces)
        for name, turn in (("lying", np.eye(3)), ("lying_other_side", np.diag([1.0, -1.0, -1.0])))
    )
    finish = str(rng.choice(["chrome", "satin", "black", "coloured"], p=[0.35, 0.3, 0.17, 0.18]))
    steel = {
        "chrome": Material(specular=0.95, shininess=0.9, depth_loss=0.4),
        "satin": Material(specular=0.6, shininess=0.5, depth_loss=0.2),
        "black": Material(specular=0.35, shininess=0.4, depth_loss=0.15),
        "coloured": Material(specular=0.7, shininess=0.7, depth_loss=0.15),
    }[finish]
    return ObjectModel(
        family="wrench",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=(steel,) * len(names),
        texture=_paint(shape, finish, rng),
        pieces=pieces,
        mass=_STEEL_DENSITY * sum(solids.volume(piece) for piece in pieces),
        friction=0.45,
        points=points_of(lofts),
        rests=rests,
        grasps=_grasps(mesh, lofts, rests[0]),
    )


def sample_shape(rng: np.random.Generator) -> WrenchShape:
    """Measures of a wrench that somebody could sell."""
    size = float(rng.choice(_SIZES)) * 1e-3
    stubby = rng.uniform() < 0.2
    heavy = rng.uniform(0, 1)
    height = 0.008 + 0.0035 * heavy
    width = size * rng.uniform(0.75, 1.1) + 0.002
    return WrenchShape(
        size=size,
        length=size * (rng.uniform(7.0, 8.5) if stubby else rng.uniform(9.5, 12.5)) + 0.012,
        jaw_radius=rng.uniform(1.02, 1.16),
        jaw_reach=rng.uniform(0.66, 0.84),
        jaw_tip=math.radians(rng.uniform(42, 50)),
        throat=rng.uniform(0.46, 0.56),
        offset=math.radians(float(rng.choice([15.0, 15.0, 0.0, -15.0, 22.5]))),
        jaw_height=height + rng.uniform(0.0, 0.0015),
        ring_height=height + rng.uniform(0.001, 0.0035),
        ring_radius=rng.uniform(0.78, 0.92),
        points=int(rng.choice([12, 12, 6])),
        width=width,
        waist=width * rng.uniform(0.62, 1.0),
        height=height - rng.uniform(0.0, 0.001),
        panel=float(rng.choice([rng.uniform(0.0006, 0.0013), 0.0, -0.0006], p=[0.6, 0.2, 0.2])),
    )


def points_of(lofts: WrenchLofts) -> dict[str, SurfacePoint]:
    """The named points, by place on the topology."""
    jaw = len(lofts.shaft.mesh.faces)
    ring = jaw + len(lofts.jaw.mesh.faces)
    top = wrench_shape.SHAFT_TOP
    return {
        "jaw": lofts.jaw.point(wrench_shape.JAW_STATIONS // 2, wrench_shape.INNER_TOP, jaw),
        "jaw_neck": lofts.shaft.point(wrench_shape.JAW_NECK_ROW, top),
        "shaft_center": lofts.shaft.point(wrench_shape.SHAFT_MIDDLE_ROW, top),
        "ring_neck": lofts.shaft.point(wrench_shape.RING_NECK_ROW, top),
        "ring_outer": lofts.ring.point(
            wrench_shape.RING_STATIONS // 2, wrench_shape.OUTER_TOP, ring
        ),
    }


def _grasps(mesh: Mesh, lofts: WrenchLofts, rest: RestPose) -> tuple[TopGrasp, ...]:
    """Across the shaft, in the middle and wherever a finger has room beside the heads."""
    grasps = []
    for name, row in (
        ("shaft_center", wrench_shape.SHAFT_MIDDLE_ROW),
        ("jaw_neck", wrench_shape.JAW_NECK_ROW),
        ("ring_neck", wrench_shape.RING_NECK_ROW),
    ):
        ring = lofts.shaft.rings[row]
        held = np.abs(mesh.vertices[:, 0] - ring[0, 0]) < _FINGER
        width = 2 * float(np.abs(mesh.vertices[held, 1]).max())
        if width > np.ptp(ring[:, 1]) + _FLARE:
            continue
        up = rest.table_from_object[2]
        depth = float(ring[wrench_shape.SHAFT_TOP] @ up[:3] + up[3]) - _TIP_CLEARANCE
        grasps.append(TopGrasp(name, rest.name, np.array([0.0, 1.0, 0.0]), width, depth))
    return tuple(grasps)


def _paint(shape: WrenchShape, finish: str, rng: np.random.Generator) -> Image:
    """(_HEIGHT, _WIDTH, 3) uint8 atlas."""
    atlas = Atlas(_HEIGHT, _WIDTH)
    color = {"chrome": metal.CHROME, "satin": metal.STEEL, "black": metal.GUNMETAL}.get(
        finish, plastic.tool_colors(rng)[0]
    )
    for name, area in AREAS.items():
        height, width = atlas.size(area)
        strength = 0.03 if finish == "chrome" else 0.06
        surface = metal.brushed(height, width, rng, color, strength=strength)
        if name == "shaft":
            surface = _lettered(surface, shape, rng)
        atlas.paint(area, surface)
    return atlas.image()


def _lettered(surface: Field, shape: WrenchShape, rng: np.random.Generator) -> Field:
    """The shaft with its size, maker and steel on both sides, some with a coloured panel."""
    height, width = surface.shape[:2]
    brand = str(rng.choice(plastic.BRANDS))
    steel = str(rng.choice(["CHROME VANADIUM", "CR-V", "FORGED STEEL"]))
    tinted = rng.uniform() < 0.35
    tint = hsv(rng.uniform(0, 1), 0.85, rng.uniform(0.12, 0.7))
    half = (wrench_shape.PANEL[1] - wrench_shape.PANEL[0]) / 2
    for middle in (0.5, 0.0):
        side = np.roll(surface, round((0.5 - middle) * height), axis=0)
        if tinted:
            u = np.linspace(0, 1, width)[None, :]
            t = np.linspace(0, 1, height)[:, None]
            inside = (np.abs(t - 0.5) < half) & (np.abs(u - 0.5) < 0.26)
            side = mixed(side, tint, inside.astype(np.float32))
        letter = 2 * half * height
        texts = (
            (f"{shape.size * 1e3:.0f}", 0.80, 0.05, 0.8),
            (brand if middle else steel, 0.5, 0.26, 0.5),
            (f"{shape.size * 1e3:.0f}", 0.20, 0.05, 0.8),
        )
        for text, along, wide, high in texts:
            place, room = (along * width, 0.5 * height), (wide * width, high * letter)
            if tinted and along == 0.5:
                ink = metal.stroke_text(height, width, text, place, room)
                side = mixed(side, (0.96, 0.96, 0.94), ink)
            else:
                metal.stamp(side, text, place, room)
        surface = np.roll(side, -round((0.5 - middle) * height), axis=0)
    return surface
