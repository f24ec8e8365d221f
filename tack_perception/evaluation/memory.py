# SPDX-License-Identifier: Apache-2.0
"""How much memory a stretch of a program takes at most."""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets the peak to the size of the moment


class PeakMemory:
    """A context manager that knows the peak of the process's resident memory within it.

    Attributes:
        peak_bytes: the peak; NaN where the system cannot tell (other than Linux).
        added_bytes: the peak less what was there at the start.
        gpu_bytes: the peak that torch allocated on its GPU; 0 where torch was not imported or has
            none.
    """

    def __init__(self) -> None:
        self.peak_bytes = self.added_bytes = math.nan
        self.gpu_bytes = 0.0
        self._before = math.nan

    def __enter__(self) -> PeakMemory:
        with contextlib.suppress(OSError):  # an old kernel: the peak is then that of the whole run
            _CLEAR.write_text(_RESET_PEAK)
        self._before = _status("VmRSS")
        if (cuda := _cuda()) is not None:
            cuda.reset_peak_memory_stats()
        return self

    def __exit__(self, *_: object) -> None:
        self.peak_bytes = _status("VmHWM")
        self.added_bytes = self.peak_bytes - self._before
        if (cuda := _cuda()) is not None:
            self.gpu_bytes = float(cuda.max_memory_allocated())


def _status(name: str) -> float:
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1]) * 1024
    return math.nan


def _cuda() -> Any:
    """torch.cuda if somebody imported torch and there is a GPU: evaluation itself needs neither."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_available() else None
