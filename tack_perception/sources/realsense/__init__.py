# SPDX-License-Identifier: Apache-2.0
"""RealSense cameras and their recordings, through librealsense."""

from __future__ import annotations

from tack_perception.sources.realsense.settings import RealSenseConfiguration
from tack_perception.sources.realsense.source import RealSenseSource

__all__ = ["RealSenseConfiguration", "RealSenseSource"]
