# SPDX-License-Identifier: Apache-2.0
"""The nodes: each converts, calls the core, and converts back."""
