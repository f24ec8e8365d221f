# SPDX-License-Identifier: Apache-2.0
"""Two views of one picture, taken by two cameras whose poses are known because they were drawn.

A picture tells no depth. So the world is the picture itself: a poster in the plane z = 1, upright
and facing the camera that stands at the origin (world frame: x right, y down, z forward, its unit
the distance to the poster). Another camera before it sees the poster turned and shifted (an affine
map of the picture) and, where it looks from the side, in perspective. All of it is one rigid
motion, so that "world frame" and "relative pose" are exact words. Its lens makes things larger or
smaller, not its distance: of a picture of unknown size nobody could tell a distance.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional

from tack_perception.configuration import Configuration, setting
from tack_perception.crops import OUTSIDE
from tack_perception.errors import InvalidInputError
from tack_perception.learning import se3
from tack_perception.learning.device_pictures import photometric, pixel_grid, uniform
from tack_perception.networks.sampling import to_cells


@dataclasses.dataclass(frozen=True)
class ViewConfig(Configuration):
    """How the two views of a picture differ from it."""

    turn_deg: float = setting(
        90.0, "largest turn about the optical axis, to either side", unit="°", low=0, high=180
    )
    shift: float = setting(0.15, "largest shift, in sides of the picture", low=0, high=0.5)
    zoom: float = setting(
        1.3, "most that a view's lens makes things larger or smaller, as a factor", low=1, high=3
    )
    perspective: float = setting(0.5, "share of the views from the side", low=0, high=1)
    tilt_deg: float = setting(30.0, "how far from the side at the most", unit="°", low=0, high=50)
    focal: float = setting(
        1.5, "of the camera, in sides of the picture; 1.5 is a field of view of 37°",
        low=1.2, high=20,
    )  # fmt: skip
    background: float = setting(
        0.5, "share of the views with a colour and noise where the object is not", low=0, high=1
    )
    photometric: float = setting(1.0, "strength of changes of light and colour", low=0, high=2)


@dataclasses.dataclass(frozen=True, eq=False)
class Twins:
    """Two views, A and B, of each of B pictures.

    Attributes:
        pictures: (2, B, 3, S, S) RGB, 0 to 1.
        masks: (2, B, h, w) 0 to 1, where the object is seen.
        world_from_camera: (2, B, 4, 4); the unit is the distance of the poster.
        intrinsics: (2, B, 3, 3), px of the views.
        scale: px of the picture in one unit of the world.
    """

    pictures: Tensor
    masks: Tensor
    world_from_camera: Tensor
    intrinsics: Tensor
    scale: float

    @property
    def second_from_first(self) -> Tensor:
        """(B, 4, 4) the true relative pose: points in camera A's frame to camera B's."""
        return se3.inverse(self.world_from_camera[1]) @ self.world_from_camera[0]


def draw_twins(
    pictures: Tensor, masks: Tensor, config: ViewConfig, generator: torch.Generator
) -> Twins:
    """Look at each picture from two places.

    Args:
        pictures: (B, 3, S, S) RGB, 0 to 1.
        masks: (B, h, w) 0 to 1, where the object is seen; S is a multiple of w.
        config: how the views differ.
        generator: source of all randomness, on the pictures' device.

    Raises:
        InvalidInputError: the shapes do not fit.
    """
    batch, size, grid = len(pictures), int(pictures.shape[-1]), int(masks.shape[-1])
    if (
        pictures.shape != (batch, 3, size, size)
        or masks.shape != (batch, grid, grid)
        or (grid < 1 or size % grid)
    ):
        raise InvalidInputError(
            f"draw_twins: pictures of {tuple(pictures.shape)}, masks of {tuple(masks.shape)}: "
            f"(B, 3, S, S) and (B, S/k, S/k) are expected"
        )
    stride = size // grid
    own = intrinsics(size, pictures.new_tensor(config.focal))
    poses = torch.stack([draw_poses(batch, config, generator) for _ in range(2)])
    zoom = (uniform(generator, (2, batch), -1, 1) * math.log(config.zoom)).exp()
    matrices = intrinsics(size, config.focal * zoom)
    pixels = pixel_grid(size, 1.0, pictures.device).expand(batch, -1, -1)
    cells = pixel_grid(grid, stride, pictures.device, (stride - 1) / 2).expand(batch, -1, -1)
    changed, seen = [], []
    for pose, matrix in zip(poses, matrices, strict=True):
        where = on_poster(pixels, pose, matrix, own)[0]
        mask = _look_up(masks, where, stride, size)
        behind = _backgrounds(pictures, generator)
        grey = pictures.new_tensor(OUTSIDE)[:, None, None] / 255
        view = _look_up(pictures - grey, where, 1, size) + grey
        swapped = uniform(generator, (batch, 1, 1, 1), 0, 1) < config.background
        view = torch.where(swapped, view * mask + behind * (1 - mask), view)
        changed.append(photometric(view, generator, config.photometric))
        cut = on_poster(cells, pose, matrix, own)[0]
        seen.append(_look_up(masks, cut, stride, grid)[:, 0])
    return Twins(torch.stack(changed), torch.stack(seen), poses, matrices, config.focal * size)


def intrinsics(size: int, focal: Tensor) -> Tensor:
    """(..., 3, 3) of pinhole cameras with square pictures, px; (...) `focal` in sides of them."""
    middle, zero = torch.full_like(focal, (size - 1) / 2), torch.zeros_like(focal)
    rows = [focal * size, zero, middle, zero, focal * size, middle, zero, zero, zero + 1]
    return torch.stack(rows, -1).reshape(*focal.shape, 3, 3)


def draw_poses(count: int, config: ViewConfig, generator: torch.Generator) -> Tensor:
    """(N, 4, 4) world_from_camera of cameras at distance 1 of a place near the poster's middle."""
    turn = uniform(generator, (count,), -1, 1) * math.radians(config.turn_deg)
    tilt = uniform(generator, (count,), 0, 1).sqrt() * math.radians(config.tilt_deg)
    tilted = uniform(generator, (count,), 0, 1) < config.perspective
    towards = uniform(generator, (count,), -math.pi, math.pi)
    shift = uniform(generator, (count, 2), -1, 1) * config.shift / config.focal
    zero = torch.zeros_like(turn)
    roll = se3.exp(torch.stack([zero, zero, zero, zero, zero, turn], -1))
    lean = torch.where(tilted, tilt, 0)
    lean = se3.exp(
        torch.stack([zero, zero, zero, lean * towards.cos(), lean * towards.sin(), zero], -1)
    )
    rotation = (lean @ roll)[:, :3, :3]
    target = torch.cat([shift, torch.ones_like(shift[:, :1])], -1)
    return se3.assemble(rotation, target - rotation[:, :, 2])


