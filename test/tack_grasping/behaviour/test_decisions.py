# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tack_grasping.behaviour.decisions import Decision, decide
from tack_grasping.error_codes import MoveItErrorCode as Code

CODES = [code for code in Code if code is not Code.SUCCESS]
ORDER = (Decision.AGAIN, Decision.NEXT, Decision.LOOK)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_every_code_has_an_answer_that_can_be_had(code: Code) -> None:
    for again in (True, False):
        for candidates in (True, False):
            answer = decide(code, again=again, candidates=candidates)
            assert answer is not Decision.AGAIN or again
            assert answer is not Decision.NEXT or candidates


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_where_an_answer_cannot_be_had_the_next_stronger_one_is_given(code: Code) -> None:
    best = decide(code, again=True, candidates=True)
    worst = decide(code, again=False, candidates=False)
    if best is Decision.GIVE_UP:
        assert worst is Decision.GIVE_UP
        return
    if code is Code.COMMUNICATION_FAILURE:  # who is not there is not there for another view either
        assert worst is Decision.GIVE_UP
        assert decide(code, again=False, candidates=True) is Decision.GIVE_UP
        return
    assert worst is Decision.LOOK
    weaker = decide(code, again=False, candidates=True)
    assert ORDER.index(best) <= ORDER.index(weaker) <= ORDER.index(worst)
    assert weaker is (Decision.NEXT if best is Decision.AGAIN else best)


def test_success_asks_for_no_decision() -> None:
    with pytest.raises(KeyError):
        decide(Code.SUCCESS, again=True, candidates=True)


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (Code.INVALID_MOTION_PLAN, Decision.AGAIN),  # start state mismatch
        (Code.COMMUNICATION_FAILURE, Decision.AGAIN),  # a server that comes back
        (Code.FRAME_TRANSFORM_FAILURE, Decision.AGAIN),  # lost TF
        (Code.UNABLE_TO_AQUIRE_SENSOR_DATA, Decision.AGAIN),
        (Code.NO_IK_SOLUTION, Decision.NEXT),  # unreachable pose
        (Code.CONTROL_FAILED, Decision.LOOK),  # execution stall, slip
        (Code.SENSOR_INFO_STALE, Decision.LOOK),  # stale detection, moved target
        (Code.PREEMPTED, Decision.GIVE_UP),
    ],
)
def test_what_the_faults_of_a_cell_lead_to(code: Code, answer: Decision) -> None:
    assert decide(code, again=True, candidates=True) is answer
