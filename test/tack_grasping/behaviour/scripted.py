# SPDX-License-Identifier: Apache-2.0
"""A robot that goes wherever it is told, and where a script can make anything go wrong.

It watches what is done with it: whether what it holds is ever dropped, and whether it leaves the
thing on another way than straight. A block stands on its table, and its wrist camera really sees
that block (by rays), so that nothing of the behaviour has to be replaced.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.sight import Sight, Thing, View
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.behaviour.views import views_of, wrist_camera
from tack_grasping.candidates import GraspPlan
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.motion import GripperState, MotionError
from tack_grasping.placing.scene import Container
from tack_grasping.points import named_point
from tack_grasping.profiles import load_profile
from tack_grasping.scene.touching import Touching
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

PROFILE = load_profile("panda_2f85")
CAMERA = CameraIntrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)
SOURCE = np.array([0.5, 0.0])
PLACE = np.array([0.4, -0.35])
BLOCK = np.array([0.06, 0.04, 0.08])  # m
CALLS = [
    "home", "view", "gripper open", "gripper close", "hold", "let go", "look", "glance", "plan",
    "to pregrasp", "straight grasp", "straight lift", "straight pregrasp", "to lift", "to preplace",
    "straight place", "straight preplace", "straight retreat", "to place", "to retreat", "add box",
    "remove box",
]  # fmt: skip
"""All that a script can make go wrong."""
_STILL = ("let go", "add box", "remove box", "look", "glance", "plan")  # nothing moves
MOTIONS = ("home", "view", "gripper", "to ", "straight")
ONE_TRY = BehaviourConfig(tries=1)
Event = Exception | Callable[["Scripted"], None] | None
Script = Mapping[str, Iterator[Event] | Sequence[Event]]


def error(code: MoveItErrorCode, sentence: str = "as the script says") -> MotionError:
    return MotionError(code, sentence)


def always(event: Event) -> Iterator[Event]:
    return itertools.repeat(event)


def down(x: float, y: float, z: float, turn: float = 0.0) -> np.ndarray:
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = (x, y, z)
    return pose @ geometry.from_axis_angle((0, 0, 1), turn)


def render(base_from_camera: np.ndarray, blocks: Sequence[np.ndarray]) -> np.ndarray:
    """(H, W) depth of a table at z = 0 and blocks at some (x, y), NaN where there is nothing."""
    return render_boxes(base_from_camera, [((x, y), BLOCK) for x, y in blocks])


def render_boxes(
    base_from_camera: np.ndarray, boxes: Sequence[tuple[tuple[float, float], np.ndarray]]
) -> np.ndarray:
    """As `render`, of boxes at some (x, y) with their sizes, m."""
    pixels = np.indices((CAMERA.height, CAMERA.width))[::-1].reshape(2, -1).T
    rays = geometry.rotate(base_from_camera, CAMERA.rays(pixels))
    rays = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    eye = base_from_camera[:3, 3]
    depth = np.where(rays[:, 2] < 0, -eye[2] / rays[:, 2], np.inf)
    for (x, y), size in boxes:
        low = np.array([x - size[0] / 2, y - size[1] / 2, 0.0])
        one, other = (low - eye) / rays, (low + size - eye) / rays
        near = np.minimum(one, other).max(axis=1)
        far = np.maximum(one, other).min(axis=1)
        depth = np.where((near < far) & (near > 0) & (near < depth), near, depth)
    depth[(depth > 3) | (depth < 0.05)] = np.nan
    image: np.ndarray = depth.reshape(CAMERA.height, CAMERA.width).astype(np.float32)
    return image


class Scripted:
    """Motion, Eyes and Planner in one; `tree` makes the behaviour that drives it.

    Args:
        script: call → what happens at its first, second, … time: an exception is raised, a function
            is called. Calls are home, view, gripper open, gripper close, hold, let go, add box,
            remove box, look, glance, plan, to POSE and straight POSE, where POSE is pregrasp, … of
            any candidate.
        goals: candidates of each plan.
        blocks: (x, y) of those that stand on the table, m.
    """

    def __init__(
        self, script: Script | None = None, goals: int = 3, blocks: Sequence[np.ndarray] = (SOURCE,)
    ) -> None:
        self._script = {call: iter(events) for call, events in (script or {}).items()}
        self.goals, self.blocks = goals, [np.array(block) for block in blocks]
        self.calls: list[str] = []
        self.boxes: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # that the planner knows of
        self.faults: list[str] = []  # what must never happen
        self.touching: dict[str, Touching] = {}  # on the last straight way to each pose
        self.onwards: list[tuple[str, str]] = []  # the poses of `move_to` with a way onwards
        self.openings: list[float] = []
        self.least_width: float | None = None  # of the goals
        self.held = False
        self.time = 0.0
        self.stopped = False
        self.frame_id, self.with_place = PROFILE.base_frame, True
        self.no_depth = self.old_image = False
        self.bins: dict[str, Container] = {}
        self.place = PLACE  # out of view from home
        self.grip = float(BLOCK[1])  # m, how far apart the fingers hold it
        self._home = next(views_of(PROFILE, np.array([*SOURCE, 0.0]), 0.45, ((0.0, 80.0),)))[0]
        self.at, self.pose, self._among = "home", self._home, ""
        self._named: list[tuple[str, np.ndarray]] = []

    def tree(
        self,
        place: str = "bin",
        config: BehaviourConfig | None = None,
        near: tuple[float, float, float] | None = None,
        **more: object,
    ) -> BehaviourTree:
        task = PickPlaceTask("top", place, near)
        robot = Robot(PROFILE, self, self, self, bins=self.bins)
        return BehaviourTree(task, robot, self.clock, config, **more)  # type: ignore[arg-type]

    def run(self, place: str = "bin", config: BehaviourConfig | None = None) -> CycleRecord:
        """A cycle, after which nothing that must never happen has happened."""
        record = self.tree(place, config).run()
        assert self.faults == []
        assert bool(record.reason) != record.success
        return record

    def clock(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds

    # Motion

    def move_to(self, base_from_gripper: np.ndarray, *, onwards: np.ndarray | None = None) -> None:
        name = self._name(base_from_gripper)
        if onwards is not None:
            self.onwards.append((name, self._name(onwards)))
        if self._among == "grasp" or (self._among == "place" and name not in ("place", "retreat")):
            self.faults.append(f"to {name} on any way from among things at the {self._among}")
        self._moves(f"to {name}" if name else "view", name or "view", base_from_gripper)

    def move_home(self) -> None:
        if self._among or self.held:
            self.faults.append(f"home from {self._among or self.at}, holding: {self.held}")
        self._moves("home", "home", self._home)

    def move_straight(
        self, base_from_gripper: np.ndarray, *, touching: Touching = Touching.NOTHING
    ) -> None:
        name = self._name(base_from_gripper)
        self.touching[name] = touching
        before = self.at, self._among
        if name in ("grasp", "place"):
            self._among = name
        try:
            self._moves(f"straight {name}", name, base_from_gripper)
        except MotionError as error:
            if error.code is MoveItErrorCode.PLANNING_FAILED:  # nothing has moved
                self.at, self._among = before
            raise
        if name not in ("grasp", "place"):
            self._among = ""

    def move_gripper(self, opening: float, force: float) -> GripperState:
        self._happens("gripper open" if opening else "gripper close")
        self.openings.append(opening)
        block = self._block_between()
        if opening and self.held:
            missing = np.linalg.norm(self.pose[:3, 3] - self._pose_of(self.at)[:3, 3])
            if self.at not in ("grasp", "place") or missing > 0.03:
                self.faults.append(f"dropped at {self.at}")
            self.held = False
            self.blocks.append(self.pose[:2, 3].copy())
        elif not opening and not self.held and block is not None:
            self.held = True
            self.blocks.pop(block)
        apart = opening if opening else (self.grip if self.held else 0.0)
        return GripperState(apart, force, self.held, not self.held)

    def gripper_state(self) -> GripperState:
        return GripperState(self.grip if self.held else 0.08, 0.0, self.held, not self.held)

    def hold(self, gripper_from_box: np.ndarray, size: np.ndarray) -> None:
        self._happens("hold")

    def let_go(self) -> None:
        self._happens("let go")

    def add_box(self, name: str, base_from_box: np.ndarray, size: np.ndarray) -> None:
        self._happens("add box")
        self.boxes[name] = (base_from_box, size)

    def remove(self, name: str) -> None:
        self._happens("remove box")
        del self.boxes[name]

    def stop(self) -> None:
        self.stopped = True

    # Eyes

    def look(self) -> Sight:
        self._happens("look")
        view = self._view()
        things = []
        for x, y in self.blocks:
            top = np.array([x, y, BLOCK[2]])
            seen = geometry.apply(geometry.inverse(view.base_from_camera), top)
            u, v = CAMERA.project(seen)
            if seen[2] < 0.05 or not CAMERA.contains(u, v):
                continue
            lifted = None if self.no_depth else seen
            keypoint = Keypoint(
                "top", u, v, 0.9, xyz=lifted,
                xyz_covariance=None if self.no_depth else np.eye(3) * 1e-6,
                refusal="no depth there" if self.no_depth else "",
            )  # fmt: skip
            point = named_point(keypoint, view.base_from_camera)
            things.append(Thing({} if point is None else {"top": point}, {"top": keypoint}))
        return Sight(view.frame, view.base_from_camera, tuple(things))

    def glance(self) -> View:
        self._happens("glance")
        return self._view()

    # Planner

    def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
        self._happens("plan")
        x, y, _ = thing.points[task.label].position
        goals = [self._goal(x, y, 0.01 * index) for index in range(self.goals)]
        return GraspPlan(tuple(goals), refusal="" if goals else "nothing fits between the fingers")

    def _goal(self, x: float, y: float, turn: float) -> PickPlaceGoal:
        poses = {
            "pregrasp": down(x, y, 0.15, turn),
            "grasp": down(x, y, 0.05, turn),
            "lift": down(x, y, 0.17, turn),
            "preplace": down(*self.place, 0.30, turn),
            "place": down(*self.place, 0.06, turn),
            "retreat": down(*self.place, 0.20, turn),
        }
        self._named += poses.items()
        if not self.with_place:
            poses = {name: poses[name] for name in ("pregrasp", "grasp", "lift")}
        goal = PickPlaceGoal(
            label="top", frame_id=self.frame_id, stamp_ns=0, position_covariance=np.eye(3) * 1e-6,
            width=0.08, score=0.9 - turn, terms={}, why=f"turned by {turn:g}",
            least_width=self.least_width, **poses,
        )  # fmt: skip
        self._named += [("pregrasp", way.pregrasp) for way in goal.ways_in()[1:]]
        return goal

    def _name(self, pose: np.ndarray) -> str:
        return next((name for name, p in self._named if np.allclose(p, pose, atol=1e-9)), "")

    def _pose_of(self, name: str) -> np.ndarray:
        near = [p for n, p in self._named if n == name]
        return min(near, key=lambda p: np.linalg.norm(p - self.pose), default=np.eye(4))

    def _moves(self, call: str, name: str, pose: np.ndarray) -> None:
        self.at = name  # or on its way there
        self._happens(call)
        self.pose = pose

    def _happens(self, call: str) -> None:
        if self.stopped and call not in _STILL:
            self.faults.append(f"{call} after the stop")
        self.calls.append(call)
        self.time += 1.0
        event = next(self._script.get(call, iter(())), None)
        if isinstance(event, Exception):
            self.stopped |= getattr(event, "code", None) is MoveItErrorCode.PREEMPTED
            raise event
        if event is not None:
            event(self)

    def _block_between(self) -> int | None:
        near = [np.linalg.norm(self.pose[:2, 3] - block) < 0.015 for block in self.blocks]
        return near.index(True) if any(near) and self.pose[2, 3] < BLOCK[2] else None

    def _view(self) -> View:
        mount = wrist_camera(PROFILE)
        assert mount is not None
        gripper_from_camera = (
            geometry.inverse(PROFILE.gripper.tip_from_gripper) @ mount.parent_from_optical
        )
        base_from_camera = geometry.nearest_transform(self.pose @ gripper_from_camera)
        depth = render(base_from_camera, self.blocks)
        if self.no_depth:
            depth[:] = np.nan
        stamp = 0 if self.old_image else round(self.time * 1e9)
        color = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
        frame = RGBDFrame(color, depth, CAMERA, stamp, "wrist_color_optical_frame")
        return View(frame, base_from_camera)


@dataclasses.dataclass
class Watching(Witness):
    """Writes down what it is told; can be told to fail."""

    told: list[str] = dataclasses.field(default_factory=list)
    broken: bool = False

    def began(self, stage: str) -> None:
        self._told(f"began {stage}")

    def seen(self, sight: Sight) -> tuple[str, ...]:
        self._told("seen")
        return ("seen.jpg",)

    def planned(self, goal: PickPlaceGoal) -> None:
        self._told(f"planned {goal.why}")

    def evidence(self, stage: str, view: View) -> tuple[str, ...]:
        self._told(f"evidence of {stage}")
        return (f"{stage}.jpg",)

    def ended(self, record: object) -> None:
        self._told("ended")

    def _told(self, what: str) -> None:
        self.told.append(what)
        if self.broken:
            raise OSError("no space left on device")


def names(record: CycleRecord) -> list[str]:
    """Stages, in order; those that went wrong with a "!"."""
    return [stage.name + "!" * (not stage.success) for stage in record.stages]


def stage_error(code: MoveItErrorCode) -> StageError:
    return StageError(code, f"{code.name} as the script says")


def slip(robot: Scripted) -> None:
    """What is held falls to where it was taken from."""
    assert robot.held
    robot.held = False
    robot.blocks.append(SOURCE)


def moves(calls: Sequence[str]) -> int:
    """How many of the calls move something."""
    return sum(call.startswith(MOTIONS) for call in calls)
