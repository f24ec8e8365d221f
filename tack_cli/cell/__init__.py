# SPDX-License-Identifier: Apache-2.0
"""A pick-and-place in the simulated cell, from the click to the verdict, over a real ROS graph."""
