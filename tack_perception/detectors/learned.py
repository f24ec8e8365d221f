# SPDX-License-Identifier: Apache-2.0
"""What the learned detectors share: shots, windows, which object is meant, and what is said of it.

They differ in one thing, how a shot becomes heat maps on a window; that is a `Reader`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception.annotation import Annotation
from tack_perception.crops import Crop
from tack_perception.detectors.base import not_enrolled
from tack_perception.detectors.confidence_model import Evidence, Judgements, Judges
from tack_perception.detectors.scene import (
    Scene,
    Window,
    instance_at,
    look,
    see,
    whole,
    window_around,
    window_of,
)
from tack_perception.detectors.settings import LearnedConfig
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.networks.model import KeypointModel
from tack_perception.networks.sampling import peaks, to_pixels

FloatArray = NDArray[np.float64]
_STRANGEST = 1e-4  # least probability that two things are of one class
_SAME = 0.15  # of a window: points that are closer are on one thing
_WORTH = 0.5  # presence from which further windows are looked at closely
_PROBES = 16  # points of an object that are looked for on all objects of a frame


@dataclasses.dataclass(frozen=True, eq=False)
class Shot:
    """A click, as a network has read it.

    Attributes:
        annotation: the click.
        window: that it was read in.
        pixel: (2,) of the click in the window's picture, px.
        what: of the reader: a code, a descriptor, what surrounds it.
    """

    annotation: Annotation
    window: Window
    pixel: FloatArray
    what: Mapping[str, Any]


class Reader(Protocol):
    """How shots become heat maps.

    Attributes:
        closer: facts that a closer look adds or changes; empty if there is no such look.
    """

    closer: frozenset[str]

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Any]:
        """What is kept of a click: at `pixel` (2,) of the window's picture."""

    def prepare(self, shots: Sequence[Shot]) -> None:
        """Do now what is done once for the shots of a label, not when they are looked for."""

    def find(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], *, closely: bool = False
    ) -> Found:
        """Look for L labels, each with its shots, in W windows.

        A closer look takes longer and tells more: what is in `closer`.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """Heat maps, and what speaks for them.

    Attributes:
        heat: (W, L, h, w) logits.
        evidence: by name (W, L).
    """

    heat: Tensor
    evidence: dict[str, Tensor]


class LearnedDetector:
    """A detector behind the port; see `KeypointDetector`.

    Args:
        model: the network.
        reader: how it is asked.
        judges: what the answers are worth.
        config: settings.
    """

    def __init__(
        self, model: KeypointModel, reader: Reader, judges: Judges, config: LearnedConfig
    ) -> None:
        self.model, self.reader, self.judges, self.config = model, reader, judges, config
        self._bfloat16 = config.uses_bfloat16(next(model.parameters()).device.type)
        self._shots: dict[str, list[Shot]] = {}
        self._last: tuple[RGBDFrame, Scene, list[Window]] | None = None
        if config.threads:
            torch.set_num_threads(config.threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """The enrolled labels, in the order of their first shot."""
        return tuple(self._shots)

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Add shots. Several of one label are used together; enrolling never forgets.

        Raises:
            InvalidInputError: never for a shot that is an `Annotation`: every pixel can be read.
        """
        made = [(shot.label, self._read(shot)) for shot in shots]
        for label, one in made:
            self._shots[label] = [*self._shots.get(label, ()), one]
        with torch.inference_mode():
            for label in dict.fromkeys(shot.label for shot in shots):
                self.reader.prepare(self._shots[label])

    @torch.inference_mode()
    def likeness(self, shot: Annotation) -> dict[str, float]:
        """How like each class the clicked thing is, a cosine; empty where classes do not matter."""
        objects, config = self.model.objects, self.model.config
        if objects is None or config.focal_px or not config.classes:
            return {}
        embedding = self._window_of(shot).embedding.to(objects.prototypes)
        return dict(zip(config.classes, objects.likeness(embedding).tolist(), strict=True))

    def familiarity(self, shot: Annotation) -> float:
        """How like the nearest class the clicked thing is; 1 where classes do not matter."""
        return max(self.likeness(shot).values(), default=1.0)

    def knows(self, shot: Annotation) -> bool:
        """Whether the clicked thing is of a kind that the model has learned."""
        return self.familiarity(shot) >= self.judges.familiar

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Find every enrolled label in one frame: on the objects where it is most likely.

        Returns:
            One `Keypoint` for each label, in the order of `labels`, in pixels and with
            `pixel_covariance`, not lifted. A label that is believed hidden or absent comes with
            `visible=False`, at its most likely pixel. Then those of further things, as many as
            `config.instances` allows, on which some label is believed to be seen.
        """
        if not self._shots:
            return []
        windows = self._windows(frame)
        groups = self._groups()
        # A few points of an object tell where it is; all are looked for only there.
        first = [group[:: math.ceil(len(group) / _PROBES)] for group in groups]
        asked = [number for some in first for number in some]
        presence = self.judges.recognise(self._evidence(windows, asked))
        column = {number: n for n, number in enumerate(asked)}
        found: dict[tuple[int, int], Keypoint] = {}
        for group, some in zip(groups, first, strict=True):
            columns = [column[number] for number in some]
            likely = presence[:, columns].mean(axis=1)
            order = np.argsort(-likely, kind="stable")[: self.config.instances]
            picked = [windows[w] for w in order if w == order[0] or likely[w] >= _WORTH]
            for instance, points in enumerate(self._on_each(group, picked, frame)):
                for number, point in points.items():
                    found[instance, number] = dataclasses.replace(point, instance=instance)
        return [found[key] for key in sorted(found)]

    def _on_each(
        self, group: Sequence[int], windows: Sequence[Window], frame: RGBDFrame
    ) -> list[dict[int, Keypoint]]:
        """The labels of a group in each of some windows that shows their object, the surest first.

        The surest is there in any case. Two windows may show parts of one object.
        """
        judged = self.judges.judge(self._evidence(windows, group, closely=True))
        things: list[dict[int, Keypoint]] = []
        for w in np.argsort(-judged.confidence.mean(axis=1), kind="stable").tolist():
            one = judged.of(w, range(len(group)))
            if things and not one.visible.any():
                continue
            points = self._keypoints(group, windows[w], one, frame)
            reach = _SAME * windows[w].crop.side
            if not any(_close(points, known, reach) for known in things):
                things.append(points)
        return things

    def forget(self, label: str | None = None) -> None:
        """Drop all shots of one label, or of all labels.

        Raises:
            InvalidInputError: the label is not enrolled; the message lists the enrolled ones.
        """
        if label is None:
            self._shots = {}
        elif label in self._shots:
            self._shots = {name: shots for name, shots in self._shots.items() if name != label}
        else:
            raise not_enrolled(label, self._shots)

    def _read(self, shot: Annotation) -> Shot:
        window = self._window_of(shot)
        pixel = window.crop.to_crop(shot.pixel)
        with torch.inference_mode():
            what = self.reader.read(window, pixel)
        return Shot(shot, window, pixel, what)

    def _window_of(self, shot: Annotation) -> Window:
        """Around the clicked object, or around the click where no object is known."""
        scene, windows = self._seen(shot.frame)
        size = self.model.config.crop_px
        number = instance_at(scene, shot.u, shot.v, 6 * scene.scale)
        if self.model.config.focal_px:
            return windows[0]
        if number is None:
            crop = window_around(shot.frame, shot.u, shot.v, size, self.config.reach_m)
            return self._look(shot.frame, [crop], [False])[0]
        if number < len(windows):
            return windows[number]
        crop = window_of(scene.instances[number], scene.scale, size)
        return self._look(shot.frame, [crop], [True])[0]

    def _seen(self, frame: RGBDFrame) -> tuple[Scene, list[Window]]:
        """The frame's objects; those of the last frame are kept for further clicks on it."""
        last = self._last  # one read: another thread may look at another frame meanwhile
        if last is not None and last[0] is frame:
            return last[1], last[2]
        size, focal_px = self.model.config.crop_px, self.model.config.focal_px
        if focal_px:
            scene, crops = Scene(1.0, ()), [whole(frame, focal_px)]
        else:
            scene = see(self.model, frame, self.config.scene_px, bfloat16=self._bfloat16)
            several = scene.instances[: self.config.most_windows]
            crops = [window_of(one, scene.scale, size) for one in several]
        windows = self._look(frame, crops, [True] * len(crops))
        self._last = (frame, scene, windows)
        return scene, windows

    def evidence(self, frame: RGBDFrame) -> tuple[list[Window], Evidence]:
        """Where all labels are most likely in each window of a frame, looked at closely, and why.

        Args:
            frame: the frame; at least one label is enrolled.
        """
        windows = self._windows(frame)
        return windows, self._evidence(windows, range(len(self._shots)), closely=True)

    def _evidence(
        self, windows: Sequence[Window], numbers: Sequence[int], *, closely: bool = False
    ) -> Evidence:
        """What speaks for some labels in some windows."""
        every = list(self._shots.values())
        shots = [every[number] for number in numbers]
        with torch.inference_mode():
            found = self.reader.find(shots, windows, closely=closely)
            places, covariances, shares = peaks(found.heat)
            pixels = to_pixels(places, self.model.stride)
        facts = {"share": shares.cpu().numpy()}
        if not self.model.config.focal_px:  # which object it is, is no question in a whole frame
            facts |= _alike(self.model, windows, shots)
        facts |= {name: value.float().cpu().numpy() for name, value in found.evidence.items()}
        return Evidence(
            pixels.cpu().numpy().astype(np.float64),
            covariances.cpu().numpy().astype(np.float64) * self.model.stride**2,
            facts,
        )

    def _windows(self, frame: RGBDFrame) -> list[Window]:
        """Where labels are looked for: the frame's objects, or all of it."""
        _, windows = self._seen(frame)
        return [*windows, *self._further(frame, windows, list(self._shots.values()))]

    def _further(
        self, frame: RGBDFrame, windows: Sequence[Window], shots: Sequence[Sequence[Shot]]
    ) -> list[Window]:
        """Places to look at where no known object was found: all of the frame, if need be."""
        strange = any(not shot.window.found for several in shots for shot in several)
        if windows and not strange:
            return []
        height, width = frame.color.shape[:2]
        sides = [shot.window.crop.side for several in shots for shot in several]
        side = float(np.clip(np.median(sides), min(height, width) / 4, min(height, width)))
        crops = [
            Crop(float(u), float(v), side, self.model.config.crop_px)
            for v in _places(height, side)
            for u in _places(width, side)
        ]
        return self._look(frame, crops, [False] * len(crops))

    def _look(self, frame: RGBDFrame, crops: Sequence[Crop], found: Sequence[bool]) -> list[Window]:
        return look(self.model, frame, crops, found, bfloat16=self._bfloat16)

    def _groups(self) -> list[list[int]]:
        """Numbers of the labels that were clicked on one object: they are found on one."""
        groups: dict[tuple[int, float, float], list[int]] = {}
        for number, shots in enumerate(self._shots.values()):
            first = shots[0]
            crop = first.window.crop
            key = (id(first.annotation.frame), crop.u, crop.v)
            groups.setdefault(key if first.window.found else (-1, number, 0), []).append(number)
        return list(groups.values())

    def _keypoints(
        self, numbers: Sequence[int], window: Window, judged: Judgements, frame: RGBDFrame
    ) -> dict[int, Keypoint]:
        """Some labels as they are judged in a window, by their numbers, in px of the frame."""
        labels, camera = tuple(self._shots), frame.intrinsics
        places = window.crop.to_image(judged.pixels)
        places = np.clip(places, -0.5, (camera.width - 0.501, camera.height - 0.501))
        linear = window.crop.image_from_crop[:, :2]
        covariances = linear @ judged.covariances @ linear.T
        covariances = (covariances + covariances.transpose(0, 2, 1)) / 2
        several = zip(
            numbers, places.tolist(), judged.confidence, judged.visible, covariances, judged.seen,
            strict=True,
        )  # fmt: skip
        return {
            n: Keypoint(
                labels[n], u, v, float(confidence), bool(visible), covariance, seen=float(seen)
            )
            for n, (u, v), confidence, visible, covariance, seen in several
        }


