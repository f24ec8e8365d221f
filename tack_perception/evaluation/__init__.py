# SPDX-License-Identifier: Apache-2.0
"""The yardstick: one protocol and one set of figures for every detector."""
