# SPDX-License-Identifier: Apache-2.0
"""Correspondence data sets in one file of arrays, from which pictures and points are drawn fast.

Reading a view from its folder decodes seven files; training needs hundreds of views each second. A
pack holds what training needs, uncompressed and mapped into memory. It is a cache: it is made anew
when its data set has changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet, View
from tack_perception.correspondence.view import NOT_KNOWN
from tack_perception.errors import InvalidInputError
from tack_perception.files import write_atomically

FORMAT = 2
POINTS = 256
"""Surface points kept of each object in each view."""
_MORE_POINTS = 2048  # of a recording, which has few views
_DEPTH_UNIT = 1e-4  # m
_FEWEST_PIXELS = 60  # an object with fewer is not looked for

_THING = [
    ("view", np.int32),
    ("object", np.int32),
    ("instance", np.int32),
    ("category", np.int32),
    ("pixels", np.int32),
    ("box", np.float32, 4),  # u0, v0, u1, v1 of what is seen of it
    ("camera_from_object", np.float64, (4, 4)),
    ("posed", np.bool_),
    ("count", np.int32),  # of its points that are filled
]


def thing_type(points: int) -> np.dtype[Any]:
    """One object seen in one view, with so many points of its surface."""
    return np.dtype(
        [
            *_THING,
            ("point_pixel", np.uint16, (points, 2)),
            ("point_face", np.int32, points),
            ("point_weights", np.float32, (points, 3)),
        ]
    )


VIEW = np.dtype(
    [
        ("scene", np.int32),
        ("intrinsics", np.float64, 4),
        ("world_from_camera", np.float64, (4, 4)),
        ("posed", np.bool_),
        ("measured", np.bool_),  # depth is as a sensor measures it
    ]
)


@dataclasses.dataclass(frozen=True, eq=False)
class Pack:
    """Views of one or more data sets of one picture size.

    Attributes:
        color: (V, H, W, 3) uint8 RGB.
        depth: (V, H, W) uint16, 0.1 mm; 0 where unknown.
        instance: (V, H, W) uint8: 0, or 1 + index of the object in the view; 255 where not known.
        views: (V,) of `VIEW`.
        things: (T,) of `thing_type`, those that are seen.
        named: (T, K, 3) float32: u, v, visible (0 or 1) of the named points of each thing's class,
            NaN where there is none.
        middles: (V, 255, 2) float32 px, where the middle of each object of a view is.
        classes: names.
        points: for each class the names of its points.
        instances: names.
        shapes: for each instance its vertices and faces and the middle of its box, or None.
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    instance: NDArray[np.uint8]
    views: NDArray[Any]
    things: NDArray[Any]
    named: NDArray[np.float32]
    middles: NDArray[np.float32]
    classes: tuple[str, ...]
    points: tuple[tuple[str, ...], ...]
    instances: tuple[str, ...]
    shapes: tuple[Shape | None, ...]

    @property
    def depth_unit(self) -> float:
        """Depth of one count, m."""
        return _DEPTH_UNIT


