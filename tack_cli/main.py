# SPDX-License-Identifier: Apache-2.0
"""The `tack` command: finds the module of a sub-command, and turns errors into one clear sentence.

A sub-command is a module of this package whose first docstring line is its help, with
`add_arguments(parser)` and `run(args) -> int`. It is imported when it is asked for, so what one
command needs can be missing without harm to the others.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import inspect
import os
import select
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Protocol, cast

from tack_perception.errors import TackError

COMMANDS = (
    "demo", "pick", "report", "replay", "annotate", "record", "render", "train", "evaluate",
    "inspect", "launch", "doctor",
)  # fmt: skip
_MODULES = {"report": "run_report"}  # a package has the name already
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_NOBODY_READS = 141
EXAMPLES = """\
Examples:
  tack demo
        one click, then pick and place in a simulated cell; ends with a report to open
  tack replay recording/ --point 0:412,233 --label handle --output out/
        follow one clicked pixel (frame 0, column 412, row 233) through a rosbag2
  tack doctor
        what is missing on this machine, and what to do about it

`tack COMMAND --help` explains a command.
"""


class Command(Protocol):
    """What the module of a sub-command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of this command."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit code."""


def module_name(command: str) -> str:
    """Of a command's module, within this package."""
    return _MODULES.get(command, command)


def summary(name: str) -> str:
    """The first docstring line of a command's module, read without importing it."""
    source = Path(__file__).with_name(f"{module_name(name)}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def make_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of `tack`, with the arguments of the one command that is asked for.

    Args:
        arguments: the command line without the program's name.
    """
    parser = argparse.ArgumentParser(
        prog="tack",
        description="From a few clicks to a 6-DoF pick-and-place.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"%(prog)s {metadata.version('tack')}"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", required=True
    )
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name in COMMANDS:
        # Without its arguments a command is quick to list: nothing of it is imported.
        help_text = summary(name)
        if name != asked:
            commands.add_parser(name, help=help_text)
            continue
        module = importlib.import_module(f"tack_cli.{module_name(name)}")
        own = commands.add_parser(
            name,
            help=help_text,
            description=inspect.getdoc(module),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        cast(Command, module).add_arguments(own)
        own.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show the traceback of an error",
        )
        own.set_defaults(run=cast(Command, module).run)
    return parser


def explain(error: Exception) -> str | None:
    """An error in one message, or None for one that nobody raised on purpose."""
    if isinstance(error, TackError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (
            f"the Python package {error.name} is missing; `tack doctor` says what is installed, "
            "docs/install.md what each part needs"
        )
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name; that of this process by default.

    Returns:
        The exit code: that of the command, 2 for a refused input, 130 after Ctrl-C, 141 where
        whoever read the output has gone (`tack … | head`).
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()  # here, and not at Python's exit, where it could not be answered
    except BrokenPipeError:
        if not _let_go_of_output():
            raise
        return EXIT_NOBODY_READS


def _run(words: Sequence[str]) -> int:
    try:
        options = make_parser(words).parse_args(words)
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        message = explain(error)
        if message is None or "--debug" in words:
            raise
        print(f"tack: {message}", file=sys.stderr)
        return EXIT_ERROR


def _let_go_of_output() -> bool:
    """Write to nowhere what nobody reads any more; whether there was such output."""
    gone = False
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # no file at all: tests, notebooks
            handle = stream.fileno()
            poll = select.poll()
            poll.register(handle, 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                gone = True
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, handle)
                os.close(nowhere)
    return gone


if __name__ == "__main__":
    sys.exit(main())
