# SPDX-License-Identifier: Apache-2.0
"""What the page asks, and the answers: plain values in, plain values out, no HTTP."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_cli.inspection.shelf import Shelf
from tack_cli.report.pictures import jpeg
from tack_perception.errors import InvalidInputError
from tack_perception.inspection.album import SHARP, FloatArray
from tack_perception.inspection.embedding import embedding_map
from tack_perception.inspection.interpolation import BOUND, measure
from tack_perception.inspection.look import Look, glow
from tack_perception.inspection.saliency import saliency, shown
from tack_perception.inspection.suggest import suggested
from tack_perception.inspection.ways import WAYS, between

MOST_STEPS, MOST_TRIALS = 33, 400
_LEVELS = 32767  # of a descriptor's numbers


class Api:
    """Answers the page.

    Args:
        shelf: the albums.

    All methods raise InvalidInputError, with a sentence for a person, for what cannot be answered.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def about(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The model and the names of the albums."""
        config = self.shelf.model.config
        return {
            "model": self.shelf.title, "data": self.shelf.source.resolve().name,
            "first": self.shelf.first,
            "truth": self.shelf.truth, "classes": list(self.shelf.names), "code": config.code,
            "descriptor": config.descriptor, "heads": list(config.heads), "bound": BOUND,
        }  # fmt: skip

    def album(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What one album holds, and where to begin."""
        look = self._look(asked)
        album, model = look.album, look.model
        start, ends = suggested(album)
        dense = "don" in look.heads
        return {
            "name": album.name, "size": model.config.crop_px, "stride": model.stride,
            "sharp": SHARP, "heads": list(look.heads), "far": look.far if dense else None,
            "unit": dense and look.don.normalise,
            "known": album.box is not None, "symmetric": album.symmetric,
            "instances": list(album.instances),
            "pictures": [
                {"instance": one.instance, "view": one.view, "named": _places(one.named)}
                for one in album.pictures
            ],
            "start": {"picture": start, "ends": _rounded(ends)},
        }  # fmt: skip

    def point(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Of a click: its code, and TACK's heat and answer on every picture."""
        look = self._look(asked)
        number, pixel = _click(look, asked)
        code = look.codes(number, [pixel])
        answers = look.find(code)
        truth = look.album.truth(number, pixel)
        return {
            "code": _rounded(code[0].cpu().numpy(), 3),
            "heat": _packed(np.rint(255 * glow(answers.heat[:, 0])), "u1"),
            "shape": list(answers.heat.shape[-2:]),
            "pixels": _rounded(answers.pixels[:, 0]),
            "share": _rounded(answers.share[:, 0], 3), "seen": _rounded(answers.seen[:, 0], 3),
            "truth": [None if place is None else _rounded(place) for place in truth],
        }  # fmt: skip

    def saliency(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Of a click: where on the picture `on` TACK's answer comes from."""
        look = self._look(asked)
        number, pixel = _click(look, asked)
        found = saliency(look, _whole(asked, "on"), look.codes(number, [pixel])[0])
        return {
            "map": _packed(np.rint(shown(found.map) * 255), "u1"), "pixel": _rounded(found.pixel),
            "reach": round(found.reach, 2), "on_object": round(found.on_object, 3),
            "area": round(found.area, 3),
        }  # fmt: skip

    def path(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Of two clicks: where the codes between theirs are, on every picture."""
        look = self._look(asked)
        number, first = _click(look, asked)
        last = look.album.picture(number).check([_number(asked, "u2"), _number(asked, "v2")])
        steps = _whole(asked, "steps", 9)
        if not 2 <= steps <= MOST_STEPS:
            raise InvalidInputError(f"steps = {steps}: 2 to {MOST_STEPS} are expected")
        codes = between(look, number, np.stack([first, last]), steps, _way(asked))
        answers = look.find(codes)
        return {"pixels": _rounded(answers.pixels), "seen": _rounded(answers.seen, 3)}

    def spread(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """How much interpolated codes spread over instances, against clicked points."""
        trials = _whole(asked, "trials", 40)
        if not 1 <= trials <= MOST_TRIALS:
            raise InvalidInputError(f"trials = {trials}: 1 to {MOST_TRIALS} are expected")
        found = measure(self._look(asked, wide=True), trials, way=_way(asked))
        figures: dict[str, Any] = finite(dataclasses.asdict(found))
        return figures

    def map(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The map of the space of a head."""
        look = self._look(asked)
        found = embedding_map(look, str(asked.get("head", "tack")))
        drawn: dict[str, Any] = finite({
            "head": found.head, "axes": _rounded(found.axes, 4),
            "explained": _rounded(found.explained, 3), "picture": found.picture.tolist(),
            "pixels": _rounded(found.pixels), "colors": look.album.colors(found.places).tolist(),
            "neighbour": found.neighbour, "nearest": found.nearest, "chance": found.chance,
        })  # fmt: skip
        return drawn

    def picture(self, asked: Mapping[str, Any]) -> bytes:
        """JPEG of a picture."""
        look = self._look(asked)
        return jpeg(look.album.picture(_whole(asked, "picture")).sharp)

    def places(self, asked: Mapping[str, Any]) -> bytes:
        """PNG with alpha of the colours of the true places that a picture shows."""
        album = self._look(asked).album
        picture = album.picture(_whole(asked, "picture"))
        colors = album.colors(picture.places)
        alpha = (255 * picture.known).astype(np.uint8)
        bgra = np.dstack([colors[..., ::-1], alpha])
        done, data = cv2.imencode(".png", bgra)
        assert done
        return bytes(data)

    def descriptors(self, asked: Mapping[str, Any]) -> bytes:
        """Of all pictures: float32 step of a level, then (N, h, w, D) int16 levels.

        Both little-endian.
        """
        maps = self._look(asked).descriptors.permute(0, 2, 3, 1).float().cpu().numpy()
        step = max(float(np.abs(maps).max()), 1e-12) / _LEVELS
        levels: bytes = np.rint(maps / step).astype("<i2").tobytes()
        return struct.pack("<f", step) + levels

    def _look(self, asked: Mapping[str, Any], *, wide: bool = False) -> Look:
        return self.shelf.look(str(asked.get("class", "")), wide=wide)


def read_body(content: bytes) -> dict[str, Any]:
    """The JSON object that a page sent.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"the request is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInputError('the request must be a JSON object, such as {"class": "shoe"}')
    return value


def finite(value: Any) -> Any:
    """The same without numbers that JSON does not know: None in their place."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list) else value


def _click(look: Look, asked: Mapping[str, Any]) -> tuple[int, FloatArray]:
    number = _whole(asked, "picture")
    return number, look.album.picture(number).check([_number(asked, "u"), _number(asked, "v")])


def _way(asked: Mapping[str, Any]) -> str:
    return str(asked.get("way", WAYS[0]))


def _number(asked: Mapping[str, Any], name: str) -> float:
    value = asked.get(name)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise InvalidInputError(f"{name} = {value!r}: a number is expected")
    return number


def _whole(asked: Mapping[str, Any], name: str, otherwise: int | None = None) -> int:
    if name not in asked and otherwise is not None:
        return otherwise
    number = _number(asked, name)
    if number != int(number):
        raise InvalidInputError(f"{name} = {number}: a whole number is expected")
    return int(number)


def _places(named: Mapping[str, FloatArray]) -> dict[str, Any]:
    return {name: _rounded(place) for name, place in named.items()}


def _rounded(values: NDArray[np.floating], digits: int = 2) -> Any:
    return np.round(np.asarray(values, np.float64), digits).tolist()


def _packed(values: NDArray[np.floating], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode("ascii")
