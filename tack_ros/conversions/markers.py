# SPDX-License-Identifier: Apache-2.0
"""What RViz draws: points with their uncertainty, grippers, paths and words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from numpy.typing import ArrayLike, NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry
from tack_perception.keypoint import Keypoint
from tack_perception.overlay import PALETTE, palette
from tack_ros.conversions.stamps import to_header
from tack_ros.conversions.transforms import to_point, to_pose

FloatArray = NDArray[np.float64]
Color = tuple[int, int, int]

LIFETIME = Duration(sec=1)
"""Markers of results vanish after this when nothing new comes: no stale picture in RViz."""
_SIGMAS = 2.0
_TEXT_M = 0.018
_FINGER_M = 0.045


def keypoint_markers(
    keypoints: Iterable[Keypoint], header: Header, labels: Sequence[str]
) -> MarkerArray:
    """For each lifted point: the 2-sigma ellipsoid, the surface normal and the label.

    Args:
        keypoints: of one frame; those without a position are left out.
        header: stamp and optical frame of the image.
        labels: all labels, in order of enrolment; they fix the colours.
    """
    colors = palette(labels)
    markers: list[Marker] = []
    for number, keypoint in enumerate(keypoints):
        if keypoint.xyz is None or keypoint.xyz_covariance is None:
            continue
        color = colors.get(keypoint.label, PALETTE[0])
        markers.append(_ellipsoid(header, number, keypoint.xyz, keypoint.xyz_covariance, color))
        if keypoint.normal is not None:
            tip = keypoint.xyz + 0.05 * keypoint.normal
            markers.append(_arrow(header, number, "normals", keypoint.xyz, tip, color))
        text = f"{keypoint.label} {keypoint.confidence:.2f}"
        markers.append(label_marker(header, number, keypoint.xyz, text, color))
    return MarkerArray(markers=markers)


def goal_markers(goals: Sequence[PickPlaceGoal], shown: int = 3) -> MarkerArray:
    """The grippers of the best goals (fainter down the list), and the path of the best one."""
    markers: list[Marker] = []
    for number, goal in enumerate(goals[:shown]):
        header = to_header(goal.stamp_ns, goal.frame_id)
        alpha = 1.0 if number == 0 else 0.3
        markers.append(_gripper(header, number, goal.grasp, goal.width, PALETTE[0], alpha))
    if goals:
        best = goals[0]
        header = to_header(best.stamp_ns, best.frame_id)
        path = _base(header, "path", 0, Marker.LINE_STRIP, PALETTE[1])
        path.scale.x = 0.003
        path.points = [to_point(pose[:3, 3]) for pose in best.poses.values()]
        text = f"{best.label}: {best.score:.2f}"
        above = best.pregrasp[:3, 3]
        markers += [path, label_marker(header, 0, above, text, PALETTE[0], namespace="goal")]
        if best.place is not None:
            markers.append(_gripper(header, 100, best.place, best.width, PALETTE[3], 0.8))
    return MarkerArray(markers=markers)


def click_markers(clicks: Sequence[tuple[str, Header, ArrayLike]]) -> MarkerArray:
    """Clicks that a person made: a ball and a label each, until the next array replaces them.

    Args:
        clicks: label, header and (3,) position in the header's frame, m. A stamp of 0 draws with
            the newest transform, for ever.
    """
    markers = [Marker(action=Marker.DELETEALL)]
    colors = palette([label for label, _, _ in clicks])
    for number, (label, header, xyz) in enumerate(clicks):
        ball = _base(header, "clicks", number, Marker.SPHERE, colors[label], lifetime=Duration())
        ball.pose.position = to_point(xyz)
        ball.scale = Vector3(x=0.012, y=0.012, z=0.012)
        text = label_marker(header, number, xyz, label, colors[label], lifetime=Duration())
        markers += [ball, text]
    return MarkerArray(markers=markers)


def label_marker(
    header: Header,
    number: int,
    xyz: ArrayLike,
    text: str,
    color: Color,
    *,
    namespace: str = "labels",
    lifetime: Duration = LIFETIME,
) -> Marker:
    """Words that face the viewer, just above a point."""
    marker = _base(header, namespace, number, Marker.TEXT_VIEW_FACING, color, lifetime=lifetime)
    marker.pose.position = to_point(xyz)
    marker.pose.position.z += _TEXT_M
    marker.scale.z = _TEXT_M
    marker.text = text
    return marker


def _ellipsoid(
    header: Header, number: int, xyz: FloatArray, covariance: FloatArray, color: Color
) -> Marker:
    variances, axes = np.linalg.eigh(covariance)
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    marker = _base(header, "points", number, Marker.SPHERE, color, alpha=0.7)
    marker.pose = to_pose(geometry.make_transform(axes, xyz))
    # Diameters; never so small that the point cannot be seen.
    size = [max(2 * _SIGMAS * math.sqrt(max(v, 0.0)), 0.004) for v in variances]
    marker.scale = Vector3(x=size[0], y=size[1], z=size[2])
    return marker


def _arrow(
    header: Header, number: int, namespace: str, start: ArrayLike, tip: ArrayLike, color: Color
) -> Marker:
    marker = _base(header, namespace, number, Marker.ARROW, color)
    marker.points = [to_point(start), to_point(tip)]
    marker.scale = Vector3(x=0.003, y=0.007, z=0.01)
    return marker


def _gripper(
    header: Header,
    number: int,
    frame_from_gripper: FloatArray,
    width: float,
    color: Color,
    alpha: float,
) -> Marker:
    """A parallel gripper as lines: two fingers, the bar between them and the wrist."""
    half, back = width / 2, -_FINGER_M
    corners = np.array(
        [
            [0, -half, 0], [0, -half, back],
            [0, half, 0], [0, half, back],
            [0, -half, back], [0, half, back],
            [0, 0, back], [0, 0, 2 * back],
        ]
    )  # fmt: skip
    marker = _base(header, "grippers", number, Marker.LINE_LIST, color, alpha=alpha)
    marker.scale.x = 0.004
    marker.points = [to_point(p) for p in geometry.apply(frame_from_gripper, corners)]
    return marker


def _base(
    header: Header,
    namespace: str,
    number: int,
    kind: int,
    color: Color,
    *,
    alpha: float = 1.0,
    lifetime: Duration = LIFETIME,
) -> Marker:
    red, green, blue = (channel / 255 for channel in color)
    marker = Marker(
        header=header,
        ns=namespace,
        id=number,
        type=kind,
        action=Marker.ADD,
        color=ColorRGBA(r=red, g=green, b=blue, a=alpha),
        lifetime=lifetime,
    )
    marker.pose.orientation.w = 1.0
    marker.points = list[Point]()
    return marker
