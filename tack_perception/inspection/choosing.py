# SPDX-License-Identifier: Apache-2.0
"""Chooses the pictures of an album: well-seen objects of a data set, or of a recording's frames."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet, View, codec
from tack_perception.correspondence.manifest import VIEWS
from tack_perception.crops import Crop
from tack_perception.detectors.scene import ZOOM, see, window_of
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.inspection.album import SHARP, Album, FloatArray, Picture
from tack_perception.networks.model import KeypointModel

Progress = Callable[[int], object]
_FEWEST_PIXELS = 600  # of an object at 640 × 480 px: below, a window shows little but blur
_TRIED = 4  # views looked into for each one that is wanted
_INSIDE = 2  # px between an object's box and the border of its image


@dataclasses.dataclass(frozen=True, eq=False)
class Sighting:
    """An object in a view, from the view's record alone.

    Attributes:
        view: its number in the set.
        object: its index in the view.
        instance: its name.
        pixels: that show it, as a share of the picture.
        direction: (3,) unit vector to the camera in the object's frame; NaN where not known.
    """

    view: int
    object: int
    instance: str
    pixels: float
    direction: FloatArray


def sightings(data: CorrespondenceSet) -> list[Sighting]:
    """All objects in all views of a set, read from the views' small records.

    Raises:
        InvalidInputError: the set has no views, or shows no objects.
        FileFormatError: a record is damaged; names it.
    """
    found: list[Sighting] = []
    for number, index in enumerate(data.indices):
        path = data.folder / VIEWS / f"{index:06d}" / codec.RECORD
        try:
            record = codec.read_record(path.read_bytes())
            found += _sightings(number, record)
        except FileFormatError as error:
            raise FileFormatError(f"{path.parent}/{error}") from error
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{path}: cannot be read: {error}") from error
    if not found:
        raise InvalidInputError(f"{data.folder}: shows no objects; `tack render` makes a set")
    return found


def _sightings(number: int, record: dict[str, object]) -> list[Sighting]:
    camera: dict[str, float] = record["intrinsics"]  # type: ignore[assignment]
    area = camera["width"] * camera["height"]
    things: list[dict[str, object]] = record["objects"]  # type: ignore[assignment]
    found = []
    for index, thing in enumerate(things):
        direction = np.full(3, np.nan)
        poses = (record.get("world_from_camera"), thing.get("world_from_object"))
        if all(pose is not None for pose in poses):
            world_from_camera, world_from_object = (np.asarray(p, np.float64) for p in poses)
            eye = geometry.apply(geometry.inverse(world_from_object), world_from_camera[:3, 3])
            direction = eye / max(float(np.linalg.norm(eye)), 1e-9)
        share = float(thing["pixels"]) / area  # type: ignore[arg-type]
        found.append(Sighting(number, index, str(thing["instance"]), share, direction))
    return found


def choose(
    data: CorrespondenceSet,
    seen: Sequence[Sighting],
    category: str,
    size: int,
    *,
    instances: int,
    views: int,
    progress: Progress | None = None,
) -> Album:
    """An album of a class: some instances, each from some sides that differ.

    Args:
        data: the set.
        seen: its `sightings`.
        category: the class.
        size: side of the pictures, px.
        instances: how many, at most.
        views: of each instance, at most.
        progress: called with the number of pictures since the last call.

    Raises:
        InvalidInputError: the set has no such class, or no picture of it that is large enough.
        FileFormatError: a view is damaged.
    """
    classes = data.manifest.classes
    if category not in classes:
        raise InvalidInputError(
            f"class {category!r}: {data.folder} has {', '.join(classes) or 'none'}"
        )
    large = [one for one in seen if one.pixels >= _FEWEST_PIXELS / (640 * 480)]
    names = [name for name, info in data.manifest.instances.items() if info.category == category]
    reference = _reference(data, names)
    pictures: list[Picture] = []
    count = 0
    for name in names:
        mine = [one for one in large if one.instance == name]
        taken = _some_views(data, mine, size, views, reference, progress)
        pictures += taken
        count += bool(taken)
        if count == instances:
            break
    if not pictures:
        raise InvalidInputError(
            f"{data.folder}: no {category} is seen whole and large enough to look at"
        )
    box = None
    if reference is not None:
        corners = data.vertices(reference)
        box = np.stack([corners.min(axis=0), corners.max(axis=0)])
    breaks = [frozenset(one["breaks"]) for one in classes[category].symmetries]
    anchors = frozenset.intersection(*breaks) if breaks else frozenset()
    return Album(category, tuple(pictures), box, bool(breaks), anchors)


def _reference(data: CorrespondenceSet, names: Sequence[str]) -> str | None:
    """The instance on which canonical coordinates are told: the first that has a shape."""
    for name in names:
        try:
            data.vertices(name)
        except InvalidInputError:
            continue
        return name
    return None


def _some_views(
    data: CorrespondenceSet,
    mine: Sequence[Sighting],
    size: int,
    views: int,
    reference: str | None,
    progress: Progress | None,
) -> list[Picture]:
    """The best seen first, then always the one seen from a side farthest from those before it."""
    rest = sorted(mine, key=lambda one: -one.pixels)[: _TRIED * views]
    taken: list[Picture] = []
    sides: list[FloatArray] = []
    while rest and len(taken) < views:
        if sides and all(np.isfinite(one.direction).all() for one in rest):
            near = [max(float(one.direction @ side) for side in sides) for one in rest]
            chosen = rest.pop(int(np.argmin(near)))
        else:
            chosen = rest.pop(0)
        picture = _picture(data, chosen, size, reference)
        if picture is None:
            continue
        taken.append(picture)
        if progress is not None:
            progress(1)
        if np.isfinite(chosen.direction).all():
            sides.append(chosen.direction)
    return taken


def _picture(
    data: CorrespondenceSet, one: Sighting, size: int, reference: str | None
) -> Picture | None:
    """The window around an object; None where the border of the image cuts it off."""
    view = data.view(one.view)
    if view.instance is None:
        return None
    rows, columns = np.nonzero(view.instance == one.object + 1)
    if not len(rows):
        return None
    u0, u1, v0, v1 = (int(x) for x in (columns.min(), columns.max(), rows.min(), rows.max()))
    height, width = view.instance.shape
    if min(u0, v0) < _INSIDE or u1 >= width - _INSIDE or v1 >= height - _INSIDE:
        return None
    # As a detector puts it: what is seen here is what the network is asked at run time.
    side = ZOOM * (max(u1 - u0, v1 - v0) + 1)
    crop = Crop((u0 + u1) / 2, (v0 + v1) / 2, max(side, 16.0), size)
    grid_rows, grid_columns, inside = _grid(crop, (height, width))
    mask = inside & (view.instance[grid_rows, grid_columns] == one.object + 1)
    places = np.full((size, size, 3), np.nan, np.float32)
    if reference is not None and view.canonical is not None:
        at = (grid_rows[mask], grid_columns[mask])
        places[mask] = data.surface(
            reference, view.canonical.face[at], view.canonical.weights[at]
        ).astype(np.float32)
    return Picture(
        one.instance, one.view, crop, crop.cut(view.color), _sharp(crop).cut(view.color),
        mask, places, _named(view, one.object, crop),
    )  # fmt: skip


def _grid(
    crop: Crop, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Row and column of the image for each pixel of the window, and whether it is in the image."""
    v, u = np.mgrid[0 : crop.size, 0 : crop.size].astype(np.float64)
    at = np.rint(crop.to_image(np.stack([u, v], axis=-1))).astype(np.int64)
    limit = np.array([shape[1] - 1, shape[0] - 1])
    inside = np.asarray(((at >= 0) & (at <= limit)).all(axis=-1))
    at = np.clip(at, 0, limit)
    return at[..., 1], at[..., 0], inside


