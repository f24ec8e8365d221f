# SPDX-License-Identifier: Apache-2.0
"""The `tack` command, one module per sub-command."""
