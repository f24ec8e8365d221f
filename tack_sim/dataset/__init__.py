# SPDX-License-Identifier: Apache-2.0
"""Synthetic data sets: scenes drawn at random, rendered, labelled and written."""
