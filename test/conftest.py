# SPDX-License-Identifier: Apache-2.0
"""The world every test lives in: a ROS graph of its own, closed to other hosts, no display."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from hypothesis import settings

from tack_ros.environment import (
    DISCOVERY_VARIABLE,
    PROFILE_VARIABLES,
    graph_environment,
    private_domain_id,
)

# Whatever the shell says: tests never reach, and are never reached from, another graph. Set on
# import, so that child processes and modules that look at the environment early see it too.
for name in (DISCOVERY_VARIABLE, *PROFILE_VARIABLES, "ROS_STATIC_PEERS", "RMW_IMPLEMENTATION"):
    os.environ.pop(name, None)
os.environ.update(graph_environment(domain_id=private_domain_id()))
# Before anything imports numpy or torch. As many test processes as cores: threads of their
# arithmetic would only wait for each other. And the commands compute with one (tack_cli), which a
# test that calls them in its own process has to do as well to get the same bits.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# A test that imports mujoco itself would otherwise choose an OpenGL that needs a display, for all
# tests of its process.
os.environ.setdefault("MUJOCO_GL", "egl")
# In the background of a script Ctrl-C is ignored, and so it would be by all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("patient", deadline=None)  # a busy machine is no fault
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """A command that is called in this process may join another graph; the next test does not."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs rclpy where there is none."""
    if find_spec("rclpy") is None:
        skip = pytest.mark.skip(reason="needs rclpy: `pip install tack[ros]`, or a sourced ROS 2")
        for item in items:
            if item.get_closest_marker("ros"):
                item.add_marker(skip)
