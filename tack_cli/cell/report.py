# SPDX-License-Identifier: Apache-2.0
"""The page about a job in the cell: what was clicked, seen, grasped, and what physics says."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.film import Studio, film_speed
from tack_cli.cell.grasp_view import grasp_view
from tack_cli.cell.job import RUN, record
from tack_cli.cell.looking import MOVED, SEARCHED
from tack_cli.cell.outcome import CellOutcome, JobFailedError
from tack_cli.cell.timings import timings
from tack_cli.report import sections
from tack_cli.report.page import filled_page, links
from tack_cli.report.pictures import add_zoom, click_picture, drawing_scale, jpeg_uri
from tack_perception import geometry, overlay
from tack_perception.annotation import Annotation
from tack_perception.files import write_atomically
from tack_sim.cell.log import CellLog

Image = NDArray[np.uint8]

REPORT, VIDEO, OUTCOME = "report.html", "film.mp4", "outcome.json"


def write_cell_report(outcome: CellOutcome, output: Path, *, progress: bool = True) -> list[str]:
    """Render, write the page, the film and the outcome; returns their names, the page first.

    Raises:
        TackError: a file cannot be written, or the log cannot be read.
    """
    label = outcome.label
    color = overlay.palette([label])[label]
    with Studio(CellLog.load(outcome.log)) as studio:
        speed = film_speed(outcome.pick.seconds)
        film = studio.film(outcome.moments, outcome.began - 1.0, speed, progress=progress)
        # Before the fingers close, the gripper does not hide the goal that is drawn over it.
        grasps = studio.grasp(
            outcome.grasped, _point(outcome), outcome.goal.grasp, outcome.goal.width
        )
    parts = [
        _asked(outcome, color),
        _grasp(outcome, grasps),
        _film(film, speed),
        timings(outcome.pick, outcome.seconds),
        _judged(outcome),
    ]
    files = [VIDEO, OUTCOME, outcome.log.name]
    page = filled_page(
        brand="tack demo",
        title=outcome.sentence[0].upper() + outcome.sentence[1:],
        lead=_lead(outcome),
        tiles=_tiles(outcome),
        parts=parts,
        footer=f"Beside this page: {links(files)}, and the account of every stage with its pictures"
        f" in <code>{RUN}/</code>, which <code>tack report</code> reads.",
    )
    write_atomically(output / VIDEO, film)
    write_atomically(output / OUTCOME, record(outcome) + "\n")
    write_atomically(output / REPORT, page)
    return [REPORT, *files]


def write_failure_report(failure: JobFailedError, output: Path) -> list[str]:
    """Write the page about a job in which no grasp was tried; returns its name.

    Raises:
        TackError: the file cannot be written.
    """
    label = failure.clicks[0].label
    color = overlay.palette([label])[label]
    searching = failure.stage == SEARCHED
    seen = np.asarray(failure.seen_frame.color)
    looked = "in which it was looked for" if searching else "in which a grasp was looked for"
    figures = _figures(
        *(_click_figure(click, color) for click in failure.clicks),
        ("the last image", seen, "the last image", looked),
    )
    advice = (
        "Another point (--grasp), or one more click from the side from which it was not found"
        " (--clicks), will do better."
        if searching
        else "Another point (--grasp) or another --seed may leave the fingers more room."
    )
    what = {SEARCHED: f"'{label}' was not found again", "plan": f"There is no grasp of '{label}'"}
    pictures = f'<section><h2>What the camera saw</h2><div class="grid-2">{figures}</div></section>'
    page = filled_page(
        brand="tack demo",
        title=what.get(failure.stage, f"'{label}' was not picked"),
        lead=f"{escape(str(failure))}. {advice}",
        tiles=[],
        parts=[pictures, *([timings(failure.pick, {})] if failure.pick is not None else [])],
        footer="Nothing was picked.",
    )
    write_atomically(output / REPORT, page)
    return [REPORT]


def _click_figure(click: Annotation, color: overlay.Color) -> tuple[str, Image, str, str]:
    where = f"on {escape(click.label)} at ({click.u:g}, {click.v:g})"
    return "the click", click_picture(click, color), "the click", where


def _figures(*figures: tuple[str, Image, str, str]) -> str:
    """Figures of (alternative text, picture, headline, HTML of the caption)."""
    return "".join(
        f'<figure><img alt="{alt}" src="{jpeg_uri(picture, 960)}"><figcaption><b>{head}</b>{text}'
        "</figcaption></figure>"
        for alt, picture, head, text in figures
    )


def _point(outcome: CellOutcome) -> NDArray[np.float64]:
    """(3,) the detected point in the base frame, m."""
    assert outcome.keypoint.xyz is not None
    return geometry.apply(outcome.base_from_camera, outcome.keypoint.xyz)


def _seen_picture(outcome: CellOutcome) -> Image:
    frame = outcome.seen_frame
    scale = drawing_scale(frame.intrinsics.width)
    canvas = overlay.enlarged(np.asarray(frame.color), scale)
    colors = overlay.palette([outcome.label])
    pose = geometry.inverse(outcome.base_from_camera) @ outcome.goal.grasp
    color = colors[outcome.label]
    overlay.draw_gripper(canvas, frame.intrinsics, pose, outcome.goal.width, color, scale=scale)
    overlay.draw_axes(canvas, frame.intrinsics, pose, length=0.03, scale=scale)
    overlay.mark_keypoints(canvas, [outcome.keypoint], colors, scale=scale)
    add_zoom(canvas, np.asarray(frame.color), (outcome.keypoint.u, outcome.keypoint.v), color)
    return canvas


def _lead(outcome: CellOutcome) -> str:
    thing, count = escape(str(outcome.target["class"])), len(outcome.clicks)
    clicks = "One click" if count == 1 else f"{count} clicks"
    instance = int(outcome.target["instance"])
    moved = "moved and turned, " if MOVED in outcome.seconds else ""
    done = ", picked through MoveIt and carried to the bin" if outcome.success else ""
    which = "of your own" if instance < 0 else f"that nobody had seen before (instance {instance})"
    return (
        f"{clicks} on <b>{escape(outcome.label)}</b> of a {thing} {which}. It was then {moved}found"
        f" again by the wrist camera{done}. No CAD model was used; the simulation only judges."
    )


def _tiles(outcome: CellOutcome) -> list[tuple[str, str]]:
    error = outcome.point_error
    tries, grasps = outcome.tries, outcome.pick.attempts
    return [
        ("picked and placed" if outcome.success else "failed", "says the physics"),
        ("–" if error is None else f"{error * 1e3:.1f} mm", "point from the truth"),
        (f"{outcome.keypoint.confidence:.2f}", "confidence of the detection"),
        (
            f"{tries} {'try' if tries == 1 else 'tries'}",
            f"with {grasps or 'no'} grasp{'s' * (grasps != 1)}",
        ),
        (f"{outcome.pick.seconds:.0f} s", "from the first look to the end"),
    ]


def _asked(outcome: CellOutcome, color: overlay.Color) -> str:
    found = (
        "the detection",
        _seen_picture(outcome),
        "found again",
        "with the grasp that " + ("held" if outcome.success else "was tried last"),
    )
    figures = _figures(*(_click_figure(click, color) for click in outcome.clicks), found)
    count = len(outcome.clicks)
    title = "One click, found again" if count == 1 else f"{count} clicks, then found again"
    return f'<section><h2>{title}</h2><div class="grid-2">{figures}</div></section>'


def _grasp(outcome: CellOutcome, pictures: Sequence[Image]) -> str:
    figures = "".join(
        f'<figure><img alt="the grasp" src="{jpeg_uri(picture, 960)}"></figure>'
        for picture in pictures
    )
    return (
        "<section><h2>The grasp</h2>"
        '<p class="note">The points that the camera saw, and the planned gripper (x red, y green, z'
        " blue) with its way down and up. Drag to turn, scroll to come nearer.</p>"
        f'<figure class="space">{grasp_view(outcome)}</figure>'
        '<p class="note below">In the cell from two sides, as the fingers begin to close: the ring'
        " is the detected point, the outline the planned gripper.</p>"
        f'<div class="grid-2">{figures}</div></section>'
    )


def _film(film: bytes, speed: float) -> str:
    return (
        "<section><h2>What happened</h2>"
        f'<p class="note">At {speed:g} times the speed; the stage is written into the corner.</p>'
        f"{sections.player(film, VIDEO)}</section>"
    )


def _judged(outcome: CellOutcome) -> str:
    verdict = outcome.verdict
    words = {True: '<span class="good">yes</span>', False: "no"}
    lines = [
        ("held after the lift, between both pads", words[outcome.held]),
        *(
            (question, words[bool(verdict[key])])
            for key, question in (
                ("in_bin", "inside the bin"),
                ("at_rest", "at rest"),
                ("released", "let go"),
                ("upright", "upright as before"),
            )
            if key in verdict
        ),
        ("collisions", escape("; ".join(verdict.get("collisions", [])) or "none")),
    ]
    if not outcome.success:
        lines.insert(0, ("outcome", escape(outcome.sentence)))
    rows = "".join(f'<tr><td>{q}</td><td class="words">{a}</td></tr>' for q, a in lines)
    return (
        "<section><h2>What the physics says</h2>"
        f'<div class="card scroll"><table>{rows}</table></div></section>'
    )
