# SPDX-License-Identifier: Apache-2.0
"""What the behaviour tree is made of beside the nodes of py_trees."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import py_trees
from py_trees.common import Status

T = TypeVar("T")


class Inline(concurrent.futures.Executor):
    """Does at once what it is given: the tree then needs no thread, and no tick finds it busy."""

    def submit(
        self, fn: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        """Do it."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def sequence(name: str, *children: py_trees.behaviour.Behaviour) -> py_trees.composites.Sequence:
    """One after the other, as long as they succeed."""
    return py_trees.composites.Sequence(name, memory=True, children=list(children))


class Stage(py_trees.behaviour.Behaviour):
    """Does something in an executor; running until it is done.

    Args:
        name: of the stage.
        act: does it; whether it succeeded.
        executor: in which it is done.
        woken: set once it is done.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[], bool],
        executor: concurrent.futures.Executor,
        woken: threading.Event,
    ) -> None:
        super().__init__(name)
        self._act, self._executor, self._woken = act, executor, woken
        self._future: concurrent.futures.Future[bool] | None = None

    def initialise(self) -> None:
        """Begin."""
        self._future = self._executor.submit(self._act)
        self._future.add_done_callback(lambda _: self._woken.set())

    def update(self) -> Status:
        """How far it is."""
        assert self._future is not None
        if not self._future.done():
            return Status.RUNNING
        return Status.SUCCESS if self._future.result() else Status.FAILURE


class While(py_trees.decorators.Decorator):
    """Does its child again after a failure, as long as that is wanted.

    Args:
        name: of the node.
        child: to be done.
        wanted: whether to do it again.
        pause: done before.
    """

    def __init__(
        self,
        name: str,
        child: py_trees.behaviour.Behaviour,
        wanted: Callable[[], bool],
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name, child)
        self._wanted, self._pause = wanted, pause

    def update(self) -> Status:
        """Of the child; running where it is to be done again."""
        status = self.decorated.status
        if status is Status.FAILURE and self._wanted():
            self._pause()
            return Status.RUNNING
        return status


class If(py_trees.decorators.Decorator):
    """Does its child where it is wanted, and succeeds where it is not.

    Args:
        name: of the node.
        wanted: whether to do it.
        child: to be done.
    """

    def __init__(
        self, name: str, wanted: Callable[[], bool], child: py_trees.behaviour.Behaviour
    ) -> None:
        super().__init__(name, child)
        self._wanted = wanted

    def tick(self) -> Any:
        """Tick the child, or none."""
        if self.status is not Status.RUNNING and not self._wanted():
            self.status = Status.SUCCESS
            yield self
            return
        yield from super().tick()

    def update(self) -> Status:
        """Of the child."""
        return self.decorated.status
