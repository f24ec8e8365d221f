# SPDX-License-Identifier: Apache-2.0
"""When fingers count as standing still, on a joint that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")

from tack_grasping.profiles import load_profile  # noqa: E402
from tack_sim.cell.gripper import GripperController  # noqa: E402
from tack_sim.robots.spec import GRIPPER  # noqa: E402

STEP_S = 0.002
MODEL = f"""
<mujoco>
  <option timestep="{STEP_S}"/>
  <worldbody><body><joint name="finger" type="slide"/><geom size="0.01"/></body></worldbody>
  <actuator><position name="{GRIPPER}" joint="finger"/></actuator>
</mujoco>"""


def closing(opening_at: Callable[[float], float], seconds: float = 2.0) -> tuple[Any, float]:
    """The state, and when: of fingers that are told to close and go where `opening_at` says."""
    model = mujoco.MjModel.from_xml_string(MODEL)
    data = mujoco.MjData(model)
    controller = GripperController(model, load_profile("panda_2f85").gripper)
    controller.command(0.0, 60.0)
    state = None
    for time in np.arange(0.0, seconds, STEP_S):
        before = data.qpos[0]
        data.qpos[0] = opening_at(float(time))
        data.qvel[0] = (data.qpos[0] - before) / STEP_S
        mujoco.mj_forward(model, data)
        controller.update(data, STEP_S)
        state = controller.state(data)
        if state.stalled or state.reached:
            return state, float(time)
    return state, seconds


def met(time: float) -> float:
    """Fingers that meet something 35 mm wide after half a second."""
    return 0.035 + max(0.0, 0.5 - time) * 0.1


def test_fingers_that_are_kept_apart_are_stalled() -> None:
    state, time = closing(met)
    assert state.stalled
    assert state.opening == pytest.approx(0.035)
    assert 0.6 <= time < 0.9  # the set-point has to arrive first


def test_fingers_that_tremble_at_what_they_hold_stand_still() -> None:
    # As a box in the grip does: by hundredths of a millimetre, at 16 mm/s.
    state, time = closing(lambda time: met(time) + 2e-5 * np.sin(2 * np.pi * 125 * time))
    assert state.stalled
    assert time < 0.9


def test_fingers_that_go_on_slowly_do_not() -> None:
    state, _ = closing(lambda time: 0.035 - 0.005 * time)
    assert not state.stalled
    state, _ = closing(lambda time: 0.035 * max(0.0, 1.0 - time))
    assert state.reached
    assert not state.stalled
