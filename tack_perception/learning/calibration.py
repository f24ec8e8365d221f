# SPDX-License-Identifier: Apache-2.0
"""Fits what a learned detector's answers are worth, on objects that it has not learned from.

The detector runs as it will run later: on whole frames, with the windows that it finds itself. What
it says is compared with the truth of a data set; three logistic regressions and the scale of the
covariance come out (`detectors.confidence_model`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors.confidence_model import Evidence, Judges, Logistic
from tack_perception.detectors.fused import FusedReader
from tack_perception.detectors.learned import LearnedDetector
from tack_perception.detectors.scene import ZOOM, Window
from tack_perception.detectors.settings import LearnedConfig
from tack_perception.detectors.shipped import CALIBRATION, FUSION, make_reader
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.learning.calibration_pairs import CalibrationConfig, choose, named_as_in
from tack_perception.learning.carry import carry
from tack_perception.learning.pack import Pack
from tack_perception.networks.model import KeypointModel

FloatArray = NDArray[np.float64]
FUSION_WEIGHTS = (0.25, 0.5, 1.0, 2.0)
_RIDGE = 1e-3  # weight of the squared, standardised weights: correlated facts stay tame


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What a detector said of labels in windows, and what is true: M of them.

    Attributes:
        facts: by name (M,).
        error_px: (M,) distance to the truth, px of the window; NaN where the object is another.
        covariance: (M, 2, 2) of the heat map, and `offset` (M, 2) to the truth, px of the window.
        present: (M,) whether it is the object, or one of its class.
        seen: (M,) whether the point is seen there.
        same: (M,) whether the click was on the same instance.
        absent: (M,) whether nothing of its class is in the whole picture.
        scale: (M,) px of the frame in a px of the window.
        familiarity: (M,) of the click (`LearnedDetector.familiarity`).
    """

    facts: Mapping[str, NDArray[Any]]
    error_px: FloatArray
    covariance: FloatArray
    offset: FloatArray
    present: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    same: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    scale: FloatArray
    familiarity: FloatArray


