# SPDX-License-Identifier: Apache-2.0
"""Printed boards that stand on the table and hide things from a camera."""

from __future__ import annotations

import numpy as np

from tack_sim import prints, shapes
from tack_sim.objects.model import Material, ObjectModel, Piece, RestPose
from tack_sim.prints import Print


def make_panel(seed: int, height: float | None = None, *, plain: bool = False) -> ObjectModel:
    """A board, upright, 15 to 22 cm wide and 10 to 18 cm high; the same seed gives the same.

    Args:
        seed: of its size and print.
        height: another one, m.
        plain: without the print, which makes it look like a carton.
    """
    rng = np.random.default_rng(seed)
    width, drawn = rng.uniform((0.15, 0.10), (0.22, 0.18))
    height = float(drawn if height is None else height)
    thickness = 0.03
    mesh = shapes.box(width, thickness, height)
    placed = np.eye(4)
    placed[2, 3] = height / 2
    piece = Piece("box", placed, (width / 2, thickness / 2, height / 2))
    return ObjectModel(
        family="panel",
        seed=seed,
        mesh=mesh,
        part_of_face=np.zeros(len(mesh.faces), np.int32),
        part_names=("board",),
        materials=(Material(specular=0.1, shininess=0.2),),
        texture=_print(width, height, rng, plain),
        pieces=(piece,),
        mass=1.2,
        friction=0.7,
        points={},
        rests=(RestPose("standing", np.eye(4)),),
        grasps=(),
    )


def _print(width: float, height: float, rng: np.random.Generator, plain: bool) -> prints.Image:
    """The six cells of `shapes.box`: a printed front and back, plain edges."""
    dark, light, *accents = (
        (int(r), int(g), int(b)) for r, g, b in rng.integers((20, 20, 20), (235, 235, 235), (6, 3))
    )
    content = Print("TACK", "stand clear", (dark, light), tuple(accents))
    cell = 256
    cells = []
    for name in shapes.BOX_CELLS:
        if name in ("front", "back") and not plain:
            drawn = prints.panel(round(3000 * height), round(3000 * width), rng, content)
            cells.append(prints.resized(drawn, cell, cell))
        else:
            cells.append(np.full((cell, cell, 3), dark, np.uint8))
    return np.concatenate(cells, axis=1)
