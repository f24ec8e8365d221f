# SPDX-License-Identifier: Apache-2.0
"""The episodes of the losses' tests serve here as well."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[1] / "learning" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("learning_conftest", _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
make_episodes = _MODULE.make_episodes
