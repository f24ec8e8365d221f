# SPDX-License-Identifier: Apache-2.0
"""Named 3D points to SE(3) grasp and place goals. Imports no ROS."""
