# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 rim: the only package that imports rclpy."""
