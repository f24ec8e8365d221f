# SPDX-License-Identifier: Apache-2.0
"""What training on a recording is like, and whether it has made a model better.

A recording shows one thing, or one scene, a hundred times at most. So training begins with a model
that knows how things look, takes few steps, and is judged on views that were kept back: a click on
a view that was learned from, looked for in one that was not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_perception.annotation import Annotation
from tack_perception.correspondence import CorrespondenceSet
from tack_perception.correspondence.manifest import RECORDED
from tack_perception.detectors.learned import LearnedDetector
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.learning.calibration import frame_of
from tack_perception.learning.carry import carry
from tack_perception.learning.pack import Pack

SCALE = 4 / 3
"""Pixels of a recorded scene in a pixel of the picture that a model sees of it."""

KINDS = {"tack": "tack", "don": "don", "joint": "fused"}
"""The detector that shows what a method has learned."""

NEAR_PX = (5.0, 10.0, 20.0)

Sections = dict[str, dict[str, Any]]

_TRAINING = {
    "steps": 1000, "batch": 8, "learning_rate": 3e-3, "pretrained_rate": 1.0, "ema_decay": 0.98,
    "validate_every": 0, "pictures_every": 250,
}  # fmt: skip
_EPISODES = {
    "same_share": 1.0, "points": 64, "photometric": 0.4, "turn_share": 0.1, "occluded_share": 0.2,
    "occlusion": [0.05, 0.4],
}  # fmt: skip
_SHARED: Sections = {
    "model": {"descriptor": 64},
    "don": {"recipe": "instance"},
    "calibration": {"pairs": 80, "same_share": 1.0},
}
_OBJECT: Sections = {
    **_SHARED,
    "train": _TRAINING,
    "episodes": {**_EPISODES, "fewest_pixels": 400},
}
_SCENE: Sections = {
    **_SHARED,
    "model": {"descriptor": 64, "octaves": 4},  # a shelf has more places than a mug
    "train": {**_TRAINING, "steps": 1200, "batch": 6},
    # Gently changed: a shelf stands where it stood, and there is little time to learn more.
    "episodes": {
        **_EPISODES, "crop_px": 160, "around": "point", "scale": [1.0, 1.8], "shift": 0.3,
        "photometric": 0.2, "turn_share": 0.0, "turn_deg": 4.0, "occluded_share": 0.1,
        "twin_share": 0.2,
    },
    # What is hidden is believed seen more often than on objects: rather look once more.
    "calibration": {**_SHARED["calibration"], "least_recall": 0.5},
    # A scene fills the picture: there is no object to be found in it.
    "objects": {"foreground": 0.0, "votes": 0.0, "surface": 0.0, "likeness": 0.0},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What recordings have in common.

    Attributes:
        scene: they show scenes as a whole, not objects.
        focal_px: usual focal length of their cameras, px.
    """

    scene: bool
    focal_px: float


def recorded(folders: Sequence[Path]) -> Recorded | None:
    """What all data sets have in common, if they are recordings; None if none of them is.

    Raises:
        InvalidInputError: some are and some are not, or objects and scenes are mixed.
    """
    sets = [CorrespondenceSet.open(folder) for folder in folders]
    told = [data.manifest.settings.get(RECORDED) for data in sets]
    if not any(told):
        return None
    if not all(told):
        raise InvalidInputError("recordings and other data sets cannot be mixed in one training")
    scenes = {one.get("things") == "scene" for one in told if one}
    if len(scenes) > 1:
        raise InvalidInputError("recordings of objects and of scenes cannot be mixed")
    focal = [data.view(0).intrinsics.fx for data in sets if len(data)]
    if not focal:
        raise InvalidInputError("the recordings have no views")
    return Recorded(scenes.pop(), float(np.median(focal)))


def preset(kind: Recorded, given: Mapping[str, Mapping[str, Any]]) -> Sections:
    """Settings by section for a training on recordings; what is given overrides them."""
    base = _SCENE if kind.scene else _OBJECT
    names = dict.fromkeys((*base, *given))
    return {name: {**base.get(name, {}), **given.get(name, {})} for name in names}


