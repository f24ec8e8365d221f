# SPDX-License-Identifier: Apache-2.0
"""The simulated cell: a robot, a table with objects and a bin, and physics that judges grasps."""
