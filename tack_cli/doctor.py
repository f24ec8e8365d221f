# SPDX-License-Identifier: Apache-2.0
"""Is this machine fit for tack? Looks at versions, GPU, camera, ROS, and says what to do.

Each line is `ok`, `warn` (something is limited) or `fail` (something is broken); below a line
that is not ok stands what to do. The exit code is 1 if anything fails.

Examples:
  tack doctor
  tack doctor --json | jq '.findings[] | select(.level != "ok")'
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict

from tack_cli.health import devices, installation, ros
from tack_cli.health.finding import Check, Finding, examine

SECTIONS: dict[str, tuple[Check, ...]] = {
    "Installation": installation.CHECKS,
    "Devices": devices.CHECKS,
    "ROS": ros.CHECKS,
}
COLOURS = {"ok": "32", "warn": "33", "fail": "31"}
NAME_WIDTH = 18
INDENT = 8 + NAME_WIDTH


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack doctor`."""
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(args: argparse.Namespace) -> int:
    """Check everything; 1 if something fails, else 0."""
    if args.json:
        found = [(section, finding) for section, finding in findings()]
        healthy = all(finding.level != "fail" for _, finding in found)
        listed = [{"section": section, **asdict(finding)} for section, finding in found]
        print(json.dumps({"ok": healthy, "findings": listed}, indent=2))
        return int(not healthy)
    levels = []
    shown = None
    for section, finding in findings():
        if section != shown:
            print(f"\n{section}")
            shown = section
        print("\n".join(lines(finding)), flush=True)
        levels.append(finding.level)
    failed, warned = levels.count("fail"), levels.count("warn")
    print(f"\n{len(levels)} checks: {failed} failed, {warned} warnings")
    return int(failed > 0)


def findings() -> Iterator[tuple[str, Finding]]:
    """Section and finding of every check, as they become known."""
    for section, checks in SECTIONS.items():
        for check in checks:
            yield section, examine(check)


def lines(finding: Finding) -> Iterator[str]:
    """A finding as aligned text, with the advice below."""
    width = max(shutil.get_terminal_size((100, 24)).columns, INDENT + 30)
    level = f"{finding.level:<4}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        level = f"\033[{COLOURS[finding.level]}m{level}\033[0m"
    blank = " " * INDENT
    wrap = textwrap.TextWrapper(width - INDENT, break_long_words=False, break_on_hyphens=False)
    detail = wrap.wrap(finding.detail) or [""]
    yield f"  {level}  {finding.name:<{NAME_WIDTH}}{detail[0]}"
    yield from (blank + line for line in detail[1:])
    advice = wrap.wrap(f"→ {finding.advice}") if finding.advice else []
    yield from (blank + line for line in advice)
