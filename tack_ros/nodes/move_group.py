# SPDX-License-Identifier: Apache-2.0
"""Serves what MoveIt's move_group serves, for the simulated cell.

Plans with OMPL around the planning scene, and carries motions out through the arm's controller. On
a robot MoveIt's own move_group runs instead; clients cannot tell the difference.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from tack_grasping.profiles import load_profile
from tack_perception.configuration import Configuration, setting
from tack_ros.calls import Calls
from tack_ros.cell.faults import PLANNING_FAULTS, parse_faults
from tack_ros.diagnostics import DiagnosticsPublisher
from tack_ros.move_group.execution import ExecutionConfig, TrajectoryRunner
from tack_ros.move_group.scene_keeper import SceneKeeper
from tack_ros.move_group.server import MoveGroupServer
from tack_ros.node import TackNode, run
from tack_sim.cell.faults import FaultKind, is_active

THREADS = 8  # motions and requests that wait must leave one for the joint states


@dataclasses.dataclass(frozen=True)
class MoveGroupConfig(Configuration):
    """Parameters of move_group beside those of the execution."""

    robot: str = setting("panda_2f85", "profile: its name, or the path of a YAML file")
    faults: tuple[str, ...] = setting(
        ("",), "what goes wrong: plan_refused or plan_aborted[@START][+DURATION], s since its start"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_faults(self.faults, PLANNING_FAULTS)


class MoveGroupNode(TackNode):
    """The node `move_group`.

    Raises:
        TackError: a parameter is refused, or a package of the planner is missing.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("move_group", **options)
        self._config = self.parameters.declare(
            MoveGroupConfig, fixed=("robot",), on_change=self._on_change
        )
        self._execution = self.parameters.declare(ExecutionConfig, "trajectory_execution")
        self.parameters.warn_of_unknown()
        profile = load_profile(self._config.value.robot)
        self._faults = parse_faults(self._config.value.faults, PLANNING_FAULTS)
        self._started = time.monotonic()
        self._calls = Calls("move_group_calls", self.context)
        self.at_end(self._calls.close)
        self._server = MoveGroupServer(
            self,
            profile,
            lambda scene: self._runner(profile.arm_controller, scene),
            abort=lambda: self._active(FaultKind.PLAN_ABORTED),
            refuse=lambda: self._active(FaultKind.PLAN_REFUSED),
        )
        self.at_end(self._server.close)
        DiagnosticsPublisher(self, self.monitor, self.drops)
        self.get_logger().info(f"plans for {profile.name}: group {profile.group}")

    def _runner(self, controller: str, scene: SceneKeeper) -> TrajectoryRunner:
        return TrajectoryRunner(
            self._calls,
            controller,
            self.get_clock(),
            scene.positions,
            lambda: self._execution.value,
        )

    def _on_change(self, config: MoveGroupConfig) -> None:
        self._faults = parse_faults(config.faults, PLANNING_FAULTS)

    def _active(self, kind: FaultKind) -> bool:
        return is_active(self._faults, kind, time.monotonic() - self._started)


def main() -> int:
    """Run the node."""
    return run(MoveGroupNode, threads=THREADS)


if __name__ == "__main__":
    raise SystemExit(main())
