# SPDX-License-Identifier: Apache-2.0
"""Things of known shape on a table, as a depth camera above them sees them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tack_grasping.points import NamedPoint
from tack_grasping.robot import Gripper

Cloud = np.ndarray


@pytest.fixture(scope="session")
def gripper() -> Gripper:
    return Gripper(
        "test_hand", ("finger",), 0.085, 0.0, 0.0425, 0.06, 0.02, 0.01, 40.0, 0.1, np.eye(4),
        "grip", "gripper_command", ("hand",), ("hand",),
    )  # fmt: skip


@pytest.fixture(scope="session")
def rod() -> Callable[..., Cloud]:
    """A rod that lies on its side above a table at z = 0, seen from above and from the sides."""

    def make(radius: float = 0.012, height: float = 0.05, yaw: float = 0.3, seed: int = 0) -> Cloud:
        rng = np.random.default_rng(seed)
        # A little more of it lies on one side of the point: else half turns could not be told.
        along = rng.uniform(-0.055, 0.075, 3000)
        around = rng.uniform(-1.9, 1.9, 3000)
        local = np.column_stack(
            [along, radius * np.sin(around), height - radius + radius * np.cos(around)]
        )
        x, y = rng.uniform(-0.1, 0.1, (2, 2000))
        table = np.column_stack([x, y, rng.normal(0, 2e-4, 2000)])
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        return np.concatenate([local @ turn.T, table])

    return make


@pytest.fixture(scope="session")
def block() -> Callable[..., Cloud]:
    """An upright block on a table at z = 0: its top, and those of its sides that are asked for."""

    def make(length: float, width: float, height: float, sides: str = "", seed: int = 0) -> Cloud:
        rng = np.random.default_rng(seed)

        def face(low: tuple[float, ...], high: tuple[float, ...]) -> Cloud:
            count = int(np.prod(sorted(np.subtract(high, low))[1:]) / 2e-6)
            return rng.uniform(low, high, (count, 3))

        a, b = length / 2, width / 2
        faces = {
            "-x": ((-a, -b, 0), (-a, b, height)), "+x": ((a, -b, 0), (a, b, height)),
            "-y": ((-a, -b, 0), (a, -b, height)), "+y": ((-a, b, 0), (a, b, height)),
        }  # fmt: skip
        table = face((-0.12, -0.12, 0), (0.12, 0.12, 0))
        outside = (np.abs(table[:, 0]) > a) | (np.abs(table[:, 1]) > b)
        parts = [face((-a, -b, height), (a, b, height)), table[outside]]
        return np.concatenate([*parts, *(face(*faces[name]) for name in sides.split())])

    return make


@pytest.fixture(scope="session")
def named() -> Callable[..., dict[str, NamedPoint]]:
    """Named points from positions, all known equally well."""

    def make(sigma: float = 0.001, **positions: tuple[float, ...]) -> dict[str, NamedPoint]:
        spread = np.eye(3) * sigma**2
        return {
            label: NamedPoint(label, np.array(position[:3]), spread, 0.9, np.array([0.0, 0, 1]))
            for label, position in positions.items()
        }

    return make
