# SPDX-License-Identifier: Apache-2.0
"""What a place specification names and the scene does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tack_grasping.placing.scene import Scene
from tack_grasping.placing.spec import Axis, ClearOf, Constraint, In, KeepTurn, On, PlaceSpec
from tack_grasping.placing.targets import Direction, Where
from tack_grasping.points import NamedPoint

_FLAT = 0.05  # horizontal share of a direction, below which its heading says nothing


def missing(spec: PlaceSpec, scene: Scene) -> str:
    """One sentence on what a specification names and the scene lacks; "" where nothing is."""
    for item in (*spec.constraints, *(cost.wish for cost in spec.costs)):
        sentence = next(_missing_of(item, scene), "")
        if sentence:
            return f"{item.words}: {sentence}"
    return ""


def _missing_of(item: Constraint, scene: Scene) -> Iterator[str]:
    if isinstance(item, On):
        yield from _unknown("support", item.support, scene.supports)
        if item.point:
            yield from _unknown("point", item.point, scene.points)
    elif isinstance(item, In):
        yield from _unknown("bin", item.bin, scene.bins)
    elif isinstance(item, ClearOf):
        if item.object:
            yield from _unknown("object", item.object, scene.others)
            if not scene.others.get(item.object, {}):
                yield f"no point of {item.object} is known"
            for point in item.points:
                yield from _unknown(
                    f"point of {item.object}", point, scene.others.get(item.object, {})
                )
        elif item.box and item.box.frame:
            yield from _unknown("frame", item.box.frame, scene.frames)
    elif isinstance(item, Axis):
        yield from _missing_axis(item.start, item.end, "point", scene.points)
        if item.towards is not None:
            yield from _missing_place(item.towards, scene)
        else:
            yield from _missing_direction(item.along, scene)
            if (
                item.level
                and np.linalg.norm(np.cross(scene.direction(item.along), scene.up)) < _FLAT
            ):
                yield "the direction is vertical, so it has no heading; leave out 'level'"
    elif not isinstance(item, KeepTurn):
        yield from _unknown("point", item.point, scene.points)
        yield from _missing_place(item.where, scene)


def _missing_place(where: Where, scene: Scene) -> Iterator[str]:
    if where.frame:
        yield from _unknown("frame", where.frame, scene.frames)
    if where.object:
        yield from _unknown("object", where.object, scene.others)
        known = scene.others.get(where.object, {})
        yield from _unknown(f"point of {where.object}", where.point, known)


def _missing_direction(along: Direction, scene: Scene) -> Iterator[str]:
    if along.frame:
        yield from _unknown("frame", along.frame, scene.frames)
    if along.kind == "object":
        yield from _unknown("object", along.object, scene.others)
        known = scene.others.get(along.object, {})
        yield from _missing_axis(along.start, along.end, f"point of {along.object}", known)


def _missing_axis(
    start: str, end: str, kind: str, known: Mapping[str, NamedPoint]
) -> Iterator[str]:
    for label in (start, end) if end else (start,):
        yield from _unknown(kind, label, known)
    if not end:
        if known[start].normal is None:
            yield f"the surface normal at {start!r} is not known; name two points instead"
    elif np.linalg.norm(known[end].position - known[start].position) < 1e-4:
        yield f"{start!r} and {end!r} lie on each other, so their axis has no direction"


def _unknown(kind: str, name: str, known: Mapping[str, object]) -> Iterator[str]:
    if name not in known:
        yield f"{kind} {name!r} was not found; known are {', '.join(sorted(known)) or 'none'}"
