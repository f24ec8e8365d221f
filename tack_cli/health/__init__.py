# SPDX-License-Identifier: Apache-2.0
"""The checks of `tack doctor`: one module per theme, each check a function that gives a finding."""
