# SPDX-License-Identifier: Apache-2.0
"""The whole job without hardware: one click, then pick and place in a simulated cell.

A robot, a RealSense and an object that nobody has seen stand in a simulated cell. One click names a
point. The object is moved and turned; the wrist camera finds the point again, a grasp is planned,
and the arm picks the object and carries it to a bin, by the same behaviour and MoveIt interfaces
as on a robot; what fails is tried again. Physics judges. It ends with a report to open.

With --tabletop the job is done on a small rendered recording, without a robot and without ROS; with
--bag and --point on your own recording, as `tack replay` does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tack_cli.cell.observer import Observer
from tack_cli.replay import add_job_arguments, replay
from tack_cli.report import pictures
from tack_cli.report.click_arguments import pixel_argument
from tack_perception.errors import DependencyError, InvalidInputError, SourceError, TackError
from tack_perception.files import write_atomically
from tack_perception.sources.opening import open_source

if TYPE_CHECKING:
    from tack_sim.cell.log import CellSetup

_FIRST_FRAME = "first_frame.png"
_SEED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack demo`."""
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("tack_demo"),
        help="folder for what is written (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="another seed gives another scene")
    cell = parser.add_argument_group("the simulated cell")
    cell.add_argument(
        "--class", dest="object_class", metavar="NAME", default="mug",
        help="class of the object: mug, cap, shoe, hammer, screwdriver, wrench, bottle or box; or a"
        " mesh of your own, an OBJ, STL, PLY or GLB in metres with z up (default: %(default)s)",
    )  # fmt: skip
    cell.add_argument(
        "--instance", type=int, default=-1, metavar="SEED",
        help="which instance (default: a held-out one, chosen by --seed)",
    )  # fmt: skip
    cell.add_argument(
        "--grasp", metavar="POINT", default="",
        help="named point to click on, such as handle (default: the first one that is seen)",
    )  # fmt: skip
    cell.add_argument(
        "--click", metavar="U,V", type=pixel_argument,
        help="click this pixel (column, row) of the wrist camera's first image instead",
    )  # fmt: skip
    cell.add_argument(
        "--clicks", type=_count, default=3, metavar="N",
        help="where the point is not found again, click on it once more as it lies then, up to N"
        " clicks in all (default: %(default)s)",
    )  # fmt: skip
    cell.add_argument(
        "--robot", default="panda_2f85", help="profile of the robot (default: %(default)s)"
    )
    cell.add_argument("--clutter", type=int, default=0, help="other objects on the table")
    cell.add_argument("--occluders", type=int, default=0, help="boards close to the object")
    cell.add_argument(
        "--fault", dest="faults", action="append", default=[], metavar="FAULT[@START][+DURATION]",
        help="something that goes wrong, in seconds of the cell's time, such as"
        " controller_stall@8+1; docs/cell.md lists them (may be repeated)",
    )  # fmt: skip
    cell.add_argument("--still", action="store_true", help="do not move the object after the click")
    cell.add_argument(
        "--view", action="store_true",
        help="show it live in a page for your browser, on this machine only; Ctrl-C ends it",
    )  # fmt: skip
    cell.add_argument(
        "--wait-click", action="store_true",
        help="wait until you click on the point, on the camera's image in the page or on the"
        " object; --grasp gives it a name (with --view)",
    )  # fmt: skip
    cell.add_argument(
        "--port", type=int, default=8008,
        help="of the page; the next free one where it is taken (default: %(default)s)",
    )  # fmt: skip
    cell.add_argument(
        "--view-seconds", type=float, metavar="S",
        help="how long the page stays after the job (default: until Ctrl-C)",
    )  # fmt: skip
    table = parser.add_argument_group("recordings")
    table.add_argument(
        "--tabletop", action="store_true", help="a small rendered recording, without a robot"
    )
    table.add_argument(
        "--seconds", type=float, default=3.5, help="its length (default: %(default)s)"
    )
    table.add_argument("--bag", metavar="BAG", help="your own recording; needs --point as well")
    add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do `tack demo`."""
    if args.bag is not None:
        if args.point or args.annotations:
            replay(args.bag, args)
            return 0
        return _ask_for_click(args.bag, args.output)
    if args.point or args.annotations:
        raise InvalidInputError(
            "--point and --annotations need --bag: the demo has its own clicks; in the cell it is"
            " --grasp NAME or --click U,V"
        )
    if args.tabletop:
        from tack_cli.tabletop_demo import run_tabletop_demo

        run_tabletop_demo(args)
        return 0
    return _in_the_cell(args)


def _in_the_cell(args: argparse.Namespace) -> int:
    if find_spec("rclpy") is None:
        raise DependencyError(
            "the cell speaks ROS 2, which is not here: pip install 'tack[ros]', or source your ROS;"
            " `tack demo --tabletop` does without"
        )
    from tack_sim.cell.log import CellSetup

    if not args.view and (args.wait_click or args.view_seconds is not None):
        raise InvalidInputError("--wait-click and --view-seconds are of the page: add --view")
    if args.wait_click and args.click is not None:
        raise InvalidInputError("--wait-click asks for a click, --click gives one: choose")
    seed = _SEED if args.seed is None else args.seed
    setup = CellSetup(
        args.robot, args.object_class, seed, args.instance, args.clutter, args.occluders
    )
    return _show_job(args, setup) if args.view else _do_job(args, setup, Observer())


def _show_job(args: argparse.Namespace, setup: CellSetup) -> int:
    """Do the job while the page shows it; the exit status."""
    from tack_cli.cell.job import CAMERA
    from tack_cli.cell.viewer.viewer import Viewer

    title = f"One click on a {Path(args.object_class).stem}"
    with Viewer(setup.layout(), CAMERA, title, port=args.port, ask=args.wait_click) as viewer:
        print(f"Look on at {viewer.address}", flush=True)
        try:
            code = _do_job(args, setup, viewer)
        except TackError as error:
            viewer.failed(str(error))
            raise
        if args.view_seconds is None:
            print("The page stays until Ctrl-C.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait(args.view_seconds)
    return code


def _do_job(args: argparse.Namespace, setup: CellSetup, observer: Observer) -> int:
    """Do the job and write the report; the exit status."""
    from tack_cli.cell.job import RUN, CellJob, run_cell_job
    from tack_cli.cell.looking import ClickPlan
    from tack_cli.cell.outcome import JobFailedError
    from tack_cli.cell.report import write_cell_report, write_failure_report
    from tack_sim.cell.faults import Fault

    began = time.perf_counter()
    _say(args, f"1. A cell with a {args.robot}, and a {args.object_class} on the table.")
    click = ClickPlan(args.grasp, args.click, move=not args.still, most=args.clicks)
    job = CellJob(setup, args.output, click, tuple(map(Fault.parse, args.faults)))
    try:
        outcome = run_cell_job(job, lambda text: _say(args, text), observer)
    except JobFailedError as failure:
        _say(args, f"Report: {args.output / write_failure_report(failure, args.output)[0]}")
        raise
    _say(args, "5. Drawing what happened:")
    files = write_cell_report(outcome, args.output, progress=not args.quiet)
    _say(
        args,
        f"\n{outcome.sentence[0].upper()}{outcome.sentence[1:]}."
        f" {time.perf_counter() - began:.0f} s in all.\nReport: {args.output / files[0]}"
        f"\nEvery stage: tack report {args.output / RUN}",
    )
    return 0 if outcome.success else 1


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of 1 or more is expected")
    return int(text)


def _ask_for_click(bag: str, output: Path) -> int:
    """No click was given: let the person make one, or show the pixels of the first frame."""
    print(f"{bag}: which point? A click says what matters, and only you know that.")
    if _has_display():
        annotations = output / "annotations"
        print("Opening `tack annotate`: click on the points, then close the window.")
        command = [sys.executable, "-m", "tack_cli.main", "annotate", bag, "--set"]
        code = subprocess.run([*command, str(annotations)], check=False).returncode
        if code == 0:
            print(f"Now: tack replay {bag} --annotations {annotations} --output {output}")
        return code
    with open_source(bag) as source:
        frame = next(iter(source), None)
        if frame is None:
            raise SourceError(f"{bag} holds no frame")
    path = output / _FIRST_FRAME
    write_atomically(path, pictures.png(pictures.grid_picture(frame)))
    print(
        f"The first frame, with a grid of pixels to read off: {path}\n"
        f"Then: tack replay {bag} --point 0:COLUMN,ROW --label NAME --output {output}"
    )
    return 2


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text, flush=True)