def _close(some: dict[int, Keypoint], others: dict[int, Keypoint], reach: float) -> bool:
    """Whether points of the same labels are less than `reach` apart on average, px."""
    apart = [math.hypot(one.u - others[n].u, one.v - others[n].v) for n, one in some.items()]
    return sum(apart) < reach * len(apart)


@torch.inference_mode()
def _alike(
    model: KeypointModel, windows: Sequence[Window], shots: Sequence[Sequence[Shot]]
) -> dict[str, FloatArray]:
    """(W, L) how much a window's object is like that of a label's likest shot.

    By the cosine of their embeddings (`alike`), and by the logarithm of the probability that both
    are of one class (`kind`): one class may lie wide apart, and two side by side.
    """
    # Points of one object share its window: each window is compared once.
    clicked = {id(shot.window): shot.window for several in shots for shot in several}
    number = {key: n for n, key in enumerate(clicked)}
    both = [torch.stack([one.embedding for one in some]) for some in (windows, clicked.values())]
    told = {"alike": both[0] @ both[1].T}
    if model.objects is not None:
        here, there = (
            model.objects.classes(one.to(model.objects.prototypes)).softmax(-1).cpu()
            for one in both
        )
        told["kind"] = (here @ there.T).clamp_min(_STRANGEST).log()
    columns = [[number[id(shot.window)] for shot in several] for several in shots]
    return {
        name: np.stack(
            [one.numpy().astype(np.float64)[:, several].max(axis=1) for several in columns], axis=1
        )
        for name, one in told.items()
    }


def _places(length: int, side: float) -> NDArray[np.float64]:
    """Middles of windows that cover a length, half a window apart."""
    count = max(1, int(np.ceil((length - side) / (side / 2))) + 1)
    if count == 1:
        return np.array([(length - 1) / 2])
    return np.linspace(side / 2 - 0.5, length - side / 2 - 0.5, count)
