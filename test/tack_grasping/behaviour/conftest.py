# SPDX-License-Identifier: Apache-2.0
"""Lets the tests of the behaviour share `scripted`: `test` itself is a package of Python's."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
