# SPDX-License-Identifier: Apache-2.0
"""Procedural textures of the object families, drawn without any image file.

Colours are RGB; fields and images in work are float32 from 0 to 1, finished ones uint8.
"""
