# SPDX-License-Identifier: Apache-2.0
"""Builds the ROS interfaces that PyPI lacks, from the field lists in `interfaces/`.

`python -m tack_ros.interface_builder --install` makes one wheel, `tack-interfaces`, for the running
Python and installs it beside the rclpy wheels. Where a ROS distribution is installed by apt, its
own packages are used and this builder refuses to run. docs/interfaces-build.md tells the whole
story.
"""

from tack_ros.interface_builder.builder import build, install
from tack_ros.interface_builder.environment import InterfaceBuildError
from tack_ros.interface_builder.hashes import expected_hashes, type_hashes

__all__ = ["InterfaceBuildError", "build", "expected_hashes", "install", "type_hashes"]
