# SPDX-License-Identifier: Apache-2.0
"""The report on a run folder: figures, the cycles over time, and what went wrong."""
