# SPDX-License-Identifier: Apache-2.0
"""RVL, the run-length and variable-length code for 16-bit depth (Wilson, ISS 2017).

The stream is a sequence of non-negative numbers: the length of a run of zeros, the length of a run
of other values, then those values as differences to the value before, zigzag-coded; and so on. A
number is written in groups of 3 bits, low group first, each in a nibble whose high bit says that
another group follows. Nibbles fill 32-bit little-endian words from the top.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import InvalidInputError

_LONGEST = 11  # nibbles of a number of 32 bits


def decode(stream: NDArray[np.uint8], size: int) -> NDArray[np.uint16]:
    """Decode `size` pixels.

    Args:
        stream: (N,) uint8; bytes after the last whole word do not count.
        size: number of pixels.

    Returns:
        (size,) uint16.

    Raises:
        InvalidInputError: the stream ends early, or a run goes past the last pixel.
    """
    numbers = _numbers(stream)
    item = numbers.data  # its elements are Python's own ints, several times faster
    pixels = np.zeros(size, np.uint16)
    starts, counts, at = [], [], []
    position = index = 0
    while position < size:
        if index + 2 > numbers.size:
            raise InvalidInputError(f"RVL data ends at pixel {position} of {size}")
        zeros, values = item[index], item[index + 1]
        index += 2
        position += zeros
        if position + values > size or index + values > numbers.size or not zeros + values:
            raise InvalidInputError(
                f"RVL data is damaged at pixel {position} of {size}: a run of {values} values"
            )
        starts.append(index)
        counts.append(values)
        at.append(position)
        index += values
        position += values
    source, target = _ranges(starts, counts), _ranges(at, counts)
    zigzag = numbers[source]
    differences = (zigzag >> 1) ^ -(zigzag & 1)
    pixels[target] = (np.cumsum(differences) & 0xFFFF).astype(np.uint16)
    return pixels


def encode(pixels: NDArray[np.uint16]) -> bytes:
    """Encode 16-bit pixels; the inverse of `decode`.

    Args:
        pixels: any shape, read in C order.
    """
    flat = pixels.reshape(-1)
    known = flat != 0
    edges = np.flatnonzero(np.diff(known, prepend=False, append=False))
    begins, ends = edges[::2], edges[1::2]
    values = flat[known].astype(np.int64)
    differences = np.diff(values, prepend=0)
    zigzag = (differences << 1) ^ (differences >> 63)
    gaps = begins - np.concatenate([[0], ends[:-1]]) if begins.size else begins
    lengths = ends - begins
    # Each run's two lengths go in front of its first value.
    insert_at = np.repeat(np.cumsum(lengths) - lengths, 2)
    numbers = np.insert(zigzag, insert_at, np.column_stack([gaps, lengths]).reshape(-1))
    tail = flat.size - (int(ends[-1]) if ends.size else 0)
    if tail:
        numbers = np.concatenate([numbers, [tail, 0]])
    return _pack(numbers)


def _numbers(stream: NDArray[np.uint8]) -> NDArray[np.int64]:
    words = stream[: stream.size // 4 * 4].reshape(-1, 4)[:, ::-1].reshape(-1)
    nibbles = np.empty(words.size * 2, np.uint8)
    nibbles[0::2], nibbles[1::2] = words >> 4, words & 0xF
    ends = np.flatnonzero(nibbles < 8)
    if not ends.size:
        return np.empty(0, np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    group = np.arange(int(ends[-1]) + 1) - np.repeat(starts, ends - starts + 1)
    if int(group.max()) >= _LONGEST:
        raise InvalidInputError("RVL data is damaged: a number is longer than 32 bits")
    bits = (nibbles[: group.size].astype(np.int64) & 7) << (3 * group)
    return np.add.reduceat(bits, starts)


def _pack(numbers: NDArray[np.int64]) -> bytes:
    groups = np.maximum(
        1, sum((numbers >> shift > 0).astype(np.int64) for shift in range(0, 33, 3))
    )
    first = np.cumsum(groups) - groups
    order = np.arange(int(groups.sum())) - np.repeat(first, groups)
    more = order < np.repeat(groups, groups) - 1
    nibbles = (np.repeat(numbers, groups) >> (3 * order) & 7 | (more << 3)).astype(np.uint8)
    padded = np.zeros(-(-nibbles.size // 8) * 8, np.uint8)
    padded[: nibbles.size] = nibbles
    packed = (padded[0::2] << 4) | padded[1::2]
    return packed.reshape(-1, 4)[:, ::-1].tobytes()


def _ranges(starts: list[int], counts: list[int]) -> NDArray[np.int64]:
    """The indices start, start + 1, … start + count - 1 of every run, one after the other."""
    lengths = np.array(counts, np.int64)
    before = np.cumsum(lengths) - lengths
    indices: NDArray[np.int64] = np.repeat(np.array(starts, np.int64) - before, lengths)
    indices += np.arange(indices.size)
    return indices
