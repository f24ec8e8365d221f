# SPDX-License-Identifier: Apache-2.0
"""Fetch the meshes that robots are drawn with, from packages on PyPI, into tack's cache.

tack holds no mesh of another's making. This takes them out of a package at an exact version, checks
its SHA-256, and keeps one archive for each arm and gripper. Without them robots are drawn with
simple solids; physics and planning are the same. Licences: docs/robots.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trimesh

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tack_perception import geometry
from tack_perception.errors import TackError
from tack_sim.robots.assets import LinkMesh, mesh_archive, save_meshes
from tack_sim.robots.link import Color, FloatArray, pose
from tack_sim.robots.ur5e import UR5E

WHITE: Color = (0.96, 0.97, 0.98)
OFF_WHITE: Color = (0.90, 0.92, 0.93)
DARK: Color = (0.25, 0.25, 0.25)
BLUE: Color = (0.04, 0.54, 0.78)
GREEN: Color = (0.0, 0.8, 0.1)
BLACK: Color = (0.149, 0.149, 0.149)
GREY: Color = (0.463, 0.463, 0.463)
RUBBER: Color = (0.19, 0.19, 0.19)
SILVER: Color = (0.82, 0.82, 0.82)
UR_BLUE: Color = (0.49, 0.678, 0.8)

CELL = 0.0015  # m; vertices nearer than this become one


class MeshError(Exception):
    """The meshes cannot be had; the message says why."""


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One mesh file of a package.

    Attributes:
        link: that it belongs to.
        file: path in the package.
        color: RGB, 0 to 1.
        scale: to metres.
        link_from_mesh: (4, 4), m.
    """

    link: str
    file: str
    color: Color
    scale: float = 1.0
    link_from_mesh: FloatArray = dataclasses.field(default_factory=pose)


@dataclasses.dataclass(frozen=True)
class Package:
    """A wheel on PyPI, and what to take from it.

    Attributes:
        name, version, sha256: of the wheel.
        megabytes: to download.
        parts: arm or gripper → its mesh files.
    """

    name: str
    version: str
    sha256: str
    megabytes: float
    parts: dict[str, tuple[Part, ...]]


def panda_parts() -> Iterator[Part]:
    """The arm as the package colours it: link → colour → numbers of the files."""
    colors: dict[int, dict[Color, tuple[int, ...]]] = {
        0: {WHITE: (7, 8, 11), OFF_WHITE: (0, 2, 4, 10), DARK: (1, 3, 5, 9)},
        3: {WHITE: (0, 1, 2), DARK: (3,)},
        4: {WHITE: (0, 1, 3), DARK: (2,)},
        5: {WHITE: (1, 2), DARK: (0,)},
        6: {
            WHITE: (0, 1, 3, 4, 5, 6, 11, 13, 16),
            DARK: (2, 9, 10, 14, 15),
            BLUE: (7, 8),
            GREEN: (12,),
        },
        7: {WHITE: (0, 7), DARK: (1, 2, 3, 4, 5, 6)},
    }
    folder = "gym_hil/assets/franka_emika_panda/meshes"
    for link in range(8):
        if link not in colors:
            yield Part(f"panda_link{link}", f"{folder}/link{link}.obj", WHITE)
            continue
        for color, numbers in colors[link].items():
            for number in numbers:
                yield Part(f"panda_link{link}", f"{folder}/link{link}_{number}.obj", color)


