# SPDX-License-Identifier: Apache-2.0
"""What follows when move_group did not answer: it may have been started again, knowing nothing."""

from __future__ import annotations

from collections.abc import Callable

from tack_grasping.motion import MotionError
from tack_ros.calls import CallTimeoutError

_TRIES = 3


class Loss:
    """Brings the planning scene back before the first motion after a call without an answer.

    And before one with another server than the motion before had: it may come and go in between.

    Args:
        check_stopped: raises MotionError once the arm is stopped.
        servers: returns who is there, different after a restart; empty for nobody.

    Attributes:
        happened: a call was not answered since, or another server has come.
        restore: sends all that is known of the planning scene; may raise MotionError.
    """

    def __init__(
        self, check_stopped: Callable[[], None], servers: Callable[[], frozenset[bytes]]
    ) -> None:
        self._check_stopped, self._servers = check_stopped, servers
        self._known: frozenset[bytes] = frozenset()
        self.happened = False
        self.restore: Callable[[], None] = lambda: None

    def make_good(self) -> None:
        """Restore, where that is needed.

        Raises:
            MotionError: it could not be done, or the arm is stopped; then nothing may move.
        """
        self._check_stopped()
        there = self._servers()
        if not there or (self._known and there != self._known):
            self.happened = True
        tries = _TRIES
        while self.happened:
            tries -= 1
            try:
                self.restore()
            except MotionError as error:
                # A server that has only begun is seen before all of it hears and is heard.
                if not (tries and isinstance(error.__cause__, CallTimeoutError)):
                    raise
                self._check_stopped()
            else:
                self.happened = False
                there = self._servers()
        self._known = there or self._known
