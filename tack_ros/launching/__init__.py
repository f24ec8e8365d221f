# SPDX-License-Identifier: Apache-2.0
"""Starts launch/*.launch.yaml where `ros2 launch` is not installed: a documented subset of it."""
