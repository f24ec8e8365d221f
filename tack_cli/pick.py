# SPDX-License-Identifier: Apache-2.0
"""Pick a thing at a named point, and put it where a specification says.

Asks the running nodes: start them first, on a robot or in the simulated cell (tack launch cell
object:=box seed:=6 set:=my_points). LABEL is what the click on the point was called, in RViz, or
with --click here. Without --place the thing is picked and held.

Ctrl-C stops the arm at once. The exit code is 0 when all was done, and 1 when not.

Examples:
  tack pick --picture look.png
        what the camera sees, with a grid of pixels to read off
  tack pick handle --click 459,320 --why
        one click, and what would be done; the click is kept
  tack pick handle --teach
        the arm looks at what was just clicked on from all sides, and knows it better afterwards
  tack pick handle --why
        what would be done now, and why; nothing moves
  tack pick handle --place bin
        into the bin; the names that come with tack are those in config/places
  tack pick rim --place my_shelf.yaml
        where your own specification says: docs/placing.md
  tack pick rim --place-at 0.5,0.2,0.08
        the point that was clicked on goes there, in the robot's base frame
  tack pick --stop
        stop the arm, whoever moves it; nothing moves then until: tack pick --rearm
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tack_cli.report.click_arguments import pixel_argument
from tack_cli.report.pictures import grid_picture, png
from tack_grasping.behaviour.pointing import Pointed
from tack_perception.errors import InvalidInputError
from tack_perception.files import write_atomically
from tack_ros.environment import graph_environment

if TYPE_CHECKING:
    from tack_ros.pick_place.client import PickPlaceClient


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack pick`."""
    parser.add_argument("label", metavar="LABEL", nargs="?", help="the point to grasp at")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--place", metavar="SPEC",
        help="place specification: one that comes with tack, or a YAML file",
    )  # fmt: skip
    where.add_argument(
        "--place-at", metavar="X,Y,Z", type=_xyz,
        help="where the grasped point comes to rest, m in the robot's base frame; the thing keeps"
        " its turn",
    )  # fmt: skip
    parser.add_argument(
        "--click", metavar="U,V", type=pixel_argument,
        help="first click on this pixel (column, row) of the newest image, as RViz would",
    )  # fmt: skip
    parser.add_argument(
        "--near", metavar="U,V or X,Y,Z", type=_pointed,
        help="of several things the one nearest to this pixel of what the camera sees when it"
        " begins, or to this place, m in the base frame; also one that lies in a bin",
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--picture", metavar="FILE", type=Path, help="write what the camera sees, as a PNG"
    )
    what.add_argument("--why", action="store_true", help="say what would be done; move nothing")
    what.add_argument(
        "--teach", action="store_true",
        help="have the arm look at what was just clicked on from all sides: one click counts as"
        " several then; nothing is grasped",
    )  # fmt: skip
    what.add_argument("--put", action="store_true", help="put down what is held; needs --place-at")
    what.add_argument("--stop", action="store_true", help="stop the arm, for good")
    what.add_argument("--rearm", action="store_true", help="allow motions again after a stop")
    parser.add_argument(
        "--node", default="/pick_place", help="name of the node (default: %(default)s)"
    )
    parser.add_argument(
        "--domain-id", type=int, metavar="0..101", help="of the graph, where it is kept apart"
    )


def run(args: argparse.Namespace) -> int:
    """Do it; 0 when all was done."""
    if args.label is None and not (args.stop or args.rearm or args.put or args.picture):
        raise InvalidInputError("which point? Give its LABEL, as it was called when it was clicked")
    if args.put and args.place_at is None:
        raise InvalidInputError("--put needs --place-at X,Y,Z")
    os.environ.update(graph_environment(domain_id=args.domain_id))
    from tack_ros.pick_place.client import PickPlaceClient

    with PickPlaceClient(args.node) as client:
        if args.stop:
            client.stop()
            print("Stopped. `tack pick --rearm` allows motions again.")
            return 0
        if args.rearm:
            print(client.rearm())
            return 0
        if args.picture:
            write_atomically(args.picture, png(grid_picture(client.picture())))
            print(f"{args.picture}: read off column and row of the point, then: tack pick LABEL"
                  " --click COLUMN,ROW --why")  # fmt: skip
            return 0
        if args.click is not None:
            print(client.click(args.label, args.click))
        if args.teach:
            print("Looking at it from all sides …", flush=True)
            return _told(*client.teach(args.label))
        client.prefer(args.near)
        if args.why:
            return _told(*client.plan(args.label))
        return _done(args, client)


def _done(args: argparse.Namespace, client: PickPlaceClient) -> int:
    def say(stage: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the arm goes on, whoever looks on
            print(f"  {stage} …", flush=True)

    if args.put:
        return _told(*client.put(args.place_at, say))
    if args.place is None and args.place_at is None:
        return _told(*client.pick(args.label, say))
    if args.place is not None:
        path = Path(args.place)
        client.place_by(str(path.absolute()) if path.suffix in (".yaml", ".yml") else args.place)
    return _told(*client.pick_and_place(args.label, args.place_at, say))


def _told(done: bool, sentence: str) -> int:
    print(sentence or ("Done." if done else "It was not done."))
    return 0 if done else 1


def _pointed(text: str) -> Pointed:
    try:
        return Pointed.parse(text)
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _xyz(text: str) -> tuple[float, float, float]:
    try:
        x, y, z = map(float, text.split(","))
        if not all(map(math.isfinite, (x, y, z))):
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: X,Y,Z in m is expected") from None
    return x, y, z
