# SPDX-License-Identifier: Apache-2.0
"""What one check found, and the helpers that checks share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]
# A driver that hangs must not take the doctor with it.
PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked at.
        level: `ok`; `warn` for what limits some use; `fail` for what breaks the installation.
        detail: what was found.
        advice: what to do about it; empty where nothing needs doing.
    """

    name: str
    level: Level
    detail: str
    advice: str = ""


Check = Callable[[], Finding]


class ProbeError(Exception):
    """A probe failed; the message is the last line that it wrote."""


def probe(code: str, environ: Mapping[str, str] | None = None) -> str:
    """Run Python code in a process of its own: drivers may crash or hang, and leave state behind.

    Args:
        code: what to run; what it prints is the answer.
        environ: variables to add to those of this process.

    Returns:
        What it printed, stripped.

    Raises:
        ProbeError: it failed, crashed or took longer than a minute.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            env={**os.environ, **(environ or {})},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProbeError(f"no answer within {PROBE_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise ProbeError(lines[-1] if lines else f"ended with code {done.returncode}")
    return done.stdout.strip()


def examine(check: Check) -> Finding:
    """The finding of one check; a check that breaks is a finding as well."""
    try:
        return check()
    except Exception as error:
        name = check.__name__.replace("_", " ")
        return Finding(name, "fail", f"the check itself failed: {type(error).__name__}: {error}")
