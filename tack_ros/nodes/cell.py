# SPDX-License-Identifier: Apache-2.0
"""A robot cell without hardware: what the drivers of a robot and its cameras would serve.

Joint states, TF, cameras, controllers and /clock, all from physics. Plans are made by `move_group`,
MoveIt's own or tack's; nothing that talks to this node needs to know that it is a simulation.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path
from typing import Any

from std_srvs.srv import Trigger

from tack_grasping.behaviour.places_file import places_text
from tack_grasping.robot import CameraMount, RobotProfile
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.files import write_atomically
from tack_ros.cell.cameras import CameraThread
from tack_ros.cell.controllers import ArmController, GripperServer
from tack_ros.cell.faults import CELL_FAULTS, parse_faults
from tack_ros.cell.state import StatePublisher
from tack_ros.cell.truth import TruthServer
from tack_ros.diagnostics import DiagnosticsPublisher, Health
from tack_ros.node import TackNode, run
from tack_sim.cameras.look import STEADY, LookConfig
from tack_sim.cell.faults import FaultKind, is_active
from tack_sim.cell.log import CellLog, CellSetup
from tack_sim.cell.places import places_in
from tack_sim.cell.world import CellWorld

THREADS = 6
_TICK_S = 0.01
_SLOW = 0.7  # of the speed that is asked for
_LAG_S = 0.05  # behind by more than this, the cell's time runs slower than the wall clock


@dataclasses.dataclass(frozen=True)
class CellConfig(Configuration):
    """Parameters of the cell. All but the faults and the speed are read at start-up."""

    robot: str = setting("panda_2f85", "profile: its name, or the path of a YAML file")
    object_class: str = setting("mug", "class of the object on the table")
    seed: int = setting(0, "where things stand, and which ones", low=0)
    instance: int = setting(-1, "seed of the object; -1: a held-out one, by `seed`", low=-1)
    alike: int = setting(0, "further objects of its class on the table", low=0, high=8)
    clutter: int = setting(0, "other objects on the table", low=0, high=12)
    occluders: int = setting(0, "panels close to the object", low=0, high=3)
    cameras: tuple[str, ...] = setting(("wrist",), "cameras of the profile to render")
    width: int = setting(640, "of the images", unit="px", low=64, high=1920)
    height: int = setting(480, "of the images", unit="px", low=48, high=1080)
    camera_rate: float = setting(15.0, "of each camera", unit="Hz", low=0.1, high=60.0)
    align_depth: bool = setting(True, "depth on the colour grid; otherwise on its own")
    shadows: bool = setting(True, "shadows cost half of the rendering time")
    noise: bool = setting(True, "noise of colour and depth as of the real cameras")
    random_look: bool = setting(
        False, "lights, exposure, colours, image noise and blur drawn by the seed"
    )
    state_rate: float = setting(50.0, "of joint states and TF", unit="Hz", low=1.0, high=500.0)
    speed: float = setting(1.0, "of the cell's time against the wall clock", low=0.05, high=20.0)
    log: str = setting(
        "", "file (.npz) that what happened is written to at the end, and at ~/save_log"
    )
    places: str = setting(
        "", "file (.yaml) to write the bin into at the start, for the parameter of that name"
        " of pick_place",
    )  # fmt: skip
    faults: tuple[str, ...] = setting(
        ("",), "what goes wrong: FAULT[@START][+DURATION], s of the cell's time"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_faults(self.faults, CELL_FAULTS)

    def mounts(self, profile: RobotProfile) -> list[CameraMount]:
        """The cameras to render.

        Raises:
            InvalidInputError: the robot has no such camera.
        """
        names = [name for name in self.cameras if name.strip()]
        for name in names:
            if name not in profile.cameras:
                raise InvalidInputError(
                    f"camera {name!r}: {profile.name} has {', '.join(profile.cameras)}"
                )
        return [profile.cameras[name] for name in names]


class CellNode(TackNode):
    """The node `cell`.

    Raises:
        TackError: a parameter is refused, or MuJoCo is missing.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("cell", **options)
        changeable = {"faults", "speed"}
        names = [name for name in CellConfig.settings() if name not in changeable]
        self._config = self.parameters.declare(CellConfig, fixed=names, on_change=self._on_change)
        self.parameters.warn_of_unknown()
        config = self._config.value
        setup = CellSetup(
            config.robot,
            config.object_class,
            config.seed,
            config.instance,
            config.clutter,
            config.occluders,
            config.alike,
        )
        layout = setup.layout()
        mounts = config.mounts(layout.profile)
        if config.places:
            write_atomically(Path(config.places), places_text(places_in(layout)).encode())
        self._log, self._logging = CellLog(setup), threading.Lock()
        self._stop = threading.Event()
        self.world = CellWorld(layout, faults=parse_faults(config.faults, CELL_FAULTS))
        self._state = StatePublisher(self, self.world, time.time_ns(), config.state_rate)
        self._arm = ArmController(self, self.world, self._state.now_ns, self._alive)
        self._gripper = GripperServer(self, self.world, self._alive)
        self._truth = TruthServer(self, self.world, config.seed)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(Trigger, "~/save_log", self._on_save)
        self._reported = time.monotonic(), self.world.time
        self._cameras: list[CameraThread] = []
        DiagnosticsPublisher(self, self.monitor, self.drops, self._health)
        # Threads start when nothing can be refused any more.
        self.at_end(self._save_at_end)
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._thread.start()
        self.at_end(self._join)
        self._cameras += [self._camera(mount) for mount in mounts]
        target = layout.target
        self.get_logger().info(f"{target.model.name} on the table of {layout.profile.name}")

    def _camera(self, mount: CameraMount) -> CameraThread:
        config = self._config.value
        return CameraThread(
            self,
            self.world,
            mount,
            self._state.stamp_ns,
            config.camera_rate,
            width=config.width,
            height=config.height,
            aligned=config.align_depth,
            noise=config.noise,
            look=LookConfig() if config.random_look else STEADY,
            seed=config.seed,
            shadow_size=1024 if config.shadows else 0,
        )

    def _alive(self) -> bool:
        return bool(self.context.ok()) and not self._stop.is_set()

    def _join(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _on_change(self, config: CellConfig) -> None:
        self.world.faults = parse_faults(config.faults, CELL_FAULTS)

    def _run(self) -> None:
        """Let the world's time pass with the wall clock's, as far as the machine keeps up."""
        before, owed = time.monotonic(), 0.0
        step = float(self.world.model.opt.timestep)
        while not self._stop.wait(_TICK_S) and self.context.ok():
            now = time.monotonic()
            passed, before = now - before, now
            # What is less than a step of physics is owed to the next tick.
            owed += min(passed, _LAG_S) * self._config.value.speed
            steps = int(owed / step)
            owed -= steps * step
            try:
                if steps:
                    self.world.step(steps * step)
                self._state.silent = is_active(
                    self.world.faults, FaultKind.TF_SILENCE, self.world.time
                )
                self._state.publish()
                if self._config.value.log and self._log.due(self.world.time):
                    with self._logging:
                        self._log.add(self.world.snapshot())
            except Exception as error:
                if self._alive():
                    self.drops.add_fault(error)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._arm.stop("the cell was reset")
        self._truth.reset()
        response.success = True
        response.message = "everything is where it was at the start; the time goes on"
        return response

    def _on_save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            response.message, response.success = self._save(), True
        except TackError as error:
            response.message, response.success = str(error), False
        return response

    def _save_at_end(self) -> None:
        try:
            self._save()
        except TackError as error:
            self.get_logger().error(str(error))

    def _save(self) -> str:
        path = self._config.value.log
        if not path:
            return "nothing is logged: start the cell with a file for 'log'"
        with self._logging:
            self._log.save(Path(path))
            return f"{len(self._log)} states in {path}"

    def _health(self) -> Health:
        now, passed = time.monotonic(), self.world.time
        (before, passed_before), self._reported = self._reported, (now, passed)
        share = (passed - passed_before) / max(now - before, 1e-3) / self._config.value.speed
        values = {
            "object": self.world.layout.target.model.name,
            "cell time [s]": f"{passed:.1f}",
            "speed reached": f"{share:.0%}",
            "collisions": json.dumps([str(c) for c in self.world.collisions]),
            "faults": ", ".join(map(str, self.world.faults)) or "none",
        }
        broken = "; ".join(camera.problem for camera in self._cameras if camera.problem)
        slow = "" if share > _SLOW else "the machine is too slow: the cell's time lags"
        return Health(broken or slow, values, broken=bool(broken))


def main() -> int:
    """Run the node."""
    return run(CellNode, threads=THREADS)


if __name__ == "__main__":
    raise SystemExit(main())
