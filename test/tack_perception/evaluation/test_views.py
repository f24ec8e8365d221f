# SPDX-License-Identifier: Apache-2.0
"""The protocol, with a detector whose answers are known."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.evaluation.summary import summarise
from tack_perception.evaluation.views import Views, load_views, one_click_trials
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
CAMERA = CameraIntrinsics(64, 48, 60, 60, 31.5, 23.5)
LABELS = ("left", "right", "refused")


@pytest.fixture
def views():
    """Three views of a wall at 0.5 m from one place; "right" is hidden in the last one."""
    frames = tuple(
        RGBDFrame(
            np.full((48, 64, 3), 100, np.uint8),
            np.full((48, 64), 0.5, np.float32),
            CAMERA,
            n,
            "cam",
        )
        for n in range(3)
    )
    pixels = np.array([[[20.0, 20]] * 3, [[40, 30]] * 3, [[30, 40]] * 3])
    visible = np.ones((3, 3), dtype=bool)
    visible[1, 2] = False
    points = CAMERA.deproject(pixels[:, 0], np.full(3, 0.5))
    return Views(frames, np.array([np.eye(4)] * 3), LABELS, pixels, visible, points)


class Known:
    """Answers 3 px to the right of the shot, always believing; refuses the label "refused"."""

    def __init__(self):
        self.shots = {}

    @property
    def labels(self):
        return tuple(self.shots)

    def enroll(self, shots):
        if shots[0].label == "refused":
            raise InvalidInputError("refused: no texture")
        self.shots.update({shot.label: shot for shot in shots})

    def detect(self, frame):
        return [Keypoint(label, s.u + 3, s.v, 0.75) for label, s in self.shots.items()]

    def forget(self, label=None):
        self.shots.clear()


def test_trials_and_figures_of_a_known_detector(views):
    trials = [trial for batch in one_click_trials(views, Known) for trial in batch]
    # Ordered pairs of views: 6 for "left" and "refused"; "right" is clicked in two views only.
    assert len(trials) == 6 + 6 + 4
    s = summarise(trials)
    assert s.trials == 6 + 6 + 2
    assert (s.within[5].hits, s.within[5].trials) == (8, 14)
    assert s.median_px == pytest.approx(3)
    assert (s.accepted.hits, s.hidden.hits, s.hidden.trials) == (8, 2, 2)
    assert (s.hidden_astray.hits, s.hidden_astray.trials) == (0, 2)  # 3 px from where it would be
    assert (s.accepted_within[5].hits, s.accepted_within[5].trials) == (8, 8)
    # 3 px at 0.5 m and f = 60 px are 25 mm; the lift itself adds next to nothing on a wall.
    assert s.median_m == pytest.approx(0.025, abs=1e-3)
    assert s.truth_median_m < 1e-3
    assert s.refused.hits == 6
    assert s.refusals == {"the shot was refused": 6}
    assert s.auc == pytest.approx((8 * (2 * 0.5 + 6)) / (8 * 8))
    assert s.as_dict()["within"]["5"]["hits"] == 8


def test_a_recording_without_truth_is_refused(tmp_path):
    import cv2

    for name, depth in (
        ("c.png", np.zeros((4, 4, 3), np.uint8)),
        ("d.png", np.ones((4, 4), np.uint16)),
    ):
        cv2.imwrite(str(tmp_path / name), depth)
    (tmp_path / "case.json").write_text(
        '{"units": {"depth_png": "uint16, 0.001 m per unit"}, "images": [{"id": 0, "file": "c.png",'
        ' "depth": "d.png", "width": 4, "height": 4, "K": [[9,0,2],[0,9,2],[0,0,1]]}]}'
    )
    with pytest.raises(FileFormatError, match="T_world_cam"):
        load_views(tmp_path)


@pytest.mark.data
def test_the_shelf_has_1154_pairs():
    if not (DATA / "apc_shelf").exists():
        pytest.skip(f"the recording apc_shelf is not in {DATA} (set TACK_DATA)")
    shelf = load_views(DATA / "apc_shelf")
    seen = shelf.visible.sum(axis=1)
    assert int((seen * (seen - 1)).sum()) == 1154
    assert all(math.isfinite(value) for value in shelf.points.ravel())
