# SPDX-License-Identifier: Apache-2.0
"""Opens whatever a person names."""

from __future__ import annotations

from pathlib import Path

from tack_perception.errors import SourceError
from tack_perception.sources.bag_reader import BagReader
from tack_perception.sources.base import FrameSource
from tack_perception.sources.case import CASE_FILE
from tack_perception.sources.folder import FolderSource
from tack_perception.sources.folder_layout import CAMERA_FILES
from tack_perception.sources.rosbag2 import BagConfiguration, BagSource

_REALSENSE = "realsense:"
_RECORDINGS = (".db3", ".bag")


def open_source(name: Path | str, bag_configuration: BagConfiguration | None = None) -> FrameSource:
    """The source of frames that a path or a name stands for; enter it to open it.

    Args:
        name: "realsense:" (the only camera) or "realsense:SERIAL"; a folder of pictures; a bag
            (folder, .mcap, .db3, or .bag of ROS 1); a recording of librealsense (.db3, .bag).
        bag_configuration: how a bag is read.

    Raises:
        SourceError: there is nothing of that name.
        DependencyError: a RealSense is asked for and pyrealsense2 is missing.
    """
    if str(name).startswith(_REALSENSE):
        from tack_perception.sources.realsense import RealSenseConfiguration, RealSenseSource

        return RealSenseSource(
            RealSenseConfiguration(serial=str(name).removeprefix(_REALSENSE).strip())
        )
    path = Path(name)
    if not path.exists():
        raise SourceError(
            f"{name}: there is no such file or folder; give a bag, a folder of pictures, or"
            f" {_REALSENSE}SERIAL for a camera"
        )
    if path.is_dir() and any((path / file).exists() for file in (CASE_FILE, *CAMERA_FILES)):
        return FolderSource(path)
    if path.suffix in _RECORDINGS and _is_librealsense(path):
        from tack_perception.sources.realsense import RealSenseSource

        return RealSenseSource(file=path)
    return BagSource(path, bag_configuration)


def _is_librealsense(path: Path) -> bool:
    try:
        with BagReader(path) as reader:
            return any(topic.startswith("/device_0/") for topic in reader.topics)
    except SourceError:
        return False  # the bag source says what is wrong with it
