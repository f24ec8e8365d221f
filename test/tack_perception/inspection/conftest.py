# SPDX-License-Identifier: Apache-2.0
"""Lets these tests share `tiny_inspection`: `test` itself is a package of Python's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_inspection import make_model, tile_album, write_tiles

from tack_perception.inspection.album import Album
from tack_perception.inspection.look import Look


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("tiles") / "set")


@pytest.fixture(scope="module")
def album(data) -> Album:
    return tile_album(data)


@pytest.fixture(scope="module")
def look(album) -> Look:
    return Look(make_model(), album)
