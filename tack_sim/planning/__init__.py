# SPDX-License-Identifier: Apache-2.0
"""What a MoveIt move_group answers, without ROS.

The planning scene, collision checks by MuJoCo, motion planning by OMPL, Cartesian paths, inverse
kinematics and time parameterisation by toppra, with MoveIt's error codes.
"""
