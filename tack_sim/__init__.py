# SPDX-License-Identifier: Apache-2.0
"""A robot cell without hardware: scenes, physics, and a camera with the noise of a real one."""
