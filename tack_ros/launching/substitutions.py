# SPDX-License-Identifier: Apache-2.0
"""`$(var x)`, `$(env X default)` and `$(find-pkg-share pkg)` in launch files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tack_perception.errors import InvalidInputError
from tack_ros.environment import share_folder

_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_KNOWN = "$(var NAME), $(env NAME [DEFAULT]) and $(find-pkg-share PACKAGE)"


def substitute(text: str, variables: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """The text with its substitutions carried out, innermost first.

    Args:
        text: as written in the launch file.
        variables: launch arguments and `let` variables.
        environ: environment variables.

    Raises:
        InvalidInputError: a substitution that is not known, or of a name that is not.
    """
    while match := _SUBSTITUTION.search(text):
        value = _evaluate(match.group(1), variables, environ)
        if "$(" in value:
            raise InvalidInputError(f"{match.group(0)} gives {value!r}: no '$(' may come out of it")
        text = text[: match.start()] + value + text[match.end() :]
    if "$(" in text:
        raise InvalidInputError(f"{text!r}: a bracket of a substitution is not closed")
    return text


def _evaluate(inside: str, variables: Mapping[str, str], environ: Mapping[str, str]) -> str:
    kind, *words = inside.split() if inside.strip() else [""]
    if kind == "var" and len(words) == 1:
        if words[0] not in variables:
            known = ", ".join(sorted(variables)) or "none"
            raise InvalidInputError(f"$({inside}): no such argument; there are: {known}")
        return variables[words[0]]
    if kind == "env" and len(words) in (1, 2):
        default = words[1].strip("'\"") if len(words) == 2 else None
        value = environ.get(words[0], default)
        if value is None:
            raise InvalidInputError(f"$({inside}): the environment variable is not set")
        return value
    if kind == "find-pkg-share" and len(words) == 1:
        return str(package_share(words[0], environ))
    raise InvalidInputError(f"substitution $({inside}): `tack launch` knows {_KNOWN}")


def package_share(package: str, environ: Mapping[str, str]) -> Path:
    """The share folder of a package.

    Raises:
        InvalidInputError: it is not installed here.
    """
    if package == "tack":
        return share_folder()
    for prefix in environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        share = Path(prefix) / "share" / package
        if prefix and share.is_dir():
            return share
    raise InvalidInputError(
        f"package {package!r} is not installed here (no share/{package} in AMENT_PREFIX_PATH)"
    )
