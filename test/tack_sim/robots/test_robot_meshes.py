# SPDX-License-Identifier: Apache-2.0
"""Meshes of robots: taken from a wheel, checked, put into the links' frames."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import math
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import trimesh

from tack_sim.robots.arms import ARMS, HANDS
from tack_sim.robots.assets import load_meshes
from tack_sim.robots.link import pose

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "robot_meshes.py"
FILES = {
    "METADATA": "Metadata-Version: 2.1\nName: tack-box\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("robot_meshes", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["robot_meshes"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with one box of 100 x 200 x 300 mm; pip finds it and nothing else."""
    path = tmp_path / "wheels" / "tack_box-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        box = trimesh.creation.box(extents=(100, 200, 300))
        archive.writestr("box/box.stl", box.export(file_type="stl"))
        for name, text in FILES.items():
            archive.writestr(f"tack_box-1.0.dist-info/{name}", text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def test_a_mesh_gets_from_the_wheel_into_its_links_frame(script: ModuleType, wheel: Path) -> None:
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    turned = pose((1, 0, 0), (0, 0, math.pi / 2))
    parts = (
        script.Part("a", "box/box.stl", red, 1e-3),
        script.Part("a", "box/box.stl", red, 1e-3, turned),
        script.Part("a", "box/box.stl", blue, 1e-3),
        script.Part("b", "box/box.stl", blue, 1e-3, turned),
    )
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    package = script.Package("tack-box", "1.0", digest, 0.1, {"boxes": parts})
    script.install(package, ["boxes"])
    links = load_meshes("boxes")
    assert [mesh.color for mesh in links["a"]] == [red, blue]
    assert len(links["a"][0].faces) == 24  # two boxes in one mesh
    (turned_box,) = links["b"]
    assert turned_box.vertices.min(axis=0) == pytest.approx([0.9, -0.05, -0.15], abs=1e-6)
    assert turned_box.vertices.max(axis=0) == pytest.approx([1.1, 0.05, 0.15], abs=1e-6)

    other = dataclasses.replace(package, sha256="0" * 64)
    with pytest.raises(script.MeshError, match=f"SHA-256 {digest}; 0000"):
        script.install(other, ["boxes"])
    gone = dataclasses.replace(package, version="2.0")
    with pytest.raises(script.MeshError, match=r"tack-box==2\.0 cannot be downloaded"):
        script.install(gone, ["boxes"])


def test_meshes_belong_to_links_that_there_are(script: ModuleType) -> None:
    known = {**ARMS, **HANDS}
    named = set()
    for package in script.PACKAGES:
        for name, parts in package.parts.items():
            named.add(name)
            links = {link.name for link in known[name].links}
            assert {part.link for part in parts} <= links
            for part in parts:
                assert np.allclose(np.linalg.det(part.link_from_mesh[:3, :3]), 1)
    assert named == set(known)
