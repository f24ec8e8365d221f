# SPDX-License-Identifier: Apache-2.0
"""The pick-and-place as a behaviour: stages, decisions after what goes wrong, and an account."""
