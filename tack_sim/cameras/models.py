# SPDX-License-Identifier: Apache-2.0
"""The RealSense cameras of the cell: imagers, where they sit, their noise, rates and frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_sim import depth_noise
from tack_sim.depth_noise import StereoNoise

FloatArray = NDArray[np.float64]

_WINDOW_MARGIN = 8  # px, more than the depth noise moves edges

# An optical frame has x right, y down, z forward; the frame of its imager x forward, y left, z up.
IMAGER_FROM_OPTICAL = geometry.make_transform([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], (0, 0, 0))


@dataclasses.dataclass(frozen=True)
class FrameNames:
    """TF frames of one camera, named as realsense-ros names them.

    Attributes:
        link: base of the camera; it is the frame of the left imager.
        depth, color: the imagers, x forward and z up.
        depth_optical, color_optical: the same with z forward, those of the images.
    """

    link: str
    depth: str
    depth_optical: str
    color: str
    color_optical: str


@dataclasses.dataclass(frozen=True, eq=False)
class CameraModel:
    """An RGB-D camera with a colour and a depth imager.

    Attributes:
        name: d435, d405.
        color, depth: the imagers, without distortion (depth cameras rectify, and the colour image
            of a D4xx has next to none).
        color_from_depth: (4, 4) between the two optical frames, m.
        noise: of the depth, as measured on the depth imager's own grid.
        rate: images per second.
    """

    name: str
    color: CameraIntrinsics
    depth: CameraIntrinsics
    color_from_depth: FloatArray
    noise: StereoNoise
    rate: float = 30.0

    @property
    def coincident(self) -> bool:
        """Whether colour and depth see through the same lens on the same pixel grid."""
        same_place = bool(np.array_equal(self.color_from_depth, np.eye(4)))
        return same_place and self.color == self.depth

    def scaled(self, width: int, height: int) -> CameraModel:
        """The camera read out at another resolution: same view, same error in metres.

        Several native pixels become one, so disparities and everything that is stated in pixels
        shrink, the finest step included.
        """
        depth = self.depth.scaled(width, height)
        return dataclasses.replace(
            self,
            color=self.color.scaled(width, height),
            depth=depth,
            noise=self.noise.scaled(depth.fx / self.depth.fx),
        )

    def depth_window(self, nearest: float) -> tuple[CameraIntrinsics, int]:
        """The part of the depth imager that the colour imager looks at too.

        Args:
            nearest: depth of the nearest thing, m.

        Returns:
            Its intrinsics, and its first column in the whole imager.
        """
        last = np.array([self.color.width - 0.5, self.color.height - 0.5])
        corners = np.array([(u, v) for u in (-0.5, last[0]) for v in (-0.5, last[1])])
        depth_from_color = geometry.inverse(self.color_from_depth)
        seen = np.concatenate(
            [
                self.depth.project(
                    geometry.apply(depth_from_color, self.color.deproject(corners, np.full(4, z)))
                )
                for z in (nearest, 1e3)
            ]
        )
        size = np.array([self.depth.width, self.depth.height])
        low = np.clip(np.floor(seen.min(axis=0)) - _WINDOW_MARGIN, 0, size - 1).astype(int)
        high = np.clip(np.ceil(seen.max(axis=0)) + _WINDOW_MARGIN + 1, low + 1, size).astype(int)
        window = dataclasses.replace(
            self.depth,
            width=int(high[0] - low[0]),
            height=int(high[1] - low[1]),
            cx=self.depth.cx - int(low[0]),
            cy=self.depth.cy - int(low[1]),
        )
        return window, int(low[0])

    @staticmethod
    def frames(camera: str = "camera") -> FrameNames:
        """The TF frames of the camera of that name."""
        return FrameNames(
            f"{camera}_link",
            f"{camera}_depth_frame",
            f"{camera}_depth_optical_frame",
            f"{camera}_color_frame",
            f"{camera}_color_optical_frame",
        )

    def static_transforms(self, camera: str = "camera") -> Mapping[tuple[str, str], FloatArray]:
        """(parent, child) → (4, 4) parent_from_child of all frames below the camera's link, m."""
        names = self.frames(camera)
        optical = IMAGER_FROM_OPTICAL
        link_from_color_optical = optical @ geometry.inverse(self.color_from_depth)
        link_from_color = link_from_color_optical @ geometry.inverse(optical)
        return {
            (names.link, names.depth): np.eye(4),
            (names.depth, names.depth_optical): optical,
            (names.link, names.color): link_from_color,
            (names.color, names.color_optical): optical,
        }

    def optical_from_link(self) -> FloatArray:
        """(4, 4) colour optical frame ← the camera's link, m."""
        return self.color_from_depth @ geometry.inverse(IMAGER_FROM_OPTICAL)


# The colour imager sits 15 mm beside the left infrared one and is turned by a fraction of a degree,
# as in the calibrations that D435s report.
_D435_COLOR_FROM_DEPTH = geometry.from_axis_angle((0.3, 1.0, 0.2), 0.004, (0.0148, 0.0001, 0.0003))

D435 = CameraModel(
    "d435",
    CameraIntrinsics(640, 480, 615.4, 615.1, 321.7, 238.9),
    depth_noise.D435_INTRINSICS,
    _D435_COLOR_FROM_DEPTH,
    depth_noise.D435,
)
D405 = CameraModel(
    "d405",
    depth_noise.D405_INTRINSICS,
    depth_noise.D405_INTRINSICS,
    np.eye(4),
    depth_noise.D405,
)
CAMERA_MODELS: Mapping[str, CameraModel] = {model.name: model for model in (D435, D405)}


def camera_model(name: str) -> CameraModel:
    """The camera of that name.

    Raises:
        InvalidInputError: unknown; names those that exist.
    """
    if name not in CAMERA_MODELS:
        raise InvalidInputError(f"camera {name!r}: there are {', '.join(CAMERA_MODELS)}")
    return CAMERA_MODELS[name]
