# SPDX-License-Identifier: Apache-2.0
"""/tf and /tf_static into the transform buffer that the offline replay uses too."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray
from tf2_msgs.msg import TFMessage

from tack_perception.errors import InvalidInputError
from tack_perception.transforms import TransformBuffer
from tack_ros import qos
from tack_ros.conversions.stamps import to_ns
from tack_ros.conversions.transforms import from_transform
from tack_ros.node import TackNode


class TransformListener:
    """Keeps a `TransformBuffer` filled, and waits for transforms that are on their way.

    Args:
        node: its subscriptions are made here, and refused transforms are counted in its `drops`.
    """

    def __init__(self, node: TackNode) -> None:
        self.buffer = TransformBuffer()
        self._drops = node.drops
        node.when_time_jumps_back(self.buffer.clear)
        self._arrived = threading.Condition()
        node.create_subscription(TFMessage, "/tf", self._on_moving, qos.TF)
        node.create_subscription(TFMessage, "/tf_static", self._on_static, qos.TF_STATIC)

    def wait_for(
        self, target: str, source: str, stamp_ns: int, timeout_s: float
    ) -> NDArray[np.float64]:
        """The transform at a stamp; where it is not there yet, wait for it.

        Call it from a worker thread: the executor's thread is the one that receives transforms.

        Returns:
            (4, 4) target_from_source, m.

        Raises:
            TransformError: it did not come in time, or never can (older than the buffer).
        """
        with self._arrived:
            self._arrived.wait_for(
                lambda: self.buffer.can_transform(target, source, stamp_ns), timeout_s
            )
        return self.buffer.lookup(target, source, stamp_ns)

    def _on_moving(self, message: TFMessage) -> None:
        self._add(message, static=False)

    def _on_static(self, message: TFMessage) -> None:
        self._add(message, static=True)

    def _add(self, message: TFMessage, *, static: bool) -> None:
        for transform in message.transforms:
            parent, child = transform.header.frame_id, transform.child_frame_id
            try:
                matrix = from_transform(transform.transform)
                self.buffer.add(parent, child, to_ns(transform.header.stamp), matrix, static=static)
            except InvalidInputError as error:
                self._drops.add(f"transform {parent} ← {child}: {error}")
        with self._arrived:
            self._arrived.notify_all()
