# SPDX-License-Identifier: Apache-2.0
"""The client of MoveIt's move_group: the same for a robot and for the simulated cell."""
