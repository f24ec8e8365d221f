# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tack_perception.errors import FileFormatError, InvalidInputError
from tack_sim.cell.layout import with_target_moved
from tack_sim.cell.log import CellLog, CellSetup
from tack_sim.cell.world import CellWorld


def test_a_log_can_be_looked_at_again(tmp_path: Path) -> None:
    setup = CellSetup(object_class="box", seed=4)
    world, log = CellWorld(setup.layout(), meshes=False), CellLog(setup, rate=20.0)
    for _ in range(20):
        if log.due(world.time):
            log.add(world.snapshot())
        world.step(0.01)
    log.save(tmp_path / "cell.npz")
    again = CellLog.load(tmp_path / "cell.npz")
    assert again.setup == setup
    assert [s.time for s in again.snapshots()] == pytest.approx([0.0, 0.05, 0.1, 0.15])
    other = CellWorld(again.setup.layout(), meshes=False)
    for kept, read in zip(log.snapshots(), again.snapshots(), strict=True):
        np.testing.assert_array_equal(kept.qpos, read.qpos)
        read.apply(other.model, other.data)
    assert len(again) == 4


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cell.npz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"cell\.npz is no log of a cell"):
        CellLog.load(path)


def test_a_mesh_of_ones_own_stands_on_the_table(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / "brick.stl"
    trimesh.creation.box((0.06, 0.05, 0.04)).export(path)
    target = CellSetup(object_class=str(path), seed=1).layout().target
    assert (target.name, target.model.seed) == ("brick", -1)
    assert target.point("center")[2] == pytest.approx(0.04, abs=0.02)
    with pytest.raises(InvalidInputError, match=r"gone\.stl"):
        CellSetup(object_class=str(tmp_path / "gone.stl")).layout()


def test_the_target_is_moved_and_turned_and_all_else_stays() -> None:
    layout = CellSetup(object_class="mug", seed=3, clutter=2).layout()
    moved = with_target_moved(layout, 11)
    before, after = layout.target.base_from_object, moved.target.base_from_object
    assert np.linalg.norm((after - before)[:2, 3]) > 0.01
    assert abs(after[0, 0] - before[0, 0]) > 1e-3
    assert after[2, 3] == pytest.approx(before[2, 3])
    assert moved.objects[1:] == layout.objects[1:]
    again = with_target_moved(layout, 11)
    np.testing.assert_array_equal(again.target.base_from_object, after)
