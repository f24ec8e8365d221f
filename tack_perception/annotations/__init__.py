# SPDX-License-Identifier: Apache-2.0
"""Annotation sets: clicks and their pictures, also those made in space or carried to more views."""

from tack_perception.annotations.annotation_set import AnnotationSet, MergeReport
from tack_perception.annotations.carrying import NotSeenError, carried, place_of
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
    "NotSeenError",
    "StoreSettings",
    "carried",
    "cropped",
    "frame_key",
    "load_annotations",
    "pixel_from_click",
    "place_of",
]
