# SPDX-License-Identifier: Apache-2.0
"""Value types of the core to ROS messages and back, a module for each kind."""