def _sharp(crop: Crop) -> Crop:
    return dataclasses.replace(crop, size=SHARP)


def _named(view: View, index: int, crop: Crop) -> dict[str, FloatArray]:
    return {
        point.name: crop.to_crop(point.pixel)
        for point in view.points
        if point.object == index and point.visible
    }


def album_of_frames(
    model: KeypointModel, frames: Sequence[tuple[int, RGBDFrame]], name: str, *, objects: int
) -> Album:
    """An album of a recording, of which no truth is known.

    Args:
        model: finds the objects; without an object head the middle of each frame is taken.
        frames: number of the frame and frame.
        name: of the recording.
        objects: of a frame, the largest first, at most.

    Raises:
        InvalidInputError: there are no frames, or no object is found in them.
    """
    size = model.config.crop_px
    pictures = []
    for number, frame in frames:
        scene = see(model, frame, 0)
        crops = [window_of(one, scene.scale, size) for one in scene.instances[:objects]]
        if model.objects is None:
            height, width = frame.color.shape[:2]
            crops = [Crop((width - 1) / 2, (height - 1) / 2, float(min(height, width)), size)]
        masks = [_mask(one.mask, scene.scale * model.stride, crop)
                 for one, crop in zip(scene.instances, crops, strict=False)]  # fmt: skip
        for crop, mask in itertools.zip_longest(crops, masks):
            shown = np.ones((size, size), np.bool_) if mask is None else mask
            pictures.append(
                Picture(
                    f"frame {number}", number, crop, crop.cut(frame.color),
                    _sharp(crop).cut(frame.color), shown,
                    np.full((size, size, 3), np.nan, np.float32), {},
                )
            )  # fmt: skip
    if not pictures:
        raise InvalidInputError(f"{name}: the model finds no object in the {len(frames)} frames")
    return Album(name, tuple(pictures))


def _mask(cells: NDArray[np.bool_], step: float, crop: Crop) -> NDArray[np.bool_]:
    """(S, S) what of a window lies in cells of the whole frame, each of so many px."""
    v, u = np.mgrid[0 : crop.size, 0 : crop.size].astype(np.float64)
    at = np.floor((crop.to_image(np.stack([u, v], axis=-1)) + 0.5) / step).astype(np.int64)
    limit = np.array([cells.shape[1] - 1, cells.shape[0] - 1])
    inside = ((at >= 0) & (at <= limit)).all(axis=-1)
    at = np.clip(at, 0, limit)
    return np.asarray(inside & cells[at[..., 1], at[..., 0]])
