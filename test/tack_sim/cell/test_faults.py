# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

from tack_perception.errors import InvalidInputError
from tack_sim.cell.faults import Fault, FaultKind, is_active


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("gripper_slip", Fault(FaultKind.GRIPPER_SLIP)),
        ("controller_stall@3", Fault(FaultKind.CONTROLLER_STALL, 3.0)),
        ("camera_dropout+0.25", Fault(FaultKind.CAMERA_DROPOUT, 0.0, 0.25)),
        ("tf_silence@1.5+2", Fault(FaultKind.TF_SILENCE, 1.5, 2.0)),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault
    assert str(fault) == text


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_can_be_written(kind: FaultKind) -> None:
    assert Fault.parse(f" {kind.value}@2+1 ") == Fault(kind, 2.0, 1.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gripper_slips", "gripper_slip"),
        ("", "FAULT[@START][+DURATION]"),
        ("gripper_slip@", "FAULT[@START][+DURATION]"),
        ("gripper_slip@soon", "'soon' is not a number"),
        ("gripper_slip@-1", "0 or more"),
        ("gripper_slip@nan", "0 or more"),
        ("gripper_slip@1+0", "must be positive"),
        ("gripper_slip+1@1", "FAULT[@START][+DURATION]"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Fault.parse(text)
    assert told in str(caught.value)


def test_a_fault_holds_from_its_start_until_its_end() -> None:
    fault = Fault(FaultKind.PLAN_REFUSED, 1.0, 0.5)
    assert [fault.active(time) for time in (0.99, 1.0, 1.49, 1.5)] == [False, True, True, False]
    assert Fault(FaultKind.PLAN_REFUSED, 1.0, math.inf).active(1e9)
    assert is_active([fault], FaultKind.PLAN_REFUSED, 1.2)
    assert not is_active([fault], FaultKind.PLAN_ABORTED, 1.2)
    assert not is_active([], FaultKind.PLAN_REFUSED, 1.2)
