# SPDX-License-Identifier: Apache-2.0
"""A refusal that carries MoveIt's error code."""

from __future__ import annotations

from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.errors import InvalidInputError

__all__ = ["MoveItError", "MoveItErrorCode"]


class MoveItError(InvalidInputError):
    """A request that MoveIt answers with an error code.

    Args:
        code: the answer.
        message: names the value that was refused and what would have been allowed.
    """

    def __init__(self, code: MoveItErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
