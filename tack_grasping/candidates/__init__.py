# SPDX-License-Identifier: Apache-2.0
"""Grasp candidates: from named points and the cloud around them to scored goals."""

from tack_grasping.candidates.plan import GraspPlan, Rejected
from tack_grasping.candidates.planning import plan_grasps
from tack_grasping.candidates.settings import GraspConfig
from tack_grasping.candidates.spec import (
    AcrossPoints,
    AlongPoints,
    AtPoint,
    GraspSpec,
    InFrame,
    teach_frame,
)
from tack_grasping.candidates.spec_files import grasp_specs_text, read_grasp_specs
from tack_grasping.candidates.surface import SurfacePlannerConfig, plan_surface_grasps

__all__ = [
    "AcrossPoints",
    "AlongPoints",
    "AtPoint",
    "GraspConfig",
    "GraspPlan",
    "GraspSpec",
    "InFrame",
    "Rejected",
    "SurfacePlannerConfig",
    "grasp_specs_text",
    "plan_grasps",
    "plan_surface_grasps",
    "read_grasp_specs",
    "teach_frame",
]
