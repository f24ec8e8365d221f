# SPDX-License-Identifier: Apache-2.0
"""The files of one view, as bytes: lossless but for the colour's JPEG and the depth's unit."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.correspondence.view import CanonicalMap, SeenObject, SeenPoint, View
from tack_perception.errors import FileFormatError
from tack_perception.geometry import nearest_transform

RECORD = "view.json"
COLOR = {"jpeg": "color.jpg", "png": "color.png"}
DEPTH, TRUE_DEPTH, INSTANCE, CANONICAL = (
    "depth.png", "true_depth.png", "instance.png", "canonical.npz",
)  # fmt: skip
_JPEG_QUALITY = 95
_PNG_LEVEL = 1  # level 6 makes the files 10 % smaller and takes five times as long
_WEIGHT_STEPS = 65535
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)

Files = dict[str, bytes]


def encode(view: View, depth_unit: float, true_depth_unit: float, color: str = "jpeg") -> Files:
    """File name → content of a view; the record, which holds the others' checksums, is the last.

    Args:
        view: what to write.
        depth_unit, true_depth_unit: depth of one count, m.
        color: jpeg or png.
    """
    rgb = cv2.cvtColor(view.color, cv2.COLOR_RGB2BGR)
    files: Files = {COLOR[color]: _image(COLOR[color], rgb)}
    for name, depth, unit in (
        (DEPTH, view.depth, depth_unit),
        (TRUE_DEPTH, view.true_depth, true_depth_unit),
    ):
        if depth is not None:
            counts = np.rint(np.nan_to_num(depth, nan=0.0) * np.float32(1 / unit))
            counts[counts > 65535] = 0
            files[name] = _image(name, counts.astype(np.uint16))
    if view.instance is not None:
        files[INSTANCE] = _image(INSTANCE, view.instance)
    if view.canonical is not None and view.instance is not None:
        shown = view.instance > 0
        weights = np.rint(view.canonical.weights[shown][:, 1:] * np.float32(_WEIGHT_STEPS))
        arrays = {"face": view.canonical.face[shown], "weights": weights.astype(np.uint16)}
        files[CANONICAL] = pack_arrays(arrays)
    files[RECORD] = _record(view, files)
    return files


def decode(files: Mapping[str, bytes], depth_unit: float, true_depth_unit: float) -> View:
    """The view of some files.

    Raises:
        FileFormatError: a file is damaged or missing; the message begins with its name.
    """
    record = read_record(files[RECORD])
    for name, expected in record["files"].items():
        if name not in files:
            raise FileFormatError(f"{name}: is missing")
        if checksum(files[name]) != expected:
            raise FileFormatError(f"{name}: is damaged or cut off (checksum differs)")
    color_name = next((name for name in COLOR.values() if name in record["files"]), COLOR["jpeg"])
    bgr = _pixels(color_name, files, cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileFormatError(f"{color_name}: is missing")
    instance = _pixels(INSTANCE, files, cv2.IMREAD_UNCHANGED)
    pose = record["world_from_camera"]
    return View(
        record["scene"],
        np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8),
        CameraIntrinsics(
            **{**record["intrinsics"], "coefficients": tuple(record["intrinsics"]["coefficients"])}
        ),
        None if pose is None else nearest_transform(pose),
        _depth(DEPTH, files, depth_unit),
        _depth(TRUE_DEPTH, files, true_depth_unit),
        tuple(_object(entry) for entry in record["objects"]),
        instance,
        _canonical(files, instance),
        tuple(_point(entry) for entry in record["points"]),
    )


def checksum(content: bytes) -> int:
    """CRC-32, as in the record."""
    return zlib.crc32(content)


def read_record(content: bytes) -> dict[str, Any]:
    """The record of a view.

    Raises:
        FileFormatError: it is damaged.
    """
    try:
        record: dict[str, Any] = json.loads(content)
        missing = {"scene", "intrinsics", "world_from_camera", "objects", "points", "files"} - set(
            record
        )
    except (ValueError, TypeError) as error:
        raise FileFormatError(f"{RECORD}: cannot be read as JSON: {error}") from error
    if missing:
        raise FileFormatError(f"{RECORD}: has no {', '.join(sorted(missing))}")
    return record


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as a .npz, quickly compressed; the same arrays give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue(), compresslevel=1)
    return stream.getvalue()


def unpack_arrays(name: str, content: bytes, keys: tuple[str, ...]) -> list[NDArray[Any]]:
    """The named arrays of a .npz.

    Raises:
        FileFormatError: it is damaged, or has no array of that name.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return [archive[key] for key in keys]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FileFormatError(f"{name}: is damaged: {error}") from error


