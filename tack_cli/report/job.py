# SPDX-License-Identifier: Apache-2.0
"""The replay itself: frames in; keypoints, goals, pictures, a video and the report out."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from tack_cli.report import pictures, records
from tack_cli.report.clicks import drop_hint
from tack_cli.report.film import Clock, Film
from tack_cli.report.findings import Findings, FloatArray, FrameFindings
from tack_cli.report.goal_frame import GoalFrame
from tack_cli.report.page import build_page
from tack_grasping.candidates import GraspPlan, SurfacePlannerConfig, plan_surface_grasps
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.files import open_atomically, write_atomically
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.overlay import palette
from tack_perception.pipeline import PerceptionPipeline
from tack_perception.sources.base import FrameSource

REPORT, VIDEO, KEYPOINTS, GOALS = "report.html", "overlay.mp4", "keypoints.jsonl", "goals.jsonl"
PICTURES = "pictures"
_MOST_AHEAD = 4  # frames searched at once: memory stays bounded
_OWN_PICTURE = re.compile(r"(frame|click)_\d+\.jpg")


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """Where a grasped point shall come to rest: at another label, or at a fixed point.

    Attributes:
        label: the point to place at, or "".
        xyz: (3,) in the goal frame, m, or None.
    """

    label: str = ""
    xyz: FloatArray | None = None

    def __str__(self) -> str:
        if self.xyz is None:
            return self.label
        return ", ".join(f"{value:g}" for value in self.xyz) + " m"


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a replay.

    Attributes:
        findings: everything that was found.
        seconds: time spent, by stage.
        files: what was written, relative to the output folder, the report first.
    """

    findings: Findings
    seconds: Counter[str]
    files: list[str]


def run_job(
    source: FrameSource,
    findings: Findings,
    pipeline: PerceptionPipeline,
    goal_frame: GoalFrame,
    output: Path,
    *,
    planner: SurfacePlannerConfig | None = None,
    place: Place | None = None,
    progress: bool = True,
) -> Outcome:
    """Replay a source and write everything into a folder.

    Files take their place when all is done; a run that is interrupted leaves the old ones.

    Args:
        source: entered.
        findings: with the shots; frames and drops are filled in.
        pipeline: with the shots enrolled.
        goal_frame: where goals are expressed.
        output: folder; made where it is missing.
        planner: settings of the grasp planner.
        place: where to put what is grasped.
        progress: show a bar on the terminal.

    Raises:
        InvalidInputError: the place names a label that is not enrolled.
        SourceError, TackError: the source fails, or a file cannot be written.
    """
    if place and place.label and place.label not in findings.labels:
        raise InvalidInputError(
            f"--place {place.label}: no such point; named are {', '.join(findings.labels)}"
        )
    clock = Clock()
    colors = palette(findings.labels)
    with contextlib.ExitStack() as stack:
        keypoint_file, goal_file, video_file = (
            stack.enter_context(open_atomically(output / name))
            for name in (KEYPOINTS, GOALS, VIDEO)
        )
        with Film(colors) as film:
            for index, frame, keypoints in _perceived(pipeline, source, clock, progress):
                clock.start()
                found = _plan(index, frame, keypoints, goal_frame, planner, place)
                findings.frames.append(found)
                clock.stop("plan")
                _write_lines(keypoint_file, records.keypoint_lines(found))
                _write_lines(goal_file, records.goal_lines(found))
                clock.stop("write")
                film.add(frame, found)
                clock.stop("wait")
        if not findings.frames:
            raise SourceError(f"{source.name} holds no frame" + drop_hint(source))
        clock.start()
        video_file.write(film.video)
        findings.drops.update(source.drops)
        clicks = [pictures.click_picture(shot, colors[shot.label]) for _, shot in findings.shots]
        images = {f"click_{i:02d}.jpg": picture for i, picture in enumerate(clicks, 1)}
        images |= {f"frame_{i:06d}.jpg": image for i, image in film.pictures.items()}
        clock.stop("draw")
        others = [VIDEO, KEYPOINTS, GOALS]
        with ThreadPoolExecutor(1, "pictures") as beside:
            written = beside.submit(_write_pictures, output / PICTURES, images)
            page = build_page(findings, clicks, film.pictures, film.video, others)
            written.result()
        write_atomically(output / REPORT, page)
        clock.stop("write")
    files = [REPORT, VIDEO, KEYPOINTS, GOALS, *(f"{PICTURES}/{name}" for name in sorted(images))]
    return Outcome(findings, clock.seconds + pipeline.times.seconds + film.seconds, files)


