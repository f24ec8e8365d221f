# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.errors import DependencyError, FileFormatError, InvalidInputError
from tack_sim.objects import mesh_pieces, solids
from tack_sim.objects.user_mesh import load_mesh

trimesh = pytest.importorskip("trimesh")

RED, BLUE = (200, 30, 30), (20, 40, 220)


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """A box of 120 x 60 x 40 mm, in millimetres."""
    trimesh.creation.box((120, 60, 40)).export(tmp_path / "block.stl")
    return tmp_path / "block.stl"


def sampled(texture: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    height, width = texture.shape[:2]
    u, v = coordinates[:, 0] * width - 0.5, coordinates[:, 1] * height - 0.5
    picked = cv2.remap(
        texture, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=1
    )
    return picked[:, 0]


def face_colors(model, faces: np.ndarray) -> np.ndarray:
    """(N, 3) what is painted at the middle of faces."""
    return sampled(model.texture, model.mesh.texture[model.mesh.faces[faces]].mean(axis=1))


@pytest.mark.parametrize("suffix", ["obj", "stl", "ply", "glb"])
def test_each_format_gives_the_same_body(block: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"other.{suffix}"
    trimesh.load_mesh(block).export(file)
    model = load_mesh(file, scale=0.001, cache=tmp_path)
    assert model.mesh.vertices.min(axis=0) == pytest.approx((-0.06, -0.03, 0))
    assert model.mesh.vertices.max(axis=0) == pytest.approx((0.06, 0.03, 0.04))
    assert len(model.mesh.faces) == 12
    assert len(model.pieces) == 1  # it is convex
    assert solids.volume(model.pieces[0]) == pytest.approx(0.12 * 0.06 * 0.04)
    assert model.seed == -1
    assert model.family == "other"


def test_faces_keep_their_order(block: Path, tmp_path: Path) -> None:
    raw = trimesh.load_mesh(block, process=False)
    model = load_mesh(block, scale=0.001, cache=tmp_path)
    shift = np.array([0, 0, 0.02])
    found = np.sort(model.mesh.vertices[model.mesh.faces] - shift, axis=1)
    assert found == pytest.approx(np.sort(raw.triangles * 0.001, axis=1), abs=1e-9)


@pytest.mark.parametrize(
    ("up", "size"), [("x", (60, 40, 120)), ("-y", (120, 40, 60)), ("-z", (120, 60, 40))]
)
def test_up_turns_the_mesh(block: Path, tmp_path: Path, up: str, size: tuple[int, ...]) -> None:
    model = load_mesh(block, scale=0.001, up=up, cache=tmp_path)
    assert np.ptp(model.mesh.vertices, axis=0) * 1000 == pytest.approx(size)
    solid = trimesh.Trimesh(model.mesh.vertices, model.mesh.faces)
    assert solid.volume == pytest.approx(0.12 * 0.06 * 0.04)  # turned, not mirrored


def test_the_default_grasp_is_across_the_narrow_side(block: Path, tmp_path: Path) -> None:
    model = load_mesh(block, scale=0.001, cache=tmp_path)
    (grasp,) = model.grasps
    assert grasp.point == "center"
    assert model.position("center") == pytest.approx((0, 0, 0.04))
    assert abs(grasp.closing[1]) == pytest.approx(1)
    assert grasp.width == pytest.approx(0.06, abs=1e-3)
    assert 0.04 - grasp.depth >= 0.002
    assert not load_mesh(block, scale=0.001, cache=tmp_path, stroke=0.05).grasps


def test_a_thing_with_a_hole_is_grasped_at_its_rim(tmp_path: Path) -> None:
    ring = trimesh.creation.annulus(0.045, 0.055, 0.03)
    ring.export(tmp_path / "ring.ply")
    model = load_mesh(tmp_path / "ring.ply", cache=tmp_path, points={"rim": (0.05, 0, 0.015)})
    grasp = next(g for g in model.grasps if g.point == "rim")
    assert grasp.width < 0.015
    assert abs(grasp.closing[0]) > 0.95
    assert len(model.pieces) > 1
    inside = solids.distance(model.pieces[0], np.zeros((1, 3)))
    for piece in model.pieces[1:]:
        inside = np.minimum(inside, solids.distance(piece, np.zeros((1, 3))))
    assert inside[0] > 0.02  # the hole is open


def test_pieces_come_from_the_cache_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def decomposed(vertices: np.ndarray, faces: np.ndarray, name: str) -> list[np.ndarray]:
        runs.append(name)
        return [vertices[vertices[:, 0] < 0.001], vertices[vertices[:, 0] > -0.001]]

    monkeypatch.setattr(mesh_pieces, "_run", decomposed)
    trimesh.creation.torus(0.04, 0.01).export(tmp_path / "torus.ply")
    first = load_mesh(tmp_path / "torus.ply", cache=tmp_path / "cache")
    again = load_mesh(tmp_path / "torus.ply", cache=tmp_path / "cache")
    assert runs == ["torus.ply"]
    for piece, other in zip(first.pieces, again.pieces, strict=True):
        assert np.array_equal(piece.vertices, other.vertices)
    load_mesh(tmp_path / "torus.ply", cache=tmp_path / "cache", scale=1.5)
    assert len(runs) == 2
    for entry in (tmp_path / "cache").iterdir():
        entry.write_bytes(b"broken")
    load_mesh(tmp_path / "torus.ply", cache=tmp_path / "cache")
    assert len(runs) == 3


def test_images_are_baked_the_right_way_up(tmp_path: Path) -> None:
    from PIL import Image

    picture = np.zeros((64, 32, 3), np.uint8)
    picture[:32], picture[32:] = RED, BLUE  # red above
    places = [(0, 0, 0), (0.1, 0, 0), (0.1, 0, 0.1), (0, 0, 0.1), (0.05, 0.04, 0.05)]
    faces = [(0, 1, 2), (0, 2, 3), (1, 0, 4), (2, 1, 4), (3, 2, 4), (0, 3, 4)]
    uv = [(0, 0), (1, 0), (1, 1), (0, 1), (0.5, 0.5)]
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture))
    mesh = trimesh.Trimesh(
        places, faces, visual=trimesh.visual.TextureVisuals(uv, material), process=False
    )
    mesh.export(tmp_path / "wall.glb")
    model = load_mesh(tmp_path / "wall.glb", cache=tmp_path)
    high = model.mesh.vertices[:, 2] > 0.09
    low = model.mesh.vertices[:, 2] < 0.01
    inward = model.mesh.texture * 0.9 + 0.1 * model.mesh.texture.mean(axis=0)
    assert np.abs(sampled(model.texture, inward[high]).astype(int) - RED).max() < 12
    assert np.abs(sampled(model.texture, inward[low]).astype(int) - BLUE).max() < 12


