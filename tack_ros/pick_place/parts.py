# SPDX-License-Identifier: Apache-2.0
"""What the servers of picking and placing work with, and what they make of a request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

from tack_grasping.behaviour.planning import Placer, Places, PointPlanner
from tack_grasping.behaviour.pointing import Pointed
from tack_grasping.behaviour.run_witness import RunWitness
from tack_grasping.behaviour.settings import PickPlaceTask
from tack_grasping.behaviour.surroundings import DepthSurroundings
from tack_grasping.candidates import GraspSpec, SurfacePlannerConfig
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.placing.spec import PlaceSpec
from tack_grasping.robot import RobotProfile
from tack_ros.moveit.client import MoveItMotion
from tack_ros.moveit.scene_messages import MoveItScene
from tack_ros.pick_place.eyes import Lookup, RosEyes
from tack_ros.pick_place.jobs import Jobs


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the servers work with.

    Attributes:
        profile: the robot.
        eyes, motion, jobs: its camera, its arm, and who may use it.
        lookup: transforms.
        scene, surroundings: what move_group knows of what stands around, and what keeps it so.
        places: returns what a place may name.
        grasps: name → how to grasp; a label without one is grasped at the point.
        place: returns the place in force; None where there is none.
        labels: returns what was clicked on; None where that is not known.
        teach: returns the point that is looked at from all sides.
        carry: makes clicks of what the camera sees now; a sentence, or TackError.
        near: returns which of several things is meant; None where that is open.
        config: returns the settings of grasps in force.
        log: writes cycles down; None for nobody.
    """

    profile: RobotProfile
    eyes: RosEyes
    motion: MoveItMotion
    jobs: Jobs
    lookup: Lookup
    scene: MoveItScene
    surroundings: DepthSurroundings
    places: Callable[[], Places]
    grasps: Mapping[str, GraspSpec]
    place: Callable[[], PlaceSpec | None]
    labels: Callable[[], Collection[str] | None]
    teach: Callable[[], str]
    carry: Callable[[], str]
    near: Callable[[], Pointed | None]
    config: Callable[[], SurfacePlannerConfig]
    log: RunWitness | None

    def task(self, label: str, place: str = "") -> PickPlaceTask:
        """What is to be done.

        Raises:
            StageError: nobody has clicked on such a point: looking for it would be in vain.
        """
        known = self.labels()
        if known is not None and label not in known:
            raise StageError(
                MoveItErrorCode.INVALID_OBJECT_NAME,
                f"nobody has clicked on '{label}'; known points: {', '.join(known) or 'none'}",
            )
        near = self.near()
        if near is None:
            return PickPlaceTask(label, place)
        view = self.eyes.glance() if near.is_pixel else None
        return PickPlaceTask(label, place, near.place(view))

    def planner(self, label: str, place: Placer | None) -> PointPlanner:
        """Makes goals for a label, for a pick alone where there is no place."""
        return PointPlanner(
            self.profile, self.grasps.get(label), place, self.motion.reach, self.config()
        )
