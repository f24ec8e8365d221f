# SPDX-License-Identifier: Apache-2.0
"""The losses of the KeypointNet task: values, what they leave out, that runs are exact."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from torch import Tensor

from tack_perception.errors import InvalidInputError
from tack_perception.learning import se3
from tack_perception.learning.checkpoint import Checkpoint
from tack_perception.learning.episode import Episodes
from tack_perception.learning.keypointnet import (
    KeypointNetLossConfig,
    consistency,
    keypointnet_losses,
    relative_pose,
    separation,
    silhouette,
    twins_of,
)
from tack_perception.learning.loop import train
from tack_perception.learning.methods import make_method
from tack_perception.learning.settings import TrainConfig
from tack_perception.learning.twins import Twins, draw_poses, intrinsics, lift, on_poster
from tack_perception.networks.don import DonHead
from tack_perception.networks.keypointnet import Expectations, KeypointNetHead
from tack_perception.networks.model import KeypointModel, ModelConfig

Make = Callable[..., Episodes]
TERMS = ("silhouette", "variance", "separation", "consistency", "pose", "calibration")


pytestmark = pytest.mark.usefixtures("seeded")


def heads(size: int = 8, keypoints: int = 6) -> tuple[KeypointNetHead, DonHead]:
    return KeypointNetHead(size, keypoints), DonHead(5, size)


def computed(
    twins: Twins, config: KeypointNetLossConfig | None = None, keypoints: int = 6
) -> tuple[KeypointNetHead, dict[str, Tensor], Tensor]:
    torch.manual_seed(1)
    head, don = heads(keypoints=keypoints)
    batch, grid = twins.masks.shape[1:3]
    features = torch.randn(2, batch, 5, grid, grid, requires_grad=True)
    return head, keypointnet_losses(head, don, (features[0], features[1]), twins, config), features


def test_separation_is_a_hinge_on_pixels() -> None:
    pixels = torch.tensor([[[0.0, 0], [3, 0], [0, 20]], [[0, 0], [0, 0], [9, 9]]])
    # In the first, 1 px is missing between two; in the second two lie on each other.
    torch.testing.assert_close(separation(pixels, 4.0), torch.tensor([2 / 3, 8 / 3]))
    pixels = torch.zeros(1, 3, 2, requires_grad=True)
    separation(pixels, 4.0).sum().backward()
    assert bool(pixels.grad.isfinite().all())


def test_silhouette_is_the_logarithm_of_the_mass() -> None:
    mask = torch.tensor([[0.5, 1.0, 0.25]])
    nothing = torch.zeros(1, 3)
    found = silhouette(Expectations(torch.zeros(1, 3, 2), nothing, mask, nothing))
    assert found.item() == pytest.approx(-mask.log().mean().item(), rel=1e-4)


def test_consistency_is_hubers() -> None:
    apart = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.0, -10.0]]])
    assert consistency(apart, 1.0).item() == pytest.approx((0.125 + 9.5) / 2)
    assert consistency(apart, 2.0).item() == pytest.approx((0.125 + 18) / 2)


def test_true_keypoints_agree_and_tell_the_true_pose() -> None:
    """Of places of the poster that both cameras see, in both frames."""
    own, matrix = intrinsics(64, torch.tensor(1.5)), intrinsics(64, torch.full((20,), 1.2))
    poses = draw_poses(40, KeypointNetLossConfig(), torch.Generator().manual_seed(0))
    poses = poses.reshape(2, 20, 4, 4)
    world = torch.cat([torch.rand(20, 9, 2) - 0.5, torch.ones(20, 9, 1)], -1)
    camera = [se3.apply(se3.inverse(poses[side]), world) for side in (0, 1)]
    truth = se3.inverse(poses[1]) @ poses[0]
    missed, told = relative_pose(camera[0], camera[1], truth)
    assert bool(told.all())
    torch.testing.assert_close(missed, torch.zeros(20), atol=1e-4, rtol=0)
    pixels = camera[0][..., :2] / camera[0][..., 2:] * 76.8 + 31.5
    _, depth = on_poster(pixels, poses[0], matrix, own)
    torch.testing.assert_close(depth, camera[0][..., 2])
    lifted = se3.apply(poses[0], lift(pixels, depth, matrix))
    torch.testing.assert_close(lifted, world, atol=1e-5, rtol=0)
    # A wrong pose is as wrong as the twist between them says.
    twist = torch.tensor([0.1, 0, -0.2, 0.3, 0, 0.1])
    missed, _ = relative_pose(camera[0], camera[1], truth @ se3.exp(twist))
    torch.testing.assert_close(missed, torch.full((20,), twist.norm()), atol=1e-4, rtol=0)


def test_losses_are_finite_weighted_and_learn_everything(make_episodes: Make) -> None:
    twins = twins_of(make_episodes(batch=4, size=32), KeypointNetLossConfig())
    head, losses, features = computed(twins)
    assert set(losses) == {f"mined_{name}" for name in TERMS}
    sum(losses.values()).backward()
    assert all(bool(loss.isfinite()) for loss in losses.values())
    assert features.grad is not None
    assert features.grad.abs().sum().item() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())
    doubled = KeypointNetLossConfig(
        silhouette=2.0, variance=0.0, separation=0.0, consistency=0.0, pose=0.4, calibration=0.0
    )
    _, others, _ = computed(twins, doubled)
    assert set(others) == {"mined_silhouette", "mined_pose"}
    for name in others:
        torch.testing.assert_close(others[name], 2 * losses[name])


def test_no_loss_reads_a_correspondence(make_episodes: Make) -> None:
    """Nor anything else but the pictures and where the object is seen."""
    method = make_method("mined")
    model = KeypointModel(ModelConfig(width=8, heads=("don", "keypointnet"), classes=("a",)))
    method = dataclasses.replace(method, heads=("don", "keypointnet"))
    episodes = make_episodes(batch=3, size=32)
    read = {"support", "support_object"}
    blind = dataclasses.replace(
        episodes,
        **{
            field.name: torch.full_like(value, torch.nan) if value.is_floating_point()
            else torch.zeros_like(value)
            for field in dataclasses.fields(episodes)
            if field.name not in read and (value := getattr(episodes, field.name)) is not None
        },
    )  # fmt: skip
    first, second = method.losses(model, episodes), method.losses(model, blind)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_batch_has_one_loss_whatever_came_before(make_episodes: Make) -> None:
    episodes = make_episodes(batch=3, size=32)
    first = twins_of(episodes, KeypointNetLossConfig())
    torch.rand(7)
    again = twins_of(episodes, KeypointNetLossConfig())
    assert torch.equal(first.pictures, again.pictures)
    other = twins_of(make_episodes(batch=3, size=32, seed=1), KeypointNetLossConfig())
    assert not torch.equal(first.world_from_camera, other.world_from_camera)


def test_an_object_that_is_not_seen_does_not_count(make_episodes: Make) -> None:
    twins = twins_of(make_episodes(batch=4, size=32), KeypointNetLossConfig())
    kept = dataclasses.replace(
        twins, pictures=twins.pictures[:, :2], masks=twins.masks[:, :2],
        world_from_camera=twins.world_from_camera[:, :2], intrinsics=twins.intrinsics[:, :2],
    )  # fmt: skip
    hidden = dataclasses.replace(twins, masks=twins.masks.clone())
    hidden.masks[0, 2:] = 0
    torch.manual_seed(1)
    head, don = heads()
    features = torch.randn(2, 4, 5, 16, 16)
    all_of = keypointnet_losses(head, don, (features[0], features[1]), hidden)
    two_of = keypointnet_losses(head, don, (features[0, :2], features[1, :2]), kept)
    for name, loss in two_of.items():
        torch.testing.assert_close(all_of[name], loss)


def test_nothing_seen_is_zero_with_a_gradient(make_episodes: Make) -> None:
    episodes = make_episodes(batch=2, size=32, support_object=torch.zeros(2, 16, 16))
    _, losses, features = computed(twins_of(episodes, KeypointNetLossConfig()))
    sum(losses.values()).backward()
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(losses, 0.0)
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_keypoints_that_tell_no_pose_are_left_out_and_counted(make_episodes: Make) -> None:
    twins = twins_of(make_episodes(batch=4, size=32), KeypointNetLossConfig())
    head, don = heads()
    with torch.no_grad():
        head.where.weight.zero_()  # flat maps: all keypoints in the middle
        head.depth.weight.zero_()
    features = torch.randn(2, 4, 5, 16, 16, requires_grad=True)
    losses = keypointnet_losses(head, don, (features[0], features[1]), twins)
    assert losses["mined_pose"].item() == 0
    assert head.left_out.tolist() == [4, 4]
    sum(losses.values()).backward()
    assert bool(features.grad.isfinite().all())
    head.eval()
    keypointnet_losses(head, don, (features[0], features[1]), twins)
    assert head.left_out.tolist() == [4, 4]


def test_autocast_changes_little(make_episodes: Make) -> None:
    episodes = make_episodes(batch=3, size=32)
    config = KeypointNetLossConfig()
    _, exact, _ = computed(twins_of(episodes, config))
    with torch.autocast("cpu", torch.bfloat16):
        twins = twins_of(episodes, config)
        _, rough, _ = computed(twins)
    assert twins.world_from_camera.dtype == torch.float32
    for name in ("mined_silhouette", "mined_variance", "mined_consistency"):
        assert rough[name].item() == pytest.approx(exact[name].item(), rel=0.1)


def test_a_grid_that_does_not_fit_is_refused(make_episodes: Make) -> None:
    twins = twins_of(make_episodes(batch=2, size=32), KeypointNetLossConfig())
    head, don = heads()
    features = torch.randn(2, 2, 5, 8, 8)
    with pytest.raises(InvalidInputError, match="one grid is expected"):
        keypointnet_losses(head, don, (features[0], features[1]), twins)


def test_together_the_losses_make_keypoints(make_episodes: Make) -> None:
    """Of features that are free: keypoints agree, on the object, apart, and know their depth."""
    config = KeypointNetLossConfig(background=0.0, photometric=0.0, turn_deg=40, tilt_deg=20)
    twins = twins_of(make_episodes(batch=2, size=32, seed=3), config)
    head, don = heads(8, 5)
    features = torch.randn(2, 2, 5, 16, 16, requires_grad=True)
    optimiser = torch.optim.Adam([features, *head.parameters(), *don.parameters()], 0.05)
    for _ in range(250):
        optimiser.zero_grad()
        losses = keypointnet_losses(head, don, (features[0], features[1]), twins, config)
        sum(losses.values()).backward()
        optimiser.step()
    told = {name: loss.item() for name, loss in losses.items()}
    assert told["mined_silhouette"] < 0.1
    assert told["mined_consistency"] < 0.3
    assert told["mined_separation"] < 0.3
    assert told["mined_pose"] < 0.2 * 0.1


class Drawer:
    """Batches by number, up to a number at which the data end."""

    def __init__(self, make: Make, end: int) -> None:
        self.make, self.end = make, end

    def batch(self, number: int) -> Episodes:
        if number >= self.end:
            raise InvalidInputError("no more data")
        return self.make(batch=2, size=32, seed=number, category=torch.zeros(2).long())


def run(folder: Path, make: Make, end: int) -> dict[str, Any]:
    torch.manual_seed(0)
    method = make_method("mined")
    model = KeypointModel(ModelConfig(width=4, heads=method.heads, classes=("a",), crop_px=32))
    config = TrainConfig(
        steps=5, batch=2, device="cpu", pictures_every=0, validate_every=0, checkpoint_every_s=0.0
    )
    train(model, method, Drawer(make, end), config, folder, progress=False)
    found = Checkpoint.read(folder)
    assert found is not None
    return found.tensors


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, make_episodes: Make
) -> None:
    whole = run(tmp_path / "whole", make_episodes, 5)
    with pytest.raises(InvalidInputError, match="no more data"):
        run(tmp_path / "stopped", make_episodes, 3)
    stopped = Checkpoint.read(tmp_path / "stopped")
    assert stopped is not None
    assert stopped.step == 3
    resumed = run(tmp_path / "stopped", make_episodes, 5)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert whole["model/keypointnet.left_out"][0].item() == 10
