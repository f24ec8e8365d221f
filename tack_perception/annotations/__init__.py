# SPDX-License-Identifier: Apache-2.0
"""Annotation sets: clicks and their pictures, in memory and on disk, and 3D clicks taken back."""

from tack_perception.annotations.annotation_set import AnnotationSet, MergeReport
from tack_perception.annotations.click import ClickedPixel, ClickSettings, pixel_from_click
from tack_perception.annotations.history import FrameHistory
from tack_perception.annotations.records import Entry, FrameRecord, cropped, frame_key
from tack_perception.annotations.store import AnnotationStore, StoreSettings, load_annotations

__all__ = [
    "AnnotationSet",
    "AnnotationStore",
    "ClickSettings",
    "ClickedPixel",
    "Entry",
    "FrameHistory",
    "FrameRecord",
    "MergeReport",
    "StoreSettings",
    "cropped",
    "frame_key",
    "load_annotations",
    "pixel_from_click",
]
