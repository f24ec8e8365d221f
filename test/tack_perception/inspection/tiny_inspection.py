# SPDX-License-Identifier: Apache-2.0
"""Tiles whose truth follows from arithmetic, a network of a moment, and one that knows all.

The tiles are those of the tests of correspondences, with more instances.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch

from tack_perception.correspondence import CorrespondenceSet, InstanceInfo, Manifest
from tack_perception.inspection.album import Album
from tack_perception.inspection.choosing import choose, sightings
from tack_perception.inspection.look import Answers, Look
from tack_perception.networks.model import KeypointModel, ModelConfig, save_model

_PATH = Path(__file__).parents[1] / "correspondence" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("tiles_of_correspondence", _PATH)
tiles = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tiles)
tiles.SIZES.update({f"tile_{n}": (0.09 + 0.01 * n, 0.07 + 0.005 * n) for n in range(2, 5)})

SIZE = 32  # px of a picture


def write_tiles(folder: Path) -> CorrespondenceSet:
    """Five instances, each from two sides."""
    manifest = Manifest(
        classes=tiles.MANIFEST.classes,
        instances={name: InstanceInfo("tile", n) for n, name in enumerate(tiles.SIZES)},
        seed=7,
        depth_unit=0.0001,
    )
    views = []
    for n, name in enumerate(tiles.SIZES):
        at = (0.2 * n, 0.1 * n)
        for turn, height in ((0.4 * n, 0.32), (0.4 * n + 1.2, 0.38)):
            camera = tiles.looking_down(*at, turn, height)
            views.append(tiles.make_view(name, n, camera, at, 0.3 * n))
    tiles.write_set(folder, views, manifest, color="png")
    return CorrespondenceSet.open(folder)


def make_model(heads: tuple[str, ...] = ("tack", "don")) -> KeypointModel:
    torch.manual_seed(5)
    points = ("tile/corner",) if "sparse" in heads else ()
    config = ModelConfig(
        "unet", 4, heads, code=3, descriptor=6, crop_px=SIZE, classes=("tile",), points=points
    )
    return KeypointModel(config).eval().requires_grad_(False)


def write_model(folder: Path, heads: tuple[str, ...] = ("tack", "don")) -> Path:
    save_model(folder, make_model(heads), {"method": "joint"})
    return folder


def tile_album(data: CorrespondenceSet, *, instances: int = 5, views: int = 2) -> Album:
    seen = sightings(data)
    return choose(data, seen, "tile", SIZE, instances=instances, views=views)


class Oracle(Look):
    """The code of a click is the place that is clicked; it finds that on every picture."""

    def codes(self, number, pixels):
        picture = self.album.picture(number)
        places = [picture.place_at(pixel, 3 * SIZE) for pixel in np.asarray(pixels).reshape(-1, 2)]
        return torch.as_tensor(np.array(places), dtype=torch.float64)

    def find(self, codes):
        wanted, pictures = codes.numpy(), self.album.pictures
        pixels = np.zeros((len(pictures), len(wanted), 2))
        for n, picture in enumerate(pictures):
            rows, columns = np.nonzero(picture.known)
            away = np.linalg.norm(picture.places[rows, columns][:, None] - wanted, axis=2)
            best = away.argmin(axis=0)
            pixels[n] = np.stack([columns[best], rows[best]], axis=1)
        full = np.ones(pixels.shape[:2])
        return Answers(np.zeros((*pixels.shape[:2], 16, 16), np.float32), pixels, full, full)
