# SPDX-License-Identifier: Apache-2.0
"""Where a thing shall go: constraints and costs over its named points, solved over SE(3)."""