def test_vertex_and_plain_colours_are_baked(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(radius=0.03)
    high = ball.vertices[:, 2] > 0
    ball.visual.vertex_colors = np.where(high[:, None], (*RED, 255), (*BLUE, 255)).astype(np.uint8)
    ball.export(tmp_path / "ball.ply")
    model = load_mesh(tmp_path / "ball.ply", cache=tmp_path)
    middle = model.mesh.vertices[model.mesh.faces].mean(axis=1)[:, 2]
    colors = face_colors(model, np.arange(len(model.mesh.faces))).astype(int)
    assert np.abs(colors[middle > 0.036] - RED).max() < 8
    assert np.abs(colors[middle < 0.024] - BLUE).max() < 8

    scene = trimesh.Scene()
    for x, color in ((0, RED), (0.04, BLUE)):
        cube = trimesh.creation.box((0.03, 0.03, 0.03))
        cube.apply_translation((x, 0, 0))
        material = trimesh.visual.material.PBRMaterial(baseColorFactor=(*color, 255))
        cube.visual = trimesh.visual.TextureVisuals(material=material)
        scene.add_geometry(cube)
    scene.export(tmp_path / "cubes.glb")
    model = load_mesh(tmp_path / "cubes.glb", cache=tmp_path)
    left = model.mesh.vertices[model.mesh.faces].mean(axis=1)[:, 0] < 0
    colors = face_colors(model, np.arange(24)).astype(int)
    assert np.abs(colors[left] - RED).max() < 3
    assert np.abs(colors[~left] - BLUE).max() < 3


def test_named_points_are_in_the_coordinates_of_the_file(block: Path, tmp_path: Path) -> None:
    model = load_mesh(
        block, scale=0.001, up="y", cache=tmp_path, points={"end": (60, 0, 0), "lid": (0, 30, 0)}
    )
    assert model.position("end") == pytest.approx((0.06, 0, 0.03))
    assert model.position("lid") == pytest.approx((0, 0, 0.06))
    with pytest.raises(InvalidInputError, match=r"point far: .* from the surface"):
        load_mesh(block, scale=0.001, cache=tmp_path, points={"far": (0, 0, 500)})


def test_rests_are_stable_and_differ(block: Path, tmp_path: Path) -> None:
    model = load_mesh(block, scale=0.001, cache=tmp_path)
    downs = np.array([rest.table_from_object[2, :3] for rest in model.rests])
    assert model.rests[0].name == "upright"
    assert model.rests[0].table_from_object == pytest.approx(np.eye(4))
    assert len(downs) == 6
    assert (np.abs(downs).max(axis=1) > 0.999).all()
    for rest in model.rests:
        lowest = geometry.apply(rest.table_from_object, model.mesh.vertices)[:, 2].min()
        assert lowest == pytest.approx(0, abs=1e-9)


def test_faces_that_look_inward_are_turned(tmp_path: Path) -> None:
    box = trimesh.creation.box((0.1, 0.05, 0.05))
    box.invert()
    box.export(tmp_path / "inverted.stl")
    model = load_mesh(tmp_path / "inverted.stl", cache=tmp_path)
    solid = trimesh.Trimesh(model.mesh.vertices, model.mesh.faces)
    assert solid.volume == pytest.approx(0.1 * 0.05 * 0.05)


def test_an_open_mesh_is_explained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh_pieces, "_run", lambda vertices, faces, name: [vertices])
    box = trimesh.creation.box((0.1, 0.05, 0.05))
    box.update_faces(np.arange(len(box.faces)) >= 2)
    box.export(tmp_path / "open.stl")
    model = load_mesh(tmp_path / "open.stl", cache=tmp_path, mass=0.3)
    assert model.mass == 0.3
    assert "open.stl: has 4 open edges" in caplog.text
    assert "give mass=" in caplog.text


