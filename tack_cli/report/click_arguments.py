# SPDX-License-Identifier: Apache-2.0
"""`--point` and `--label`, as every command that takes clicks reads them."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from tack_cli.report.clicks import Click, parse_click
from tack_perception.annotation import check_label
from tack_perception.errors import InvalidInputError


def pixel_argument(text: str) -> tuple[float, float]:
    """U,V as the type of an argument.

    Raises:
        argparse.ArgumentTypeError: it is written in another way.
    """
    try:
        u, v = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: U,V is expected, such as 320,240") from None
    return u, v


def click_argument(text: str) -> Click:
    """`parse_click` as the type of an argument.

    Raises:
        argparse.ArgumentTypeError: it is written in another way.
    """
    try:
        return parse_click(text)
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(str(error).partition(": ")[2]) from error


class NameClick(argparse.Action):
    """Gives its name to the `--point` before it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Called by argparse for each `--label`."""
        clicks: list[Click] = list(namespace.point or [])
        try:
            label = check_label(values)
        except InvalidInputError as error:
            parser.error(str(error))
        if clicks and not clicks[-1].label:
            clicks[-1] = dataclasses.replace(clicks[-1], label=label)
            namespace.point = clicks
        elif clicks or not self.without_click(namespace, label):
            parser.error(f"--label {values}: put it right after the --point that it names")

    def without_click(self, namespace: argparse.Namespace, label: str) -> bool:
        """Take a label that no `--point` precedes; False where that means nothing."""
        return False
