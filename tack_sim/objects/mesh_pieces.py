# SPDX-License-Identifier: Apache-2.0
"""Convex pieces of any mesh, by approximate convex decomposition, kept on disk.

CoACD: X. Wei et al., Approximate Convex Decomposition for 3D Meshes with Collision-Aware Concavity
and Tree Search, ACM Transactions on Graphics 41(4), 2022.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from tqdm import tqdm

from tack_perception.errors import DependencyError
from tack_perception.files import write_atomically
from tack_sim.objects import solids
from tack_sim.objects.model import Piece

FloatArray = NDArray[np.float64]

_log = logging.getLogger(__name__)

_CONVEX = 0.985  # share of its hull's volume from which a body counts as convex
_SETTINGS: dict[str, Any] = {
    "threshold": 0.05,
    "preprocess_resolution": 30,
    "resolution": 1000,
    "mcts_iterations": 60,
    "mcts_nodes": 12,
    "mcts_max_depth": 2,
    "max_convex_hull": 32,
    "max_ch_vertex": 48,
    "decimate": True,
    "seed": 0,
}
"""A coarser search than CoACD's own: about as many pieces, ten times sooner on open meshes."""


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/tack/pieces`, else `~/.cache/tack/pieces`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "tack" / "pieces"


def decompose(
    vertices: FloatArray,
    faces: NDArray[np.integer],
    *,
    name: str,
    cache: Path,
    volume: float | None = None,
) -> tuple[Piece, ...]:
    """Convex pieces that together fill a mesh, from the cache if it was decomposed before.

    Args:
        vertices: (N, 3), m.
        faces: (M, 3).
        name: what the progress line calls it.
        cache: folder of earlier results; made when missing.
        volume: of the body, m³, where it is known; one that fills its hull is one piece.

    Raises:
        DependencyError: CoACD is missing; says what to install.
    """
    if volume is not None and volume > _CONVEX * ConvexHull(vertices).volume:
        return (solids.hull(vertices),)
    key = _key(vertices, faces)
    file = cache / f"{key}.npz"
    hulls = _load(file)
    if hulls is None:
        hulls = _run(vertices, faces, name)
        stream = io.BytesIO()
        np.savez_compressed(stream, *hulls)
        write_atomically(file, stream.getvalue())
    return tuple(solids.hull(points) for points in hulls)


def _key(vertices: FloatArray, faces: NDArray[np.integer]) -> str:
    digest = hashlib.sha256(repr(sorted(_SETTINGS.items())).encode())
    digest.update(np.ascontiguousarray(vertices, dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(faces, dtype="<i8").tobytes())
    return digest.hexdigest()[:32]


def _load(file: Path) -> list[FloatArray] | None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            return [np.asarray(stored[entry], dtype=np.float64) for entry in stored.files] or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        _log.warning("%s: not readable (%s): decomposing again", file, error)
        return None


def _run(vertices: FloatArray, faces: NDArray[np.integer], name: str) -> list[FloatArray]:
    try:
        import coacd
    except ImportError as error:
        raise DependencyError(
            f"a mesh of one's own needs CoACD ({error}): pip install 'tack[sim]'"
        ) from error
    coacd.set_log_level("error")
    mesh = coacd.Mesh(vertices, faces)
    with _Clock(f"{name}: convex pieces (3 to 30 s, once)"):
        found = coacd.run_coacd(mesh, **_SETTINGS)
    solid = [np.asarray(points, dtype=np.float64) for points, _ in found]
    return [points for points in solid if len(points) >= 4 and _has_volume(points)]


def _has_volume(points: FloatArray) -> bool:
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[2] > 1e-4 * spread[0])


class _Clock:
    """A progress line that counts the seconds of a job whose end nobody knows."""

    def __init__(self, label: str) -> None:
        self._bar = tqdm(desc=label, unit="s", bar_format="{desc}: {n} s")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._bar.close()

    def _tick(self) -> None:
        while not self._done.wait(1.0):
            self._bar.update()