def robotiq_parts() -> Iterator[Part]:
    """The gripper. The package closes along y, tack along the base's x."""
    folder, quarter = "gym_hil/assets/robotiq_2f85/meshes", (0.0, 0.0, -np.pi / 2)

    def part(link: str, file: str, color: Color, xyz: tuple[float, float, float]) -> Part:
        return Part(f"robotiq_85_{link}", f"{folder}/{file}.stl", color, 1e-3, pose(xyz, quarter))

    yield part("base_link", "base_mount", BLACK, (0, 0, -0.0038))
    yield part("base_link", "base", BLACK, (0, 0, 0))
    for side in ("left", "right"):
        yield part(f"{side}_knuckle_link", "driver", GREY, (0, 0, 0))
        yield part(f"{side}_knuckle_link", "coupler", BLACK, (0.0315, 0, -0.0041))
        yield part(f"{side}_inner_knuckle_link", "spring_link", BLACK, (0, 0, 0))
        tip = f"{side}_finger_tip_link"
        yield part(tip, "follower", BLACK, (0.0255, 0, -0.0510))
        yield part(tip, "pad", GREY, (0.0066, 0, -0.0375))
        yield part(tip, "silicone_pad", RUBBER, (0.0066, 0, -0.0375))


def hand_parts() -> Iterator[Part]:
    """The Franka hand."""
    folder = "dm_robotics/panda/assets/panda"
    yield Part("panda_hand", f"{folder}/hand.obj", WHITE)
    for side in ("left", "right"):
        yield Part(f"panda_{side}finger", f"{folder}/finger.obj", DARK)


def ur5e_parts() -> Iterator[Part]:
    """The UR5e. Its links have other frames in the package; all joints at 0, both arms agree."""
    # Where the package has each link when all joints are 0: quarter turns about y, and xyz in m.
    placed: dict[str, tuple[str, int, tuple[float, float, float], tuple[Color, ...]]] = {
        "base_link_inertia": ("base", 0, (0, 0, 0), (BLACK, DARK)),
        "shoulder_link": ("shoulder", 0, (0, 0, 0.163), (UR_BLUE, BLACK, DARK)),
        "upper_arm_link": ("upperarm", 1, (0, 0.138, 0.163), (SILVER, BLACK, DARK, UR_BLUE)),
        "forearm_link": ("forearm", 1, (0.425, 0.007, 0.163), (UR_BLUE, SILVER, BLACK, DARK)),
        "wrist_1_link": ("wrist1", 2, (0.817, 0.007, 0.163), (BLACK, UR_BLUE, DARK)),
        "wrist_2_link": ("wrist2", 2, (0.817, 0.134, 0.163), (BLACK, UR_BLUE, DARK)),
        "wrist_3_link": ("wrist3", 2, (0.817, 0.134, 0.063), (SILVER,)),
    }
    folder = "genesis/assets/xml/universal_robots_ur5e/assets"
    base_from = {"": pose()}
    for link in UR5E.links:
        base_from[link.name] = base_from[link.parent] @ link.parent_from_link
        if link.name not in placed:
            continue
        name, quarters, xyz, colors = placed[link.name]
        base_from_mesh = pose(xyz, (0, quarters * np.pi / 2, 0))
        link_from_mesh = geometry.inverse(base_from[link.name]) @ base_from_mesh
        for number, color in enumerate(colors):
            file = f"{name}_{number}.obj" if len(colors) > 1 else f"{name}.obj"
            yield Part(link.name, f"{folder}/{file}", color, 1.0, link_from_mesh)


PACKAGES = (
    Package(
        "gym-hil",
        "0.1.14",
        "9a2799d47a4561e0b0bb8d37fb3d84934657240be328d13991ea06758726533d",
        5.8,
        {"panda": tuple(panda_parts()), "robotiq_2f85": tuple(robotiq_parts())},
    ),
    Package(
        "dm-robotics-panda",
        "0.4.8",
        "320688490d25079f8c576610e025946fddb30415946e751950023e3d83eb6003",
        4.3,
        {"franka_hand": tuple(hand_parts())},
    ),
    Package(
        "genesis-world",
        "1.4.5",
        "7ce8fcc8b0af9a87907e550b5f373b27af3f6ca622e843ce12dc51e8a93a03fd",
        83.6,
        {"ur5e": tuple(ur5e_parts())},
    ),
)
USUAL = ("panda", "robotiq_2f85", "franka_hand")


