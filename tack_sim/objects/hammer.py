# SPDX-License-Identifier: Apache-2.0
"""Hammers: claw, ball peen, cross peen and mallet, with wooden, painted or rubber handles.

The object's frame: x along the handle towards the head, y towards the striking face, z up when it
lies on its side. Points: head_top (the handle's end in the head), face, peen (what is behind the
head: claw, ball, wedge or second face), neck, handle_center and handle_end.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tack_sim.objects import hammer_shape, solids
from tack_sim.objects.hammer_look import choose_look, paint
from tack_sim.objects.hammer_shape import HammerLofts, HammerShape
from tack_sim.objects.lofts import lying
from tack_sim.objects.model import ObjectModel, RestPose, SurfacePoint, TopGrasp
from tack_sim.objects.surfaces import assemble

_FAMILY = 4
_TOP = hammer_shape.HANDLE_AROUND // 2  # the corner of a handle's ring that looks up
_TIP_CLEARANCE = 0.003  # m that finger tips stay above the table
_BELOW = 0.004  # m that they reach below the handle
_KINDS: tuple[hammer_shape.Kind, ...] = ("claw", "ball", "cross", "mallet")


def make(seed: int) -> ObjectModel:
    """A hammer; the same seed gives the same one."""
    rng = np.random.default_rng([_FAMILY, seed])
    shape = sample_shape(rng)
    look = choose_look(shape, rng)
    lofts = hammer_shape.build(shape)
    bodies = {field.name: getattr(lofts, field.name) for field in dataclasses.fields(lofts)}
    mesh, part_of_face, names = assemble([(name, body.mesh) for name, body in bodies.items()])
    pieces = hammer_shape.pieces(shape, lofts, look.head_density, look.handle_density)
    rests = tuple(
        lying(name, turn, mesh, pieces)
        for name, turn in (("lying", np.eye(3)), ("lying_other_side", np.diag([1.0, -1.0, -1.0])))
    )
    points = points_of(lofts)
    return ObjectModel(
        family="hammer",
        seed=seed,
        mesh=mesh,
        part_of_face=part_of_face,
        part_names=names,
        materials=look.materials,
        texture=paint(shape, look, rng),
        pieces=pieces,
        mass=sum(solids.volume(piece) * piece.density_scale for piece in pieces),
        friction=0.5,
        points=points,
        rests=rests,
        grasps=(_grasp(lofts, rests[0]),),
    )


def sample_shape(rng: np.random.Generator) -> HammerShape:
    """Measures of a hammer that somebody could sell."""
    kind = _KINDS[int(rng.choice(4, p=[0.42, 0.22, 0.13, 0.23]))]
    shares = [0.3, 0.2, 0.5] if kind in ("claw", "mallet") else [0.45, 0.25, 0.3]
    grip: hammer_shape.Grip = ("wood", "painted", "rubber")[int(rng.choice(3, p=shares))]
    face = {"claw": (0.0125, 0.0152), "ball": (0.0125, 0.0155), "cross": (0.0115, 0.0145)}
    if kind == "mallet":
        radius = rng.uniform(0.026, 0.032)
        squareness = 5.0 if grip == "wood" and rng.uniform() < 0.7 else 2.0
        cheek = (radius, radius * (1.0 if squareness < 3 else rng.uniform(0.78, 0.95)))
        front = rng.uniform(0.045, 0.056)
        back = front * rng.uniform(0.92, 1.0)
    else:
        radius = rng.uniform(*face[kind])
        squareness = rng.uniform(3.0, 6.0)
        cheek = (radius * rng.uniform(0.9, 1.02), rng.uniform(0.0105, 0.0125))
        front = rng.uniform(0.042, 0.055) if kind == "claw" else rng.uniform(0.040, 0.047)
        back = rng.uniform(0.066, 0.085) if kind == "claw" else rng.uniform(0.040, 0.050)
    rubber = grip == "rubber"
    neck = (rng.uniform(0.0085, 0.0105), rng.uniform(0.0065, 0.0078))
    widen = rng.uniform(0.95, 1.08) if rubber else rng.uniform(1.1, 1.3)
    hold = (rng.uniform(0.0125, 0.0150), rng.uniform(0.0100, 0.0118))
    return HammerShape(
        kind=kind,
        grip=grip,
        length=rng.uniform(0.28, 0.34) if kind == "claw" else rng.uniform(0.26, 0.33),
        face=radius,
        cheek=cheek,
        squareness=squareness,
        front=front,
        back=back,
        bend=float(rng.choice([rng.uniform(0.15, 0.4), rng.uniform(0.8, 1.15)], p=[0.3, 0.7])),
        spread=(rng.uniform(0.0135, 0.0185), rng.uniform(0.0035, 0.0055)),
        neck=neck,
        shoulder=(neck[0] * widen, neck[1] * widen),
        hold=hold,
        swell=rng.uniform(0.04, 0.14),
        sleeve=rng.uniform(0.0012, 0.0028) if rubber else 0.0,
        grooves=int(rng.integers(7, 16)) if rubber and rng.uniform() < 0.75 else 0,
        clearance=0.026 if kind != "mallet" else 0.034,
    )


def points_of(lofts: HammerLofts) -> dict[str, SurfacePoint]:
    """The named points, by place on the topology."""
    grip = len(lofts.handle.mesh.faces)
    head = grip + len(lofts.grip.mesh.faces)
    left = head + len(lofts.head.mesh.faces)
    return {
        "head_top": lofts.handle.tip(),
        "face": lofts.head.tip(head),
        "peen": lofts.left.tip(left),
        "neck": lofts.handle.point(hammer_shape.NECK_ROW, _TOP),
        "handle_center": lofts.grip.point(hammer_shape.GRIP_MIDDLE_ROW, _TOP, grip),
        "handle_end": lofts.grip.tip(grip, start=True),
    }


def _grasp(lofts: HammerLofts, rest: RestPose) -> TopGrasp:
    """Across the neck, beside the centre of mass; farther back the head would hang down."""
    ring = lofts.handle.rings[hammer_shape.NECK_ROW]
    height = ring @ rest.table_from_object[2, :3] + rest.table_from_object[2, 3]
    top = float(height[_TOP])
    depth = min(top - float(height.min()) + _BELOW, top - _TIP_CLEARANCE)
    width = float(np.ptp(ring[:, 1]))
    return TopGrasp("neck", rest.name, np.array([0.0, 1.0, 0.0]), width, depth)
