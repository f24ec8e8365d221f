# SPDX-License-Identifier: Apache-2.0
"""A batch: tensors by name, that go to a device together."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import torch

B = TypeVar("B", bound="TensorBatch")


@dataclasses.dataclass(frozen=True, eq=False)
class TensorBatch:
    """Fields of a class that is derived from this one are tensors."""

    def to(self: B, device: torch.device | str) -> B:
        """The same on another device."""
        return type(self)(
            **{
                field.name: getattr(self, field.name).to(device, non_blocking=True)
                for field in dataclasses.fields(self)
            }
        )
