# SPDX-License-Identifier: Apache-2.0
"""From a recording to a data set of correspondences: poses, fused surface, masks, and a verdict.

`record` (in `job`) does it all. The other modules are its steps, in this order: `taking` chooses
frames, `gripper` finds what moves with the camera, `poses` and `board` say where the camera was,
`volume` fuses the depth, `parts` tells objects from what they stand on, `quality` judges.
"""

from tack_perception.recording.job import Recorded, record, write
from tack_perception.recording.settings import RecordConfig

__all__ = ["RecordConfig", "Recorded", "record", "write"]
