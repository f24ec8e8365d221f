# SPDX-License-Identifier: Apache-2.0
"""TACK between dense descriptors and a fixed set of points: the paper's comparison, on our data.

Everything at equal trunk, data, number of steps and pictures per step, on one class: TACK with task
adaptation only, with the auto-encoder only and with both, code sizes 1 to 16, Dense Object Nets,
both with a teacher (which is ours), and a fixed set of named points (the limit that TACK is to
approach). All learn beside the object
head, whose places on the surface teach the trunk. All are asked for the named points of held-out
instances, after one click in another picture; the fixed set needs no click.

  tack render --class shoe --instances 80 --views 8 --size 480x360 --output train --workers 2
  tack render --class shoe --split held_out --instances 16 --views 8 --size 480x360 --output test
  python benchmarks/tack_finding.py --data train --test test --output out/finding
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from tack_perception.evaluation.statistics import Share
from tack_perception.files import write_atomically
from tack_perception.learning.don import DonLossConfig
from tack_perception.learning.episode import Episodes
from tack_perception.learning.hardware import launch
from tack_perception.learning.job import begin_pretrained, make_sampler
from tack_perception.learning.loop import train
from tack_perception.learning.methods import Heads
from tack_perception.learning.pack import make_pack
from tack_perception.learning.sampler import SamplerConfig
from tack_perception.learning.settings import TrainConfig
from tack_perception.learning.tack import TackLossConfig
from tack_perception.networks.model import TRUNKS, KeypointModel, ModelConfig
from tack_perception.networks.sampling import peaks, to_pixels

COLUMNS = ("same picture", "same instance", "hidden", "new instance")
CLOSE = 0.0625  # of the picture's side: 4 px of 64


@dataclasses.dataclass(frozen=True)
class Run:
    """One row: what is trained."""

    name: str
    head: str
    code: int = 4
    adaptation: float = 1.0
    autoencoder: float = 1.0
    both_ways: bool = False
    taught: bool = False

    @property
    def heads(self) -> tuple[str, ...]:
        """The object head, the teacher if there is one, and what is compared."""
        return ("objects", "places", self.head) if self.taught else ("objects", self.head)


RUNS = (
    Run("TACK, both losses", "tack"),
    Run("TACK, adaptation only", "tack", autoencoder=0.0),
    Run("TACK, adaptation both ways", "tack", autoencoder=0.0, both_ways=True),
    Run("TACK, auto-encoder only", "tack", adaptation=0.0),
    Run("TACK, code of 1", "tack", 1),
    Run("TACK, code of 2", "tack", 2),
    Run("TACK, code of 8", "tack", 8),
    Run("TACK, code of 16", "tack", 16),
    Run("TACK, taught", "tack", autoencoder=0.5, taught=True),
    Run("TACK, both ways, taught", "tack", autoencoder=0.0, both_ways=True, taught=True),
    Run("DON, 16 numbers", "don"),
    Run("DON, taught", "don", taught=True),
    Run("fixed set", "sparse"),
)


def main() -> None:
    """Train all rows, measure them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="to learn from")
    parser.add_argument("--test", type=Path, required=True, help="held-out instances")
    parser.add_argument("--classes", nargs="+", default=["shoe"])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--trunk", default="lite0", choices=TRUNKS)
    parser.add_argument("--width", type=int, default=24, help="of the trunk unet")
    parser.add_argument("--px", type=int, default=64)
    parser.add_argument("--batches", type=int, default=24, help="of 32 pairs, to measure on")
    parser.add_argument("--same-share", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="rows with one of these parts in their name")
    args = parser.parse_args()
    rows = []
    for run in RUNS:
        if args.only and not set(args.only) & set(run.name.split(", ")):
            continue
        for seed in range(args.seeds):
            rows.append((run, seed, measure(run, seed, args)))
    rows.append((Run("a random place", ""), 0, chance(args)))
    print(table(rows))


def measure(run: Run, seed: int, args: argparse.Namespace) -> dict[str, NDArray[np.float64]]:
    """Train one row and measure its errors, in pixels of the picture, by column."""
    kind = run.head + "-taught" * run.taught + "-both-ways" * run.both_ways
    folder = args.output / f"{kind}-{run.code}-{run.adaptation:g}-{run.autoencoder:g}-{seed}"
    result = folder / "errors.json"
    if result.is_file():
        return {name: np.array(e) for name, e in json.loads(result.read_text()).items()}
    data = make_pack(args.data, classes=args.classes)
    config = TrainConfig(
        steps=args.steps, batch=args.batch, learning_rate=2e-3, schedule="cosine", warm_up=0.05,
        ema_decay=0.99, seed=seed, pictures_every=0, validate_every=0, clip=5.0, log_every=50,
        precision="bf16-mixed",
    )  # fmt: skip
    fabric = launch(config)
    sampler = make_sampler([data], sampling(args), config, fabric.device, batch=args.batch)
    torch.manual_seed(seed)
    model = KeypointModel(
        ModelConfig(
            trunk=args.trunk, heads=run.heads, width=args.width, code=run.code,
            crop_px=args.px, classes=data.classes, points=sampler.named,
        )
    )  # fmt: skip
    begin_pretrained(model)
    method = Heads(
        run.name, run.heads, don=DonLossConfig(),
        tack=TackLossConfig(
            adaptation=run.adaptation, both_ways=run.both_ways, autoencoder=run.autoencoder,
            depth=0.0, judge=0.0,
        ),
    )  # fmt: skip
    print(f"{run.name}, seed {seed}")
    outcome = train(model, method, sampler, config, folder, fabric=fabric)
    errors = errors_of(
        answers(outcome.model, run), args, fabric.device, outcome.model.config.points
    )
    write_atomically(result, json.dumps({name: e.tolist() for name, e in errors.items()}))
    return errors


