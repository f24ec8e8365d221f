# SPDX-License-Identifier: Apache-2.0
"""The cell in 3D: robot, furniture, objects, and everything that was seen, found and planned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.viewer.cloud import Cloud
from tack_cli.cell.viewer.meshes import body_glb
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.robot import CameraMount
from tack_perception import geometry
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.overlay import AXIS_COLORS, Color
from tack_sim.cell.build import build_cell
from tack_sim.cell.furniture import FLOOR
from tack_sim.cell.layout import CellLayout
from tack_sim.renderer import import_mujoco
from tack_sim.robots.spec import set_joints

if TYPE_CHECKING:
    import viser

FloatArray = NDArray[np.float64]

CLICK, FOUND, PLAN = (222, 60, 122), (240, 140, 0), (44, 108, 230)
"""RGB of the click, of the point that was found again, and of what is planned."""

_ROOT = "/cell"
_STAND, _LOOK_AT = (1.75, 1.15, 0.92), (0.36, 0.0, 0.27)
_FOV = math.radians(36)
_SUN = (0.15, 1.20, 1.80)  # from the side of who looks: shadows show how high things are
_SKY = (248, 249, 251), (214, 220, 228)  # RGB at the top and at the bottom
_SIGMAS = 2.0
_PINS = {"click": 0.07, "found": 0.15}  # height of a label over its point, m
_FINGER = 0.045  # of the drawn gripper, m
_FRUSTUM = 0.05  # from the camera to the image that it holds, m


class CellScene:
    """Shows a cell in a browser. Methods may be called from any thread.

    Args:
        server: of the page.
        layout: what stands where.
        camera: name of the profile's camera whose images are shown.
        meshes: whether the robot has its good-looking meshes; None: where they are installed.

    Attributes:
        model: mujoco.MjModel that is shown.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        layout: CellLayout,
        camera: CameraMount,
        *,
        meshes: bool | None = None,
    ) -> None:
        self._server, self._scene = server, server.scene
        self.model = build_cell(layout, meshes=meshes)
        self._paths = _paths(self.model)
        self._bodies: dict[str, Any] = {}
        self._pieces: dict[str, list[Any]] = {}
        self._camera = camera
        self._frustum: Any = None
        self._cloud: Any = None
        self._look_from(_STAND, _LOOK_AT)
        self._add_bodies(layout)

    def _look_from(self, stand: tuple[float, ...], target: tuple[float, ...]) -> None:
        scene = self._scene
        scene.set_up_direction("+z")
        scene.configure_environment_map("warehouse", environment_intensity=0.5)
        scene.configure_default_lights(enabled=False)
        scene.add_light_directional(
            f"{_ROOT}/sun", intensity=1.7, cast_shadow=True, position=_SUN, color=(255, 248, 238)
        )
        scene.set_background_image(_backdrop())
        view = self._server.initial_camera
        view.position, view.look_at, view.fov = np.array(stand), np.array(target), _FOV

    def _add_bodies(self, layout: CellLayout) -> None:
        mujoco, model = import_mujoco(), self.model
        data = mujoco.MjData(model)
        set_joints(model, data, layout.profile)
        mujoco.mj_kinematics(model, data)
        for body in range(1, model.nbody):
            name = model.body(body).name
            pose = _parent_from_body(model, data, body)
            place = _placed(pose)
            glb = None if name == FLOOR else body_glb(model, body)
            if glb is None:
                handle: Any = self._scene.add_frame(self._paths[name], show_axes=False, **place)
            else:
                handle = self._scene.add_glb(self._paths[name], glb, **place)
            self._bodies[name] = handle

    def move(self, parent_from_body: Mapping[str, FloatArray]) -> None:
        """Put bodies elsewhere: name → (4, 4) in the frame of its parent body, m."""
        with self._server.atomic():
            for name, pose in parent_from_body.items():
                place = _placed(pose)
                self._bodies[name].position = place["position"]
                self._bodies[name].wxyz = place["wxyz"]

    def show_image(self, frame: RGBDFrame, picture: NDArray[np.uint8], cloud: Cloud | None) -> None:
        """What the camera sees: a picture in its frustum, and its points in the cell.

        Args:
            frame: image and intrinsics.
            picture: (H, W, 3) uint8 RGB, to be shown for the image.
            cloud: of the same frame; None where the camera's pose is not known.
        """
        if self._frustum is None:
            self._add_frustum(frame)
        self._frustum.image = picture
        if cloud is None:
            return
        place = _placed(cloud.base_from_camera)
        if self._cloud is None:
            self._cloud = self._scene.add_point_cloud(
                f"{_ROOT}/cloud", cloud.points, cloud.colors, point_size=0.0028,
                point_shape="circle", precision="float32", point_shading="flat",
            )  # fmt: skip
        with self._server.atomic():
            self._cloud.points, self._cloud.colors = cloud.points, cloud.colors
            self._cloud.position, self._cloud.wxyz = place["position"], place["wxyz"]

    def _add_frustum(self, frame: RGBDFrame) -> None:
        mount, intrinsics = self._camera, frame.intrinsics
        self._frustum = self._scene.add_camera_frustum(
            f"{self._paths[mount.parent]}/{mount.name}_view",
            fov=2 * math.atan(intrinsics.height / 2 / intrinsics.fy),
            aspect=intrinsics.width / intrinsics.height,
            scale=_FRUSTUM,
            thickness=0.0012,
            color=(60, 66, 78),
            image=np.asarray(frame.color),
            cast_shadow=False,
            **_placed(mount.parent_from_optical),
        )

    def show_cloud(self, visible: bool) -> None:
        """Show or hide the points that the camera sees."""
        if self._cloud is not None:
            self._cloud.visible = visible

    def show_click(self, label: str, position: FloatArray) -> None:
        """Mark the clicked point: (3,) in the base frame, m."""
        self._mark("click", position, f"click: {label}", CLICK)

    def show_keypoint(self, keypoint: Keypoint, base_from_camera: FloatArray) -> None:
        """Mark the point that was found, with the ellipsoid of two sigma."""
        if keypoint.xyz is None or keypoint.xyz_covariance is None:
            return
        position = geometry.apply(base_from_camera, keypoint.xyz)
        covariance = geometry.rotate_covariance(base_from_camera, keypoint.xyz_covariance)
        radii, axes = ellipsoid(covariance)
        text = f"{keypoint.label} {keypoint.confidence:.2f}"
        self._mark("found", position, text, FOUND)
        pose = geometry.make_transform(axes, position)
        self._pieces["found"].append(
            self._scene.add_icosphere(
                f"{_ROOT}/found/ellipsoid", 1.0, FOUND, scale=tuple(radii), opacity=0.45,
                cast_shadow=False, **_placed(pose),
            )
        )  # fmt: skip

    def show_goal(self, goal: PickPlaceGoal) -> None:
        """Draw the planned gripper and its way: to the grasp, up, to the place, and away."""
        self._clear("plan")
        way = np.array([pose[:3, 3] for pose in goal.poses.values()])
        add = self._scene.add_line_segments
        pieces: list[Any] = [
            add(f"{_ROOT}/plan/way", _joined(way), PLAN, thickness=2.5, thickness_units="screen")
        ]
        outline = gripper_outline(goal.width)
        for name, pose in goal.poses.items():
            bold = name in ("grasp", "place")
            points = geometry.apply(pose, outline)
            color = PLAN if bold else (150, 178, 232)
            pieces.append(
                add(
                    f"{_ROOT}/plan/{name}", points, color,
                    thickness=4.5 if bold else 1.8, thickness_units="screen",
                )
            )  # fmt: skip
        pieces.append(self._axes(goal.grasp))
        if goal.place is not None:
            pieces.append(self._text("plan/place_label", goal.place, "place"))
        self._pieces["plan"] = pieces

    def _axes(self, pose: FloatArray) -> Any:
        ends = geometry.apply(pose, 0.035 * np.eye(3))
        points = np.stack([np.repeat(pose[None, :3, 3], 3, axis=0), ends], axis=1)
        colors = np.repeat(np.array(AXIS_COLORS, np.uint8)[:, None], 2, axis=1)
        return self._scene.add_line_segments(
            f"{_ROOT}/plan/axes", points, colors, thickness=4.0, thickness_units="screen"
        )

    def _text(self, path: str, pose: FloatArray, text: str) -> Any:
        place = geometry.apply(pose, (0.0, 0.0, -2.0 * _FINGER))
        return self._scene.add_label(
            f"{_ROOT}/{path}", text, position=place, anchor="bottom-center", font_screen_scale=0.85
        )

    def _mark(self, name: str, position: FloatArray, text: str, color: Color) -> None:
        """A point on a pin, with words on its top."""
        self._clear(name)
        top = np.add(position, (0.0, 0.0, _PINS[name]))
        path = f"{_ROOT}/{name}"
        self._pieces[name] = [
            self._scene.add_icosphere(
                f"{path}/point", 0.0035, color, position=position, cast_shadow=False
            ),
            self._scene.add_line_segments(
                f"{path}/pin", np.array([[position, top]]), color, thickness=2.0,
                thickness_units="screen",
            ),
            self._scene.add_label(f"{path}/label", text, position=top, anchor="bottom-center"),
        ]  # fmt: skip

    def _clear(self, name: str) -> None:
        for piece in self._pieces.pop(name, ()):
            piece.remove()


