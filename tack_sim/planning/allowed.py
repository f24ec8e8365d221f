# SPDX-License-Identifier: Apache-2.0
"""Which pairs of links and objects may touch: MoveIt's allowed collision matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from tack_perception.errors import InvalidInputError
from tack_sim.planning.robot import RobotModel


@dataclasses.dataclass(frozen=True, eq=False)
class AllowedCollisions:
    """An allowed collision matrix.

    Attributes:
        pairs: the two names → whether they may touch; names of links and of objects.
        defaults: name → whether it may touch what has no entry with it. Where both names have
            one, both have to allow it.
    """

    pairs: Mapping[frozenset[str], bool] = dataclasses.field(default_factory=dict)
    defaults: Mapping[str, bool] = dataclasses.field(default_factory=dict)

    @classmethod
    def of_robot(cls, robot: RobotModel) -> AllowedCollisions:
        """Links of the robot that touch by construction, the rows that an SRDF would give."""
        return cls(MappingProxyType(dict.fromkeys(map(frozenset, robot.touching_links), True)))

    @classmethod
    def from_matrix(
        cls,
        names: Sequence[str],
        matrix: Sequence[Sequence[bool]],
        defaults: Mapping[str, bool] | None = None,
    ) -> AllowedCollisions:
        """From the form of moveit_msgs/AllowedCollisionMatrix.

        Raises:
            InvalidInputError: the matrix is not square or not symmetric.
        """
        if len(matrix) != len(names) or any(len(row) != len(names) for row in matrix):
            raise InvalidInputError(
                f"allowed collision matrix of {len(matrix)} rows for {len(names)} names:"
                " a square matrix with a row for each name is needed"
            )
        pairs: dict[frozenset[str], bool] = {}
        for i, first in enumerate(names):
            for j, second in enumerate(names[: i + 1]):
                if bool(matrix[i][j]) != bool(matrix[j][i]):
                    raise InvalidInputError(
                        f"allowed collision matrix: {first} with {second} and {second} with"
                        f" {first} differ"
                    )
                if i != j:
                    pairs[frozenset((first, second))] = bool(matrix[i][j])
        return cls(MappingProxyType(pairs), MappingProxyType(dict(defaults or {})))

    def to_matrix(self) -> tuple[list[str], list[list[bool]]]:
        """Names, and the square matrix of what may touch, as MoveIt's message has it."""
        names = sorted({name for pair in self.pairs for name in pair})
        matrix = [
            [self.pairs.get(frozenset((first, second)), False) for second in names]
            for first in names
        ]
        return names, matrix

    def with_pairs(self, pairs: Iterable[tuple[str, str]], allowed: bool) -> AllowedCollisions:
        """The matrix with some pairs set."""
        changed = {**self.pairs, **{frozenset(pair): allowed for pair in pairs}}
        return dataclasses.replace(self, pairs=MappingProxyType(changed))

    def allows(self, first: str, second: str) -> bool:
        """Whether the two may touch."""
        pair = self.pairs.get(frozenset((first, second)))
        if pair is not None:
            return pair
        given = [self.defaults[name] for name in (first, second) if name in self.defaults]
        return bool(given) and all(given)
