# SPDX-License-Identifier: Apache-2.0
"""Start nodes from a launch file, also where `ros2 launch` is not installed.

FILE is a .launch.yaml file, or the name of one that comes with tack (tack, replay, perception).
The same files work with `ros2 launch`. Each node runs as a process of its own; Ctrl-C ends all.

Known are: arg, let, node, group, push_ros_namespace, include, set_env, if/unless, and the
substitutions $(var X), $(env X [DEFAULT]) and $(find-pkg-share PACKAGE). A file that uses anything
else is refused.

Examples:
  tack launch tack serial:=123456 set:=my_points
  tack launch replay bag:=recording/ annotations:=my_points
  tack launch replay --show-args
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tack_perception.errors import ConfigurationError
from tack_ros.environment import graph_environment, share_folder
from tack_ros.launching.description import Argument, arguments_of, read
from tack_ros.launching.processes import ProcessGroup

SUFFIX = ".launch.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument("file", metavar="FILE", help="a .launch.yaml file, or the name of ours")
    parser.add_argument("arguments", nargs="*", metavar="NAME:=VALUE", help="launch arguments")
    parser.add_argument("--show-args", action="store_true", help="list the file's arguments")
    parser.add_argument(
        "--domain-id", type=int, metavar="0..101", help="keep the graph apart from others here"
    )


def run(args: argparse.Namespace) -> int:
    """Start the nodes and wait for their end; returns 0 when all ended well."""
    file = find(args.file)
    if args.show_args:
        for argument in arguments_of(file):
            print(explained(argument))
        return 0
    environ = graph_environment(domain_id=args.domain_id)
    nodes = read(file, dict(map(split, args.arguments)), environ)
    if not nodes:
        raise ConfigurationError(f"{file}: no node is left to start with these arguments")
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return ProcessGroup(environ, sys.stdout, color=color).run(nodes)


def find(name: str) -> Path:
    """The launch file of a path, or of the name of one that comes with tack.

    Raises:
        ConfigurationError: there is none; the message lists ours.
    """
    shipped = share_folder() / "launch"
    for path in (Path(name), shipped / name, shipped / f"{name}{SUFFIX}"):
        if path.is_file():
            return path.absolute()
    ours = sorted(path.name.removesuffix(SUFFIX) for path in shipped.glob(f"*{SUFFIX}"))
    raise ConfigurationError(f"there is no launch file {name!r}; with tack come {', '.join(ours)}")


def split(word: str) -> tuple[str, str]:
    """Name and value of a launch argument.

    Raises:
        ConfigurationError: it is not of the form NAME:=VALUE.
    """
    name, separator, value = word.partition(":=")
    if not separator or not name:
        raise ConfigurationError(f"launch argument {word!r}: NAME:=VALUE is expected")
    return name, value


def explained(argument: Argument) -> str:
    """One line for `--show-args`."""
    default = "must be given" if argument.default is None else f"default: {argument.default!r}"
    choices = f"; one of {', '.join(argument.choices)}" if argument.choices else ""
    return f"{argument.name}: {argument.description} ({default}{choices})"
