# SPDX-License-Identifier: Apache-2.0
"""What a replay says on the terminal: what was found, where it is, and how fast it went."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tack_cli.report.findings import Findings
from tack_cli.report.job import Outcome

_STAGES = {
    "source": "read frames",
    "plan": "plan grasps",
    "write": "write files",
    "wait": "wait for the others",
    "detect": "(beside it) find points",
    "lift": "(beside it) lift to 3D",
    "draw": "(beside it) draw",
    "video": "(beside it) video",
}


def print_outcome(outcome: Outcome, output: Path, seconds: float) -> None:
    """Print the summary of a replay.

    Args:
        outcome: of the job.
        output: the folder of its files.
        seconds: wall time of the whole run.
    """
    findings = outcome.findings
    print("\n".join([*_found(findings), "", *_timing(outcome, seconds), ""]))
    print(f"Report: {output / outcome.files[0]}")


def _found(findings: Findings) -> list[str]:
    count = len(findings.frames)
    width = max(len(label) for label in findings.labels)
    head = f"  {'point':<{width}}  lifted   confidence  position in {findings.goal_frame}, m"
    if findings.truth:
        head = f"{head:<{width + 60}}  error, mm"
    lines = [f"{findings.title}: {count} frames, {findings.duration:.1f} s", head]
    for label in findings.labels:
        track = findings.track(label)
        median = track.median_position
        where = "never placed" if median is None else " ".join(f"{v:8.3f}" for v in median)
        seen = track.confidence[np.isfinite(track.confidence)]
        sure = f"{np.median(seen):10.2f}" if len(seen) else " " * 10
        line = f"  {label:<{width}}  {track.lifted.sum():>3}/{count:<3}  {sure}  {where}"
        if label in findings.truth and len(errors := track.errors(findings.truth[label])):
            line = f"{line:<{width + 60}}  {1e3 * np.median(errors):.1f}"
        lines.append(line)
        lines += [f"    {n} × {reason}" for reason, n in track.refusals.most_common(3)]
    lines += [f"  dropped: {n} × {reason}" for reason, n in findings.drops.most_common(5)]
    goals = sum(findings.track(label).goals for label in findings.labels)
    lines.append(f"  {goals} grasp candidates. {findings.goal_frame_note}")
    return lines


def _timing(outcome: Outcome, seconds: float) -> list[str]:
    frames = max(len(outcome.findings.frames), 1)
    lines = [f"  {'stage':<24}  total, s   ms per frame"]
    for stage, name in _STAGES.items():
        spent = outcome.seconds[stage]
        lines.append(f"  {name:<24}{spent:10.2f}{1e3 * spent / frames:15.1f}")
    lines.append(f"  {'all':<24}{seconds:10.2f}{1e3 * seconds / frames:15.1f}")
    duration = outcome.findings.duration
    pace = f", {duration / seconds:.1f} × real time" if duration > 0 else ""
    return [*lines, f"  {frames / seconds:.1f} frames per second{pace}"]
