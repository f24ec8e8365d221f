# SPDX-License-Identifier: Apache-2.0
"""Small episodes to compute losses of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tack_perception.learning.episode import Episodes


@pytest.fixture
def seeded() -> Iterator[None]:
    """A seed; and one thread: with so little to do, others cost more than they bring."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_episodes() -> Callable[..., Episodes]:
    """`make_episodes(batch, points, size, seed, **fields)`: random points, all of them seen.

    Every episode shows an instance of a class of its own, in the middle half of the picture.
    """

    def make(
        batch: int = 3, points: int = 4, size: int = 16, seed: int = 0, **fields: Any
    ) -> Episodes:
        generator = torch.Generator().manual_seed(seed)
        grid, named = size // 2, 3
        thing = torch.zeros(batch, grid, grid)
        thing[:, grid // 4 : -(grid // 4), grid // 4 : -(grid // 4)] = 1

        def places(count: int) -> Tensor:
            return torch.rand(batch, count, 2, generator=generator) * (size - 1)

        every = torch.ones(batch, points, dtype=torch.bool)
        values: dict[str, Any] = {
            "support": torch.rand(batch, 3, size, size, generator=generator),
            "query": torch.rand(batch, 3, size, size, generator=generator),
            "support_points": places(points),
            "query_points": places(points),
            "known": every,
            "visible": every,
            "same": torch.ones(batch, dtype=torch.bool),
            "support_object": thing,
            "query_object": thing,
            "support_things": thing,
            "query_things": thing,
            "support_votes": torch.full((batch, 2, grid, grid), torch.nan),
            "query_votes": torch.full((batch, 2, grid, grid), torch.nan),
            "support_surface": torch.full((batch, 3, grid, grid), torch.nan),
            "query_surface": torch.full((batch, 3, grid, grid), torch.nan),
            "query_depth": torch.zeros(batch, points),
            "support_named": places(named),
            "query_named": places(named),
            "named_known": torch.ones(batch, named, 2, dtype=torch.bool),
            "named_visible": torch.ones(batch, named, 2, dtype=torch.bool),
            "named_index": torch.arange(named).expand(batch, named),
            "category": torch.arange(batch),
            "instance": torch.arange(batch) + 10,
        }
        return Episodes(**(values | fields))

    return make
