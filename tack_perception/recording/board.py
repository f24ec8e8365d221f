# SPDX-License-Identifier: Apache-2.0
"""Where a camera was, by a printed board of known size that it sees: ChArUco or AprilTag."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.errors import ConfigurationError
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]
_FEWEST_CORNERS = 6
_WORST_PX = 3.0  # a pose whose corners are farther off is not believed
_FORMS = (
    "charuco:COLUMNSxROWS:SQUARE_M:MARKER_M:DICTIONARY, as charuco:7x5:0.03:0.022:DICT_4X4_50, or"
    " tag:ID:SIDE_M:DICTIONARY, as tag:0:0.08:DICT_APRILTAG_36h11"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Board:
    """A board; its frame is the world: origin in its first corner, z out of it.

    Attributes:
        text: as it was asked for.
        squares: columns and rows of a ChArUco board; None for a single tag.
        side_m: of a square, or of the tag.
        marker_m: of a ChArUco board's markers.
        dictionary: name of OpenCV's, with DICT_.
        tag: number of the tag.
    """

    text: str
    squares: tuple[int, int] | None
    side_m: float
    marker_m: float
    dictionary: str
    tag: int = 0

    @classmethod
    def parse(cls, text: str) -> Board:
        """A board from its description.

        Raises:
            ConfigurationError: it is none; says what is expected.
        """
        kind, *words = text.split(":")
        try:
            if kind == "charuco":
                size, side, marker, name = words
                columns, rows = (int(word) for word in size.split("x"))
                made = cls(text, (columns, rows), float(side), float(marker), name)
            elif kind == "tag":
                number, side, name = words
                made = cls(text, None, float(side), 0.0, name, int(number))
            else:
                raise ValueError
        except ValueError:
            raise ConfigurationError(f"board {text!r}: {_FORMS} is expected") from None
        made._check()
        return made

    def world_from_camera(self, frame: RGBDFrame) -> FloatArray | None:
        """(4, 4) m; None where the board is not seen, or not well enough."""
        grey = np.asarray(cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY), np.uint8)
        corners = self._tag_corners(grey) if self.squares is None else self._corners(grey)
        if corners is None:
            return None
        places, pixels = corners
        matrix = frame.intrinsics.matrix
        flags = cv2.SOLVEPNP_IPPE_SQUARE if self.squares is None else cv2.SOLVEPNP_ITERATIVE
        ok, turn, shift = cv2.solvePnP(places, pixels, matrix, None, flags=flags)
        if not ok:
            return None
        told = cv2.projectPoints(places, turn, shift, matrix, None)[0].reshape(-1, 2)
        if np.sqrt(((told - pixels) ** 2).sum(axis=1).mean()) > _WORST_PX:
            return None
        return geometry.inverse(geometry.make_transform(cv2.Rodrigues(turn)[0], shift.ravel()))

    def _check(self) -> None:
        if not hasattr(cv2.aruco, self.dictionary) or not self.dictionary.startswith("DICT_"):
            known = ", ".join(n for n in dir(cv2.aruco) if n.startswith("DICT_"))
            raise ConfigurationError(f"board {self.text!r}: dictionaries are {known}")
        if self.side_m <= 0 or self.tag < 0:
            raise ConfigurationError(f"board {self.text!r}: {_FORMS} is expected")
        if self.squares is not None and (
            min(self.squares) < 2 or not 0 < self.marker_m < self.side_m
        ):
            raise ConfigurationError(
                f"board {self.text!r}: two squares or more each way, and markers that are smaller"
                " than the squares"
            )

    def _dictionary(self) -> Any:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    def charuco(self) -> Any:
        """OpenCV's board, of a ChArUco board."""
        assert self.squares is not None
        return cv2.aruco.CharucoBoard(self.squares, self.side_m, self.marker_m, self._dictionary())

    def _corners(self, grey: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray] | None:
        board = self.charuco()
        corners, numbers, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
        if numbers is None or len(numbers) < _FEWEST_CORNERS:
            return None
        places = np.asarray(board.getChessboardCorners(), np.float64)[numbers.ravel()]
        return places, corners.reshape(-1, 2).astype(np.float64)

    def _tag_corners(self, grey: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray] | None:
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        found, numbers, _ = cv2.aruco.ArucoDetector(self._dictionary(), parameters).detectMarkers(
            grey
        )
        if numbers is None or self.tag not in numbers.ravel():
            return None
        pixels = found[int(np.flatnonzero(numbers.ravel() == self.tag)[0])].reshape(4, 2)
        half = self.side_m / 2
        places = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
        return places, pixels.astype(np.float64)