def _image(name: str, image: NDArray[Any]) -> bytes:
    options = (
        [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        if name.endswith(".jpg")
        else [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]
    )
    done, content = cv2.imencode(name[name.rindex(".") :], image, options)
    assert done, f"OpenCV cannot encode {name}"
    return content.tobytes()


def _pixels(name: str, files: Mapping[str, bytes], mode: int) -> NDArray[Any] | None:
    if name not in files:
        return None
    image = cv2.imdecode(np.frombuffer(files[name], np.uint8), mode)
    if image is None:
        raise FileFormatError(f"{name}: is damaged: not a picture")
    return image


def _depth(name: str, files: Mapping[str, bytes], unit: float) -> NDArray[np.float32] | None:
    counts = _pixels(name, files, cv2.IMREAD_UNCHANGED)
    if counts is None:
        return None
    depth: NDArray[np.float32] = counts.astype(np.float32) * np.float32(unit)
    depth[counts == 0] = np.nan
    return depth


def _canonical(
    files: Mapping[str, bytes], instance: NDArray[np.uint8] | None
) -> CanonicalMap | None:
    if CANONICAL not in files or instance is None:
        return None
    faces, steps = unpack_arrays(CANONICAL, files[CANONICAL], ("face", "weights"))
    shown = instance > 0
    if faces.shape != (np.count_nonzero(shown),) or steps.shape != (*faces.shape, 2):
        raise FileFormatError(f"{CANONICAL}: does not fit {INSTANCE}")
    face = np.full(instance.shape, -1, dtype=np.int32)
    face[shown] = faces
    weights = np.zeros((*instance.shape, 3), dtype=np.float32)
    others = steps.astype(np.float32) / np.float32(_WEIGHT_STEPS)
    weights[shown] = np.column_stack([1 - others.sum(axis=1), others])
    return CanonicalMap(face, weights)


def _record(view: View, files: Files) -> bytes:
    camera = view.intrinsics
    content = {
        "scene": view.scene,
        "intrinsics": {
            name: getattr(camera, name)
            for name in ("width", "height", "fx", "fy", "cx", "cy", "model", "coefficients")
        },
        "world_from_camera": _matrix(view.world_from_camera),
        "objects": [
            {
                "instance": thing.instance,
                "world_from_object": _matrix(thing.world_from_object),
                "pixels": thing.pixels,
            }
            for thing in view.objects
        ],
        "points": [
            {
                "object": point.object,
                "name": point.name,
                "pixel": [round(value, 4) for value in point.pixel],
                "xyz": [round(value, 7) for value in point.xyz],
                "visible": point.visible,
            }
            for point in view.points
        ],
        "files": {name: checksum(data) for name, data in files.items()},
    }
    return (json.dumps(content, ensure_ascii=False) + "\n").encode()


def _matrix(matrix: NDArray[np.float64] | None) -> list[list[float]] | None:
    # JSON has no NaN: it would be written, and no other program could read it.
    return None if matrix is None else np.round(matrix, 12).tolist()


def _object(entry: dict[str, Any]) -> SeenObject:
    pose = entry["world_from_object"]
    return SeenObject(
        entry["instance"], None if pose is None else nearest_transform(pose), entry["pixels"]
    )


def _point(entry: dict[str, Any]) -> SeenPoint:
    u, v = entry["pixel"]
    x, y, z = entry["xyz"]
    return SeenPoint(entry["object"], entry["name"], (u, v), (x, y, z), entry["visible"])
