# SPDX-License-Identifier: Apache-2.0
"""The wrist camera, moved around an object of the cell: a recording without a robot."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.transforms import TransformBuffer
from tack_sim.cameras.cell_camera import CellCamera
from tack_sim.cameras.look import STEADY, LookConfig
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.world import CellWorld
from tack_sim.robots.kinematics import Kinematics
from tack_sim.robots.spec import set_joints

FloatArray = NDArray[np.float64]
WRIST = "wrist"
_SETTLE_S = 0.6
_PERIOD_NS = 100_000_000
_START_NS = 1_000_000_000
_ATTEMPTS = 3  # to find how the arm holds the camera
_TURNS = (0.0, math.pi / 2, -math.pi / 2, math.pi)


@dataclasses.dataclass(frozen=True)
class OrbitConfig(Configuration):
    """How the camera goes around."""

    views: int = setting(60, "places that it stops at", low=3, high=1000)
    distance_m: tuple[float, ...] = setting(
        (0.32, 0.48), "of the camera from the object", unit="m", low=0.15, high=1.5
    )
    elevation_deg: tuple[float, ...] = setting(
        (35.0, 78.0), "of the camera above the table", unit="°", low=5, high=90
    )
    sweep_deg: float = setting(
        360.0, "how far around; what the arm cannot reach is left out", unit="°", low=10, high=360
    )
    rounds: float = setting(3.0, "how often it goes up and down on its way", low=0, high=100)
    roll_deg: float = setting(
        15.0, "largest turn about the optical axis", unit="°", low=0, high=180
    )
    width: int = setting(640, "of the pictures", unit="px", low=160, high=1280)
    height: int = setting(480, "of the pictures", unit="px", low=120, high=960)
    noise: bool = setting(True, "of a real camera, in colour and depth")
    seed: int = setting(0, "of noise, light and way", low=0)


class CellOrbit:
    """A source of frames: the wrist camera stops at places around the target of a cell.

    Its transforms hold the true poses of the camera in the robot's base frame, and of nothing else.

    Args:
        layout: of the cell.
        config: settings.
        look: from which lights and the imager's answer are drawn.

    Raises:
        DependencyError: MuJoCo or OpenGL is missing.
    """

    def __init__(
        self, layout: CellLayout, config: OrbitConfig | None = None, look: LookConfig = STEADY
    ) -> None:
        self.config, self.layout = config or OrbitConfig(), layout
        self._look = look
        self.drops: Counter[str] = Counter()
        self.transforms: TransformBuffer | None = TransformBuffer(keep_ns=None)
        self.name = f"cell with {layout.target.name}"

    def __enter__(self) -> CellOrbit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left open: each iteration has its own world and camera."""

    def __len__(self) -> int:
        return self.config.views

    def __iter__(self) -> Iterator[RGBDFrame]:
        """Yield a frame at each place that the arm reaches.

        Raises:
            SourceError: it reaches none.
        """
        config, profile = self.config, self.layout.profile
        world = CellWorld(self.layout)
        world.step(_SETTLE_S)
        middle = world.object_centre(self.layout.target.name)
        kinematics = Kinematics(profile)
        frame_id = f"{WRIST}_color_optical_frame"
        with CellCamera(
            world.model, profile.cameras[WRIST], width=config.width, height=config.height,
            look=self._look, noise=config.noise, seed=config.seed,
        ) as camera:  # fmt: skip
            camera.shoot(world.snapshot())
            tip_from_camera = (
                geometry.inverse(kinematics.forward(world.arm_motion()[0]))
                @ camera.world_from_color()
            )
            positions, turn, stamp_ns = profile.home, 0.0, _START_NS
            for pose in self._places(middle):
                held = _held(kinematics, pose, tip_from_camera, positions, turn)
                if held is None:
                    self.drops["places that the arm does not reach"] += 1
                    continue
                positions, turn = held
                with world.lock:
                    set_joints(world.model, world.data, profile, positions)
                    taken = camera.shoot(world.snapshot())
                if self.transforms is not None:
                    self.transforms.add(
                        profile.base_frame, frame_id, stamp_ns, taken.world_from_color
                    )
                yield taken.frame(frame_id, stamp_ns)
                stamp_ns += _PERIOD_NS
        if stamp_ns == _START_NS:
            raise SourceError(f"{self.name}: the arm reaches none of the places around the object")

    def _places(self, middle: FloatArray) -> Iterator[FloatArray]:
        """(4, 4) poses of the camera in the base frame, one after the other along its way."""
        config = self.config
        rng = np.random.default_rng(config.seed)
        # The middle of its way is on the robot's own side, where the arm reaches most.
        start = math.atan2(-middle[1], -middle[0])
        half = math.radians(config.sweep_deg) / 2
        low, high = (math.radians(angle) for angle in
                     (config.elevation_deg[0], config.elevation_deg[-1]))  # fmt: skip
        for share in np.linspace(0.0, 1.0, config.views):
            azimuth = start + half * (2 * share - 1)
            height = 0.5 - 0.5 * math.cos(2 * math.pi * config.rounds * share)
            elevation = low + (high - low) * height
            distance = rng.uniform(config.distance_m[0], config.distance_m[-1])
            roll = math.radians(rng.uniform(-config.roll_deg, config.roll_deg))
            away = np.array([
                math.cos(azimuth) * math.cos(elevation),
                math.sin(azimuth) * math.cos(elevation),
                math.sin(elevation),
            ])  # fmt: skip
            yield _looking(middle + distance * away, middle, roll)


def _held(
    kinematics: Kinematics,
    pose: FloatArray,
    tip_from_camera: FloatArray,
    positions: FloatArray,
    turn: float,
) -> tuple[FloatArray, float] | None:
    """Joint positions (n,) that bring the camera to a pose, and its turn about its axis, rad.

    A wrist may hold the camera turned where it cannot hold it upright; it goes on as it was.
    """
    for angle in (turn, *_TURNS):
        turned = pose @ geometry.from_axis_angle((0, 0, 1), angle)
        tip = turned @ geometry.inverse(tip_from_camera)
        found = kinematics.inverse(tip, positions, attempts=_ATTEMPTS)
        if found is not None:
            return found, angle
    return None


def _looking(eye: FloatArray, target: FloatArray, roll: float) -> FloatArray:
    """(4, 4) pose of a camera at `eye` that looks at `target`, upright but for a roll (rad)."""
    forward = target - eye
    upright = geometry.frame_from_axes(forward, np.cross(forward, (0, 0, 1)), eye)
    return upright @ geometry.from_axis_angle((0, 0, 1), roll)
