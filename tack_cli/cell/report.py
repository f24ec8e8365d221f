# SPDX-License-Identifier: Apache-2.0
"""The page about a job in the cell: what was clicked, seen, grasped, and what physics says."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.film import Studio
from tack_cli.cell.job import record
from tack_cli.cell.outcome import CellOutcome, LookFailedError
from tack_cli.report import sections
from tack_cli.report.page import filled_page, links
from tack_cli.report.pictures import click_picture, drawing_scale, jpeg_uri
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
        first = min(outcome.moments.values(), default=0.0)
        film = studio.film(outcome.moments, first - 1.0, progress=progress)
        # Before the fingers close, the gripper does not hide the goal that is drawn over it.
        when = outcome.moments.get("close", outcome.moments.get("approach", first))
        grasps = studio.grasp(when, _point(outcome), outcome.goal.grasp, outcome.goal.width)
    u, v = outcome.click
    click = click_picture(Annotation(label, u, v, outcome.click_frame), color)
    parts = [
        _asked(outcome, click, _seen_picture(outcome)),
        _grasp(outcome, grasps),
        _film(film),
        _timings(outcome),
        _judged(outcome),
    ]
    files = [VIDEO, OUTCOME, outcome.log.name]
    page = filled_page(
        brand="tack demo",
        title=outcome.sentence[0].upper() + outcome.sentence[1:],
        lead=_lead(outcome),
        tiles=_tiles(outcome),
        parts=parts,
        footer=f"Beside this page: {links(files)}.",
    )
    write_atomically(output / VIDEO, film)
    write_atomically(output / OUTCOME, record(outcome) + "\n")
    write_atomically(output / REPORT, page)
    return [REPORT, *files]


def write_look_report(failure: LookFailedError, output: Path) -> list[str]:
    """Write the page about a point that was not found again; returns its name.

    Raises:
        TackError: the file cannot be written.
    """
    color = overlay.palette([failure.label])[failure.label]
    u, v = failure.click
    click = click_picture(Annotation(failure.label, u, v, failure.click_frame), color)
    seen = np.asarray(failure.seen_frame.color)
    figures = _figures(
        ("the click", click, "the click", f"on {escape(failure.label)} at ({u:g}, {v:g})"),
        ("the last image", seen, "the last image", "in which it was looked for"),
    )
    page = filled_page(
        brand="tack demo",
        title=f"'{failure.label}' was not found again",
        lead=f"{escape(str(failure))}. The detector without learned weights needs texture around"
        " the point; a point with more of it, or another --seed, will do better.",
        tiles=[],
        parts=[
            f'<section><h2>What the camera saw</h2><div class="grid-2">{figures}</div></section>'
        ],
        footer="Nothing was picked.",
    )
    write_atomically(output / REPORT, page)
    return [REPORT]


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
    return canvas


def _lead(outcome: CellOutcome) -> str:
    thing = escape(str(outcome.target["class"]))
    return (
        f"One click on <b>{escape(outcome.label)}</b> of a {thing} that nobody had seen before"
        f" (instance {outcome.target['instance']}). It was then moved and turned, found again by"
        " the wrist camera, picked through MoveIt and carried to the bin. No CAD model was used;"
        " the simulation only judges."
    )


def _tiles(outcome: CellOutcome) -> list[tuple[str, str]]:
    error = outcome.point_error
    cycle = sum(outcome.pick.seconds.values())
    width = outcome.pick.grasped_width
    return [
        ("picked and placed" if outcome.success else "failed", "says the physics"),
        ("–" if error is None else f"{error * 1e3:.1f} mm", "point from the truth"),
        (f"{outcome.keypoint.confidence:.2f}", "confidence of the detection"),
        ("–" if np.isnan(width) else f"{width * 1e3:.0f} mm", "between the fingers"),
        (f"{cycle:.0f} s", "from goal to retreat"),
    ]


def _asked(outcome: CellOutcome, click: Image, seen: Image) -> str:
    u, v = outcome.click
    figures = _figures(
        ("the click", click, "the click", f"at ({u:g}, {v:g})"),
        ("the detection", seen, "found again", "with the grasp that was chosen"),
    )
    return f'<section><h2>One click, found again</h2><div class="grid-2">{figures}</div></section>'


def _grasp(outcome: CellOutcome, pictures: Sequence[Image]) -> str:
    figures = "".join(
        f'<figure><img alt="the grasp" src="{jpeg_uri(picture, 960)}"></figure>'
        for picture in pictures
    )
    return (
        "<section><h2>The grasp</h2>"
        '<p class="note">From two sides, as the fingers begin to close: the ring is the detected'
        " point, the outline the planned gripper (x red, y green, z blue).</p>"
        f'<div class="grid-2">{figures}</div></section>'
    )


def _film(film: bytes) -> str:
    return (
        "<section><h2>What happened</h2>"
        '<p class="note">At twice the speed; the stage is written into the corner.</p>'
        f"{sections.player(film, VIDEO)}</section>"
    )


def _timings(outcome: CellOutcome) -> str:
    longest = max(outcome.seconds.values(), default=1.0)
    rows = "".join(
        f'<tr><td>{escape(stage)}</td><td>{seconds:.1f}</td><td class="words">'
        f'<span class="bar" style="width:{100 * seconds / longest:.1f}%"></span></td></tr>'
        for stage, seconds in outcome.seconds.items()
    )
    return (
        "<section><h2>Where the time went</h2>"
        '<div class="card scroll"><table><tr><th>stage</th><th>s</th><th></th></tr>'
        f"{rows}</table></div></section>"
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
