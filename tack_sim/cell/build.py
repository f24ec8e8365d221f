# SPDX-License-Identifier: Apache-2.0
"""The cell as one MuJoCo model: robot, table, bin, objects, lights and cameras.

Physics follows what was measured for grasps of known objects: elliptic friction cones with
impratio 10 keep a held object from creeping, five noslip iterations remove what is left, and steps
of 2 ms are fine enough for contacts of 5 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_sim.cell.furniture import add_furniture, add_lights
from tack_sim.cell.layout import CellLayout
from tack_sim.objects.body import add_object
from tack_sim.renderer import import_mujoco
from tack_sim.robots.spec import robot_spec

FloatArray = NDArray[np.float64]

TIMESTEP = 0.002
"""Of the physics, s."""

_SKY = ((0.80, 0.83, 0.86), (0.42, 0.45, 0.50))


def build_cell(layout: CellLayout, *, meshes: bool | None = None) -> Any:
    """The compiled cell. Whoever renders it brings the cameras: they are no part of it.

    Args:
        layout: what stands where.
        meshes: whether the robot has its good-looking meshes; None: where they are installed.

    Returns:
        mujoco.MjModel. Its world frame is the robot's base frame.

    Raises:
        DependencyError: MuJoCo is missing; says what to install.
    """
    return cell_spec(layout, meshes=meshes).compile()


def cell_spec(layout: CellLayout, *, meshes: bool | None = None) -> Any:
    """The cell as a mujoco.MjSpec, for whoever wants to add to it before it is compiled.

    Args and errors as in `build_cell`.
    """
    mujoco = import_mujoco()
    spec = robot_spec(layout.profile, meshes=meshes)
    spec.modelname = "cell"
    _set_physics(mujoco, spec)
    target = np.array([0.5, 0.0, layout.profile.table_height])
    _set_looks(mujoco, spec, target)
    rng = np.random.default_rng(layout.seed)
    add_furniture(mujoco, spec, layout.profile.table_height, layout.bin, rng)
    for placed in layout.objects:
        add_object(spec, placed.model, placed.name, placed.base_from_object, free=True)
    return spec


def _set_physics(mujoco: Any, spec: Any) -> None:
    option = spec.option
    option.timestep = TIMESTEP
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10
    option.noslip_iterations = 5


def _set_looks(mujoco: Any, spec: Any, target: FloatArray) -> None:
    visual = spec.visual
    visual.global_.offwidth, visual.global_.offheight = 1280, 960
    visual.quality.shadowsize, visual.quality.offsamples = 2048, 4
    visual.headlight.ambient = [0.36, 0.36, 0.38]
    visual.headlight.diffuse = [0.14, 0.14, 0.14]
    visual.headlight.specular = [0.0, 0.0, 0.0]
    visual.map.znear, visual.map.zfar = 0.02, 14.0
    visual.map.shadowclip = 1.2
    spec.stat.extent, spec.stat.center = 1.0, target.tolist()
    sky = spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        width=128,
        height=768,
    )
    sky.rgb1, sky.rgb2 = _SKY
    add_lights(mujoco, spec, target)
