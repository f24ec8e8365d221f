# SPDX-License-Identifier: Apache-2.0
"""Settings of the lift."""

from __future__ import annotations

import dataclasses

from tack_perception.configuration import Configuration, setting


@dataclasses.dataclass(frozen=True)
class LiftingConfig(Configuration):
    """How far to search, what counts as one surface, and what the depth camera's noise is.

    The defaults suit an Intel RealSense D435 at 640×480. Lengths in pixels are those of the image
    that is lifted from.
    """

    min_depth_m: float = setting(0.05, "nearest depth to trust", unit="m", low=0.01, high=10)
    max_depth_m: float = setting(4.0, "farthest depth to trust", unit="m", low=0.02, high=100)
    noise_at_1m_m: float = setting(
        0.0042,
        "RMS depth noise of one pixel at 1 m; it grows with the square of the distance"
        " (stereo: sub-pixel noise / (focal length × baseline); D435 0.0042, D405 0.0116)",
        unit="m",
        low=1e-5,
        high=0.2,
    )
    noise_correlation_px: float = setting(
        1.0,
        "standard deviation of the Gaussian that correlates the noise of neighbouring pixels"
        " (times colour focal length / depth focal length where depth was registered)",
        unit="px",
        low=0.1,
        high=5,
    )
    depth_unit_m: float = setting(
        0.001,
        "depth of one count of the sensor (D435 0.001, D405 0.0001)",
        unit="m",
        low=0,
        high=0.1,
    )
    pixel_sigma_px: float = setting(
        0.5, "pixel uncertainty where a keypoint comes without any", unit="px", low=0, high=20
    )
    search_px: float = setting(
        12.0, "how far from the pixel a surface may be", unit="px", low=2, high=60
    )
    fit_px: float = setting(
        8.0, "largest radius of the neighbourhood that is fitted", unit="px", low=3, high=30
    )
    edge_px: float = setting(
        3.0,
        "how far from a silhouette depth can belong to the wrong side of it; within this distance"
        " the nearer surface is taken",
        unit="px",
        low=1,
        high=20,
    )
    color_tolerance: float = setting(
        12.0, "CIE Lab distance at which two colours stop being alike", low=1, high=100
    )
    curvature_radius_m: float = setting(
        0.03,
        "radius of curvature to expect where a surface is continued across a hole",
        unit="m",
        low=0.001,
        high=10,
    )
