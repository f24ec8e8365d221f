# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.folder import FolderSource
from tack_perception.sources.opening import open_source
from tack_perception.sources.rosbag2 import BagConfiguration, BagSource


@pytest.fixture(params=["mcap", "sqlite3"])
def bag(request, tmp_path):
    camera = CameraIntrinsics(4, 3, 5.0, 5.0, 1.5, 1.0)
    frame = RGBDFrame(
        np.zeros((3, 4, 3), np.uint8), np.ones((3, 4), np.float32), camera, 10**18, "eye"
    )
    with BagWriter(tmp_path / "bag", storage=request.param) as writer:
        writer.write(frame)
    return tmp_path / "bag"


def test_bags(bag):
    file = next(path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    for path in (bag, str(bag), file):
        with open_source(path) as source:
            assert isinstance(source, BagSource)
            assert len(list(source)) == 1


def test_the_bag_configuration_is_used(bag):
    source = open_source(bag, BagConfiguration(color_topic="/nothing"))
    with pytest.raises(SourceError, match="no messages on /nothing"), source:
        pass


@pytest.mark.parametrize("name", ["camera.yaml", "camera.json", "case.json"])
def test_folders(tmp_path, name):
    (tmp_path / name).write_text("{}")
    assert isinstance(open_source(tmp_path), FolderSource)


def test_nothing_of_that_name(tmp_path):
    with pytest.raises(SourceError, match="no such file or folder; give a bag"):
        open_source(tmp_path / "no")


def test_a_damaged_recording_is_refused_by_the_bag_source(tmp_path):
    file = tmp_path / "x.db3"
    file.write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"x\.db3"), open_source(file):
        pass


@pytest.mark.parametrize(("name", "serial"), [("realsense:", "RealSense"), ("realsense:42", "42")])
def test_cameras(name, serial):
    pytest.importorskip("pyrealsense2", reason="needs pyrealsense2 and libusb-1.0-0")
    from tack_perception.sources.realsense import RealSenseSource

    source = open_source(name)
    assert isinstance(source, RealSenseSource)
    assert source.name == serial
