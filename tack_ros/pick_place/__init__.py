# SPDX-License-Identifier: Apache-2.0
"""What the node `pick_place` is made of."""
