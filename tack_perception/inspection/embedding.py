# SPDX-License-Identifier: Apache-2.0
"""A map of the space of codes or descriptors: its main directions, and who lies beside whom."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from tack_perception.errors import InvalidInputError
from tack_perception.inspection.album import FloatArray
from tack_perception.inspection.look import HEADS, Look

POINTS = 120
"""Of each picture."""

_MOST = 3000  # in all: each is compared with each


@dataclasses.dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Points of the objects, where a head puts them.

    Attributes:
        head: tack or don.
        axes: (M, 3) float32 along the three principal components; the largest value is 1.
        explained: (3,) share of the variance that each of them holds.
        picture: (M,) int, number of the picture that a point was taken from.
        pixels: (M, 2) px there.
        places: (M, 3) float32 on the reference instance, m; NaN where it is not known.
        neighbour: median distance on the object, in a straight line, from a point to its nearest
            neighbour in the space among the points of other instances, as a share of the box's
            diagonal; NaN where nothing is known.
        nearest: the same for the neighbour that a perfect space would give: the nearest there is.
        chance: the same for a random point of another instance.
    """

    head: str
    axes: NDArray[np.float32]
    explained: FloatArray
    picture: NDArray[np.int64]
    pixels: FloatArray
    places: NDArray[np.float32]
    neighbour: float
    nearest: float
    chance: float


def embedding_map(look: Look, head: str, *, points: int = POINTS, seed: int = 0) -> EmbeddingMap:
    """Map the space of a head.

    Args:
        look: the album as the network sees it.
        head: tack or don.
        points: of each picture, at most, drawn at random on the object; fewer of many pictures.
        seed: of the draw.

    Raises:
        InvalidInputError: no such head, or no picture shows enough of an object.
    """
    if head not in HEADS:
        raise InvalidInputError(f"head {head!r}: {' or '.join(HEADS)}")
    rng = np.random.default_rng(seed)
    vectors, numbers, pixels, places = [], [], [], []
    points = min(points, _MOST // len(look.album.pictures))
    for number, picture in enumerate(look.album.pictures):
        rows, columns = np.nonzero(picture.known if picture.known.any() else picture.mask)
        some = rng.permutation(len(rows))[:points]
        if not len(some):
            continue
        at = np.stack([columns[some], rows[some]], axis=1).astype(np.float64)
        vectors.append(look.embedded(head, number, at).double().cpu().numpy())
        numbers.append(np.full(len(some), number))
        pixels.append(at)
        places.append(picture.places[rows[some], columns[some]])
    if sum(map(len, pixels)) < 4:
        raise InvalidInputError(f"{look.album.name}: no picture shows enough of an object to map")
    every, picture_of = np.concatenate(vectors), np.concatenate(numbers)
    where = np.concatenate(places)
    axes, explained = _principal(every)
    neighbour, nearest, chance = _beside(look, every, picture_of, where, rng)
    return EmbeddingMap(
        head, axes, explained, picture_of, np.concatenate(pixels), where, neighbour, nearest, chance
    )


def _principal(vectors: FloatArray) -> tuple[NDArray[np.float32], FloatArray]:
    """(M, 3) along the first principal components, at most 1; (3,) share of the variance."""
    centred = vectors - vectors.mean(axis=0)
    _, strength, directions = np.linalg.svd(centred, full_matrices=False)
    # A direction's sign is arbitrary: its largest entry is made positive, so that runs agree.
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    axes = np.zeros((len(vectors), 3))
    share = np.zeros(3)
    count = min(3, len(strength))
    axes[:, :count] = centred @ directions[:count].T
    share[:count] = strength[:count] ** 2 / max(float((strength**2).sum()), 1e-20)
    return (axes / max(float(np.abs(axes).max()), 1e-12)).astype(np.float32), share


def _beside(
    look: Look,
    vectors: FloatArray,
    picture: NDArray[np.int64],
    places: NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Median distance on the object to the neighbour, the nearest place, and a random one."""
    album = look.album
    owner = np.array([album.instances.index(album.pictures[n].instance) for n in picture])
    known = np.isfinite(places).all(axis=1)
    if len(set(owner[known].tolist())) < 2:
        return (float("nan"),) * 3
    vectors, places, owner = vectors[known], places[known].astype(np.float64), owner[known]
    other = owner[:, None] != owner
    apart, away = cdist(places, places), cdist(vectors, vectors)
    rows = np.arange(len(vectors))
    beside = np.where(other, away, np.inf).argmin(axis=1)
    anyone = np.where(other, rng.random(other.shape), np.inf).argmin(axis=1)
    best = np.where(other, apart, np.inf).min(axis=1)
    medians = (np.median(apart[rows, beside]), np.median(best), np.median(apart[rows, anyone]))
    one, two, three = (float(value) / album.diagonal for value in medians)
    return one, two, three
