# SPDX-License-Identifier: Apache-2.0
"""Simulated RGB-D cameras: models of real ones, rendering, looks and exact surface truth."""
