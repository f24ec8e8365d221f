# SPDX-License-Identifier: Apache-2.0
"""Starts the nodes of the cell for a program that directs them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from tack_ros.cell.faults import CELL_FAULTS, PLANNING_FAULTS
from tack_ros.environment import graph_environment, private_domain_id, share_folder
from tack_ros.launching.background import BackgroundNodes
from tack_ros.launching.description import NodeDescription, read
from tack_sim.cell.faults import Fault
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.log import CellSetup


@contextlib.contextmanager
def cell_nodes(
    setup: CellSetup,
    layout: CellLayout,
    annotations: Path,
    output: Path,
    log: Path,
    camera: str,
    faults: Sequence[Fault] = (),
    without: Collection[str] = (),
) -> Iterator[Callable[[], None]]:
    """The nodes of cell.launch.yaml, on a graph of their own, while the block lasts.

    Args:
        setup: the cell.
        layout: what it makes.
        annotations: folder of the annotation set.
        output: folder for what the nodes print.
        log: file for what happens in the cell.
        camera: name of the profile's camera that looks.
        faults: what shall go wrong, in the cell and in planning.
        without: executables that are not started.

    Yields:
        A function that raises TackError if a node has ended.
    """
    environ = graph_environment(domain_id=private_domain_id())
    os.environ.update(environ)  # this process joins the same graph
    arguments = {
        "robot": setup.robot,
        "base_frame": layout.profile.base_frame,
        "object": setup.object_class,
        "seed": str(setup.seed),
        "clutter": str(setup.clutter),
        "set": str(annotations.absolute()),
        "places": str((output / "cell_places.yaml").absolute()),
    }
    nodes = read(share_folder() / "launch" / "cell.launch.yaml", arguments, environ)
    extra: dict[str, dict[str, Any]] = {
        "cell": {
            "instance": setup.instance,
            "occluders": setup.occluders,
            "cameras": [camera],
            "log": str(log.absolute()),
            "faults": [str(f) for f in faults if f.kind in CELL_FAULTS] or [""],
        },
        "move_group": {"faults": [str(f) for f in faults if f.kind in PLANNING_FAULTS] or [""]},
        # The camera looks from one height: apparent sizes hardly change.
        "detector": {"dense.scale": 1.2},
        # The object stands on a table and the robot beside it: come from above.
        "pick_place": {"planner.approach": "down", "planner.insertion": 0.02},
    }
    described = [
        _with(node, extra.get(node.executable, {}))
        for node in nodes
        if node.executable not in without
    ]
    with BackgroundNodes(described, environ, output / "logs") as running:
        yield running.check


def _with(node: NodeDescription, parameters: dict[str, Any]) -> NodeDescription:
    if not parameters:
        return node
    return dataclasses.replace(node, parameters=(*node.parameters, parameters))
