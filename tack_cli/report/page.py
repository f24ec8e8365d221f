# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML page that needs no other file and no network."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from html import escape
from string import Template

import numpy as np

from tack_cli.report import sections
from tack_cli.report.findings import Findings, Track
from tack_cli.report.pictures import Image
from tack_perception.overlay import PALETTE

_AXIS_LIGHT = ("#c62f2f", "#1f8a3d", "#2563d9")
_AXIS_DARK = ("#ff7b7b", "#66d98a", "#7fb0ff")


def build_page(
    findings: Findings,
    clicks: Sequence[Image],
    pictures: Mapping[int, Image],
    video: bytes,
    files: Sequence[str],
) -> str:
    """The page as text.

    Args:
        findings: what to tell.
        clicks: the picture of each shot, in the order of `findings.shots`.
        pictures: frame index → overlay picture.
        video: the MP4's bytes.
        files: names of the files beside the page, relative to it; the first one is the video.
    """
    tracks = [findings.track(label) for label in findings.labels]
    parts = [
        sections.clicks(findings, clicks),
        sections.video(video, files[0]),
        sections.table(findings, tracks),
        sections.gallery(findings, pictures),
        sections.over_time(findings, tracks),
        sections.losses(findings, tracks),
    ]
    return filled_page(
        brand="tack replay",
        title=findings.title,
        lead=_lead(findings, tracks),
        tiles=_tiles(findings, tracks),
        parts=parts,
        footer=f"Beside this page: {links(files)}. The same recording and the same clicks give the"
        " same bytes.",
    )


def filled_page(
    *,
    brand: str,
    title: str,
    lead: str,
    tiles: Sequence[tuple[str, str]],
    parts: Sequence[str],
    footer: str,
) -> str:
    """A page of the house's look.

    Args:
        brand: the command that made it.
        title: plain text.
        lead: the first paragraph, HTML.
        tiles: (value, what it is) of the figures at the top, HTML.
        parts: the sections, HTML.
        footer: HTML.
    """
    return Template(_resource("page.html")).substitute(
        brand=escape(brand),
        title=escape(title),
        style=style_sheet(),
        lead=lead,
        tiles="".join(f"<li><b>{value}</b><span>{name}</span></li>" for value, name in tiles),
        sections="\n".join(parts),
        footer=footer,
    )


def style_sheet() -> str:
    """The house's look as CSS, with the labels' colours for light and dark pages."""
    return Template(_resource("style.css")).substitute(light=_colors(0.72), dark=_colors(1.0))


def links(files: Sequence[str]) -> str:
    """Links to files beside the page."""
    return ", ".join(f'<a href="{escape(name)}"><code>{escape(name)}</code></a>' for name in files)


def section(title: str, note: str, *content: str) -> str:
    """A section of a page: title and note in plain words, the content HTML."""
    words = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{words}{'<br>'.join(content)}</section>"


def with_code(text: str) -> str:
    """Plain words as HTML, those in back quotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def _lead(findings: Findings, tracks: Sequence[Track]) -> str:
    found = [track.label for track in tracks if track.lifted.any()]
    clicks = len(findings.shots)
    asked = f"{clicks} click{'s' if clicks != 1 else ''} named {sections.listed(findings.labels)}."
    if not found:
        return f"{asked} None of them could be placed in space; the reasons are below."
    what = "That point was" if len(found) == 1 else "These points were"
    missing = [label for label in findings.labels if label not in found]
    rest = f" Never placed: {sections.listed(missing)}." if missing else ""
    return (
        f"{asked} {what} then found in {len(findings.frames)} frames over"
        f" {findings.duration:.1f} s, lifted into space and turned into gripper poses in"
        f" <code>{escape(findings.goal_frame)}</code>.{rest}"
    )


def _tiles(findings: Findings, tracks: Sequence[Track]) -> list[tuple[str, str]]:
    total = sum(len(track.seconds) for track in tracks)
    lifted = sum(int(track.lifted.sum()) for track in tracks)
    tiles = [
        (str(len(findings.frames)), f"frames, {findings.duration:.1f} s"),
        (str(len(tracks)), "named point" + ("s" if len(tracks) != 1 else "")),
        (f"{100 * lifted / total:.0f} %" if total else "–", "of detections lifted to 3D"),
        (str(sum(track.goals for track in tracks)), "grasp candidates"),
    ]
    errors = [
        track.errors(findings.truth[track.label])
        for track in tracks
        if track.label in findings.truth
    ]
    if errors and len(together := np.concatenate(errors)):
        tiles.append(
            (f"{1e3 * float(np.median(together)):.1f} mm", "median distance from the truth")
        )
    if findings.drops:
        tiles.append((str(sum(findings.drops.values())), "inputs dropped"))
    return tiles


def _colors(strength: float) -> str:
    """The labels' colours as CSS variables; darker ones stand out on a light page."""
    labels = [
        f"--label-{i}: rgb({' '.join(str(round(c * strength)) for c in color)});"
        for i, color in enumerate(PALETTE)
    ]
    axes = _AXIS_LIGHT if strength < 1 else _AXIS_DARK
    return " ".join(
        labels
        + [
            f"{name}: {value};"
            for (_, name), value in zip(sections.AXIS_VARIABLES, axes, strict=True)
        ]
    )


def _resource(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
