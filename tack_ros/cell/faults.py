# SPDX-License-Identifier: Apache-2.0
"""The parameter `faults`: what shall go wrong in a node."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_sim.cell.faults import Fault, FaultKind

PLANNING_FAULTS = frozenset({FaultKind.PLAN_REFUSED, FaultKind.PLAN_ABORTED})
CELL_FAULTS = frozenset(FaultKind) - PLANNING_FAULTS


def parse_faults(texts: Iterable[str], kinds: Collection[FaultKind]) -> list[Fault]:
    """The faults of a parameter; blank ones are none.

    Args:
        texts: `FAULT[@START][+DURATION]` each.
        kinds: those that the node knows.

    Raises:
        ConfigurationError: not of that form, or a fault of another node.
    """
    try:
        faults = [Fault.parse(text) for text in texts if text.strip()]
    except InvalidInputError as error:
        raise ConfigurationError(str(error)) from error
    for fault in faults:
        if fault.kind not in kinds:
            known = ", ".join(kind.value for kind in FaultKind if kind in kinds)
            raise ConfigurationError(f"fault {str(fault)!r}: this node knows {known}")
    return faults
