# SPDX-License-Identifier: Apache-2.0
"""The scene from above: where the camera went, where the points are, how a gripper comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from tack_cli.report.charts import number, ticks
from tack_cli.report.findings import Findings, FloatArray, Track

_SIZE, _MARGIN = (1060, 440), 44


class _Plan:
    """Maps (x, y) in the goal frame to the drawing: x to the right, y up, one scale for both."""

    def __init__(self, places: FloatArray) -> None:
        low, high = places.min(axis=0), places.max(axis=0)
        span = np.maximum(high - low, 0.1) * 1.08
        middle = (low + high) / 2
        room = np.array(_SIZE) - 2 * _MARGIN
        self.scale = float((room / span).min())
        half = room / self.scale / 2
        self.low, self.high = middle - half, middle + half

    def __call__(self, place: FloatArray) -> tuple[float, float]:
        x, y = (place[:2] - self.low) * self.scale
        return _MARGIN + float(x), _SIZE[1] - _MARGIN - float(y)


def plan_view(findings: Findings, tracks: Sequence[Track], colors: Mapping[str, str]) -> str:
    """An SVG element, or "" where there is nothing to show (no base frame, nothing placed).

    Args:
        findings: of the replay.
        tracks: one for each label.
        colors: label → CSS colour.
    """
    frames = [f for f in findings.frames if f.frame_from_camera is not None]
    placed = [track for track in tracks if track.lifted.any()]
    if not placed or all(frame.frame_id == frame.goal_frame for frame in frames):
        return ""
    way = np.array([f.frame_from_camera[:2, 3] for f in frames if f.frame_from_camera is not None])
    plan = _Plan(np.concatenate([way, *(track.position[track.lifted, :2] for track in placed)]))
    parts = [
        f'<svg viewBox="0 0 {_SIZE[0]} {_SIZE[1]}" class="chart" role="img"'
        ' aria-label="the scene seen from above">',
        *_grid(plan, findings.goal_frame),
        *_camera(plan, way),
    ]
    for track in placed:
        parts += _point(plan, track, colors[track.label], findings.truth.get(track.label))
    return "".join([*parts, "</svg>"])


def _grid(plan: _Plan, frame: str) -> list[str]:
    right, floor = _SIZE[0] - _MARGIN, _SIZE[1] - _MARGIN
    parts = []
    for x in ticks(plan.low[0], plan.high[0], 6):
        u = plan(np.array([x, 0.0]))[0]
        parts.append(f'<line class="grid" x1="{u:.1f}" x2="{u:.1f}" y1="{_MARGIN}" y2="{floor}"/>')
        parts.append(f'<text x="{u:.1f}" y="{floor + 15}" text-anchor="middle">{number(x)}</text>')
    for y in ticks(plan.low[1], plan.high[1], 5):
        v = plan(np.array([0.0, y]))[1]
        parts.append(f'<line class="grid" x1="{_MARGIN}" x2="{right}" y1="{v:.1f}" y2="{v:.1f}"/>')
        parts.append(
            f'<text x="{_MARGIN - 7}" y="{v + 3.5:.1f}" text-anchor="end">{number(y)}</text>'
        )
    across, name = _SIZE[0] / 2, escape(frame)
    middle = _SIZE[1] / 2
    parts.append(
        f'<text class="name" x="{across}" y="{_SIZE[1] - 8}" text-anchor="middle">x of {name}, m'
        f'</text><text class="name" transform="translate(11 {middle}) rotate(-90)"'
        f' text-anchor="middle">y of {name}, m</text>'
    )
    return parts


def _camera(plan: _Plan, way: FloatArray) -> list[str]:
    places = [plan(place) for place in way]
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    (x0, y0), (x1, y1) = places[0], places[-1]
    return [
        f'<polyline points="{outline}" class="line way"/>',
        f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="3.5" class="start"/>',
        f'<circle cx="{x1:.1f}" cy="{y1:.1f}" r="3.5" class="end"/>',
        f'<text x="{x0:.1f}" y="{y0 - 8:.1f}" text-anchor="middle">camera starts</text>',
    ]


def _point(plan: _Plan, track: Track, color: str, truth: FloatArray | None) -> list[str]:
    parts = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{color}" opacity=".5"/>'
        for x, y in (plan(place) for place in track.position[track.lifted])
    ]
    median = track.median_position
    assert median is not None
    x, y = plan(median)
    if track.best is not None:
        tip, back = track.best.grasp[:3, 3], track.best.pregrasp[:3, 3]
        (u0, v0), (u1, v1) = plan(back), plan(tip)
        parts.append(
            f'<line x1="{u0:.1f}" y1="{v0:.1f}" x2="{u1:.1f}" y2="{v1:.1f}" stroke="{color}"'
            f' class="line approach"/><circle cx="{u0:.1f}" cy="{v0:.1f}" r="3" fill="{color}"/>'
        )
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" stroke="{color}" class="line"/>')
    if truth is not None:
        u, v = plan(truth)
        parts.append(
            f'<path d="M{u - 4:.1f} {v:.1f}h8M{u:.1f} {v - 4:.1f}v8" class="truth"><title>the true'
            f" {escape(track.label)}</title></path>"
        )
    parts.append(
        f'<text class="what" x="{x:.1f}" y="{y - 12:.1f}" text-anchor="middle">'
        f"{escape(track.label)}</text>"
    )
    return parts
