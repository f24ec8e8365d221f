# SPDX-License-Identifier: Apache-2.0
"""How much else stands around an object in a picture."""

from __future__ import annotations

import numpy as np

from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet, View

_STRIDE = 4  # px between the samples
_TALL = 0.015  # m above the table: a thing
_NEAR = 0.35  # m around the object


def clutter_around(data: CorrespondenceSet, view: View, thing: int) -> float:
    """Pixels of other things near an object, in units of its own pixels.

    Things are what stands above the table within 0.35 m of the object, labelled or not. The table
    is z = 0 in rendered sets; of other sets that is not known, and the answer is NaN.
    """
    depth, instance, camera = view.best_depth, view.instance, view.world_from_camera
    pose = view.objects[thing].world_from_object
    if "render" not in data.manifest.settings:
        return float("nan")
    if depth is None or instance is None or camera is None or pose is None:
        return float("nan")
    v, u = np.mgrid[: depth.shape[0] : _STRIDE, : depth.shape[1] : _STRIDE]
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(np.float64)
    z = depth[::_STRIDE, ::_STRIDE].ravel().astype(np.float64)
    own = instance[::_STRIDE, ::_STRIDE].ravel() == thing + 1
    seen = np.isfinite(z)
    world = geometry.apply(camera, view.intrinsics.deproject(pixels[seen], z[seen]))
    near = np.hypot(*(world[:, :2] - pose[:2, 3]).T) < _NEAR
    things = near & (world[:, 2] > _TALL) & ~own[seen]
    return float(things.sum() / max(1, own.sum()))
