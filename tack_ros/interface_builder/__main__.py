# SPDX-License-Identifier: Apache-2.0
"""The command `python -m tack_ros.interface_builder`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tack_perception.errors import TackError
from tack_ros.interface_builder.builder import build, install
from tack_ros.interface_builder.cache import default_cache
from tack_ros.interface_builder.field_lists import default_folder
from tack_ros.interface_builder.hashes import pin


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, and if asked install; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tack_ros.interface_builder",
        description="Build the ROS interfaces that PyPI lacks as one wheel for this Python.",
    )
    parser.add_argument("--source", type=Path, help="folder of field lists (default: interfaces)")
    parser.add_argument("--cache", type=Path, help=f"kept wheels (default: {default_cache()})")
    parser.add_argument("--jobs", type=int, help="processes at once (default: one per core)")
    parser.add_argument("--install", action="store_true", help="install into this environment")
    parser.add_argument(
        "--pin",
        action="store_true",
        help="write the new type hashes beside the field lists: for whoever changes one",
    )
    options = parser.parse_args(arguments)
    if options.jobs is not None and options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: at least 1 process is needed")
    started = time.monotonic()
    try:
        source = options.source or default_folder()
        wheel = build(source, cache_folder=options.cache, jobs=options.jobs, say=_say)
        _say(f"wheel: {wheel}")
        if options.install:
            done = install(wheel, cache_folder=options.cache, say=_say)
            _say("installed" if done else "already installed")
        if options.pin:
            _say(f"{pin(wheel, source)} type hashes pinned in {source}")
    except TackError as error:
        print(f"interfaces: {error}", file=sys.stderr)
        return 1
    _say(f"done in {time.monotonic() - started:.1f} s")
    return 0


def _say(line: str) -> None:
    print(f"interfaces: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
