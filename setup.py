# SPDX-License-Identifier: Apache-2.0
"""tack: one source tree, both a pip package and a ROS 2 (ament_python) package."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import find_packages, setup

NAME = "tack"
VERSION = "0.1.0"
# Resolved, because `colcon build --symlink-install` runs a link to this file in another folder.
HERE = Path(__file__).resolve().parent
NODES = ("camera", "annotation", "detector", "pick_place", "cell", "move_group")
# colcon runs this file, pip asks a build back end. `ros2 run` wants an executable for each node
# in lib/tack; in the bin folder of a virtual environment names like `camera` have no business.
FOR_ROS = Path(sys.argv[0]).name == "setup.py"


def share(*folders: str) -> list[tuple[str, list[str]]]:
    """The files of these folders, as ament expects them: under share/tack, same layout."""
    files: dict[str, list[str]] = {}
    for folder in folders:
        for path in sorted((HERE / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(HERE)
                files.setdefault(f"share/{NAME}/{relative.parent}", []).append(str(relative))
    return sorted(files.items())


def pins(name: str) -> list[str]:
    """The requirements in one file of requirements/."""
    lines = (HERE / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    name=NAME,
    version=VERSION,
    description="From a few clicks to a 6-DoF pick-and-place on ROS 2 and MoveIt, without CAD",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="tack maintainers",
    maintainer_email="tack@example.org",
    python_requires=">=3.10",
    packages=find_packages(str(HERE), include=["tack_*"]),
    package_data={"": ["py.typed", "*.html", "*.css", "*.js"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *share("launch", "config", "models", "interfaces", "requirements"),
    ],
    install_requires=[
        "numpy>=1.21",
        "scipy>=1.8",
        "opencv-python>=4.5.4,<5",  # 5 lacks undistortPointsIter, and its detections differ
        "packaging>=21",
        "PyYAML>=5.4",
        "transforms3d>=0.3.1",
        "py_trees>=2.2",
        "rosbags>=0.11",
        "av>=12",
        "tqdm>=4.57",
    ],
    extras_require={
        "ros": pins("ros"),
        "realsense": ["pyrealsense2>=2.55"],
        "sim": [
            "mujoco>=3.2",
            "embreex>=4.4",
            "trimesh>=4",
            "coacd>=1.0.10",
            "ompl>=2.0",
            "toppra>=0.6",
            "viser>=1.1",
        ],
        "learn": ["torch>=2.2", "safetensors>=0.4", "lightning-fabric>=2.4", "matplotlib>=3.5"],
        "record": ["open3d>=0.19"],
        "test": ["pytest>=7,<9", "pytest-xdist>=3", "hypothesis>=6"],
    },
    entry_points={
        "console_scripts": [
            "tack = tack_cli.main:main",
            *(f"{node} = tack_ros.nodes.{node}:main" for node in NODES if FOR_ROS),
        ]
    },
)