def download(package: Package, folder: Path) -> Path:
    """The wheel, once its SHA-256 is right.

    Raises:
        MeshError: it cannot be downloaded, or is another file.
    """
    wanted = f"{package.name}=={package.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    command += ["--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise MeshError(f"{wanted} cannot be downloaded ({'; '.join(lines[:1]) or 'no wheel'})")
    found = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if found != package.sha256:
        raise MeshError(f"{wheels[0].name} has SHA-256 {found}; {package.sha256} is expected")
    return wheels[0]


def read_mesh(archive: zipfile.ZipFile, part: Part) -> tuple[FloatArray, FloatArray]:
    """Vertices (N, 3) in the link's frame, m, and faces (M, 3), lean enough to draw often.

    Raises:
        MeshError: the package holds no such file.
    """
    try:
        data = archive.read(part.file)
    except KeyError as error:
        raise MeshError(f"{part.file} is not in {archive.filename}") from error
    kind = part.file.rpartition(".")[2]
    mesh = trimesh.load(io.BytesIO(data), file_type=kind, process=False, force="mesh")
    vertices = geometry.apply(part.link_from_mesh, np.asarray(mesh.vertices) * part.scale)
    # One vertex for each cell of a grid: cheap, and small screws and chamfers are all it takes.
    cells = np.round(vertices / CELL).astype(np.int64)
    _, first, owner = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = owner.ravel()[np.asarray(mesh.faces)]
    a, b, c = faces.T
    return vertices[first], faces[(a != b) & (b != c) & (c != a)]


def collect(archive: zipfile.ZipFile, parts: tuple[Part, ...]) -> dict[str, tuple[LinkMesh, ...]]:
    """The meshes of each link, those of one colour in one."""
    pieces: dict[str, dict[Color, list[tuple[FloatArray, FloatArray]]]] = {}
    for part in parts:
        found = read_mesh(archive, part)
        pieces.setdefault(part.link, {}).setdefault(part.color, []).append(found)
    links = {}
    for link, by_color in pieces.items():
        meshes = []
        for color, group in by_color.items():
            offsets = np.cumsum([0, *(len(vertices) for vertices, _ in group)])
            vertices = np.concatenate([vertices for vertices, _ in group])
            faces = [faces + offset for (_, faces), offset in zip(group, offsets, strict=False)]
            meshes.append(LinkMesh(color, vertices, np.concatenate(faces)))
        links[link] = tuple(meshes)
    return links


def install(package: Package, wanted: list[str]) -> None:
    """Fetch a package and keep the meshes of some of its arms and grippers.

    Raises:
        MeshError: it cannot be had.
        TackError: the cache cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(package, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            for name in wanted:
                path = save_meshes(name, collect(archive, package.parts[name]))
                print(f"{name}: {path} ({path.stat().st_size / 1e6:.1f} MB)", flush=True)


def main() -> int:
    """Install what is missing; the exit code."""
    known = {name: package for package in PACKAGES for name in package.parts}
    sizes = ", ".join(f"{name} ({known[name].megabytes:g} MB)" for name in known)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "robots",
        nargs="*",
        metavar="ROBOT",
        default=list(USUAL),
        help=f"arms and grippers, of {sizes} to download; default: {' '.join(USUAL)}",
    )
    parser.add_argument("--again", action="store_true", help="also where they are installed")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.robots) - set(known))
    if unknown:
        parser.error(f"{', '.join(unknown)}: known are {', '.join(known)}")
    failures = 0
    for package in PACKAGES:
        wanted = [
            name
            for name in package.parts
            if name in arguments.robots and (arguments.again or not mesh_archive(name).exists())
        ]
        try:
            if wanted:
                install(package, wanted)
        except (MeshError, TackError) as error:
            failures += 1
            print(f"{', '.join(wanted)}: drawn with simple solids, as {error}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