@dataclasses.dataclass(frozen=True, eq=False)
class Shape:
    """An instance's surface: (N, 3) vertices, m; (M, 3) faces; (3,) middle of its box."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    middle: NDArray[np.float64]


def make_pack(
    folder: Path | str,
    cache: Path | str | None = None,
    *,
    classes: Sequence[str] | None = None,
    progress: bool = False,
) -> Pack:
    """Open the pack of a data set; make it first where it is missing or out of date.

    Args:
        folder: of the data set.
        cache: where the pack lies; default: `pack` in the data set's folder.
        classes: keep things of these classes only; None keeps all.
        progress: show a progress bar.

    Raises:
        InvalidInputError: no such data set, an unknown class, or nothing in it to learn from.
        FileFormatError: the data set is damaged.
    """
    data = CorrespondenceSet.open(folder)
    if not len(data):
        raise InvalidInputError(f"{folder}: has no views")
    cache = Path(cache) if cache is not None else data.folder / "pack"
    stamp = _stamp(data)
    if not _is_current(cache, stamp):
        _write(data, cache, stamp, progress)
    return _open(data, cache, classes)


def _stamp(data: CorrespondenceSet) -> str:
    text = f"{FORMAT} {data.manifest.to_text()} {data.indices}"
    return hashlib.sha256(text.encode()).hexdigest()


def _is_current(cache: Path, stamp: str) -> bool:
    try:
        return bool(json.loads((cache / "pack.json").read_text())["stamp"] == stamp)
    except (OSError, ValueError, KeyError, TypeError):
        return False


_ARRAYS = {"color": np.uint8, "depth": np.uint16, "instance": np.uint8}
_PART = 32  # views that one process packs at once


def _write(data: CorrespondenceSet, cache: Path, stamp: str, progress: bool) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    count = len(data)
    height, width = data.view(0).color.shape[:2]
    for name, kind in _ARRAYS.items():
        shape = (count, height, width, 3) if name == "color" else (count, height, width)
        np.lib.format.open_memmap(cache / f"{name}.npy", mode="w+", dtype=kind, shape=shape)
    views = np.zeros(count, VIEW)
    middles = np.full((count, 255, 2), np.nan, np.float32)
    things: list[NDArray[Any]] = []
    named: list[NDArray[np.float32]] = []
    with tqdm(total=count, desc="packing", disable=not progress, unit="view") as bar:
        for numbers, part in _parts(data, cache):
            views[numbers.start : numbers.stop] = part.views
            middles[numbers.start : numbers.stop] = part.middles
            things += part.things
            named += part.named
            bar.update(len(numbers))
    most = _most_points(data)
    np.save(cache / "views.npy", views)
    np.save(cache / "middles.npy", middles)
    np.save(cache / "things.npy", np.array(things, thing_type(_points_of(data))))
    np.save(cache / "named.npy", np.array(named, np.float32).reshape(len(named), most, 3))
    write_atomically(cache / "pack.json", json.dumps({"stamp": stamp}))


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """What some views leave, beside their pictures."""

    views: NDArray[Any]
    middles: NDArray[np.float32]
    things: list[NDArray[Any]]
    named: list[NDArray[np.float32]]


def _parts(data: CorrespondenceSet, cache: Path) -> Iterator[tuple[range, _Part]]:
    """All parts in order, packed by as many processes as there are cores."""
    count = len(data)
    parts = [range(i, min(i + _PART, count)) for i in range(0, count, _PART)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = min(cores or 1, len(parts))
    if workers == 1:
        for numbers in parts:
            yield numbers, _write_part(data, cache, numbers)
        return
    context = multiprocessing.get_context("spawn")  # a fork beside threads may hang
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        folders = [(data.folder, cache)] * len(parts)
        try:
            yield from zip(parts, pool.map(_work, folders, parts), strict=True)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _work(folders: tuple[Path, Path], numbers: range) -> _Part:
    return _write_part(CorrespondenceSet.open(folders[0]), folders[1], numbers)


def _write_part(data: CorrespondenceSet, cache: Path, numbers: range) -> _Part:
    """Pack the pictures of some views into the files; return the rest."""
    classes, instances = tuple(data.manifest.classes), tuple(data.manifest.instances)
    most = _most_points(data)
    arrays = {name: np.load(cache / f"{name}.npy", mmap_mode="r+") for name in _ARRAYS}
    height, width = arrays["depth"].shape[1:]
    views = np.zeros(len(numbers), VIEW)
    middles = np.full((len(numbers), 255, 2), np.nan, np.float32)
    things, named = [], []
    for place, number in enumerate(numbers):
        view = data.view(number)
        if view.color.shape[:2] != (height, width):
            raise InvalidInputError(
                f"{data.folder}: view {number} is {view.color.shape[1]}×{view.color.shape[0]},"
                f" others are {width}×{height}: one size is needed"
            )
        arrays["color"][number] = view.color
        arrays["depth"][number] = _counts(view)
        arrays["instance"][number] = NOT_KNOWN if view.instance is None else view.instance
        views[place] = _view_record(view)
        for index, thing in enumerate(view.objects):
            info = data.manifest.instances[thing.instance]
            record = _thing_record(data, view, number, index, instances.index(thing.instance))
            record["category"] = classes.index(info.category)
            middles[place, index] = _middle(data, view, record)
            if record["pixels"] < _FEWEST_PIXELS:
                continue
            things.append(record)
            named.append(_named(data, view, index, info.category, most))
    for array in arrays.values():
        array.flush()
    return _Part(views, middles, things, named)


def _points_of(data: CorrespondenceSet) -> int:
    return _MORE_POINTS if data.manifest.seed is None else POINTS


def _most_points(data: CorrespondenceSet) -> int:
    return max((len(info.points) for info in data.manifest.classes.values()), default=0)


def _open(data: CorrespondenceSet, cache: Path, wanted: Sequence[str] | None) -> Pack:
    classes = tuple(data.manifest.classes)
    for name in wanted or ():
        if name not in classes:
            raise InvalidInputError(f"class {name!r}: {data.folder} has {', '.join(classes)}")
    things, named = np.load(cache / "things.npy"), np.load(cache / "named.npy")
    if wanted is not None:
        kept = np.isin(things["category"], [classes.index(name) for name in wanted])
        things, named = things[kept], named[kept]
    if not len(things):
        raise InvalidInputError(f"{data.folder}: nothing in it to learn from")
    instances = tuple(data.manifest.instances)
    used = {int(i) for i in np.unique(things["instance"])}
    return Pack(
        color=np.load(cache / "color.npy", mmap_mode="r"),
        depth=np.load(cache / "depth.npy", mmap_mode="r"),
        instance=np.load(cache / "instance.npy", mmap_mode="r"),
        views=np.load(cache / "views.npy"),
        things=things,
        named=named,
        middles=np.load(cache / "middles.npy"),
        classes=classes,
        points=tuple(tuple(info.points) for info in data.manifest.classes.values()),
        instances=instances,
        shapes=tuple(_shape(data, name) if i in used else None for i, name in enumerate(instances)),
    )


def _counts(view: View) -> NDArray[np.uint16]:
    depth = view.best_depth
    if depth is None:
        return np.zeros(view.color.shape[:2], np.uint16)
    counts = np.where(np.isfinite(depth), np.minimum(depth / _DEPTH_UNIT, 65535), 0)
    return np.asarray(np.rint(counts), dtype=np.uint16)


def _view_record(view: View) -> NDArray[Any]:
    record = np.zeros((), VIEW)
    camera = view.intrinsics
    if camera.model != "none":
        raise InvalidInputError("a view with lens distortion: undistort it before it is packed")
    record["scene"] = view.scene
    record["intrinsics"] = camera.fx, camera.fy, camera.cx, camera.cy
    record["posed"] = view.world_from_camera is not None
    record["measured"] = view.true_depth is None
    record["world_from_camera"] = np.eye(4)
    if view.world_from_camera is not None:
        record["world_from_camera"] = view.world_from_camera
    return record


def _thing_record(
    data: CorrespondenceSet, view: View, number: int, index: int, instance: int
) -> NDArray[Any]:
    points = _points_of(data)
    record = np.zeros((), thing_type(points))
    record["view"], record["object"], record["instance"] = number, index, instance
    record["camera_from_object"] = np.eye(4)
    thing = view.objects[index]
    if thing.world_from_object is not None and view.world_from_camera is not None:
        camera_from_world = geometry.inverse(view.world_from_camera)
        record["camera_from_object"] = camera_from_world @ thing.world_from_object
        record["posed"] = True
    if view.instance is None:
        return record
    rows, columns = np.nonzero(view.instance == index + 1)
    record["pixels"] = len(rows)
    if not len(rows):
        return record
    record["box"] = columns.min(), rows.min(), columns.max(), rows.max()
    # The seed does not depend on the order of work, so that a pack is always the same.
    drawn = np.random.default_rng([number, index]).permutation(len(rows))[:points]
    count = len(drawn)
    record["count"] = count
    record["point_pixel"][:count] = np.column_stack([columns[drawn], rows[drawn]])
    record["point_face"][:] = -1
    if view.canonical is not None:
        record["point_face"][:count] = view.canonical.face[rows[drawn], columns[drawn]]
        record["point_weights"][:count] = view.canonical.weights[rows[drawn], columns[drawn]]
    return record


def _middle(data: CorrespondenceSet, view: View, record: NDArray[Any]) -> NDArray[np.float64]:
    """Where the middle of the object is in the picture; of what is seen of it without a shape."""
    shape = _shape(data, view.objects[int(record["object"])].instance)
    if shape is not None and record["posed"]:
        pixel: NDArray[np.float64] = view.intrinsics.project(
            geometry.apply(record["camera_from_object"], shape.middle)
        )
        if np.isfinite(pixel).all():
            return pixel
    if not record["pixels"]:
        return np.full(2, np.nan)
    u0, v0, u1, v1 = record["box"].tolist()
    return np.array([(u0 + u1) / 2, (v0 + v1) / 2])


def _named(
    data: CorrespondenceSet, view: View, index: int, category: str, most: int
) -> NDArray[np.float32]:
    names = list(data.manifest.classes[category].points)
    places = np.full((most, 3), np.nan, np.float32)
    for point in view.points:
        if point.object == index and point.name in names:
            places[names.index(point.name)] = *point.pixel, point.visible
    return places


def _shape(data: CorrespondenceSet, instance: str) -> Shape | None:
    try:
        vertices = data.vertices(instance)
        faces = data.faces(data.manifest.instances[instance].category)
    except InvalidInputError:
        return None
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return Shape(vertices.astype(np.float32), faces, middle)
