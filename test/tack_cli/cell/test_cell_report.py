# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("mujoco", reason="the cell needs MuJoCo")

from tack_cli.cell.outcome import JobFailedError
from tack_cli.cell.report import write_failure_report
from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame

CAMERA = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)


def frame(red: int) -> RGBDFrame:
    color = np.full((240, 320, 3), (red, 90, 120), np.uint8)
    return RGBDFrame(color, np.full((240, 320), 0.5, np.float32), CAMERA, 1, "camera")


def pictures(page: str) -> list[np.ndarray]:
    found = []
    for text in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page):
        data = np.frombuffer(base64.b64decode(text), np.uint8)
        found.append(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return found


@pytest.mark.parametrize(
    ("stage", "title", "advice"),
    [
        ("find again", "&#x27;rim&#x27; was not found again", "one more click"),
        ("plan", "There is no grasp of &#x27;rim&#x27;", "leave the fingers more room"),
        ("look", "&#x27;rim&#x27; was not picked", "leave the fingers more room"),
    ],
)
def test_a_job_without_a_grasp_ends_in_a_page_with_the_reason(
    tmp_path: Path, stage: str, title: str, advice: str
) -> None:
    clicks = [Annotation("rim", 100.0 + 50 * i, 90.0, frame(40 + 80 * i)) for i in range(2)]
    failure = JobFailedError(stage, "it was <hidden>", clicks, frame(240))
    [name] = write_failure_report(failure, tmp_path)
    page = (tmp_path / name).read_text(encoding="utf-8")
    assert f"<h1>{title}</h1>" in page
    assert advice in page
    assert "it was &lt;hidden&gt;" in page
    assert "on rim at (150, 90)" in page
    reds = [float(np.median(picture[..., 0])) for picture in pictures(page)]
    assert reds == pytest.approx([40, 120, 240], abs=4)  # both clicks, then the last image


def test_a_job_without_a_grasp_shows_the_stages_that_failed(tmp_path: Path) -> None:
    code, why = MoveItErrorCode.NO_IK_SOLUTION, "every grasp <collides>"
    stages = (
        StageRecord("look", Work.PERCEPTION, 1, 0.0, 1.5),
        StageRecord("plan", Work.PLANNING, 1, 1.5, 0.5, code, why),
    )
    pick = CycleRecord("rim", "bin", code, f"plan: {why}", 0, stages)
    failure = JobFailedError(
        "plan", pick.reason, [Annotation("rim", 9, 9, frame(9))], frame(9), pick
    )
    [name] = write_failure_report(failure, tmp_path)
    page = (tmp_path / name).read_text(encoding="utf-8")
    assert "<td>look</td><td>1</td><td>0.00</td><td>1.50</td>" in page
    assert "NO_IK_SOLUTION: every grasp &lt;collides&gt;</td>" in page
