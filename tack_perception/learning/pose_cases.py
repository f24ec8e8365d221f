# SPDX-License-Identifier: Apache-2.0
"""Poses of objects in other pictures, as the fused detector proposes them, and how wrong they are.

What the head `poses` learns from. A model looks for the objects of a data set in other views, on
the same instance, on others of its class, and on what is no such thing at all; where they really
are, the data set knows. It takes minutes, so what is found is kept in files, and only made once.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import multiprocessing
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from tack_perception.camera import CameraIntrinsics
from tack_perception.configuration import Configuration, setting
from tack_perception.crops import Crop
from tack_perception.detectors.comparison import Sight, on_grid
from tack_perception.detectors.constellation import (
    Anchors,
    candidates,
    choose_anchors,
    propose,
)
from tack_perception.detectors.fused import FusedReader
from tack_perception.detectors.relief import Relief, relief_of, surface_at
from tack_perception.detectors.scene import Window, look, see, window_of
from tack_perception.detectors.settings import LearnedConfig
from tack_perception.detectors.texture import Texture, matches_of, texture_of
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.learning.calibration import frame_of, thing_in
from tack_perception.learning.carry import carry
from tack_perception.learning.pack import Pack, make_pack
from tack_perception.learning.release import digest
from tack_perception.networks.model import KeypointModel
from tack_perception.similarity import Similarities

FloatArray = NDArray[np.float64]
_FORMAT = 4  # of the files, and how poses are proposed: others are not taken for these
_DESCRIBED = "described_"  # begin the names of sets of descriptors in a file
_FEWEST_PIXELS = 300  # of a thing that is compared
_TOGETHER = 4  # instances of a class whose views are compared with each other
_POINTS = 96  # by which a pose is judged
_FEWEST_POINTS = 5


@dataclasses.dataclass(frozen=True)
class CasesConfig(Configuration):
    """Which pictures are compared."""

    same: int = setting(2, "other views of the instance, for each view", low=0)
    new: int = setting(2, "views of other instances of the class, for each view", low=0)
    strange: float = setting(
        0.3, "share of the views that are compared with something else, too", low=0, high=1
    )
    seed: int = setting(0, "of which they are", low=0)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """H poses of the object of one window in another.

    Attributes:
        first, second: what the windows show.
        poses: from the first window's camera to the second's.
        facts: (H, 6) of `detectors.constellation.candidates`.
        missed: (H,) median distance in the picture by which points of the object are carried
            wrongly, in sides of the window; inf where the window shows no such object.
        missed_px: (H,) the same of points that are seen, in px of the frame; inf where none is.
        size: of the object, m.
        same: whether both windows show one instance.
    """

    first: Sight
    second: Sight
    poses: Similarities
    facts: FloatArray
    missed: FloatArray
    missed_px: FloatArray
    size: float
    same: bool


class Cases:
    """Cases of one or more data sets, made or read from files.

    Args:
        files: of `collect`.
        px: side of the windows' pictures.

    Raises:
        FileFormatError: a file is damaged.
        InvalidInputError: there is not a single case.
    """

    def __init__(self, files: Sequence[Path], px: int) -> None:
        self._px = px
        self._parts = [_read(path) for path in files]
        self._index = [
            (part, number) for part in self._parts for number in range(len(part["first"]))
        ]
        if not self._index:
            raise InvalidInputError("in no two views an object was found again: nothing to learn")

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> Case:
        part, n = self._index[number]
        rows = slice(*part["rows"][n : n + 2])
        return Case(
            first=self._sight(part, part["first"][n]),
            second=self._sight(part, part["second"][n]),
            poses=Similarities(
                part["scale"][rows], part["rotation"][rows], part["translation"][rows]
            ),
            facts=part["facts"][rows], missed=part["missed"][rows],
            missed_px=part["missed_px"][rows], size=float(part["size"][n]),
            same=bool(part["same"][n]),
        )  # fmt: skip

    def _sight(self, part: dict[str, Any], n: int) -> Sight:
        height, width, *camera = part["camera"][n].tolist()
        u, v, side = part["crop"][n].tolist()
        points, normals, color = (
            part[f"relief_{name}"][n] for name in ("points", "normals", "color")
        )
        relief = Relief(
            Crop(u, v, side, self._px),
            CameraIntrinsics(int(width), int(height), *camera),
            points.astype(np.float64), normals.astype(np.float64),
            part["relief_known"][n], part["relief_object"][n], color.astype(np.float32),
            np.zeros((len(color), 3, 2), np.float32),  # is needed to align, and that is done
        )  # fmt: skip
        described = [part[name][n] for name in sorted(part) if name.startswith(_DESCRIBED)]
        return Sight(relief, tuple(on_grid(one.astype(np.float32)) for one in described))


def collect(
    model: KeypointModel, weight: float, folder: Path, cache: Path, config: CasesConfig, *,
    classes: Sequence[str] = (), workers: int = 1, progress: bool = False,
) -> list[Path]:  # fmt: skip
    """Let a model look for the objects of a data set in other views of it.

    Args:
        model: with the heads of the fused detector, ready for use.
        weight: of its descriptors.
        folder: of the data set.
        cache: folder for the files; those that are there are kept.
        config: which pictures.
        classes: of the data; empty takes all.
        workers: processes.
        progress: show a progress bar.

    Returns:
        The files, always in the same order.

    Raises:
        InvalidInputError: as `make_pack`.
        TackError: a file cannot be written.
    """
    pack = make_pack(folder, classes=classes or None, progress=progress)
    groups = _groups(pack)
    told = repr((_FORMAT, digest(folder), tuple(classes), config))
    name = hashlib.sha256(told.encode()).hexdigest()
    files = [cache / f"{name[:12]}_{n:04d}.npz" for n in range(len(groups))]
    cache.mkdir(parents=True, exist_ok=True)
    left = [(n, group) for n, group in enumerate(groups) if not files[n].is_file()]
    if not left:
        return files
    work = functools.partial(_work, model, weight, folder, tuple(classes), config)
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread
    ) as pool:
        made = pool.map(work, *zip(*left, strict=True))
        bar = tqdm(made, "proposing poses", len(left), disable=not progress, unit="group")
        for (n, _), content in zip(left, bar, strict=True):
            write_atomically(files[n], content)
    return files


def _one_thread() -> None:
    torch.set_num_threads(1)


def _groups(pack: Pack) -> list[list[int]]:
    """Numbers of the things whose views are compared: of a few instances of one class each."""
    large = np.flatnonzero(pack.things["pixels"] >= _FEWEST_PIXELS)
    groups: list[list[int]] = []
    for category in np.unique(pack.things["category"][large]):
        mine = large[pack.things["category"][large] == category]
        instances = np.unique(pack.things["instance"][mine])
        for begin in range(0, len(instances), _TOGETHER):
            some = instances[begin : begin + _TOGETHER]
            groups.append(mine[np.isin(pack.things["instance"][mine], some)].tolist())
    return groups


def _work(
    model: KeypointModel, weight: float, folder: Path, classes: tuple[str, ...],
    config: CasesConfig, number: int, group: list[int],
) -> bytes:  # fmt: skip
    """The file of a group."""
    pack = make_pack(folder, classes=classes or None)
    seeker = _Seeker(FusedReader(model, weight=weight), model, pack)
    content = seeker.cases(group, config, np.random.default_rng([config.seed, number]))
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **content)
    return stream.getvalue()


class _Seeker:
    """Looks for objects of a pack in its views."""

    def __init__(self, reader: FusedReader, model: KeypointModel, pack: Pack) -> None:
        self._reader, self._model, self._pack = reader, model, pack
        self._shown: list[_Shown] = []

    def cases(
        self, group: Sequence[int], config: CasesConfig, rng: np.random.Generator
    ) -> dict[str, NDArray[Any]]:
        """What a file holds: windows, cases, and the poses of all cases one after another."""
        things = self._pack.things
        found, strange = self._seen(group)
        others = np.array(sorted(found), np.intp)
        rows: list[dict[str, Any]] = []
        for first in others.tolist():
            same = things["instance"][others] == things["instance"][first]
            elsewhere = things["view"][others] != things["view"][first]
            seconds = [
                *rng.permutation(others[same & elsewhere])[: config.same].tolist(),
                *rng.permutation(others[~same])[: config.new].tolist(),
            ]
            several = [(found[second], second) for second in seconds]
            if strange and rng.random() < config.strange:
                several.append((strange[rng.integers(len(strange))], -1))
            rows += [
                row
                for window, second in several
                if (row := self._case(found[first], first, window, second)) is not None
            ]
        counts = [len(row["scale"]) for row in rows]
        asked = np.array([(row["first"], row["second"]) for row in rows], np.intp).reshape(-1, 2)
        used, numbers = np.unique(asked, return_inverse=True)
        content = self._content(used.tolist())
        content["rows"] = np.cumsum([0, *counts])
        content["first"], content["second"] = numbers.reshape(-1, 2).T
        for name in ("size", "same"):
            content[name] = np.array([row[name] for row in rows])
        for name in ("scale", "rotation", "translation", "facts", "missed", "missed_px"):
            content[name] = np.concatenate([row[name] for row in rows]) if rows else np.empty(0)
        return content

    def _seen(self, group: Sequence[int]) -> tuple[dict[int, int], list[int]]:
        """Numbers of the windows of the group's things, and of those that show something else."""
        things, config = self._pack.things, LearnedConfig()
        found: dict[int, int] = {}
        strange: list[int] = []
        for view in np.unique(things["view"][list(group)]).tolist():
            frame = frame_of(self._pack, view)
            scene = see(self._model, frame, config.scene_px)
            crops = [
                window_of(one, scene.scale, self._model.config.crop_px)
                for one in scene.instances[: config.most_windows]
            ]
            here = np.flatnonzero(things["view"] == view)
            for window in look(self._model, frame, crops, [True] * len(crops)):
                thing = thing_in(self._pack, here, window)
                if thing is not None and thing in group:
                    found[thing] = len(self._shown)
                elif thing is None or things["category"][thing] != things["category"][group[0]]:
                    strange.append(len(self._shown))
                else:
                    continue
                self._shown.append(_Shown(window, self._model.stride))
        return found, strange

    def _case(self, clicked: int, first: int, shown: int, second: int) -> dict[str, Any] | None:
        """Poses of a thing (its window, its number) in another window; -1: no such thing there."""
        known, there = self._shown[clicked], self._shown[shown]
        anchors, window = known.anchors, there.window
        if anchors is None:
            return None
        with torch.inference_mode():
            maps = self._reader.look_for(known.window, anchors, [window])[0]
            named = self._reader.named(known.window, anchors, window)
        met = propose(anchors, window, maps)
        if met is None:
            return None
        proposals = [met, *named]
        matches = matches_of(known.texture, there.texture)
        poses, facts = candidates(window, there.relief, proposals, matches)
        missed = missed_px = np.full(len(poses), np.inf)
        if second >= 0:
            told = self._missed(clicked, anchors, first, window, second, poses)
            if told is None:
                return None
            missed, missed_px = told
        things = self._pack.things
        return {
            "first": clicked, "second": shown, "size": anchors.size, "facts": facts,
            "missed": missed, "missed_px": missed_px, **vars(poses),
            "same": second >= 0 and things["instance"][first] == things["instance"][second],
        }  # fmt: skip

    def _missed(
        self, clicked: int, anchors: Anchors, first: int, window: Window, second: int,
        poses: Similarities,
    ) -> tuple[FloatArray, FloatArray] | None:  # fmt: skip
        """`Case.missed` and `Case.missed_px`; None where too little is known."""
        truth, source = carry(self._pack, first, self._pack, second), self._shown[clicked].window
        some = np.flatnonzero(truth.known)[::2][:_POINTS]
        pixels = source.crop.to_crop(truth.source[some])
        surfaces = surface_at(source, anchors.relief, pixels)[:, 0]
        known = np.isfinite(surfaces).all(axis=1)
        if known.sum() < _FEWEST_POINTS:
            return None
        places = window.frame.intrinsics.project(poses.apply(surfaces[known]))
        apart = np.linalg.norm(places - truth.pixels[some][known], axis=-1)
        apart = np.nan_to_num(apart, nan=1e3)
        seen = truth.visible[some][known]
        missed_px = np.median(apart[:, seen], axis=1) if seen.any() else np.full(len(poses), np.inf)
        return np.median(apart, axis=1) / window.crop.side, missed_px

    def _content(self, numbers: Sequence[int]) -> dict[str, NDArray[Any]]:
        """Some windows, in half precision where that is exact enough."""
        several = [self._shown[number] for number in numbers]
        content: dict[str, NDArray[Any]] = {}
        for name, kind in (
            ("points", np.float32), ("normals", np.float16), ("color", np.float16),
            ("known", np.bool_), ("object", np.bool_),
        ):  # fmt: skip
            content[f"relief_{name}"] = np.array(
                [getattr(one.relief, name) for one in several], kind
            )
        with torch.inference_mode():
            described = [self._reader.described(one.window) for one in several]
        for number, of_each in enumerate(zip(*described, strict=True)):
            content[f"{_DESCRIBED}{number}"] = np.array(of_each, np.float16)
        crops = [one.window.crop for one in several]
        content["crop"] = np.array([(crop.u, crop.v, crop.side) for crop in crops])
        cameras = [one.window.frame.intrinsics for one in several]
        content["camera"] = np.array(
            [(one.height, one.width, one.fx, one.fy, one.cx, one.cy) for one in cameras]
        )
        return content


class _Shown:
    """A window, and what is told of it once it is asked for."""

    def __init__(self, window: Window, stride: int) -> None:
        self.window, self._stride = window, stride

    @functools.cached_property
    def anchors(self) -> Anchors | None:
        return choose_anchors(self.window, self._stride)

    @functools.cached_property
    def relief(self) -> Relief:
        return relief_of(self.window) if self.anchors is None else self.anchors.relief

    @functools.cached_property
    def texture(self) -> Texture:
        return texture_of(self.window, self.relief)


def _read(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"{path}: cannot be read ({error}); remove it to make it anew"
        ) from error