def own_files(output: Path) -> list[Path]:
    """Files of an earlier replay in a folder: those that a new one replaces."""
    fixed = [output / name for name in (REPORT, VIDEO, KEYPOINTS, GOALS)]
    drawn = (output / PICTURES).glob("*.jpg")
    return [p for p in fixed if p.is_file()] + [p for p in drawn if _OWN_PICTURE.fullmatch(p.name)]


def _plan(
    index: int,
    frame: RGBDFrame,
    keypoints: Sequence[Keypoint],
    goal_frame: GoalFrame,
    planner: SurfacePlannerConfig | None,
    place: Place | None,
) -> FrameFindings:
    transform, missing = goal_frame.lookup(frame)
    found = FrameFindings(
        index, frame.stamp_ns, frame.frame_id, tuple(keypoints), goal_frame.name, transform, {}
    )
    target = place.xyz if place else None
    if place and place.label:
        at = next((k for k in keypoints if k.label == place.label), None)
        target = found.position(at) if at else None
    for keypoint in keypoints:
        if place and keypoint.label == place.label:
            continue
        if transform is None:
            plan = GraspPlan(refusal=f"{keypoint.label}: {missing}")
        elif place and target is None:
            plan = GraspPlan(
                refusal=f"{keypoint.label}: the place {place.label!r} has no 3D position here"
            )
        else:
            plan = plan_surface_grasps(
                keypoint, transform, goal_frame.name, frame.stamp_ns,
                up=goal_frame.up, place_at=target, config=planner,
            )  # fmt: skip
        found.plans[keypoint.label] = plan
    return found


def _perceived(
    pipeline: PerceptionPipeline, source: FrameSource, clock: Clock, progress: bool
) -> Iterator[tuple[int, RGBDFrame, list[Keypoint]]]:
    """The frames in their order with what was found; the next ones are searched meanwhile."""
    workers = min(os.cpu_count() or 1, _MOST_AHEAD)
    waiting: deque[tuple[int, RGBDFrame, Future[list[Keypoint]]]] = deque()
    with ThreadPoolExecutor(workers, "perceive") as beside:
        for index, frame in _timed(source, clock, progress):
            waiting.append((index, frame, beside.submit(pipeline.perceive, frame)))
            if len(waiting) > workers:
                yield _next(waiting, clock)
        while waiting:
            yield _next(waiting, clock)


def _next(
    waiting: deque[tuple[int, RGBDFrame, Future[list[Keypoint]]]], clock: Clock
) -> tuple[int, RGBDFrame, list[Keypoint]]:
    index, frame, found = waiting.popleft()
    clock.start()
    keypoints = found.result()
    clock.stop("wait")
    return index, frame, keypoints


def _timed(source: FrameSource, clock: Clock, progress: bool) -> Iterator[tuple[int, RGBDFrame]]:
    """The frames with their index, a progress bar, and the time that the source takes."""
    bar = tqdm(
        total=len(source) or None, unit="frame", desc="replay", leave=False, disable=not progress
    )
    frames = iter(source)
    with bar:
        for index in range(1 << 62):
            clock.start()
            frame = next(frames, None)
            clock.stop("source")
            if frame is None:
                return
            yield index, frame
            bar.update()


def _write_lines(stream: BinaryIO, lines: Iterable[str]) -> None:
    for line in lines:
        stream.write(line.encode("utf-8"))


def _write_pictures(folder: Path, images: dict[str, pictures.Image]) -> None:
    """Write the pictures and remove those of an earlier run, which would mislead."""
    for name, image in images.items():
        write_atomically(folder / name, pictures.jpeg(image))
    for path in folder.glob("*.jpg"):
        if _OWN_PICTURE.fullmatch(path.name) and path.name not in images:
            path.unlink()
