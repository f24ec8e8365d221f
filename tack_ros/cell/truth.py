# SPDX-License-Identifier: Apache-2.0
"""What a simulation knows and a robot does not: true poses, verdicts, and a hand that tidies up.

For demos, tests and benchmarks only; nothing of the pick-and-place listens to it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from std_srvs.srv import Trigger

from tack_perception import geometry
from tack_perception.errors import TackError
from tack_ros.node import TackNode
from tack_sim.cell.judge import GraspJudge, judge_place
from tack_sim.cell.layout import CellLayout, with_target_moved
from tack_sim.cell.world import CellWorld

FloatArray = NDArray[np.float64]


class TruthServer:
    """Serves ~/truth, ~/judge and ~/move_target; answers are JSON in the message.

    Args:
        node: the services are made here.
        world: the cell.
        seed: of where the target is moved to.
    """

    def __init__(self, node: TackNode, world: CellWorld, seed: int) -> None:
        self._world = world
        self._seed, self._moves = seed, 0
        self._judge = GraspJudge(world, world.layout.target.name)
        node.create_service(Trigger, "~/truth", self._on_truth)
        node.create_service(Trigger, "~/judge", self._on_judge)
        node.create_service(Trigger, "~/move_target", self._on_move)

    def reset(self) -> None:
        """All objects back to where they were at the start."""
        self._put(self._world.layout)

    def _put(self, layout: CellLayout) -> None:
        world = self._world
        with world.lock:
            for placed in layout.objects:
                world.place_object(placed.name, placed.base_from_object)
            world.forget_collisions()
            self._judge = GraspJudge(world, layout.target.name)

    def _on_truth(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        world = self._world
        with world.lock:
            objects = {
                placed.name: {
                    "class": placed.model.family,
                    "instance": placed.model.seed,
                    "role": placed.role,
                    "base_from_object": world.object_pose(placed.name).tolist(),
                    "points": {
                        name: geometry.apply(
                            world.object_pose(placed.name), placed.model.position(name)
                        ).tolist()
                        for name in placed.model.points
                    },
                }
                for placed in world.layout.objects
            }
            container = world.layout.bin
            known = {
                "time": world.time,
                "target": world.layout.target.name,
                "objects": objects,
                "bin": None if container is None else container.base_from_bin.tolist(),
                "bin_inner": None if container is None else list(container.inner),
            }
        return _answer(response, known)

    def _on_judge(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        world, name = self._world, self._world.layout.target.name
        grasp = self._judge.verdict()
        known: dict[str, Any] = {
            "held": grasp.success,
            "grasp": grasp.reason,
            "lifted": grasp.lifted,
            "collisions": [str(collision) for collision in world.collisions],
        }
        if world.layout.bin is not None:
            place = judge_place(world, name, world.layout.bin, settle=0.0)
            known |= {
                "placed": place.success,
                "in_bin": place.there,
                "at_rest": place.at_rest,
                "released": place.released,
                "upright": place.upright,
                "all_in_bin": sorted(
                    one.name
                    for one in world.layout.wanted
                    if judge_place(world, one.name, world.layout.bin, settle=0.0).there
                ),
            }
        return _answer(response, known)

    def _on_move(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._moves += 1
        try:
            moved = with_target_moved(self._world.layout, self._seed + 1000 * self._moves)
        except TackError as error:
            response.success, response.message = False, str(error)
            return response
        self._put(moved)
        return _answer(response, {"base_from_object": moved.target.base_from_object.tolist()})


def _answer(response: Trigger.Response, known: dict[str, Any]) -> Trigger.Response:
    response.success, response.message = True, json.dumps(known)
    return response
