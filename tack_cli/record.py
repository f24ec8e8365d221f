# SPDX-License-Identifier: Apache-2.0
r"""Make a data set to learn from out of a recording, with no label and no CAD model.

Move a camera around a thing (or around a shelf), and tack finds out where the camera was, fuses the
depth into a surface, tells the thing from the table, and writes what `tack train` learns from. Some
views are kept back, to see later what training has brought.

SOURCE is a rosbag2, a RealSense recording, a folder of pictures, realsense: for the camera (stop
with Ctrl-C), or cell:CLASS[:SEED] for the simulated cell (with its true poses).

Where the camera was comes from TF, if the recording has it: then the thing may be plain. Else it
comes from the pictures and their depth: then move slowly, with texture around the thing. Or it
comes from a printed board in view (--board).

OUTPUT holds the data set (docs/datasets.md), views.jpg (what was kept, with outlines), surface.jpg
and surface.ply (what was made of it), and quality.json. A poor recording is refused with the
reason; its pictures are written all the same.

Examples:
  a thing on a table, robot-mounted camera, TF in the bag
    tack record bags/drill --name drill --output data/drill
  a hand-held RealSense, no robot
    tack record realsense: --name mug --output data/mug
  a shelf as a whole
    tack record bags/shelf --name shelf --things scene --output data/shelf
  without any hardware
    tack record cell:shoe:3 --name my_shoe --output data/my_shoe
then
    tack train --data data/drill --output out/drill
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_cli.report.goal_frame import GoalFrame, choose_goal_frame
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.frame import RGBDFrame
from tack_perception.recording.settings import POSES, THINGS, RecordConfig
from tack_perception.sources.base import FrameSource
from tack_perception.sources.opening import open_source

_CELL = "cell:"
_FLAGS = ("poses", "things", "most_views", "every", "reach_m", "held_out")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack record`."""
    settings, default = RecordConfig.settings(), RecordConfig()
    parser.add_argument("source", metavar="SOURCE", help="the recording (see above)")
    parser.add_argument("--name", required=True, help="what the thing is called: its class")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="new folder for the data set"
    )
    for name, choices in (("poses", POSES), ("things", THINGS)):
        parser.add_argument(
            f"--{name}", choices=choices,
            help=f"{settings[name].doc} (default: {getattr(default, name)})",
        )  # fmt: skip
    for name, kind in (
        ("most_views", int),
        ("every", int),
        ("reach_m", float),
        ("held_out", float),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}", metavar="X", type=kind,
            help=f"{settings[name].doc} (default: {getattr(default, name):g})",
        )  # fmt: skip
    parser.add_argument(
        "--board", metavar="BOARD",
        help="charuco:COLUMNSxROWS:SQUARE_M:MARKER_M:DICTIONARY or tag:ID:SIDE_M:DICTIONARY, fixed"
        " beside the thing",
    )  # fmt: skip
    parser.add_argument(
        "--background", metavar="SOURCE",
        help="a recording of the same place without the thing: what is new is learned, and no table"
        " is needed (poses by TF or board)",
    )  # fmt: skip
    parser.add_argument(
        "--fixed-frame", metavar="NAME",
        help="TF frame that does not move (default: base_link or another upright one)",
    )  # fmt: skip
    parser.add_argument(
        "--gripper-mask", metavar="PICTURE", type=Path,
        help="white where the camera sees its own gripper (default: found out)",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="YAML with more settings, in section record"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars, no summary")


def run(args: argparse.Namespace) -> int:
    """Do `tack record`."""
    # Here and not above: `tack record --help` needs no Open3D.
    from tack_perception.recording import preview
    from tack_perception.recording.board import Board
    from tack_perception.recording.job import QUALITY, Recorded, check_name, record, write
    from tack_perception.recording.volume import Surface, save_ply

    began = time.perf_counter()
    config = _config(args)
    check_name(args.name)
    _check_output(args.output)
    board = Board.parse(args.board) if args.board else None
    gripper = _mask(args.gripper_mask) if args.gripper_mask else None

    def recording(name: str, settings: RecordConfig, background: Surface | None) -> Recorded:
        with _opened(name) as source:
            frames = iter(_until_stopped(source))
            first = next(frames, None)
            if first is None:
                raise InvalidInputError(f"{name}: there is no frame in it")
            return record(
                itertools.chain([first], frames), args.name, settings,
                pose_of=_pose_of(source, first, args.fixed_frame), board=board, gripper=gripper,
                background=background, progress=not args.quiet,
            )  # fmt: skip

    background = None
    if args.background:
        empty = dataclasses.replace(config, things="scene")
        background = recording(args.background, empty, None).surface
    recorded = recording(args.source, config, background)
    faults = recorded.quality.faults(config)
    if not faults:
        settings = {**dataclasses.asdict(config), "source": _plain(args.source), "name": args.name}
        write(recorded, args.output, args.name, settings)
    _picture(args.output / "views.jpg", preview.sheet(recorded))
    _picture(args.output / "surface.jpg", preview.surface_sides(recorded))
    save_ply(args.output / "surface.ply", recorded.surface)
    if faults:
        raise InvalidInputError(
            f"{args.source} is too poor to learn from: {'; '.join(faults)}. Look at"
            f" {args.output / 'views.jpg'} and {args.output / 'surface.jpg'}"
        )
    if not args.quiet:
        _tell(args, recorded, time.perf_counter() - began, args.output / QUALITY)
    return 0


def _tell(args: argparse.Namespace, recorded: Any, seconds: float, quality_file: Path) -> None:
    quality, out = recorded.quality, args.output
    left_out = ", ".join(f"{n} {why}" for why, n in quality.rejected.most_common())
    kept_back = int(recorded.held_out.sum())
    missed = f" (left out: {left_out})" if left_out else ""
    print(f"{quality.views} views of {quality.looked_at} frames in {seconds:.0f} s{missed};"
          f" {kept_back} of them are kept back")  # fmt: skip
    off = float(np.nanmedian(quality.depth_mm))
    print(f"  poses from {quality.poses}: {quality.pose_px:.1f} px against the pictures;"
          f" depth {off:.1f} mm from the surface")  # fmt: skip
    print(f"  seen from {quality.angle_deg:.0f}° around; {100 * quality.seen:.0f} % of the surface"
          " by three views or more")  # fmt: skip
    print(f"  look at {out / 'views.jpg'} and {out / 'surface.jpg'}; more in {quality_file}")
    print(f"  then: tack train --data {out} --output out/{args.name}")


def _config(args: argparse.Namespace) -> RecordConfig:
    from tack_cli.train import read_sections

    sections = read_sections(args.config)
    if set(sections) - {"record"}:
        raise ConfigurationError(f"{args.config}: the section record is expected, and no other")
    given = {name: getattr(args, name) for name in _FLAGS}
    asked = {name: value for name, value in given.items() if value is not None}
    return RecordConfig.from_mapping({**sections.get("record", {}), **asked}, "tack record")


def _check_output(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInputError(f"--output {folder}: holds something; a new folder is expected")


@contextlib.contextmanager
def _opened(name: str) -> Iterator[FrameSource]:
    source = _cell(name) if name.startswith(_CELL) else open_source(name)
    with source:
        yield source


def _cell(name: str) -> FrameSource:
    """The simulated cell: cell:CLASS[:SEED[:INSTANCE]]."""
    from tack_grasping.profiles import load_profile
    from tack_sim.cell.layout import sample_layout
    from tack_sim.cell.orbit import CellOrbit, OrbitConfig

    family, *words = name.removeprefix(_CELL).split(":")
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        numbers = [0] * 3
    if len(numbers) > 2:
        raise InvalidInputError(f"{name!r}: cell:CLASS[:SEED[:INSTANCE]] is expected")
    seed = numbers[0] if numbers else 0
    instance = numbers[1] if len(numbers) == 2 else None
    layout = sample_layout(load_profile("panda_2f85"), family, seed, instance=instance)
    return CellOrbit(layout, OrbitConfig(seed=seed))


def _until_stopped(source: FrameSource) -> Iterator[RGBDFrame]:
    """The frames of a source; Ctrl-C ends a live one, and what came so far is used."""
    live = len(source) == 0
    if live:
        print("recording; Ctrl-C when you have been all around", file=sys.stderr)
    try:
        yield from source
    except KeyboardInterrupt:
        if not live:
            raise


def _pose_of(source: FrameSource, first: RGBDFrame, wanted: str | None) -> Any:
    """What looks up a frame's pose; None where TF knows nothing of the camera."""
    goal = choose_goal_frame(source, first, wanted, flag="--fixed-frame")
    if goal.transforms is not None:
        return goal.lookup
    if wanted is None and source.transforms is not None:
        root = source.transforms.root(first.frame_id)
        if root != first.frame_id:
            return GoalFrame(root, "", source.transforms).lookup
    return None


def _mask(path: Path) -> NDArray[np.bool_]:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise InvalidInputError(f"--gripper-mask {path}: cannot be read as a picture")
    return np.asarray(mask > 127)


def _picture(path: Path, image: NDArray[np.uint8]) -> None:
    ok, content = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]))
    if ok:
        write_atomically(path, content.tobytes())


def _plain(source: str) -> str:
    """A source as others may call it: a path by its last part."""
    return Path(source).name if Path(source).exists() else source
