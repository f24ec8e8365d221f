# SPDX-License-Identifier: Apache-2.0
"""Half precision ends where logits begin: bfloat16 would round them to 1/2 near 100."""

from __future__ import annotations

import torch
from torch import Tensor


def full(values: Tensor) -> Tensor:
    """The values in at least single precision."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
