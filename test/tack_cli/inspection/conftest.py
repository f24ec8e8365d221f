# SPDX-License-Identifier: Apache-2.0
"""Tiles, a network of a moment and a server of them, shared by the tests of this folder."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tack_perception" / "inspection"))

from tiny_inspection import write_model, write_tiles

from tack_cli.inspection.api import Api
from tack_cli.inspection.server import Server
from tack_cli.inspection.shelf import Extent, Shelf


@pytest.fixture(scope="session")
def tiles_folder(tmp_path_factory) -> Path:
    return write_tiles(tmp_path_factory.mktemp("tiles") / "set").folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def shelf(tiles_folder: Path, model_folder: Path) -> Shelf:
    return Shelf(str(model_folder), tiles_folder, Extent(4, 2))


@pytest.fixture(scope="session")
def api(shelf: Shelf) -> Api:
    return Api(shelf)


@pytest.fixture
def server(api: Api) -> Iterator[Server]:
    with Server(api, 0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
