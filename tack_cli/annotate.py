# SPDX-License-Identifier: Apache-2.0
"""Click on the points that matter: make and edit an annotation set.

On a recording (a rosbag2, a RealSense file or a folder of images) it opens a window to click in.
With --point or --points it adds clicks without a window; with --list, --rename, --delete, --undo,
--merge and --contact-sheet it works on a set alone. Several of these go together: what is merged
comes first, then what is deleted, renamed and added; the set is saved once.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from tack_cli.report.click_arguments import NameClick, click_argument
from tack_cli.report.clicks import Click, depth_warning, find_shots, named, parse_click
from tack_perception.annotation import check_label
from tack_perception.annotations.annotation_set import AnnotationSet
from tack_perception.annotations.editor import Editor
from tack_perception.annotations.format import read_text
from tack_perception.annotations.records import Entry
from tack_perception.annotations.reel import FrameReel
from tack_perception.annotations.store import AnnotationStore, StoreSettings
from tack_perception.annotations.view import contact_sheet
from tack_perception.annotations.window import display_trouble, run_window
from tack_perception.annotations.yaml_nodes import Value
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.sources.opening import open_source


class _NameClick(NameClick):
    """Names the `--point` before it; without one, the clicks in the window."""

    def without_click(self, namespace: argparse.Namespace, label: str) -> bool:
        if namespace.label:
            return False
        namespace.label = label
        return True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack annotate`."""
    parser.add_argument(
        "bag", metavar="BAG", nargs="?", help="the recording to click on; not needed to edit a set"
    )
    parser.add_argument(
        "--set", metavar="DIR", type=Path, default=Path("annotations"),
        help="folder of the annotation set; made where there is none (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--point", metavar="FRAME:U,V", action="append", type=click_argument,
        help="a click without a window: frame index (or @seconds), column, row; repeat for more",
    )  # fmt: skip
    parser.add_argument(
        "--label", metavar="NAME", action=_NameClick,
        help="name of the point before it, or of the clicks in the window",
    )  # fmt: skip
    parser.add_argument(
        "--points", metavar="FILE", type=Path,
        help="YAML list of clicks: - {frame: 0, pixel: [412, 233], label: handle}",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="print what is in the set")
    parser.add_argument(
        "--delete", metavar="ID", action="append", default=[], help="take an annotation out"
    )
    parser.add_argument(
        "--rename", metavar=("ID", "NEW"), nargs=2, action="append", default=[],
        help="give an annotation another label",
    )  # fmt: skip
    parser.add_argument(
        "--merge", metavar="OTHER", type=Path, action="append", default=[], help="add another set"
    )
    parser.add_argument("--undo", action="store_true", help="take back the last saved change")
    parser.add_argument(
        "--contact-sheet", metavar="PNG", type=Path,
        help="write a picture with the surroundings of every point",
    )  # fmt: skip
    parser.add_argument(
        "--crop", metavar="PX", type=int, default=0,
        help="keep a window of this size around a click instead of the whole frame",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Do `tack annotate`."""
    adds = bool(args.point or args.points)
    edits = bool(args.delete or args.rename or args.merge)
    shows = bool(args.list or args.contact_sheet)
    if args.undo and (adds or edits):
        raise InvalidInputError("--undo: give it without other changes, so that it is clear")
    if adds and not args.bag:
        raise InvalidInputError(
            "--point and --points need the recording: tack annotate BAG --point …"
        )
    if not (args.bag or adds or edits or shows or args.undo):
        raise InvalidInputError(
            "nothing to do: give a recording to click on, or --list, --delete, --rename, --merge,"
            " --undo or --contact-sheet to work on a set"
        )
    store = AnnotationStore(args.set, StoreSettings(crop_px=args.crop))
    if not adds and not args.merge and not args.bag and not store.exists:
        raise InvalidInputError(f"--set {args.set}: there is no annotation set in this folder")
    if args.bag and not (adds or edits or shows or args.undo):
        _open_window(args, store)
        return 0
    annotations = store.undo() if args.undo else store.load()
    said = ["took back the last saved change"] if args.undo else _edit(args, annotations)
    if adds:
        said += _add(args, annotations)
    if said and not args.undo:
        store.save(annotations)
    for line in said:
        print(line)
    if said:
        print(f"{args.set}: {_count(len(annotations))}")
    if args.contact_sheet:
        _write_contact_sheet(args.contact_sheet, list(annotations))
    if args.list:
        print(table(list(annotations)))
    return 0


def table(entries: Sequence[Entry]) -> str:
    """The entries as lines of text with aligned columns."""
    rows = [("id", "label", "pixel", "depth", "stamp", "origin", "")]
    for entry in entries:
        files = [p for p in (entry.picture.color, entry.picture.depth) if isinstance(p, Path)]
        lost = next((f"missing: {path}" for path in files if not path.exists()), "")
        depth = "-" if entry.depth is None else f"{entry.depth:.3f} m"
        pixel = f"{entry.u:.1f}, {entry.v:.1f}"
        stamp = f"{entry.picture.stamp_ns * 1e-9:.3f} s"
        rows.append((entry.id, entry.label, pixel, depth, stamp, entry.origin, lost))
    if len(rows) == 1:
        return "the set is empty"
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def read_points(path: Path) -> list[Click]:
    """Clicks from a YAML list of {frame, pixel, label}.

    Args:
        path: the file; `frame` is an index, or "@seconds" after the first frame.

    Raises:
        FileFormatError: the file cannot be read, or a value is wrong; the message names the line.
    """
    clicks = []
    for value in Value.document(read_text(path), str(path)):
        items = value.record(("frame", "pixel", "label"))
        u, v = items["pixel"].numbers(2)
        try:
            click = parse_click(f"{items['frame'].text()}:{u:f},{v:f}")
            clicks.append(dataclasses.replace(click, label=check_label(items["label"].text())))
        except InvalidInputError as error:
            raise value.fault(str(error)) from error
    if not clicks:
        raise FileFormatError(f"{path}: the list of clicks is empty")
    return clicks


def _edit(args: argparse.Namespace, annotations: AnnotationSet) -> list[str]:
    said = []
    for folder in args.merge:
        other = AnnotationStore(folder)
        if not other.exists:
            raise InvalidInputError(f"--merge {folder}: there is no annotation set in this folder")
        report = annotations.merge(other.load())
        said.append(
            f"merged {folder}: {len(report.added)} added, {report.duplicates} there already"
            + (f", our label kept for {', '.join(report.kept)}" if report.kept else "")
        )
    for reference in args.delete:
        entry = annotations.delete(reference)
        said.append(f"deleted {entry.id} ({entry.label})")
    for reference, label in args.rename:
        entry = annotations.rename(reference, label)
        said.append(f"renamed {entry.id} to {entry.label}")
    return said


def _add(args: argparse.Namespace, annotations: AnnotationSet) -> list[str]:
    typed = named(args.point) if args.point else []
    filed = read_points(args.points) if args.points else []
    with open_source(args.bag) as source:
        shots = find_shots(source, typed + filed)
    said = []
    for number, (index, shot) in enumerate(shots):
        known = len(annotations)
        entry = annotations.add(shot, "command" if number < len(typed) else "file")
        verb = "added" if len(annotations) > known else "there already:"
        said.append(f"{verb} {entry.id} ({entry.label}) on frame {index} at {shot.u:g}, {shot.v:g}")
        if warning := depth_warning(shot):
            print(f"note: {warning}", file=sys.stderr)
    return said


def _open_window(args: argparse.Namespace, store: AnnotationStore) -> None:
    trouble = display_trouble()
    if trouble:
        raise InvalidInputError(
            f"no window can be opened here ({trouble}); give the clicks as"
            " --point FRAME:U,V --label NAME, or see docs/annotations.md"
        )
    with open_source(args.bag) as source:
        editor = Editor(FrameReel(source), store, args.label or "")
        run_window(editor)
    print(f"{args.set}: {_count(len(store.load()))}")


def _write_contact_sheet(path: Path, entries: list[Entry]) -> None:
    sheet = contact_sheet(entries)
    done, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    if not done:
        raise InvalidInputError(f"{path}: a sheet of {len(entries)} points is too large for a PNG")
    write_atomically(path, bytes(data))
    print(f"wrote {path}")


def _count(number: int) -> str:
    return f"{number} annotation{'' if number == 1 else 's'}"