def on_poster(
    pixels: Tensor, pose: Tensor, matrix: Tensor, picture: Tensor
) -> tuple[Tensor, Tensor]:
    """What the pixels of a view show of the picture.

    Args:
        pixels: (B, N, 2) px of the views.
        pose: (B, 4, 4) world_from_camera.
        matrix: (B, 3, 3) intrinsics of the views.
        picture: (3, 3) intrinsics of the picture.

    Returns:
        (B, N, 2) px of the picture; (B, N) depth in the view, in distances of the poster.
    """
    rays = lift(pixels, torch.ones_like(pixels[..., 0]), matrix) @ pose[:, :3, :3].mT
    depth = (1 - pose[:, None, 2, 3]) / rays[..., 2]
    world = pose[:, None, :3, 3] + depth[..., None] * rays
    return world[..., :2] * picture[0, 0] + picture[:2, 2], depth


def lift(pixels: Tensor, depth: Tensor, matrix: Tensor) -> Tensor:
    """X = K⁻¹ [u, v, 1]ᵀ d in the cameras' frames (Navale et al. 2023, equation 5).

    Args:
        pixels: (B, N, 2) px.
        depth: (B, N) along the optical axis, in any unit.
        matrix: (B, 3, 3) intrinsics, px; without skew.

    Returns:
        (B, N, 3) in the unit of the depth.
    """
    focal = torch.stack([matrix[:, 0, 0], matrix[:, 1, 1]], -1)[:, None]
    level = (pixels - matrix[:, None, :2, 2]) / focal
    return torch.cat([level, torch.ones_like(level[..., :1])], -1) * depth[..., None]


def _look_up(maps: Tensor, pixels: Tensor, stride: int, side: int) -> Tensor:
    """(B, C, side, side) of (B, [C,] h, w) maps with a cell for each `stride` px; 0 outside."""
    maps = maps if maps.ndim == 4 else maps[:, None]
    cells = to_cells(pixels, stride)
    places = (2 * cells + 1) / maps.shape[-1] - 1
    return functional.grid_sample(
        maps, places.reshape(len(maps), side, side, 2), mode="bilinear", padding_mode="zeros",
        align_corners=False,
    )  # fmt: skip


def _backgrounds(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 3, S, S): a colour each, under patches of noise of any contrast and of two sizes.

    Other pictures of the batch would show other objects of the class, which are not meant.
    """
    count, size = len(pictures), int(pictures.shape[-1])
    made = uniform(generator, (count, 3, 1, 1), 0, 1)
    for patch in (16, 4):
        side = max(size // patch, 1)
        noise = uniform(generator, (count, 3, side, side), -1, 1)
        noise = functional.interpolate(noise, size=(size, size), mode="bilinear")
        made = made + noise * uniform(generator, (count, 1, 1, 1), 0, 0.5)
    return made.clamp(0, 1)
