# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tack_perception.annotation import Annotation
from tack_perception.annotations import AnnotationStore
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame

FrameMaker = Callable[..., RGBDFrame]
ClickMaker = Callable[..., Annotation]

CAMERA = CameraIntrinsics(64, 48, 60.0, 61.0, 31.5, 23.5, "plumb_bob", (0.01, -0.02, 0.0, 0.0, 0.0))


@pytest.fixture
def make_frame() -> FrameMaker:
    def make(seed: int = 0, stamp_ns: int = 1_700_000_000_123_456_789) -> RGBDFrame:
        noise = np.random.default_rng(seed)
        color = noise.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        depth = noise.uniform(0.3, 6.5, (48, 64)).astype(np.float32)
        depth[noise.random((48, 64)) < 0.1] = np.nan
        depth[24, 32] = 0.75
        return RGBDFrame(color, depth, CAMERA, stamp_ns, "camera_color_optical_frame")

    return make


@pytest.fixture
def click(make_frame: FrameMaker) -> ClickMaker:
    def make(label: str = "handle", u: float = 32.25, v: float = 24.0, seed: int = 0) -> Annotation:
        return Annotation(label, u, v, make_frame(seed))

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mug"


@pytest.fixture
def store(folder: Path, click) -> AnnotationStore:
    """A store whose set holds "a" and "b", saved one after the other."""
    store = AnnotationStore(folder)
    annotations = store.load()
    for u, label in enumerate("ab"):
        annotations.add(click(label, float(u), seed=u))
        store.save(annotations)
    return store
