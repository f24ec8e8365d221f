# SPDX-License-Identifier: Apache-2.0
"""A pixel and the depth around it → a 3D point with covariance and normal, or a reason why not."""

from tack_perception.lifting.lift import lift, lift_keypoint
from tack_perception.lifting.result import Lifted, Refusal, RefusalReason
from tack_perception.lifting.settings import LiftingConfig

__all__ = ["Lifted", "LiftingConfig", "Refusal", "RefusalReason", "lift", "lift_keypoint"]
