# SPDX-License-Identifier: Apache-2.0
"""Turns detections into grasp candidates, and picks and places when it is asked to.

Candidates, poses and markers go out with every image; nothing moves until a client of the actions
wants it (`tack_ros.pick_place.servers`).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PointStamped, PoseArray, PoseStamped
from moveit_msgs.msg import Grasp
from numpy.typing import NDArray
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection3DArray, VisionInfo
from visualization_msgs.msg import MarkerArray

from tack_grasping.behaviour.places_file import read_places
from tack_grasping.behaviour.planning import places_of
from tack_grasping.behaviour.run_witness import RunWitness
from tack_grasping.behaviour.runs import RunWriter
from tack_grasping.behaviour.settings import BehaviourConfig
from tack_grasping.behaviour.surroundings import DepthSurroundings
from tack_grasping.candidates import (
    SurfacePlannerConfig,
    plan_surface_grasps,
    read_grasp_specs,
)
from tack_grasping.fingers import Surroundings, cloud_around
from tack_grasping.goal import POSES, PickPlaceGoal
from tack_grasping.motion import MotionConfig
from tack_grasping.placing.reading import load_place
from tack_grasping.placing.spec import PlaceSpec
from tack_grasping.profiles import load_profile
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.annotations import AnnotationStore
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.transforms import TransformError
from tack_ros import qos
from tack_ros.calls import CallError, Calls
from tack_ros.conversions.detections import from_detection
from tack_ros.conversions.goals import to_grasp, to_grasps, to_poses
from tack_ros.conversions.markers import goal_markers
from tack_ros.conversions.stamps import to_ns
from tack_ros.conversions.transforms import from_point
from tack_ros.diagnostics import DiagnosticsPublisher, Health
from tack_ros.frame_subscriber import FrameInputConfig, FrameSubscriber
from tack_ros.moveit.client import MoveItMotion
from tack_ros.moveit.scene_messages import MoveItScene
from tack_ros.newest import NewestWorker
from tack_ros.node import TackNode, run
from tack_ros.pick_place.eyes import RosEyes
from tack_ros.pick_place.jobs import Jobs
from tack_ros.pick_place.parts import Parts
from tack_ros.pick_place.servers import PickPlaceServers
from tack_ros.pick_place.settings import PickPlaceConfig
from tack_ros.stamp_check import OrderCheck, StampCheck
from tack_ros.transform_listener import TransformListener

THREADS = 6  # a job, a query, and what comes in
_FIXED = ("robot", "base_frame", "grasps", "places", "runs")
_SAVED_S = 20.0  # the annotation node writes pictures to disk
_TIP_CLEARANCE = 0.004  # of the finger tips above the table, m


class PickPlaceNode(TackNode):
    """The node `pick_place`.

    Raises:
        ConfigurationError: a parameter is refused.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("pick_place", **options)
        self._config = self.parameters.declare(PickPlaceConfig, fixed=_FIXED)
        self._planner = self.parameters.declare(SurfacePlannerConfig, "planner")
        self._behaviour = self.parameters.declare(BehaviourConfig, "behaviour")
        self._motion = self.parameters.declare(MotionConfig, "motion", fixed="*")
        self._images = self.parameters.declare(FrameInputConfig, "images", fixed=("slop",))
        self.parameters.warn_of_unknown()
        robot = self._config.value.robot
        self._profile = load_profile(robot) if robot else None
        self._transforms = TransformListener(self)
        self._set = ""
        self._eyes: RosEyes | None = None
        self._jobs: Jobs | None = None
        if self._profile is not None:
            self._serve(self._profile)
        self._stamps = StampCheck(self.get_clock(), lambda: self._config.value)
        self._order = OrderCheck()
        self.when_time_jumps_back(self._order.forget)
        self._place: PointStamped | None = None
        self._refusals: dict[str, str] = {}
        self._candidates = self.create_publisher(PoseArray, "~/grasp_candidates", qos.RESULT)
        self._poses = {
            name: self.create_publisher(PoseStamped, f"~/{name}_pose", qos.RESULT) for name in POSES
        }
        self._grasp = self.create_publisher(Grasp, "~/grasp", qos.RESULT)
        self._markers = self.create_publisher(MarkerArray, "~/markers", qos.RESULT)
        worker = self.worker(self._handle, "pick_place planner")
        self.create_subscription(
            Detection3DArray,
            "detections",
            functools.partial(self._on_detections, worker),
            qos.RESULT,
        )
        self.create_subscription(PointStamped, "~/place_point", self._on_place, qos.RESULT)
        DiagnosticsPublisher(self, self.monitor, self.drops, self._health)

    def _serve(self, profile: RobotProfile) -> None:
        """Make what moves the robot: for a node that knows which one it is."""
        self.create_subscription(VisionInfo, "annotation_set", self._on_set, qos.LATCHED)
        config, clock = self._config.value, self.get_clock()
        eyes = RosEyes(clock, profile.base_frame, self._lookup, lambda: self._config.value.patience)
        self.when_time_jumps_back(eyes.forget)
        FrameSubscriber(self, eyes.on_frame, lambda: self._images.value, counted=False)
        calls = Calls("pick_place_calls", self.context)
        self.at_end(calls.close)
        motion = MoveItMotion(profile, calls, self._motion.value)
        jobs = Jobs(motion, lambda: clock.now().nanoseconds / 1e9, lambda: self._behaviour.value)
        self.at_end(jobs.close)
        self._eyes, self._jobs = eyes, jobs
        scene = MoveItScene(motion)
        places, grasps, runs = config.places, config.grasps, config.runs
        parts = Parts(
            profile=profile,
            eyes=eyes,
            motion=motion,
            jobs=jobs,
            lookup=self._lookup,
            scene=scene,
            surroundings=DepthSurroundings(profile, scene.show),
            places=lambda: read_places(places, profile) if places else places_of(profile),
            grasps=read_grasp_specs(Path(grasps).expanduser()) if grasps else {},
            place=self._place_spec,
            labels=self._labels,
            teach=lambda: self._config.value.teach,
            carry=functools.partial(self._carry, calls),
            near=lambda: self._config.value.pointed(),
            config=lambda: self._planner.value,
            log=self._log(runs, profile) if runs else None,
        )
        PickPlaceServers(self, parts)

    def _labels(self) -> tuple[str, ...] | None:
        """What was clicked on, by the set that the annotation node has announced."""
        if not self._set:
            return None
        try:
            shots = AnnotationStore(self._set).load().annotations()
        except TackError as error:
            self.get_logger().warning(f"the annotation set cannot be read: {error}")
            return None
        return tuple(dict.fromkeys(shot.label for shot in shots))

    def _carry(self, calls: Calls) -> str:
        """Have the annotation node make clicks of what the camera sees now.

        Raises:
            CallError: it does not answer, or sees none of the points.
        """
        answer = calls.call(
            Trigger,
            self.resolve_service_name("carry_clicks"),
            Trigger.Request(),
            timeout_s=_SAVED_S,
        )
        if not answer.success:
            raise CallError(str(answer.message))
        return str(answer.message)

    def _on_set(self, message: VisionInfo) -> None:
        self._set = message.database_location

    def _log(self, runs: str, profile: RobotProfile) -> RunWitness:
        witness = RunWitness(RunWriter(Path(runs).expanduser(), {"robot": profile.name}))
        self.at_end(witness.close)
        return witness

    def _place_spec(self) -> PlaceSpec | None:
        """The place in force.

        Raises:
            TackError: it cannot be read.
        """
        name = self._config.value.place
        return load_place(name) if name else None

    def _on_detections(
        self, worker: NewestWorker[Detection3DArray], message: Detection3DArray
    ) -> None:
        self.monitor.received()
        if self._eyes is not None:
            self._eyes.on_detections(message)
        stamp_ns = to_ns(message.header.stamp)
        refusal = self._stamps.refusal(stamp_ns, "detections") or self._order.refusal(
            stamp_ns, "detections"
        )
        if refusal:
            self.drops.add(refusal)
        else:
            worker.offer(message)

    def _on_place(self, message: PointStamped) -> None:
        if not np.isfinite(from_point(message.point)).all():
            self.drops.add("place point is not finite")
            return
        self._place = message
        self.get_logger().info(f"place point set in frame {message.header.frame_id!r}")

    def _handle(self, message: Detection3DArray) -> None:
        """Plan for one frame's detections. Runs on the worker's thread."""
        stamp_ns = to_ns(message.header.stamp)
        camera_frame = message.header.frame_id
        target_frame = self._config.value.base_frame or camera_frame
        goals: list[PickPlaceGoal] = []
        refusals: dict[str, str] = {}
        keypoints = self._keypoints(message)
        if keypoints:
            frame_from_camera = self._lookup(target_frame, camera_frame, stamp_ns)
            place_at = self._place_in(target_frame, stamp_ns)
            up = (0.0, 0.0, 1.0) if self._config.value.base_frame else None
            frame = self._frame(stamp_ns)
            for keypoint in keypoints:
                plan = plan_surface_grasps(
                    keypoint,
                    frame_from_camera,
                    target_frame,
                    stamp_ns,
                    up=up,
                    place_at=place_at,
                    surroundings=self._surroundings(frame, keypoint, frame_from_camera),
                    config=self._planner.value,
                )
                goals += plan.goals
                if plan.refusal:
                    refusals[keypoint.label] = plan.refusal
        self._refusals = refusals
        goals.sort(key=lambda goal: -goal.score)
        self._publish(goals, stamp_ns, target_frame)
        self.monitor.handled(stamp_ns)

    def _keypoints(self, message: Detection3DArray) -> list[Keypoint]:
        """The detections that can be used and are asked for; the others are counted drops."""
        keypoints = []
        for detection in message.detections:
            try:
                keypoint = from_detection(detection)
            except InvalidInputError as error:
                self.drops.add(f"detection: {error}")
                continue
            if self._config.value.label in ("", keypoint.label):
                keypoints.append(keypoint)
        return keypoints

    def _frame(self, stamp_ns: int) -> RGBDFrame | None:
        """The image that detections were made in, where it is needed and still there."""
        if self._eyes is None:
            return None
        messages = self._eyes.messages_at(stamp_ns)
        if messages is not None:
            return messages.frame()
        self.drops.add("the image of these detections has not come: fingers are not fitted")
        return None

    def _surroundings(
        self,
        frame: RGBDFrame | None,
        keypoint: Keypoint,
        frame_from_camera: NDArray[np.float64],
    ) -> Surroundings | None:
        profile = self._profile
        if frame is None or profile is None or keypoint.xyz is None:
            return None
        cloud = cloud_around(frame, keypoint.xyz, frame_from_camera)
        in_base = self._config.value.base_frame == profile.base_frame
        floor = profile.table_height + _TIP_CLEARANCE if in_base else None
        return Surroundings(cloud, profile.gripper, floor)

    def _lookup(self, target: str, source: str, stamp_ns: int) -> NDArray[np.float64]:
        timeout_s = self._config.value.tf_timeout
        return self._transforms.wait_for(target, source, stamp_ns, timeout_s)

    def _place_in(self, target_frame: str, stamp_ns: int) -> NDArray[np.float64] | None:
        """The place point in the goals' frame, where somebody has set one."""
        place = self._place
        if place is None:
            return None
        try:
            target_from_place = self._lookup(target_frame, place.header.frame_id, stamp_ns)
        except TransformError as error:
            raise InvalidInputError(f"place point: {error}") from error
        return geometry.apply(target_from_place, from_point(place.point))

    def _publish(self, goals: list[PickPlaceGoal], stamp_ns: int, frame_id: str) -> None:
        self._candidates.publish(to_grasps(goals, stamp_ns, frame_id))
        if goals:
            for name, pose in to_poses(goals[0]).items():
                self._poses[name].publish(pose)
            if self._profile is not None:
                self._grasp.publish(to_grasp(goals[0], self._profile.gripper))
        if self._markers.get_subscription_count():
            self._markers.publish(goal_markers(goals))

    def _health(self) -> Health:
        values = {f"refused: {label}": why for label, why in sorted(self._refusals.items())}
        values["place point"] = "set" if self._place is not None else "not set"
        problem = ""
        if self._jobs is not None:
            values["held"] = self._jobs.held or "nothing"
            if self._jobs.latched:
                problem = f"stopped: {self._jobs.latched}; ~/rearm allows motions again"
        return Health(problem, values)


def main() -> int:
    """Run the node."""
    return run(PickPlaceNode, threads=THREADS)


if __name__ == "__main__":
    raise SystemExit(main())
