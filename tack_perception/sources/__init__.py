# SPDX-License-Identifier: Apache-2.0
"""Where frames come from: a camera, a bag, a folder."""
