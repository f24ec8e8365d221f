# SPDX-License-Identifier: Apache-2.0
"""What memory a step of training takes, by the size of a descriptor: mined, and DON's NT-Xent.

As table 1 of the paper on mining (Navale et al. 2023): one pair of pictures, 128 correspondences or
keypoints. Each number is of a process of its own, which makes a small step before it measures one.
On a CPU it is the peak of resident memory above what was there before the step, on a GPU the peak
that torch allocated. `kept` is what autograd keeps for the way back from the trunk's features on,
which is the same on every machine.

  python benchmarks/mined_memory.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from tack_perception.evaluation.memory import PeakMemory
from tack_perception.learning.don import DonLossConfig, don_losses
from tack_perception.learning.episode import Episodes
from tack_perception.learning.keypointnet import (
    KeypointNetLossConfig,
    keypointnet_losses,
    twins_of,
)
from tack_perception.networks.model import TRUNKS, KeypointModel, ModelConfig

SIZES = (3, 8, 16, 32, 64, 128, 256, 512)
POINTS = 128
KINDS = ("mined, 128 keypoints", "mined, 16 keypoints", "DON", "DON by differences")
PAPER = {3: 9.377, 8: 13.717, 16: 20.479, 32: 30.067}  # GB, DON with NT-Xent
PAPER_MINED = {
    3: 4.763, 8: 4.785, 16: 4.832, 32: 4.872, 64: 4.913, 128: 5.409, 256: 6.551, 512: 7.915,
}  # fmt: skip
GIB = 2**30


def main() -> None:
    """Measure all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--px", type=int, default=256, help="side of the pictures")
    parser.add_argument("--trunk", default="unet", choices=TRUNKS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--limit", type=float, default=6.0, help="GiB; what needs more is left out")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--child", nargs=2, metavar=("KIND", "SIZE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child[0], int(args.child[1]), args)))
        return
    head = "".join(f" {kind}: peak, GiB | kept, MiB |" for kind in KINDS)
    print(f"| D |{head} paper: DON, GB | paper: mined, GB |")
    print("|---|" + "---|" * (2 * len(KINDS) + 2))
    for size in args.sizes:
        cells = "".join(in_child(kind, size, args) for kind in KINDS)
        print(f"| {size} |{cells} {PAPER.get(size, '-')} | {PAPER_MINED.get(size, '-')} |",
              flush=True)  # fmt: skip


def in_child(kind: str, size: int, args: argparse.Namespace) -> str:
    """The two cells of a kind, by a process of its own."""
    if kind == KINDS[3] and _differences(size, args.px) > args.limit * GIB:
        return f" over {_differences(size, args.px) / GIB:.0f} | - |"
    command = [
        sys.executable, __file__, "--px", str(args.px), "--trunk", args.trunk,
        "--device", args.device, "--child", kind, str(size),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return f" {found['peak'] / GIB:.2f} | {found['kept'] / 2**20:.0f} |"


def _differences(size: int, px: int) -> float:
    """Bytes of the differences of all points to all cells, twice: itself and its square."""
    return 2.0 * 4 * POINTS * size * (px // 2) ** 2


def measure(kind: str, size: int, args: argparse.Namespace) -> dict[str, float]:
    """Peak and kept bytes of one step."""
    device = torch.device(args.device)
    torch.manual_seed(0)
    mined = kind.startswith("mined")
    count = int(kind.split()[1]) if mined else POINTS
    model = KeypointModel(
        ModelConfig(
            trunk=args.trunk, heads=("don", "keypointnet") if mined else ("don",),
            descriptor=size, keypoints=count, crop_px=args.px,
        )
    ).to(device)  # fmt: skip
    episodes = one_pair(args.px).to(device)
    losses = {True: mined_loss, False: don_loss if kind == KINDS[2] else differences_loss}[mined]

    def step(pair: Episodes) -> None:
        losses(model, pair, model.features).backward()
        model.zero_grad()

    # A small step first: what libraries set up once is not counted.
    step(one_pair(64).to(device))
    with PeakMemory() as memory:
        step(episodes)
    with torch.no_grad():
        shape = model.features(torch.cat([episodes.support, episodes.query])).shape
    kept = Kept()
    features = torch.randn(shape, device=device, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(kept, lambda saved: saved):
        loss = losses(model, episodes, lambda pictures: features)
    loss.backward()
    peak = memory.gpu_bytes if device.type == "cuda" else memory.added_bytes
    return {"peak": peak, "kept": float(sum(kept.sizes.values()))}


class Kept:
    """Counts the memory that autograd keeps, each piece of it once."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self._alive: list[Tensor] = []  # or an address would serve twice

    def __call__(self, saved: Tensor) -> Tensor:
        self._alive.append(saved)
        self.sizes[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        return saved


def mined_loss(
    model: KeypointModel, episodes: Episodes, features: Callable[[Tensor], Tensor]
) -> Tensor:
    """All losses of mining."""
    assert model.don is not None
    assert model.keypointnet is not None
    config = KeypointNetLossConfig()
    twins = twins_of(episodes, config)
    first, second = features(twins.pictures.flatten(0, 1)).chunk(2)
    losses = keypointnet_losses(model.keypointnet, model.don, (first, second), twins, config)
    return sum(losses.values(), torch.zeros((), device=first.device))


def don_loss(
    model: KeypointModel, episodes: Episodes, features: Callable[[Tensor], Tensor]
) -> Tensor:
    """NT-Xent against all cells, as tack has it: similarities are one product of matrices."""
    assert model.don is not None
    support, query = features(torch.cat([episodes.support, episodes.query])).chunk(2)
    losses = don_losses(model.don, support, query, episodes, DonLossConfig(calibration=0.0))
    return sum(losses.values(), torch.zeros((), device=support.device))


def differences_loss(
    model: KeypointModel, episodes: Episodes, features: Callable[[Tensor], Tensor]
) -> Tensor:
    """The same in one direction, with distances as norms of differences: (N, D, h, w) numbers."""
    assert model.don is not None
    support, query = features(torch.cat([episodes.support, episodes.query])).chunk(2)
    codes = model.don.sample(model.don(support), episodes.support_points, model.stride)
    cells = model.don(query)
    squared = (codes[0, :, :, None, None] - cells).square().sum(1)
    truth = (model.don.sample(cells, episodes.query_points, model.stride) - codes).square().sum(2)
    logits = -0.5 * squared.flatten(1) / model.don.temperature
    return (logits.logsumexp(1) + 0.5 * truth[0] / model.don.temperature).mean()


def one_pair(px: int) -> Episodes:
    """A pair of random pictures in which all points are seen."""
    grid = px // 2
    thing = torch.zeros(1, grid, grid)
    thing[:, grid // 4 : -grid // 4, grid // 4 : -grid // 4] = 1
    every, points = torch.ones(1, POINTS, dtype=torch.bool), torch.rand(2, 1, POINTS, 2) * (px - 1)
    empty = torch.full((1, 3, grid, grid), torch.nan)
    return Episodes(
        support=torch.rand(1, 3, px, px), query=torch.rand(1, 3, px, px),
        support_points=points[0], query_points=points[1], known=every, visible=every,
        same=torch.ones(1, dtype=torch.bool), support_object=thing, query_object=thing,
        support_things=thing, query_things=thing, support_votes=empty[:, :2],
        query_votes=empty[:, :2], support_surface=empty, query_surface=empty,
        query_depth=torch.zeros(1, POINTS), support_named=points[0, :, :1],
        query_named=points[1, :, :1], named_known=every[:, :1, None].expand(-1, -1, 2),
        named_visible=every[:, :1, None].expand(-1, -1, 2),
        named_index=torch.zeros(1, 1, dtype=torch.int64),
        category=torch.zeros(1, dtype=torch.int64), instance=torch.zeros(1, dtype=torch.int64),
    )  # fmt: skip


if __name__ == "__main__":
    main()
