# SPDX-License-Identifier: Apache-2.0
"""The one place where librealsense's Python binding is imported."""

from __future__ import annotations

from tack_perception.errors import DependencyError

try:
    import pyrealsense2 as rs
except ImportError as error:
    raise DependencyError(
        f"pyrealsense2 cannot be imported ({error}); install it with `pip install pyrealsense2`,"
        " and libusb-1.0-0 with the system's package manager"
    ) from error

__all__ = ["rs"]
