# SPDX-License-Identifier: Apache-2.0
"""Writes what the page shows as pictures, and the figures as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tack_cli.inspection.api import finite
from tack_cli.inspection.shelf import Shelf
from tack_cli.report.clicks import Click
from tack_cli.report.pictures import jpeg, png
from tack_perception.drawing import Image
from tack_perception.errors import InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.inspection import sheets
from tack_perception.inspection.album import Album, FloatArray
from tack_perception.inspection.embedding import embedding_map
from tack_perception.inspection.interpolation import BOUND, Spread, measure
from tack_perception.inspection.look import Look
from tack_perception.inspection.saliency import saliency
from tack_perception.inspection.space_sheet import space_sheet
from tack_perception.inspection.suggest import suggested
from tack_perception.inspection.ways import WAYS

FIGURES = "figures.json"


def write_files(
    shelf: Shelf, output: Path, points: Sequence[Click], trials: int, *, progress: bool = False
) -> list[str]:
    """Write the sheets of every album of a shelf, and the figures.

    Args:
        shelf: the albums.
        output: folder; each album gets one of its own in it.
        points: the click, and a second one on the same picture for the way between the two; empty
            takes points that many pictures show.
        trials: of the spread of mixed codes; 0 leaves it out.
        progress: show progress bars.

    Returns:
        The names of the files, relative to the folder; the figures first.

    Raises:
        InvalidInputError: a point is on no picture of the album, or there are more than two.
        TackError: a file cannot be written.
    """
    if points and len(shelf.names) > 1:
        raise InvalidInputError("--point: name the class that it is on with --class")
    if trials < 0:
        raise InvalidInputError(f"--trials {trials}: 0 or more are expected")
    files: list[str] = []
    classes: dict[str, Any] = {}
    with tqdm(shelf.names, unit="class", disable=not progress) as bar:
        for name in bar:
            bar.set_description(name)
            look = shelf.look(name)
            number, ends = clicked(look.album, points) if points else suggested(look.album)
            for stem, picture in _sheets(look, number, ends):
                exact = stem.startswith("space")
                file = f"{name}/{stem}.{'png' if exact else 'jpg'}"
                write_atomically(output / file, png(picture) if exact else jpeg(picture))
                files.append(file)
            classes[name] = _figures(look, number, ends)
            if trials and "tack" in look.heads and look.album.box is not None:
                classes[name]["between"] = {
                    way: _spread(shelf, name, trials, way, progress) for way in WAYS
                }
    content = {
        "model": shelf.title, "data": shelf.source.resolve().name, "bound": BOUND,
        "classes": finite(classes),
    }  # fmt: skip
    text = json.dumps(content, indent=1, allow_nan=False)
    write_atomically(output / FIGURES, text + "\n")
    return [FIGURES, *files]


def clicked(album: Album, points: Sequence[Click]) -> tuple[int, FloatArray]:
    """The picture of an album that clicks are on, and (2, 2) px of them there.

    Args:
        album: the pictures.
        points: one or two; a second one is the first where there is none.

    Raises:
        InvalidInputError: they are on no picture, on two, or are too many.
    """
    if len(points) > 2 or len({point.index for point in points}) > 1:
        raise InvalidInputError("--point: one click, or two on the same view, are expected")
    first = points[0]
    if first.index is None:
        raise InvalidInputError(f"--point {first.text}: VIEW:U,V is expected, VIEW a number")
    for number, picture in enumerate(album.pictures):
        pixels = picture.crop.to_crop([(point.u, point.v) for point in points])
        inside = (pixels >= -0.5) & (pixels <= picture.size - 0.5)
        if picture.view == first.index and inside.all():
            return number, np.stack([pixels[0], pixels[-1]])
    shown = ", ".join(
        f"{p.view} around {p.crop.u:.0f},{p.crop.v:.0f}" for p in album.pictures
    )  # fmt: skip
    raise InvalidInputError(f"--point {first.text}: the pictures of {album.name} show {shown}")


def _sheets(look: Look, number: int, ends: FloatArray) -> list[tuple[str, Image]]:
    """Name without ending and picture of all that the model's heads allow."""
    album, made = look.album, []
    if "tack" in look.heads:
        made += [
            ("heat", sheets.heat_sheet(look, number, ends[0])),
            ("saliency", sheets.saliency_sheet(look, number, ends[0])),
            ("path", sheets.path_sheet(look, number, ends)),
        ]
    if "don" in look.heads:
        made.append(("distance", sheets.distance_sheet(look, number, ends[0])))
    if album.box is not None:
        made.append(("places", sheets.places_sheet(album)))
    return made + [
        (f"space_{head}", space_sheet(embedding_map(look, head), album)) for head in look.heads
    ]


def _figures(look: Look, number: int, ends: FloatArray) -> dict[str, Any]:
    """What the sheets show, as numbers."""
    album = look.album
    picture = album.pictures[number]
    figures: dict[str, Any] = {
        "pictures": [{"instance": one.instance, "view": one.view} for one in album.pictures],
        "click": {
            "view": picture.view,
            "pixels": np.round(picture.crop.to_image(ends), 1).tolist(),
        },
        "space": {},
    }
    for head in look.heads:
        found = embedding_map(look, head)
        figures["space"][head] = {
            "explained": np.round(found.explained, 4).tolist(),
            "neighbour": found.neighbour, "nearest": found.nearest, "chance": found.chance,
        }  # fmt: skip
    if "tack" in look.heads:
        code = look.codes(number, ends[:1])[0]
        several = [saliency(look, n, code) for n in range(len(album.pictures))]
        figures["saliency"] = {
            "reach": float(np.median([one.reach for one in several]) / picture.size),
            "on_object": float(np.median([one.on_object for one in several])),
            "area": float(np.median([one.area for one in several])),
        }
    return figures


def _spread(shelf: Shelf, name: str, trials: int, way: str, progress: bool) -> dict[str, Any] | str:
    wide = shelf.look(name, wide=True)
    with tqdm(total=trials, desc=f"between clicks, {way}", unit="pair", leave=False,
              disable=not progress) as bar:  # fmt: skip
        told: Callable[[int], object] = bar.update
        try:
            found: Spread = measure(wide, trials, way=way, progress=told)
        except InvalidInputError as error:
            return str(error)  # too few instances: the pictures are worth having all the same
    return dataclasses.asdict(found)