@dataclasses.dataclass(frozen=True, eq=False)
class Trials:
    """Clicks on views that were learned from, looked for in views that were not.

    Attributes:
        error_px: (N,) distance to the truth in the picture, of points that are seen there.
        believed: (N,) whether they were said to be seen.
        hidden_believed: (M,) the same, of points that are hidden there.
    """

    error_px: NDArray[np.float64]
    believed: NDArray[np.bool_]
    hidden_believed: NDArray[np.bool_]

    @property
    def median_px(self) -> float:
        """Of the errors; NaN without any."""
        return float(np.median(self.error_px)) if len(self.error_px) else float("nan")

    def within(self, limit_px: float) -> float:
        """Share of the points that were found so near to the truth."""
        return float((self.error_px <= limit_px).mean()) if len(self.error_px) else float("nan")

    @property
    def recall(self) -> float:
        """Share of the seen points that were believed seen."""
        return _share(self.believed)

    @property
    def wrong_accept(self) -> float:
        """Share of the hidden points that were believed seen."""
        return _share(self.hidden_believed)

    def no_worse_than(self, other: Trials) -> bool:
        """Whether nothing was lost: neither the typical error nor the share of right answers."""
        limit = NEAR_PX[1]
        return self.median_px <= other.median_px and (
            self.within(limit) >= other.within(limit) - 0.01
        )

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            "trials": len(self.error_px),
            "median_px": round(self.median_px, 2),
            **{f"within_{limit:g}_px": round(self.within(limit), 4) for limit in NEAR_PX},
            "recall": _rounded(self.recall),
            "hidden": len(self.hidden_believed),
            "wrong_accept": _rounded(self.wrong_accept),
        }


def _share(which: NDArray[np.bool_]) -> float:
    return float(which.mean()) if len(which) else float("nan")


def _rounded(share: float) -> float | None:
    """For JSON, which knows no NaN."""
    return None if math.isnan(share) else round(share, 4)


def one_click(
    detector: LearnedDetector,
    clicked: Pack,
    searched: Pack,
    *,
    pairs: int = 60,
    points: int = 12,
    seed: int = 0,
    progress: bool = False,
) -> Trials:
    """Click on views of one pack, and look for the points in whole frames of another.

    Args:
        detector: its shots are forgotten.
        clicked, searched: of one recording: views that were learned from, and others.
        pairs: of views; every one has another pair of views as long as there are others.
        points: clicks on each.
        seed: of the choice.
        progress: show a progress bar.

    Raises:
        InvalidInputError: the packs have no thing in common.
    """
    rng = np.random.default_rng(seed)
    named = [pack.instances for pack in (clicked, searched)]
    every = [
        (i, j)
        for i, one in enumerate(clicked.things)
        for j, other in enumerate(searched.things)
        if named[0][int(one["instance"])] == named[1][int(other["instance"])]
    ]
    if not every:
        raise InvalidInputError("the views that were kept back show nothing of what was learned")
    chosen = rng.permutation(len(every))[:pairs]
    errors, believed, hidden = [], [], []
    for number in tqdm(chosen.tolist(), "one click", disable=not progress, unit="pair"):
        i, j = every[number]
        thing, other = clicked.things[i], searched.things[j]
        carried = carry(clicked, i, searched, j)
        asked = rng.permutation(np.flatnonzero(carried.known))[:points]
        shot = frame_of(clicked, int(thing["view"]))
        detector.forget()
        detector.enroll(
            [
                Annotation(f"p{n}", float(u), float(v), shot)
                for n, (u, v) in zip(asked.tolist(), carried.source[asked], strict=True)
            ]
        )
        found = {point.label: point for point in detector.detect(frame_of(searched, other["view"]))}
        for n in asked.tolist():
            point = found[f"p{n}"]
            if carried.visible[n]:
                errors.append(float(np.hypot(*(np.array([point.u, point.v]) - carried.pixels[n]))))
                believed.append(point.visible)
            else:
                hidden.append(point.visible)
    detector.forget()
    return Trials(np.array(errors, float), np.array(believed, bool), np.array(hidden, bool))


@dataclasses.dataclass(frozen=True, eq=False)
class Verdict:
    """Whether training has made a model better on the views that were kept back.

    Attributes:
        before, after: the trials of both.
        kept: whether the new weights are kept; else the model is what it was.
    """

    before: Trials
    after: Trials
    kept: bool

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            "before": self.before.as_dict(), "after": self.after.as_dict(), "kept": self.kept,
        }  # fmt: skip


def judge(
    before: LearnedDetector, after: LearnedDetector, clicked: Pack, searched: Pack, *,
    progress: bool = False,
) -> Verdict:  # fmt: skip
    """Compare two detectors on the same clicks. Arguments and errors as of `one_click`."""
    first = one_click(before, clicked, searched, progress=progress)
    second = one_click(after, clicked, searched, progress=progress)
    return Verdict(first, second, second.no_worse_than(first))


def kind_of(method: str) -> str:
    """The detector that shows what a method has learned.

    Raises:
        ConfigurationError: a recording cannot be learned from by this method.
    """
    if method not in KINDS:
        raise ConfigurationError(
            f"method {method!r}: from a recording learn {', '.join(KINDS)} (it names no points)"
        )
    return KINDS[method]
