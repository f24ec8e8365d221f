# SPDX-License-Identifier: Apache-2.0
"""Where files that come with tack lie: robots, places, models."""

from __future__ import annotations

from pathlib import Path

from tack_perception.errors import ConfigurationError


def shipped_folder(name: str) -> Path:
    """A folder that comes with tack, such as `config/robots`.

    It is that of the checkout, else that of the share folder that pip and colcon install.

    Raises:
        ConfigurationError: it is not there; the installation is incomplete.
    """
    for parent in Path(__file__).resolve().parents:
        for folder in (parent / name, parent / "share" / "tack" / name):
            if folder.is_dir():
                return folder
    raise ConfigurationError(f"{name} is missing; install tack again with `pip install .`")
