# SPDX-License-Identifier: Apache-2.0
"""The sections of the report, each as a piece of HTML."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from tack_cli.report import charts
from tack_cli.report.charts import Series
from tack_cli.report.findings import Findings, FloatArray, Track
from tack_cli.report.pictures import Image, jpeg_uri
from tack_cli.report.plan_view import plan_view
from tack_perception.overlay import PALETTE

EMBED_LIMIT = 12_000_000
"""Bytes up to which the video is put inside the page; a longer one is linked."""

AXIS_VARIABLES = (("x", "--axis-x"), ("y", "--axis-y"), ("z", "--axis-z"))
"""Axis → the CSS variable of its colour."""


def clicks(findings: Findings, pictures: Sequence[Image]) -> str:
    """What was asked: each click, on its own picture."""
    figures = []
    for (index, shot), picture in zip(findings.shots, pictures, strict=True):
        where = "" if index is None else f" in frame {index}"
        figures.append(
            f'<figure><img alt="the click on {escape(shot.label)}" src="{jpeg_uri(picture, 960)}">'
            f"<figcaption>{_dot(findings, shot.label)}<b>{escape(shot.label)}</b>"
            f"clicked at ({shot.u:g}, {shot.v:g}){where}</figcaption></figure>"
        )
    place = f" Place: {escape(findings.place)}." if findings.place else ""
    return (
        "<section><h2>What was asked</h2>"
        f'<p class="note">Detector: <code>{escape(findings.detector)}</code>.{place}</p>'
        f'<div class="grid-2">{"".join(figures)}</div></section>'
    )


def video(data: bytes, name: str) -> str:
    """The video, inside the page or (a long one) beside it."""
    return (
        "<section><h2>The whole recording</h2>"
        '<p class="note">Rings mark the points, ellipses the 2σ uncertainty of the pixel; a dashed'
        " ring is a point believed hidden, a crossed one could not be lifted. The gripper is the"
        " best candidate of each point, its axes x red, y green, z blue.</p>"
        f"{player(data, name)}</section>"
    )


def player(data: bytes, name: str) -> str:
    """A video player of an MP4, which is inside the page unless it is long."""
    source = escape(name)
    if len(data) <= EMBED_LIMIT:
        source = "data:video/mp4;base64," + base64.b64encode(data).decode("ascii")
    return f'<video controls loop muted autoplay playsinline preload="auto" src="{source}"></video>'


def table(findings: Findings, tracks: Sequence[Track]) -> str:
    """What was found for each label, in numbers."""
    truth = bool(findings.truth)
    head = (
        "<tr><th>point</th><th>seen</th><th>lifted</th><th>confidence<br>median</th>"
        f"<th>position in {escape(findings.goal_frame)}<br>median, m</th><th>spread<br>mm</th>"
        "<th>predicted σ<br>mm</th>"
        + ("<th>error<br>median, mm</th><th>error<br>p95, mm</th>" if truth else "")
        + "<th>grasp<br>candidates</th></tr>"
    )
    rows = "".join(_row(findings, track, truth) for track in tracks)
    return (
        "<section><h2>What was found</h2>"
        f'<p class="note">{escape(findings.goal_frame_note)}</p>'
        f'<div class="card scroll"><table>{head}{rows}</table></div></section>'
    )


def _row(findings: Findings, track: Track, truth: bool) -> str:
    count = len(track.seconds)
    cells = [
        _name(findings, track.label),
        f"{int(track.visible.sum())}<small> / {count}</small>",
        f"{int(track.lifted.sum())}<small> / {count}</small>",
        _median(track.confidence, 1, 2),
    ]
    median = track.median_position
    if median is None:
        cells += ["–"] * 3
    else:
        # The median absolute deviation, scaled to be σ for Gaussian errors.
        spread = 1.4826 * np.median(np.linalg.norm(track.position[track.lifted] - median, axis=1))
        cells += [
            ", ".join(f"{value:.3f}".replace("-", "\u2212") for value in median + 0.0),
            f"{1e3 * spread:.1f}",
            _median(np.linalg.norm(track.sigma[track.lifted], axis=1), 1e3, 1),
        ]
    if truth:
        cells += _error_cells(track, findings.truth.get(track.label))
    cells.append(str(track.goals))
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    best = (
        f"best candidate: score {track.best.score:.2f}, {escape(track.best.why)}"
        if track.best
        else "no candidate"
    )
    below = f'<td class="words" colspan="{len(cells)}">{best}</td>'
    return f'<tr class="numbers">{row}</tr><tr>{below}</tr>'


def _error_cells(track: Track, truth: FloatArray | None) -> list[str]:
    errors = np.zeros(0) if truth is None else 1e3 * track.errors(truth)
    if not len(errors):
        return ["–", "–"]
    return [
        f'<span class="good">{np.median(errors):.1f}</span>',
        f"{np.percentile(errors, 95):.1f}",
    ]


def gallery(findings: Findings, pictures: Mapping[int, Image]) -> str:
    """A choice of frames with what was found in them."""
    start = findings.frames[0].stamp_ns if findings.frames else 0
    stamps = {frame.index: (frame.stamp_ns - start) * 1e-9 for frame in findings.frames}
    figures = "".join(
        f'<figure><img loading="lazy" alt="frame {index}" src="{jpeg_uri(picture, 720)}">'
        f"<figcaption><b>frame {index}</b>{stamps[index]:.2f} s</figcaption></figure>"
        for index, picture in pictures.items()
    )
    return f'<section><h2>Along the way</h2><div class="grid-3">{figures}</div></section>'


def over_time(findings: Findings, tracks: Sequence[Track]) -> str:
    """Charts of position, confidence and depth."""
    legend = "".join(f"<span>{_dot(findings, t.label)}{escape(t.label)}</span>" for t in tracks)
    axes = "".join(
        f'<span><i class="dot" style="background:var({color})"></i>{name}</span>'
        for name, color in AXIS_VARIABLES
    )
    cards = [
        f"<h3>{_dot(findings, track.label)}{escape(track.label)}"
        f'<span class="unit">away from its median position</span></h3><p class="legend">{axes}</p>'
        + _position_chart(track)
        for track in tracks
        if track.lifted.any()
    ]
    for title, label, limits, values in (
        ("Confidence", "confidence", (0.0, 1.0), [t.confidence for t in tracks]),
        ("Depth", "distance from the camera, m", None, [t.depth for t in tracks]),
    ):
        lines = [
            Series(track.label, _color(findings, track.label), track.seconds, value)
            for track, value in zip(tracks, values, strict=True)
        ]
        cards.append(
            f'<h3>{title}</h3><p class="legend">{legend}</p>'
            + charts.line_chart(lines, y_label=label, y_range=limits)
        )
    colors = {label: _color(findings, label) for label in findings.labels}
    above = plan_view(findings, tracks, colors)
    if above:
        crosses = " Crosses are the truth." if findings.truth else ""
        above = (
            '<div class="card wide"><h3>Seen from above</h3><p class="legend">The camera\'s way,'
            " the points, and from where the best candidate of each comes in."
            f"{crosses}</p>{above}</div>"
        )
    body = above + "".join(f'<div class="card">{card}</div>' for card in cards)
    return (
        "<section><h2>In space and time</h2>"
        f'<p class="note">Positions in <code>{escape(findings.goal_frame)}</code>; bands are the'
        f' predicted ±1σ.</p><div class="grid-2">{body}</div></section>'
    )


def _position_chart(track: Track) -> str:
    median = track.median_position
    assert median is not None
    lines = [
        Series(
            name, f"var({color})", track.seconds,
            1e3 * (track.position[:, i] - median[i]), 1e3 * track.sigma[:, i],
        )
        for i, (name, color) in enumerate(AXIS_VARIABLES)
    ]  # fmt: skip
    return charts.line_chart(lines, y_label="offset, mm")


def losses(findings: Findings, tracks: Sequence[Track]) -> str:
    """Everything that was dropped or refused, with its reason."""
    rows = [
        f"<tr><td>the recording</td><td>{count}</td><td class='words'>{escape(reason)}</td></tr>"
        for reason, count in _counted(findings.drops)
    ]
    for track in tracks:
        rows += [
            f"<tr><td>{_name(findings, track.label)}</td>"
            f'<td>{count}</td><td class="words">{escape(reason)}</td></tr>'
            for reason, count in _counted(track.refusals)
        ]
    if not rows:
        body = '<p class="note">Nothing was dropped and nothing was refused.</p>'
    else:
        body = (
            '<div class="card scroll"><table><tr><th>where</th><th>times</th>'
            '<th class="words">why (with the numbers of the first time)</th></tr>'
            f"{''.join(rows)}</table></div>"
        )
    return f"<section><h2>What was left out, and why</h2>{body}</section>"


def _counted(reasons: Counter[str]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))


def _median(values: FloatArray, factor: float, decimals: int) -> str:
    finite = values[np.isfinite(values)]
    return f"{factor * float(np.median(finite)):.{decimals}f}" if len(finite) else "–"


def listed(labels: Sequence[str]) -> str:
    """Labels in a sentence."""
    quoted = [f"<b>{escape(label)}</b>" for label in labels]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1]


def _color(findings: Findings, label: str) -> str:
    return f"var(--label-{findings.labels.index(label) % len(PALETTE)})"


def _name(findings: Findings, label: str) -> str:
    return f'<span class="name">{_dot(findings, label)}{escape(label)}</span>'


def _dot(findings: Findings, label: str) -> str:
    return f'<i class="dot" style="background:{_color(findings, label)}"></i>'
