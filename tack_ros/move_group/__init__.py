# SPDX-License-Identifier: Apache-2.0
"""What MoveIt's move_group serves, on the planner of the simulated cell."""
