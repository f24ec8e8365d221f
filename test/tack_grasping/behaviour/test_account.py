# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from scripted import Scripted, Watching

from tack_grasping.behaviour.account import Account
from tack_grasping.behaviour.cycle import Work
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.error_codes import StageError


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_times_are_since_the_beginning() -> None:
    clock = Clock()
    account = Account(clock, Watching())
    clock.time = 102.0
    began = account.now()
    clock.time = 102.5
    record = account.add("look", Work.PERCEPTION, began, None)
    assert (record.began, record.seconds, record.success) == (2.0, 0.5, True)
    clock.time = 110.0
    record = account.add("plan", Work.PLANNING, 3.0, StageError(Code.ABORT, "no"), ended=4.0)
    assert (record.began, record.seconds, record.code) == (3.0, 1.0, Code.ABORT)
    assert record.reason == "no"
    assert account.stages[-1] is record


def test_an_error_without_a_sentence_is_given_that_of_its_code() -> None:
    account = Account(Clock(), Watching())
    record = account.add("home", Work.EXECUTION, 0.0, StageError(Code.CONTROL_FAILED))
    assert record.reason == "the controller did not carry the motion out"


def test_pictures_belong_to_one_stage_only() -> None:
    account = Account(Clock(), Watching())
    account.seen(Scripted().look())
    assert account.add("look", Work.PERCEPTION, 0.0, None).pictures == ("seen.jpg",)
    assert account.add("plan", Work.PLANNING, 0.0, None).pictures == ()
    account.evidence("lift", Scripted().glance())
    assert account.add("lift", Work.EXECUTION, 0.0, None).pictures == ("lift.jpg",)


def test_what_goes_wrong_with_a_witness_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    account = Account(Clock(), Watching(broken=True))
    account.began("look")
    account.seen(Scripted().look())
    assert account.pictures == ()
    account.add("look", Work.PERCEPTION, 0.0, None)
    assert len(account.stages) == 1
    assert "no space left on device" in caplog.text