def calibrate(
    model: KeypointModel,
    pack: Pack,
    config: CalibrationConfig | None = None,
    *,
    clicked: Sequence[Pack] = (),
    known: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Weigh the answers of every detector that a model serves.

    Args:
        model: with an object head; ready for use.
        pack: data of instances, or of views, that it has not learned from.
        config: settings.
        clicked: what else of the same things clicks are made on. A recording keeps few views back,
            often from close by: between them hardly anything gets hidden.
        known: notes of the same model before it judged poses: only `fused` has changed since.
        progress: show a progress bar.

    Returns:
        Notes for the model's description: `calibration` by kind of detector, `fusion`.
    """
    config = config or CalibrationConfig()
    kinds = [kind for kind in ("tack", "don") if getattr(model, kind) is not None]
    notes: dict[str, Any] = {CALIBRATION: {}}
    if known is not None and {CALIBRATION, FUSION} <= set(known):
        notes = {CALIBRATION: dict(known[CALIBRATION]), FUSION: known[FUSION]}
        kinds = ["fused"]
    elif len(kinds) == 2:
        notes[FUSION] = _fusion(model, pack, config, clicked, progress)
        kinds.append("fused")
    for kind in kinds:
        detector = LearnedDetector(
            model, make_reader(kind, model, notes), Judges(), LearnedConfig()
        )
        answers = ask(detector, pack, config, clicked=clicked, progress=progress)
        notes[CALIBRATION][kind] = fit(
            answers, config, model.config.crop_px, detector.reader.closer
        ).as_dict()
    return notes


def _fusion(
    model: KeypointModel,
    pack: Pack,
    config: CalibrationConfig,
    clicked: Sequence[Pack],
    progress: bool,
) -> float:
    """The weight of the descriptors in the fused detector that finds most points."""
    few = dataclasses.replace(config, pairs=max(config.pairs // 4, 20), absent_share=0.0)
    limit = config.right_share * model.config.crop_px
    found: dict[float, float] = {}
    for weight in FUSION_WEIGHTS:
        reader = FusedReader(model, weight=weight, constellation=False)
        detector = LearnedDetector(model, reader, Judges(), LearnedConfig())
        answers = ask(detector, pack, few, clicked=clicked, progress=progress)
        errors = answers.error_px[answers.present & np.isfinite(answers.error_px)]
        found[weight] = float(np.mean(errors <= limit))
    return max(found, key=lambda weight: found[weight])


def ask(
    detector: LearnedDetector,
    pack: Pack,
    config: CalibrationConfig,
    *,
    clicked: Sequence[Pack] = (),
    progress: bool = False,
) -> Answers:
    """Let a detector look for clicks on pairs of pictures of a data set.

    Args:
        detector: without shots; its judges are not asked.
        pack: the data, of instances or views that it has not learned from.
        config: settings.
        clicked: what else of the same things clicks are made on.
        progress: show a progress bar.

    Raises:
        InvalidInputError: no two pictures in the data share a point.
    """
    rng = np.random.default_rng(config.seed)
    rows: list[dict[str, Any]] = []
    sources = (pack, *clicked)
    sizes = np.array([len(source.things) for source in sources])
    for _ in tqdm(range(config.pairs), "calibrating", disable=not progress, unit="pair"):
        source = sources[rng.choice(len(sources), p=sizes / sizes.sum())] if clicked else pack
        asked = choose(source, pack, config, rng)
        if asked is not None:
            rows += _answers(detector, source, asked[0], pack, asked[1], config, rng)
    detector.forget()
    if not rows:
        raise InvalidInputError("no two pictures in the data share a point: nothing to weigh")
    names = [name for name in rows[0] if name.startswith("fact:")]
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Answers(
        {name[5:]: column[name] for name in names},
        **{f.name: column[f.name] for f in dataclasses.fields(Answers) if f.name != "facts"},
    )


def fit(
    answers: Answers, config: CalibrationConfig, size: int, closer: Set[str] = frozenset()
) -> Judges:
    """What the answers are worth.

    Args:
        answers: of a detector.
        config: settings.
        size: side of its windows, px.
        closer: facts that a first look does not tell: whether an object is there is judged without.
    """
    right = answers.seen & (answers.error_px <= config.right_share * size)
    # Pictures without the object tell whether it is there, and nothing of where its points are.
    there = ~answers.absent
    judged = Judges(
        logistic(
            {name: fact for name, fact in answers.facts.items() if name not in closer},
            answers.present,
        ),
        logistic(answers.facts, answers.seen),
        logistic({name: fact[there] for name, fact in answers.facts.items()}, right[there]),
    )
    assert judged.seen is not None
    scores = judged.seen(answers.facts)
    threshold = _threshold(scores[answers.seen], scores[~answers.seen], config)
    factor, floor = _covariance(answers, right)
    familiar = float(np.quantile(answers.familiarity, 1 - config.familiar_share))
    return dataclasses.replace(
        judged, threshold=threshold, factor=factor, floor_px=floor, familiar=familiar
    )


def logistic(facts: Mapping[str, NDArray[Any]], truth: NDArray[np.bool_]) -> Logistic:
    """A logistic regression with a small ridge, by Newton's method of SciPy."""
    names = tuple(facts)
    matrix = np.column_stack([np.asarray(facts[name], np.float64) for name in names])
    mean, spread = matrix.mean(axis=0), np.maximum(matrix.std(axis=0), 1e-9)
    scaled = np.column_stack([(matrix - mean) / spread, np.ones(len(matrix))])
    sign = np.where(truth, 1.0, -1.0)

    def loss(w: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (scaled @ w)
        slope = -sign / (1 + np.exp(np.clip(margin, -50, 50)))
        value = np.logaddexp(0, -margin).mean() + _RIDGE * (w[:-1] @ w[:-1])
        gradient = scaled.T @ slope / len(scaled)
        gradient[:-1] += 2 * _RIDGE * w[:-1]
        return float(value), gradient

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / spread
    return Logistic(names, tuple(map(float, weights)), float(found[-1] - weights @ mean))


def _threshold(seen: FloatArray, hidden: FloatArray, config: CalibrationConfig) -> float:
    """The score from which a point is believed seen."""
    strict = float(np.quantile(hidden, 1 - config.wrong_accept)) if len(hidden) else 0.0
    lenient = float(np.quantile(seen, 1 - config.least_recall)) if len(seen) else 1.0
    return float(np.clip(min(strict, lenient) + 1e-9, 1e-6, 1 - 1e-6))


def _covariance(answers: Answers, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Factor and floor by which the heat maps' covariance explains the errors of right answers.

    The likeliest under a Gaussian.
    """
    offset, covariance = answers.offset[right], answers.covariance[right]
    if len(offset) < 10:
        return 1.0, 1.0

    def loss(w: FloatArray) -> float:
        full = covariance * np.exp(w[0]) + np.eye(2) * np.exp(2 * w[1])
        square = np.einsum("ni,nij,nj->n", offset, np.linalg.inv(full), offset)
        return float((np.linalg.slogdet(full)[1] + square).mean())

    found = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return float(np.exp(found[0])), float(np.exp(found[1]))


def _answers(
    detector: LearnedDetector,
    clicked: Pack,
    first: int,
    pack: Pack,
    view: int,
    config: CalibrationConfig,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    thing = clicked.things[first]
    category, instance = named_as_in(pack, clicked, first)
    count = int(thing["count"])
    clicks = rng.permutation(count)[: config.points]
    shot, query = frame_of(clicked, int(thing["view"])), frame_of(pack, view)
    detector.forget()
    pixels = thing["point_pixel"][clicks].astype(float).tolist()
    shots = [Annotation(f"p{n}", u, v, shot) for n, (u, v) in enumerate(pixels)]
    detector.enroll(shots)
    familiarity = [detector.familiarity(one) for one in shots]
    windows, evidence = detector.evidence(query)
    rows = []
    in_view = np.flatnonzero(pack.things["view"] == view)
    absent = not (pack.things["category"][in_view] == category).any()
    for w, window in enumerate(windows):
        shown = thing_in(pack, in_view, window)
        present = shown is not None and pack.things[shown]["category"] == category
        truth = carry(clicked, first, pack, int(shown)) if present and shown is not None else None
        for n, click in enumerate(clicks):
            rows.append(_row(evidence, w, n, window, truth, int(click), bool(present)))
            rows[-1]["same"] = bool(present and pack.things[shown]["instance"] == instance)
            rows[-1]["absent"] = absent
            rows[-1]["familiarity"] = familiarity[n]
    return rows


def _row(
    evidence: Evidence,
    w: int,
    n: int,
    window: Window,
    truth: Any,
    click: int,
    present: bool,
) -> dict[str, Any]:
    offset = np.full(2, np.nan)
    if truth is not None and truth.known[click]:
        offset = window.crop.to_crop(truth.pixels[click]) - evidence.pixels[w, n]
    return {
        **{f"fact:{name}": float(value[w, n]) for name, value in evidence.facts.items()},
        "error_px": float(np.hypot(*offset)),
        "covariance": evidence.covariances[w, n],
        "offset": offset,
        "present": present,
        "seen": bool(truth is not None and truth.visible[click]),
        "scale": window.crop.scale,
    }


def thing_in(pack: Pack, in_view: Sequence[int] | NDArray[Any], window: Window) -> int | None:
    """Number of the thing that a window is around; None if there is none."""
    side = window.crop.side / ZOOM
    mine = (
        window.crop.u - side / 2, window.crop.v - side / 2,
        window.crop.u + side / 2, window.crop.v + side / 2,
    )  # fmt: skip
    best, most = None, 0.25
    for number in in_view:
        u0, v0, u1, v1 = pack.things[number]["box"].tolist()
        across = min(u1, mine[2]) - max(u0, mine[0])
        down = min(v1, mine[3]) - max(v0, mine[1])
        if across <= 0 or down <= 0:
            continue
        both = (u1 - u0) * (v1 - v0) + side**2 - across * down
        # The box is long and thin where the window is square: the share of the box counts more.
        share = across * down / max(min((u1 - u0) * (v1 - v0) * 2, both), 1e-9)
        near = np.hypot((u0 + u1) / 2 - window.crop.u, (v0 + v1) / 2 - window.crop.v)
        if share > most and near < 0.3 * window.crop.side:
            best, most = int(number), share
    return best


def frame_of(pack: Pack, view: int) -> RGBDFrame:
    """A view of a pack as a frame."""
    counts = pack.depth[view]
    height, width = counts.shape
    depth = np.where(counts > 0, counts * np.float32(pack.depth_unit), np.nan).astype(np.float32)
    camera = CameraIntrinsics(width, height, *pack.views[view]["intrinsics"].tolist())
    return RGBDFrame(np.array(pack.color[view]), depth, camera, view, "camera")
