# SPDX-License-Identifier: Apache-2.0
r"""Look inside the few-shot keypoint network: what does it look at, and what does it find alike?

Opens a page on this machine. Click a point on one picture and see where TACK believes it to be on
the others; hover, and see what DON's descriptors find alike; see what an answer hangs on, what lies
between the codes of two clicks, and a map of the space of codes. docs/inspect.md says how to read
it. With --output the same is written as pictures, with a JSON of the figures, and no page is
opened.

Examples:
  the shipped model on objects that it has not learned from
    tack render --class mug,shoe --split held_out --instances 6 --views 6 --size 640x480 \
        --output held
    tack inspect --data held
  a model of your own, on a recording
    tack inspect --model out/joint/model --data recording/
  pictures and figures of one class, for a document
    tack inspect --data held --class shoe --point 0:301,212 --point 0:388,240 --output out/look
"""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from tqdm import tqdm

from tack_cli.report.click_arguments import click_argument
from tack_perception.errors import InvalidInputError

_PORT = 8010


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack inspect`."""
    parser.add_argument(
        "--data", metavar="SET", type=Path, required=True,
        help="a data set as `tack render` makes them; or a recording (a bag, a folder of images),"
        " of which no truth is known",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="DIR", default="",
        help="folder as `tack train` writes it, or the name of a shipped model (default: tabletop)",
    )  # fmt: skip
    parser.add_argument(
        "--class", dest="classes", metavar="NAME[,NAME…]", default="",
        help="classes of the set (default: all of them)",
    )  # fmt: skip
    parser.add_argument(
        "--instances", metavar="N", type=int, default=4,
        help="of each class; of a recording: frames (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--views", metavar="N", type=int, default=3,
        help="of each instance; of a recording: objects in a frame (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--port", metavar="N", type=int, default=_PORT,
        help="of the page on 127.0.0.1; 0 takes any free one (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--open", action="store_true", help="open the page in the browser, too")
    parser.add_argument(
        "--output", metavar="DIR", type=Path,
        help="write pictures and figures.json there, and open no page",
    )  # fmt: skip
    parser.add_argument(
        "--point", metavar="VIEW:U,V", action="append", type=click_argument, default=[],
        help="with --output: the click, as view of the set (or frame), column and row of the whole"
        " picture; a second one for the way between two (default: points that many pictures show)",
    )  # fmt: skip
    parser.add_argument(
        "--trials", metavar="N", type=int, default=200,
        help="with --output: pairs of clicks on which the spread of mixed codes is measured; 0"
        " leaves it out (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(args: argparse.Namespace) -> int:
    """Do `tack inspect`."""
    # Here and not above: they need torch, and `tack inspect --help` is quick.
    from tack_cli.inspection.api import Api
    from tack_cli.inspection.server import Server
    from tack_cli.inspection.shelf import Extent, Shelf

    if args.point and args.output is None:
        raise InvalidInputError("--point: goes with --output; on the page, click")
    extent = Extent(args.instances, args.views)
    shelf = Shelf(args.model, args.data, extent, tuple(filter(None, args.classes.split(","))))
    if args.output is not None:
        from tack_cli.inspection.files import write_files

        files = write_files(shelf, args.output, args.point, args.trials, progress=not args.quiet)
        print(f"{len(files)} files; look at {args.output / files[0]}")
        return 0
    # What cannot be shown is told before a page is offered.
    with tqdm(desc="looking", unit="picture", leave=False, disable=args.quiet) as bar:
        shelf.look(shelf.first, progress=bar.update)
    with Server(Api(shelf), args.port) as server:
        print(f"Look at {server.address} (Ctrl-C ends it)", flush=True)
        if args.open:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
