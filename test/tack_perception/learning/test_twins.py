# SPDX-License-Identifier: Apache-2.0
"""Two views of a picture: what is drawn is what the poses say."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from torch import Tensor

from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.learning import se3
from tack_perception.learning.device_pictures import pixel_grid
from tack_perception.learning.twins import (
    ViewConfig,
    draw_poses,
    draw_twins,
    intrinsics,
    lift,
    on_poster,
)

PLAIN = ViewConfig(background=0.0, photometric=0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_pixel_lifted_by_its_depth_lies_on_the_poster() -> None:
    own, poses = intrinsics(64, torch.tensor(1.5)), draw_poses(50, ViewConfig(), seeded())
    matrix = intrinsics(64, 1.2 + torch.rand(50))
    pixels = torch.rand(50, 9, 2, generator=seeded(1)) * 63
    where, depth = on_poster(pixels, poses, matrix, own)
    world = se3.apply(poses, lift(pixels, depth, matrix))
    assert bool((depth > 0.3).all())
    torch.testing.assert_close(world[..., 2], torch.ones(50, 9), atol=1e-5, rtol=0)
    torch.testing.assert_close(world[..., :2] * 96 + 31.5, where, atol=1e-3, rtol=0)


def test_poses_are_rigid_and_as_far_apart_as_asked() -> None:
    poses = draw_poses(500, ViewConfig(turn_deg=90, tilt_deg=30), seeded())
    turned = poses[:, :3, :3]
    torch.testing.assert_close(turned @ turned.mT, torch.eye(3).expand(500, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turned), torch.ones(500))
    tilt = turned[:, 2, 2].clamp(-1, 1).acos().rad2deg()
    assert 29 < tilt.max().item() < 30.1
    assert 0.4 < (tilt < 0.1).float().mean().item() < 0.6  # affine: seen from the front
    level = turned[tilt < 0.1]
    roll = torch.atan2(level[:, 1, 0], level[:, 0, 0]).rad2deg().abs()
    assert 80 < roll.max().item() <= 90.1


def test_the_views_show_what_the_poses_say() -> None:
    """Of a picture that holds its own pixel coordinates, a view shows where it looks."""
    size = 32
    ramp = pixel_grid(size, 1.0, torch.device("cpu")).T.reshape(1, 2, size, size)
    picture = torch.cat([ramp / size, torch.ones(1, 1, size, size)], 1).expand(6, -1, -1, -1)
    mask = torch.ones(6, size // 2, size // 2)
    twins = draw_twins(picture, mask, PLAIN, seeded())
    pixels = pixel_grid(size, 1.0, torch.device("cpu")).expand(6, -1, -1)
    for side in (0, 1):
        pose, matrix = twins.world_from_camera[side], twins.intrinsics[side]
        where, _ = on_poster(pixels, pose, matrix, intrinsics(size, torch.tensor(1.5)))
        inside = ((where > 1) & (where < size - 2)).all(-1)
        assert 0.3 < inside.float().mean().item() < 1
        shown = twins.pictures[side, :, :2].flatten(2).mT * size
        torch.testing.assert_close(shown[inside], where[inside], atol=0.01, rtol=0)
        outside = ((where < -2) | (where > size + 1)).any(-1)
        assert bool((twins.pictures[side, :, 2].flatten(1)[outside] < 0.5).all())
        assert bool((twins.masks[side] <= 1).all())


def test_the_relative_pose_carries_one_camera_to_the_other() -> None:
    twins = draw_twins(torch.rand(4, 3, 16, 16), torch.ones(4, 8, 8), PLAIN, seeded())
    world = torch.randn(4, 5, 3)
    first, second = (
        se3.apply(se3.inverse(twins.world_from_camera[side]), world) for side in (0, 1)
    )
    torch.testing.assert_close(
        se3.apply(twins.second_from_first, first), second, atol=1e-5, rtol=1e-5
    )


def test_masks_go_with_the_pictures() -> None:
    picture, mask = torch.zeros(3, 3, 32, 32), torch.zeros(3, 16, 16)
    picture[:, :, 10:22, 8:20] = 1
    mask[:, 5:11, 4:10] = 1
    twins = draw_twins(picture, mask, PLAIN, seeded())
    for side in (0, 1):
        grey = torch.nn.functional.avg_pool2d(twins.pictures[side].mean(1), 2)
        assert ((grey > 0.6) == (twins.masks[side] > 0.5)).float().mean().item() > 0.96


def drawn(config: ViewConfig, seed: int = 0) -> Tensor:
    picture = torch.rand(4, 3, 32, 32, generator=seeded(5))
    mask = torch.zeros(4, 16, 16)
    mask[:, 4:12, 4:12] = 1
    return draw_twins(picture, mask, config, seeded(seed)).pictures


def test_the_same_seed_gives_the_same_views() -> None:
    config = ViewConfig()
    assert torch.equal(drawn(config), drawn(config))
    assert not torch.equal(drawn(config), drawn(config, 1))
    both = drawn(config)
    assert not torch.equal(both[0], both[1])
    assert both.min().item() >= 0
    assert both.max().item() <= 1


def test_backgrounds_leave_the_object() -> None:
    still = ViewConfig(
        turn_deg=0, shift=0, zoom=1, perspective=0, background=1.0, photometric=0.0
    )  # fmt: skip
    picture = torch.rand(4, 3, 32, 32, generator=seeded(5))
    views = drawn(still)
    torch.testing.assert_close(views[0, :, :, 10:22, 10:22], picture[:, :, 10:22, 10:22])
    assert (views[0] - picture)[:, :, :6].abs().mean().item() > 0.1


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="are expected"):
        draw_twins(torch.rand(2, 3, 16, 16), torch.rand(3, 8, 8), PLAIN, seeded())
    with pytest.raises(InvalidInputError, match="are expected"):
        draw_twins(torch.rand(2, 3, 16, 16), torch.rand(2, 7, 7), PLAIN, seeded())
    with pytest.raises(ConfigurationError, match="tilt_deg"):
        ViewConfig(tilt_deg=80)