def sampling(args: argparse.Namespace) -> SamplerConfig:
    """Mild pictures: what is compared is the heads."""
    return SamplerConfig(
        crop_px=args.px, same_share=args.same_share, turn_share=0.0, turn_deg=30.0,
        photometric=0.5, occluded_share=0.4, zoom=(1.15, 1.8), shift=0.1,
    )  # fmt: skip


def answers(model: KeypointModel, run: Run) -> Callable[[Episodes], tuple[Tensor, Tensor]]:
    """Where a model finds the named points: in the query, and in the support itself."""

    def ask(episodes: Episodes) -> tuple[Tensor, Tensor]:
        support, query = model.features(torch.cat([episodes.support, episodes.query])).chunk(2)
        clicks = episodes.support_named
        if run.head == "tack":
            assert model.tack is not None
            codes = model.tack.codes(support, clicks)
            heats = [model.tack.heat(features, codes) for features in (query, support)]
        elif run.head == "don":
            assert model.don is not None
            known = model.don.sample(model.don(support), clicks, model.stride)
            heats = [model.don.logits(known, model.don(one)) for one in (query, support)]
        else:
            assert model.sparse is not None
            index = episodes.named_index.clamp_min(0)
            heats = [model.sparse.heat(features, index) for features in (query, support)]
        there, here = (to_pixels(peaks(heat)[0], model.stride) for heat in heats)
        return there, here

    return ask


def errors_of(
    ask: Callable[[Episodes], tuple[Tensor, Tensor]],
    args: argparse.Namespace,
    device: torch.device,
    points: Sequence[str] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Errors on held-out instances, px of the picture, by column; `points` as the model counts."""
    data = make_pack(args.test, classes=args.classes)
    sampler = make_sampler([data], sampling(args), TrainConfig(seed=12345), device, batch=32)
    sampler.number_as(sampler.classes, sampler.named if points is None else points)
    found: dict[str, list[Tensor]] = {name: [] for name in COLUMNS}
    with torch.inference_mode():
        for step in tqdm(range(args.batches), "measuring", leave=False):
            e = sampler.batch(step).to(device)
            there, here = ask(e)
            clicked = e.named_visible[..., 0] & e.named_known[..., 0] & (e.named_index >= 0)
            known, seen = e.named_known[..., 1], e.named_visible[..., 1]
            same = e.same[:, None]
            error = (there - e.query_named).norm(dim=-1)
            own = (here - e.support_named).norm(dim=-1)
            for name, values, mask in (
                ("same picture", own, clicked),
                ("same instance", error, clicked & known & seen & same),
                ("hidden", error, clicked & known & ~seen),
                ("new instance", error, clicked & known & seen & ~same),
            ):
                found[name].append(values[mask].cpu())
    return {name: torch.cat(several).double().numpy() for name, several in found.items()}


def chance(args: argparse.Namespace) -> dict[str, NDArray[np.float64]]:
    """What a predictor scores that knows nothing: the measure can tell."""
    generator = torch.Generator().manual_seed(0)

    def ask(episodes: Episodes) -> tuple[Tensor, Tensor]:
        shape = episodes.query_named.shape
        first, second = (
            (torch.rand(shape, generator=generator) * args.px).to(episodes.query_named.device)
            for _ in range(2)
        )
        return first, second

    return errors_of(ask, args, torch.device("cpu"))


def table(rows: list[tuple[Run, int, dict[str, NDArray[np.float64]]]]) -> str:
    """Markdown: RMS / median error in px and the share within `CLOSE`, by column."""
    head = "| |" + "".join(f" {name} |" for name in COLUMNS)
    lines = [head, "|---|" + "---|" * len(COLUMNS)]
    for run, seed, errors in rows:
        cells = []
        for name in COLUMNS:
            e = errors[name]
            share = Share.of(e <= CLOSE * 64)
            cells.append(
                f" {np.sqrt((e**2).mean()):.2f} / {np.median(e):.2f}, {share.value:.0%}"
                f" [{share.low:.0%}, {share.high:.0%}] |"
            )
        title = run.name if seed == 0 else f"{run.name}, seed {seed}"
        lines.append(f"| {title} |" + "".join(cells))
    counts = ", ".join(f"{name} {len(rows[0][2][name])}" for name in COLUMNS)
    return "\n".join([*lines, f"\nTrials: {counts}."])


if __name__ == "__main__":
    main()
