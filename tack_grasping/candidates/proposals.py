# SPDX-License-Identifier: Apache-2.0
"""One candidate after the other: its pose, what it is worth, or why it is none."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tack_grasping.candidates.contacts import NOTHING_SEEN
from tack_grasping.candidates.local_cloud import LocalCloud
from tack_grasping.candidates.search import (
    Attempt,
    best_attempt,
    depth_term,
    insertions,
    lowest,
    openings,
    too_wide,
)
from tack_grasping.candidates.settings import GraspConfig
from tack_grasping.candidates.spec import GraspSpec
from tack_grasping.candidates.stance import Stance, Turn
from tack_grasping.candidates.uncertainty import Slack, largest_sigma, moved_along
from tack_grasping.fingers import REACH, ROOM, SKIN, Surroundings
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.reach import TOUCHING
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
Reachable = Callable[[FloatArray], float]

REACHABILITY = "reachability"
"""The term that the arm gives."""
_INTO_THE_FLOOR = 0.001  # m, that rounding and a floor's own height are allowed
_HALF_TURN = geometry.from_axis_angle((0, 0, 1), math.pi)


@dataclasses.dataclass(frozen=True, eq=False)
class Draft:
    """A candidate on its way: its pose, what it is worth, or its problem."""

    grasp: FloatArray
    attempt: Attempt
    tilt: float = 0.0  # degrees
    covariance: FloatArray = dataclasses.field(default_factory=lambda: np.zeros((6, 6)))
    terms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    reason: str = ""
    problem: str = ""
    turn: Turn | None = None
    number: int = 0
    turn_words: str = ""

    @property
    def worth(self) -> float:
        """Its score as if the arm got there."""
        return math.prod(value for name, value in self.terms.items() if name != REACHABILITY)


class Proposer:
    """Makes candidates of the turns of a stance and judges them one by one."""

    def __init__(
        self,
        stance: Stance,
        spec: GraspSpec,
        up: FloatArray | None,
        surroundings: Surroundings | None,
        reachable: Reachable | None,
        config: GraspConfig,
    ) -> None:
        self.stance, self.up, self.config = stance, up, config
        self._surroundings, self._reachable = surroundings, reachable
        self._asked, self._cloud = spec.opening, None
        stroke = math.inf if surroundings is None else surroundings.gripper.stroke
        if spec.opening is None and (stance.searches or surroundings is None):
            stroke = min(stroke, config.width)
        self._stroke = stroke
        if surroundings is not None:
            points = surroundings.points
            near = np.linalg.norm(points - stance.frame_from_stance[:3, 3], axis=1) <= REACH
            self._cloud = LocalCloud(points[near], stance.frame_from_stance)
        if spec.opening is not None:
            self._openings = [spec.opening]
        elif not math.isnan(stance.width):
            self._openings = list(
                dict.fromkeys(min(stroke, stance.width + 2 * room) for room in (ROOM, ROOM / 2))
            )
        else:
            self._openings = openings(stroke)

    def draft(self, turn: Turn, terms: Mapping[str, float]) -> Draft:
        """Judge one turn."""
        attempt = self._attempt(turn)
        grasp: FloatArray = self.stance.frame_from_stance @ attempt.stance_from_gripper
        tilt = 0.0
        if self.up is not None:
            tilt = math.degrees(math.acos(np.clip(-self.up @ grasp[:3, 2], -1, 1)))
        draft = Draft(grasp, attempt, tilt, reason=turn.reason)
        problem = attempt.problem or self._direction_problem(tilt)
        problem = problem or self._floor_problem(grasp, attempt.opening)
        if problem:
            return dataclasses.replace(draft, problem=problem)
        covariance = moved_along(self.stance.covariance, attempt.stance_from_gripper)
        certainty = self._slack(attempt).chance(covariance)
        worth = {**terms, "certainty": certainty}
        if self.up is not None:
            worth["tilt"] = (1 + math.cos(math.radians(tilt))) / 2
        if self.stance.fit is not None:
            worth["fit"] = self.stance.fit
        if (fit := attempt.fit) is not None:
            worth["antipodality"] = self._antipodality(attempt)
            worth["clearance"] = fit.clearance()
            worth["room"] = fit.room() if fit.holds else 1.0
            if self.stance.deepens:
                worth["depth"] = depth_term(attempt.insertion, self.config.insertion)
        problem = self._uncertain(covariance, certainty) or self._slips(attempt)
        draft = dataclasses.replace(draft, covariance=covariance, terms=worth, problem=problem)
        return draft if problem else self._reached(draft)

    def _attempt(self, turn: Turn) -> Attempt:
        stance_from_turned = turn.transform()
        stance = self.stance.frame_from_stance @ stance_from_turned
        surroundings = self._surroundings
        depths = [0.0]
        if self.stance.deepens:
            steepness = 0.0 if self.up is None else float(-stance[:3, 2] @ self.up)
            room_below = self._room_below(stance, self._openings[0])
            depths = insertions(self.config.insertion, room_below, steepness)
        problem = self._width_problem()
        if problem or self._cloud is None or surroundings is None:
            shift = geometry.make_transform(np.eye(3), (0.0, 0.0, depths[0]))
            return Attempt(
                stance_from_turned @ shift, depths[0], self._openings[0], problem=problem
            )
        return best_attempt(
            self._cloud,
            surroundings.gripper,
            stance_from_turned,
            depths,
            self._openings,
            stroke=self._stroke,
            cone=math.radians(self.config.friction),
            searches=self.stance.searches,
        )

    def _width_problem(self) -> str:
        """Why the fingers cannot span what they are asked to; "" where they can."""
        spanned = 0.0 if math.isnan(self.stance.width) else self.stance.width + 2 * SKIN
        needed = max(self._openings[0], spanned)
        if needed > self._stroke:
            return too_wide(needed, self._stroke)
        if self._asked is not None and spanned > self._asked:
            return f"opening {spanned * 1e3:.0f} mm needed, {self._asked * 1e3:.0f} is asked for"
        return ""

    def _direction_problem(self, tilt: float) -> str:
        if tilt > self.config.max_tilt:
            return (
                f"the approach is {tilt:.0f}° from straight down;"
                f" {self.config.max_tilt:g}° is allowed"
            )
        sigma = math.degrees(largest_sigma(self.stance.covariance[3:, 3:]))
        if sigma > self.config.max_turn_sigma:
            return (
                f"direction known to {sigma:.1f}° (1σ) only;"
                f" {self.config.max_turn_sigma:g}° is allowed"
            )
        return ""

    def _room_below(self, frame_from_gripper: FloatArray, opening: float) -> float:
        """Between the open fingers and the floor, m; infinite where that is not known."""
        around, up = self._surroundings, self.up
        if around is None or around.floor is None or up is None:
            return math.inf
        return lowest(frame_from_gripper, opening, around.gripper, up) - around.floor

    def _floor_problem(self, grasp: FloatArray, opening: float) -> str:
        room_below = self._room_below(grasp, opening)
        if room_below >= -_INTO_THE_FLOOR:
            return ""
        return f"fingers would be {-room_below * 1e3:.0f} mm below the floor"

    def _slack(self, attempt: Attempt) -> Slack:
        """How far off the gripper may be: by the cloud, else by what the points say."""
        fit, met = attempt.fit, attempt.contacts
        width = 0.0 if math.isnan(self.stance.width) else self.stance.width
        if fit is not None and fit.holds:
            width = fit.width
        closing = max(attempt.opening - width, 0.0) / 2
        if met is not None:
            return Slack(met.across, closing, met.depth)
        depth = attempt.insertion if attempt.insertion > 0 else math.inf
        return Slack(closing=closing, depth=depth)

    def _uncertain(self, covariance: FloatArray, certainty: float) -> str:
        if certainty >= self.config.min_certainty:
            return ""
        x, y, z = (np.sqrt(np.diag(covariance)[:3]) * 1e3).tolist()
        return (
            f"closes on the thing with a chance of {certainty:.0%},"
            f" {self.config.min_certainty:.0%} is wanted: position known to {y:.1f} mm along the"
            f" closing direction, {z:.1f} along the approach, {x:.1f} across (1σ)"
        )

    def _antipodality(self, attempt: Attempt) -> float:
        if attempt.contacts is None:
            return NOTHING_SEEN
        return attempt.contacts.antipodality(math.radians(self.config.friction))

    def _slips(self, attempt: Attempt) -> str:
        if attempt.contacts is None:
            return ""
        beyond = math.degrees(attempt.contacts.beyond(math.radians(self.config.friction)))
        if beyond <= 0:
            return ""
        return (
            f"{math.ceil(beyond)}° out of the friction cone of {self.config.friction:g}°:"
            f" {attempt.contacts.words()}"
        )

    def _reached(self, draft: Draft) -> Draft:
        """The half turn that the arm reaches better."""
        if self._reachable is None:
            return draft
        other = draft.grasp @ _HALF_TURN
        here, there = (_share(self._reachable(pose)) for pose in (draft.grasp, other))
        terms = {**draft.terms, REACHABILITY: max(here, there)}
        if there > here:
            covariance = moved_along(draft.covariance, _HALF_TURN)
            return dataclasses.replace(draft, grasp=other, covariance=covariance, terms=terms)
        return dataclasses.replace(
            draft, terms=terms, problem="" if here > 0 else "cannot be reached, nor half a turn on"
        )


def is_free(candidate: Draft | PickPlaceGoal) -> bool:
    """Whether the arm gets to it without touching anything, as far as that is known."""
    return candidate.terms.get(REACHABILITY, 1.0) > TOUCHING


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise InvalidInputError(f"reachable gave {value}: 0 (cannot be reached) to 1 is expected")
    return float(value)
