# SPDX-License-Identifier: Apache-2.0
"""The errors that tack raises, as one tree.

Each message names the value that was refused, what would have been allowed, and the next step.
"""

from __future__ import annotations


class TackError(Exception):
    """Root of every error that tack raises on purpose."""


class InvalidInputError(TackError, ValueError):
    """A value from outside (message, file, argument) is not what its contract says."""


class ConfigurationError(InvalidInputError):
    """A setting is unknown, of the wrong type or outside its range."""


class FileFormatError(TackError):
    """A file exists but cannot be understood (corrupt, truncated, or of a newer version)."""


class SourceError(TackError):
    """A frame source cannot be opened, or has ended for a reason that the user must know."""


class DependencyError(TackError, ImportError):
    """An optional dependency is missing; the message says what to install."""
