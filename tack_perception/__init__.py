# SPDX-License-Identifier: Apache-2.0
"""Pixels to named 3D points: frames, clicks, detectors, lifting. Imports no ROS."""
