# SPDX-License-Identifier: Apache-2.0
"""Small scenes whose pictures and depth are computed exactly: a textured table with a box on it."""

from __future__ import annotations

import cv2
import numpy as np

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame

CAMERA = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)
BOX = np.array([0.10, 0.07, 0.06])
_TEXEL = 0.002  # m
_TABLE = 0.5  # half a side, m


def looking(eye, target=(0.0, 0.0, 0.02)):
    """(4, 4) world_from_camera at `eye`, upright, looking at `target`; z of the world is up."""
    eye, target = np.asarray(eye, float), np.asarray(target, float)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    return geometry.make_transform(np.column_stack([right, np.cross(forward, right), forward]), eye)


def around(count, radius=0.45, height=0.35, span_deg=100.0):
    """Poses on an arc around the box."""
    angles = np.radians(np.linspace(-span_deg / 2, span_deg / 2, count))
    return [looking((radius * np.cos(a), radius * np.sin(a), height)) for a in angles]


def textures(seed=0):
    """One for the table, one for the box: noise of several sizes, so that features are found."""
    rng = np.random.default_rng(seed)
    made = []
    for low, high in ((60, 200), (20, 255)):
        noise = sum(
            cv2.resize(rng.random((n, n, 3)), (512, 512), interpolation=cv2.INTER_CUBIC)
            for n in (16, 48, 128)
        )
        noise = (noise - noise.min()) / np.ptp(noise)
        made.append(low + (high - low) * noise)
    return made


def shoot(pose, texture, *, camera=CAMERA, number=0, box=True, frame_id="camera"):
    """The frame that a camera at `pose` takes."""
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    rays = np.stack(
        [(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1
    )
    rays = rays @ pose[:3, :3].T
    eye = pose[:3, 3]
    depth = np.full(u.shape, np.inf)
    color = np.full((*u.shape, 3), 90.0)
    surfaces = [(2, 0.0, (-_TABLE, _TABLE), (-_TABLE, _TABLE), texture[0])]
    if box:
        x, y, z = BOX / 2
        sides = [(0, x), (0, -x), (1, y), (1, -y), (2, 2 * z)]
        for axis, at in sides:
            others = [n for n in range(3) if n != axis]
            spans = [((-x, x), (-y, y), (0.0, 2 * z))[n] for n in others]
            surfaces.append((axis, at, *spans, texture[1]))
    for axis, at, first, second, look in surfaces:
        one, two = (n for n in range(3) if n != axis)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (at - eye[axis]) / rays[..., axis]
        a, b = eye[one] + t * rays[..., one], eye[two] + t * rays[..., two]
        hit = (t > 0.05) & (t < depth) & (a >= first[0]) & (a <= first[1])
        hit &= (b >= second[0]) & (b <= second[1])
        depth[hit] = t[hit]
        maps = [np.mod(c / _TEXEL + 200 * axis, 511).astype(np.float32) for c in (a, b)]
        sampled = cv2.remap(look.astype(np.float32), *maps, cv2.INTER_LINEAR)
        color[hit] = sampled[hit]
    depth = np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)
    return RGBDFrame(
        np.clip(color, 0, 255).astype(np.uint8), depth, camera, 10**9 + number * 10**8, frame_id
    )


def film(count=16, **options):
    """Frames around the box, and their poses."""
    texture = textures()
    poses = around(count, **options)
    return [shoot(pose, texture, number=n) for n, pose in enumerate(poses)], poses
