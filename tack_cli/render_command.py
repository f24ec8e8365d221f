# SPDX-License-Identifier: Apache-2.0
"""The `tack render` command that makes a data set, from what its manifest says."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from tack_perception.configuration import Configuration
from tack_perception.correspondence import Manifest
from tack_perception.errors import ConfigurationError

_FLAGS = ("instances", "views", "split", "seed", "companions", "clutter", "occluders")
_OTHERWISE = ("classes", "width", "height", "camera", "noise")


def render_command(manifest: Manifest, folder: Path) -> str:
    """The command that makes a data set.

    Args:
        manifest: of the set.
        folder: where it lies; its name is that of the output.

    Returns:
        The command, after a file of settings if it needs one; "" for a set that `tack render` has
        not made.
    """
    from tack_sim.cameras.look import LookConfig
    from tack_sim.dataset.plan import RenderConfig

    try:
        render = RenderConfig.from_mapping(manifest.settings["render"])
        look = LookConfig.from_mapping(manifest.settings["look"])
    except (KeyError, TypeError, ConfigurationError):
        return ""
    words = ["tack", "render", "--class", ",".join(render.classes)]
    for name in _FLAGS:
        words += [f"--{name}", str(getattr(render, name))]
    words += ["--size", f"{render.width}x{render.height}"]
    words += ["--noise", render.camera if render.noise else "none"]
    sections = {
        "render": _changed(render, (*_FLAGS, *_OTHERWISE)),
        "look": _changed(look, ()),
    }
    if not render.noise and render.camera != RenderConfig().camera:
        sections["render"]["camera"] = render.camera
    settings = {name: values for name, values in sections.items() if values}
    words += ["--output", folder.name]
    if not settings:
        return shlex.join(words)
    file = f"{folder.name}-render.yaml"
    text = yaml.safe_dump(settings, sort_keys=False, default_flow_style=None).strip()
    return f"cat > {file} <<'END'\n{text}\nEND\n{shlex.join([*words, '--config', file])}"


def _changed(config: Configuration, known: tuple[str, ...]) -> dict[str, Any]:
    """Settings that are not the default, in YAML's types."""
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    usual = json.loads(json.dumps(dataclasses.asdict(type(config)())))
    return {k: v for k, v in values.items() if k not in known and v != usual[k]}
