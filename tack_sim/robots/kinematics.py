# SPDX-License-Identifier: Apache-2.0
"""Forward and inverse kinematics of an arm, in numpy alone: safe to call from any thread."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.robots.arms import arm_of

FloatArray = NDArray[np.float64]

_TOLERANCE = 1e-6  # m and rad
_ITERATIONS = 30  # of one attempt; what has not arrived by then is stuck, and starts anew
_DAMPING = 3e-3  # at an error of 1; it shrinks with the error, so the end converges quadratically
_LONGEST_STEP = 0.5  # rad, of any joint in one iteration: the Jacobian holds no farther
_POSTURE_GAIN = 0.3  # share of the way back to the seed in one iteration, where the task leaves it


class Kinematics:
    """The chain of one robot's arm.

    Attributes:
        joints: names, from the base to the tip.
        lower, upper: (n,) limits, rad.

    Args:
        profile: the robot; its arm must be one that tack knows.

    Raises:
        InvalidInputError: the arm is unknown, or its joints, base or tip are not the profile's.
    """

    def __init__(self, profile: RobotProfile) -> None:
        arm = arm_of(profile)
        self.joints = arm.joints
        limits = [profile.joints[name] for name in self.joints]
        self.lower = np.array([limit.lower for limit in limits])
        self.upper = np.array([limit.upper for limit in limits])
        self._gripper_from_tip = geometry.inverse(profile.gripper.tip_from_gripper)
        self._tip_from_gripper = profile.gripper.tip_from_gripper
        steps, step = [], np.eye(4)
        for link in arm.links:
            step = step @ link.parent_from_link
            if link.joint:
                steps.append(step)
                step = np.eye(4)
        self._steps = np.array(steps)  # (n, 4, 4) from joint to joint, each at its zero
        self._last = step  # (4, 4) from the last joint to the tip

    def forward(self, q: ArrayLike) -> FloatArray:
        """(4, 4) base_from_tip, m, at joint positions (n,), rad."""
        tip: FloatArray = self._frames(self._checked(q))[-1]
        return tip

    def gripper_pose(self, q: ArrayLike) -> FloatArray:
        """(4, 4) base_from_gripper, m, at joint positions (n,), rad."""
        return self.forward(q) @ self._tip_from_gripper

    def tip_pose(self, base_from_gripper: FloatArray) -> FloatArray:
        """(4, 4) base_from_tip where the gripper frame is at base_from_gripper (4, 4), m."""
        pose: FloatArray = base_from_gripper @ self._gripper_from_tip
        return pose

    def jacobian(self, q: ArrayLike) -> FloatArray:
        """(6, n) velocity of the tip's origin (m/s), then its angular velocity (rad/s).

        Both are in the base frame, per rad/s of each joint.
        """
        return _jacobian(self._frames(self._checked(q)))

    def inverse(
        self,
        base_from_tip: FloatArray,
        seed_q: ArrayLike,
        *,
        rng: np.random.Generator | None = None,
        attempts: int = 40,
    ) -> FloatArray | None:
        """Joint positions that bring the tip to a pose, near the seed where there is a choice.

        Damped least squares; what the pose leaves free draws the arm towards the seed. The first
        attempt starts at the seed, the others at random positions.

        Args:
            base_from_tip: (4, 4) wanted pose, m.
            seed_q: (n,) rad; clipped to the limits.
            rng: for the random starts; None takes the same ones at every call.
            attempts: number of starts.

        Returns:
            (n,) rad within the limits, exact to 1e-6 m and rad; None where no attempt arrived.

        Raises:
            InvalidInputError: the pose is not rigid, or the seed has another number of joints.
        """
        target = geometry.check_transform(base_from_tip, "base_from_tip")
        seed = np.clip(self._checked(seed_q), self.lower, self.upper)
        start = seed
        for attempt in range(attempts):
            if attempt == 1 and rng is None:
                rng = np.random.default_rng(0)
            if attempt:
                assert rng is not None
                # A full turn on each side of the seed holds every branch of the solution.
                low = np.maximum(self.lower, seed - math.pi)
                high = np.minimum(self.upper, seed + math.pi)
                start = rng.uniform(low, high)
            found = self._descend(target, start, seed)
            if found is not None:
                return found
        return None

    def _descend(
        self, target: FloatArray, start: FloatArray, seed: FloatArray
    ) -> FloatArray | None:
        q = start
        for _ in range(_ITERATIONS):
            frames = self._frames(q)
            error = _error(frames[-1], target)
            size = math.sqrt(float(error @ error))
            if size < _TOLERANCE:
                return q
            step = self._step(q, _jacobian(frames), error, _DAMPING * min(size, 1.0), seed)
            largest = float(np.abs(step).max())
            if largest > _LONGEST_STEP:
                step *= _LONGEST_STEP / largest
            q = np.minimum(np.maximum(q + step, self.lower), self.upper)
        return None

    def _step(
        self,
        q: FloatArray,
        jacobian: FloatArray,
        error: FloatArray,
        damping: float,
        seed: FloatArray,
    ) -> FloatArray:
        pull = _POSTURE_GAIN * (seed - q)
        step = _damped_step(jacobian, error, damping, pull)
        beyond = (q + step < self.lower) | (q + step > self.upper)
        if beyond.any():
            # Those joints go to their limit; the others make up for it.
            fixed = np.where(beyond, np.clip(q + step, self.lower, self.upper) - q, 0.0)
            left = error - jacobian @ fixed
            step = fixed + _damped_step(
                np.where(beyond, 0.0, jacobian), left, damping + 1e-9, np.where(beyond, 0.0, pull)
            )
        return step

    def _frames(self, q: FloatArray) -> FloatArray:
        """(n + 1, 4, 4) frames of the joints after their turn, and of the tip, in the base."""
        cosine, sine = np.cos(q), np.sin(q)
        turned = self._steps.copy()
        x, y = self._steps[:, :, 0], self._steps[:, :, 1]
        turned[:, :, 0] = x * cosine[:, None] + y * sine[:, None]
        turned[:, :, 1] = y * cosine[:, None] - x * sine[:, None]
        frames = np.empty((len(q) + 1, 4, 4))
        frames[0] = turned[0]
        for index in range(1, len(q)):
            np.matmul(frames[index - 1], turned[index], out=frames[index])
        np.matmul(frames[-2], self._last, out=frames[-1])
        return frames

    def _checked(self, q: ArrayLike) -> FloatArray:
        array = np.asarray(q, dtype=np.float64)
        if array.shape != self.lower.shape or not np.isfinite(array).all():
            raise InvalidInputError(
                f"joint positions {array.tolist()}: {len(self.joints)} finite numbers expected,"
                f" for {', '.join(self.joints)}"
            )
        return array


def _damped_step(
    jacobian: FloatArray, error: FloatArray, damping: float, pull: FloatArray
) -> FloatArray:
    """The step that takes the error away, and elsewhere follows the pull."""
    square = jacobian @ jacobian.T
    square.flat[::7] += damping
    step: FloatArray = pull + jacobian.T @ np.linalg.solve(square, error - jacobian @ pull)
    return step


def _jacobian(frames: FloatArray) -> FloatArray:
    axes = frames[:-1, :3, 2]
    arms = frames[-1, :3, 3] - frames[:-1, :3, 3]
    jacobian = np.empty((6, len(axes)))
    # np.cross spends ten times as long on its arguments as on the product.
    jacobian[0] = axes[:, 1] * arms[:, 2] - axes[:, 2] * arms[:, 1]
    jacobian[1] = axes[:, 2] * arms[:, 0] - axes[:, 0] * arms[:, 2]
    jacobian[2] = axes[:, 0] * arms[:, 1] - axes[:, 1] * arms[:, 0]
    jacobian[3:] = axes.T
    return jacobian


def _error(current: FloatArray, target: FloatArray) -> FloatArray:
    """(6,) what is left to go: m, and the rotation vector in the base frame, rad."""
    turn = target[:3, :3] @ current[:3, :3].T
    error = np.empty(6)
    error[:3] = target[:3, 3] - current[:3, 3]
    vector = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine = math.sqrt(float(vector @ vector)) / 2
    cosine = (turn[0, 0] + turn[1, 1] + turn[2, 2] - 1) / 2
    angle = math.atan2(sine, cosine)
    if sine > 1e-9:
        error[3:] = vector * (angle / (2 * sine))
    elif cosine > 0:
        error[3:] = vector / 2
    else:  # half a turn: the axis is what the matrix leaves in place, its sign is free
        column = int(np.argmax(np.diag(turn)))
        axis = turn[:, column] + np.eye(3)[column]
        error[3:] = math.pi * axis / np.linalg.norm(axis)
    return error
