# SPDX-License-Identifier: Apache-2.0
"""Robot arms and grippers: their bodies for MuJoCo, and their kinematics without it."""
