# SPDX-License-Identifier: Apache-2.0
"""What the planner is asked and what it answers, as in moveit_msgs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tack_sim.planning.codes import MoveItErrorCode
from tack_sim.planning.shapes import Primitive

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class JointConstraint:
    """A joint's position, with what it may differ by.

    Attributes:
        joint: name.
        position: rad (m for a finger).
        above, below: tolerances, each at least 0.
    """

    joint: str
    position: float
    above: float = 1e-4
    below: float = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class PositionConstraint:
    """A point of a link lies in one of several primitives.

    Attributes:
        link: whose point it is.
        frame: in which the regions are given; "" for the robot's base.
        regions: (primitive, (4, 4) frame_from_primitive) pairs, m.
        offset: (3,) the point in the link's frame, m.
    """

    link: str
    frame: str
    regions: tuple[tuple[Primitive, FloatArray], ...]
    offset: FloatArray = dataclasses.field(default_factory=lambda: np.zeros(3))


@dataclasses.dataclass(frozen=True, eq=False)
class OrientationConstraint:
    """A link's orientation, with what it may differ by about each of its axes.

    Attributes:
        link: whose orientation it is.
        frame: in which it is given; "" for the robot's base.
        frame_from_link: (4, 4), only its rotation counts.
        tolerances: (3,) rad about x, y, z; π or more leaves that axis free.
        rotation_vector: the difference is measured as a rotation vector; otherwise as XYZ Euler
            angles, MoveIt's default.
    """

    link: str
    frame: str
    frame_from_link: FloatArray
    tolerances: FloatArray
    rotation_vector: bool = False


@dataclasses.dataclass(frozen=True)
class Constraints:
    """All of these have to hold at once."""

    joints: tuple[JointConstraint, ...] = ()
    positions: tuple[PositionConstraint, ...] = ()
    orientations: tuple[OrientationConstraint, ...] = ()
    name: str = ""

    def __bool__(self) -> bool:
        return bool(self.joints or self.positions or self.orientations)


@dataclasses.dataclass(frozen=True)
class PlanRequest:
    """One query, as in moveit_msgs/MotionPlanRequest.

    Attributes:
        group: the profile's planning group.
        goals: alternatives, any of which will do.
        start: joint → position; joints that it does not name are where the scene has them.
        path_constraints: have to hold all along the path; sampled states that break them are
            rejected, so tight ones (below some 0.1 rad) take long or time out.
        velocity_scaling, acceleration_scaling: share of the profile's limits; outside (0, 1] the
            limits themselves, as MoveIt does.
        allowed_time: s; 1 s where it is not positive, as MoveIt does.
        attempts: tries with another random seed each, while time is left; at least 1.
        seed: of everything random; the same query on the same scene gives the same path as long
            as no time limit cuts it short.
    """

    group: str
    goals: tuple[Constraints, ...]
    start: Mapping[str, float] = dataclasses.field(default_factory=dict)
    path_constraints: Constraints = dataclasses.field(default_factory=Constraints)
    velocity_scaling: float = 1.0
    acceleration_scaling: float = 1.0
    allowed_time: float = 5.0
    attempts: int = 1
    seed: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectory:
    """A motion of the arm, from rest to rest.

    Attributes:
        joints: names of the columns.
        times: (N,) s from the start, rising.
        positions, velocities, accelerations: (N, n) rad, rad/s, rad/s².
    """

    joints: tuple[str, ...]
    times: FloatArray
    positions: FloatArray
    velocities: FloatArray
    accelerations: FloatArray

    @property
    def duration(self) -> float:
        """Of the whole motion, s."""
        return float(self.times[-1])


@dataclasses.dataclass(frozen=True, eq=False)
class PlanResult:
    """The answer to a `PlanRequest`.

    Attributes:
        code: MoveIt's.
        message: one sentence, says what collides, which limit is broken, or how far it got.
        start: joint → position of the whole robot where the trajectory starts.
        trajectory: None unless the code is SUCCESS.
        planning_time: s.
        path_length: rad, the sum of the distances in joint space between the trajectory's points.
    """

    code: MoveItErrorCode
    message: str
    start: Mapping[str, float]
    trajectory: Trajectory | None
    planning_time: float
    path_length: float


@dataclasses.dataclass(frozen=True)
class CartesianRequest:
    """One query, as in moveit_msgs/GetCartesianPath.

    Attributes:
        group: the profile's planning group.
        waypoints: (4, 4) poses of the link in `frame`, in order, m.
        link: "" for the tip.
        frame: "" for the robot's base.
        start: as in `PlanRequest`.
        max_step: largest distance between two IK solutions along the way, m.
        jump_threshold: a joint-space step longer than this many times the mean one ends the path;
            0 for no such check.
        revolute_jump_threshold: a joint that steps farther ends the path, rad; 0 for no such check.
        avoid_collisions: otherwise collisions are not looked at.
        path_constraints: have to hold all along the path.
        velocity_scaling, acceleration_scaling: as in `PlanRequest`.
    """

    group: str
    waypoints: tuple[FloatArray, ...]
    link: str = ""
    frame: str = ""
    start: Mapping[str, float] = dataclasses.field(default_factory=dict)
    max_step: float = 0.01
    jump_threshold: float = 0.0
    revolute_jump_threshold: float = 0.0
    avoid_collisions: bool = True
    path_constraints: Constraints = dataclasses.field(default_factory=Constraints)
    velocity_scaling: float = 1.0
    acceleration_scaling: float = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class CartesianResult:
    """The answer to a `CartesianRequest`.

    Attributes:
        code: SUCCESS also when only a part of the path can be followed, as in MoveIt.
        message: what ended the path, or "".
        fraction: 0 to 1, the share of the way that can be followed.
        start: joint → position of the whole robot where the trajectory starts.
        trajectory: the part that can be followed; None if the query was refused.
    """

    code: MoveItErrorCode
    message: str
    fraction: float
    start: Mapping[str, float]
    trajectory: Trajectory | None


@dataclasses.dataclass(frozen=True, eq=False)
class IKRequest:
    """One query, as in moveit_msgs/PositionIKRequest.

    Attributes:
        group: the profile's planning group.
        frame_from_link: (4, 4), where the link shall be, m.
        link: "" for the tip.
        frame: "" for the robot's base.
        seed_state: joint → position to start from; the scene's for joints it does not name.
        avoid_collisions: take only solutions that are free.
        constraints: the solution has to meet these too.
        timeout: s; 0.1 s where it is not positive.
        seed: of the random restarts.
    """

    group: str
    frame_from_link: FloatArray
    link: str = ""
    frame: str = ""
    seed_state: Mapping[str, float] = dataclasses.field(default_factory=dict)
    avoid_collisions: bool = False
    constraints: Constraints = dataclasses.field(default_factory=Constraints)
    timeout: float = 0.1
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class IKResult:
    """The answer to an `IKRequest`.

    Attributes:
        code: SUCCESS, NO_IK_SOLUTION, GOAL_IN_COLLISION (all solutions collide), TIMED_OUT, or
            what is wrong with the query.
        message: one sentence.
        positions: joint → position of the whole robot; empty without a solution.
    """

    code: MoveItErrorCode
    message: str
    positions: Mapping[str, float]
