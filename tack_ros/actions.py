# SPDX-License-Identifier: Apache-2.0
"""What rclpy leaves to those who use its actions: final states at the end, and their clean-up."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.action.client import ActionClient
from rclpy.action.server import ActionServer
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node


def finish(node: Node, move: Callable[[], None]) -> None:
    """Put a goal of an action server into a final state (`handle.abort`, say).

    What cannot be told any more because the context has just ended is no error.
    """
    try:
        move()
    except Exception:
        if node.context.ok():
            raise


def servers_of(node: Node, name: str) -> frozenset[bytes]:
    """Who serves an action now, as far as a node knows.

    Args:
        node: one of the graph.
        name: of the action, as the node would call it.

    Returns:
        The identity of each server: that of its status topic's publisher, different after a
        restart. Empty where the node itself has ended.
    """
    try:
        publishers = node.get_publishers_info_by_topic(f"{name}/_action/status")
    except Exception as error:
        if node.context.ok() and not isinstance(error, InvalidHandle):
            raise
        return frozenset()
    return frozenset(bytes(publisher.endpoint_gid) for publisher in publishers)


def destroy_actions(node: Node) -> None:
    """Destroy the action servers and clients of a node; `Node.destroy_node` forgets them.

    A forgotten one keeps its node on the graph until Python's garbage collector happens to come by,
    and others go on waiting for the answers of a server that has ended.
    """
    for waitable in tuple(node.waitables):
        if isinstance(waitable, (ActionServer, ActionClient)):
            waitable.destroy()