def test_a_wrong_unit_is_named(block: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"looks like millimetres: scale=0.001"):
        load_mesh(block)
    trimesh.creation.box((0.1, 0.1, 0.1)).export(tmp_path / "small.stl")
    with pytest.raises(InvalidInputError, match=r"looks like metres: scale=1$"):
        load_mesh(tmp_path / "small.stl", scale=0.001)


def test_files_that_are_no_mesh_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such file"):
        load_mesh(tmp_path / "missing.stl")
    (tmp_path / "cup.step").write_text("ISO-10303-21;")
    with pytest.raises(InvalidInputError, match=r"ends in \.obj"):
        load_mesh(tmp_path / "cup.step")
    (tmp_path / "broken.glb").write_bytes(b"glTF\x02\x00\x00\x00rubbish")
    with pytest.raises(FileFormatError, match=r"broken\.glb: cannot be read"):
        load_mesh(tmp_path / "broken.glb")
    (tmp_path / "empty.obj").write_text("# nothing\n")
    with pytest.raises((InvalidInputError, FileFormatError), match=r"empty\.obj"):
        load_mesh(tmp_path / "empty.obj")
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 0 1 0\nv 1 0 0\n")
    with pytest.raises(InvalidInputError, match="no triangles"):
        load_mesh(tmp_path / "points.obj")
    (tmp_path / "nan.obj").write_text("v 0 0 nan\nv 0 .1 0\nv .1 0 0\nf 1 2 3\n")
    with pytest.raises(InvalidInputError, match="NaN or infinite"):
        load_mesh(tmp_path / "nan.obj")


@pytest.mark.parametrize(("name", "value"), [("scale", 0.0), ("scale", float("nan")), ("up", "w")])
def test_bad_arguments_are_named(block: Path, name: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=name):
        load_mesh(block, **{name: value})


def test_missing_packages_are_named(
    block: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "coacd", None)
    trimesh.creation.torus(0.04, 0.01).export(tmp_path / "torus.ply")
    with pytest.raises(DependencyError, match=r"CoACD.*tack\[sim\]"):
        load_mesh(tmp_path / "torus.ply", cache=tmp_path)
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(DependencyError, match=r"trimesh.*tack\[sim\]"):
        load_mesh(block)