def ellipsoid(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(3,) half axes of two sigma, m, and (3, 3) rotation whose columns are their directions."""
    values, axes = np.linalg.eigh(covariance)
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    return _SIGMAS * np.sqrt(np.clip(values, 1e-10, None)), axes


def gripper_outline(opening: float) -> FloatArray:
    """(4, 2, 3) line segments of an open gripper in its own frame, m."""
    half = opening / 2
    fingers = [(0, -half, 0), (0, -half, -_FINGER), (0, half, -_FINGER), (0, half, 0)]
    wrist = [(0, 0, -_FINGER), (0, 0, -1.8 * _FINGER)]
    segments: FloatArray = np.concatenate([_joined(np.array(fingers)), _joined(np.array(wrist))])
    return segments


def _joined(points: FloatArray) -> FloatArray:
    """(N - 1, 2, 3) segments from each of (N, 3) points to the next."""
    return np.stack([points[:-1], points[1:]], axis=1).astype(np.float64)


def _backdrop() -> NDArray[np.uint8]:
    """(256, 8, 3) uint8 RGB: light, so that labels are legible, but darker than a white robot."""
    fraction = np.linspace(0, 1, 256)[:, None, None]
    top, bottom = np.array(_SKY, dtype=np.float64)
    picture = top + fraction * (bottom - top)
    return np.broadcast_to(np.rint(picture), (256, 8, 3)).astype(np.uint8)


def _paths(model: Any) -> dict[str, str]:
    """Body → its place in the tree of the page, which is that of the model."""
    paths: dict[int, str] = {0: _ROOT}
    for body in range(1, model.nbody):
        paths[body] = f"{paths[int(model.body_parentid[body])]}/{model.body(body).name}"
    return {model.body(body).name: path for body, path in paths.items() if body}


def _parent_from_body(model: Any, data: Any, body: int) -> FloatArray:
    parent = _pose(data, int(model.body_parentid[body]))
    return geometry.inverse(parent) @ _pose(data, body)


def _pose(data: Any, body: int) -> FloatArray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = data.xmat[body].reshape(3, 3), data.xpos[body]
    return pose


def _placed(pose: FloatArray) -> dict[str, Any]:
    """A pose (4, 4) in viser's words."""
    x, y, z, w = geometry.to_quaternion(pose)
    return {"position": pose[:3, 3].astype(float), "wxyz": np.array([w, x, y, z])}
