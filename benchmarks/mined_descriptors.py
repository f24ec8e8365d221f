# SPDX-License-Identifier: Apache-2.0
r"""What descriptors are worth that were mined without correspondences, beside those of DON.

One trunk, one data set, the same number of steps and of pictures in a step; only the losses differ.
`mined` sees two views of one picture of each episode (docs/methods/keypointnet.md), `DON` two
pictures and the points that both show. Asked are surface points of held-out instances: described in
one picture, looked for in another one by the same logits; errors are distances in pixels. The other
picture is a second view of the same one (as in the paper), another picture of the same instance, or
one of another instance.

  tack render --class mug,cap,shoe,hammer,screwdriver,wrench,bottle,box --instances 80 --views 8 \
      --seed 1 --companions 2 --clutter 3 --occluders 1 --size 480x360 --noise none --output train
  tack render --class mug,cap,shoe,hammer,screwdriver,wrench,bottle,box --instances 12 --views 8 \
      --split held_out --seed 3 --companions 2 --clutter 3 --size 640x480 --noise d435 --output test
  python benchmarks/mined_descriptors.py --data train --test test --output out/mined
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from tack_perception.evaluation.bootstrap import Resampler
from tack_perception.evaluation.statistics import Share
from tack_perception.files import write_atomically
from tack_perception.learning import se3
from tack_perception.learning.device_sampler import DeviceSampler
from tack_perception.learning.hardware import launch
from tack_perception.learning.job import begin_pretrained, make_sampler, with_settings
from tack_perception.learning.keypointnet import KeypointNetLossConfig, twins_of
from tack_perception.learning.loop import train
from tack_perception.learning.methods import Heads, make_method
from tack_perception.learning.pack import make_pack
from tack_perception.learning.sampler import EpisodeSampler, SamplerConfig
from tack_perception.learning.settings import TrainConfig
from tack_perception.learning.twins import Twins, intrinsics, lift, on_poster
from tack_perception.networks.keypointnet import expect
from tack_perception.networks.model import TRUNKS, KeypointModel, ModelConfig
from tack_perception.networks.sampling import peaks, to_pixels

ROWS = ("mined", "DON", "nothing learned")
KINDS = ("one picture, two views", "same instance", "new instance")
THRESHOLDS = (2.0, 4.0, 10.0)  # px of 64
FARTHEST = 10.0  # px of 64; the curve's end: 100 px of 640, as in the paper
VIEWS = {"turn_deg": 30.0, "tilt_deg": 20.0, "photometric": 0.5, "background": 0.3}
"""Of the mined row: as mild as the pairs of the others (`sampling`)."""
Found = dict[str, NDArray[np.float64]]


def main() -> None:
    """Train all rows, measure them, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="to learn from")
    parser.add_argument("--test", type=Path, required=True, help="held-out instances")
    parser.add_argument("--classes", nargs="+", default=["shoe"])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--trunk", default="lite0", choices=TRUNKS)
    parser.add_argument("--width", type=int, default=24, help="of the trunk unet")
    parser.add_argument("--px", type=int, default=64)
    parser.add_argument("--descriptor", type=int, default=16)
    parser.add_argument("--keypoints", type=int, default=64)
    parser.add_argument("--batches", type=int, default=24, help="of 32 pairs, to measure on")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=ROWS)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the mined losses: a=0.5")
    args = parser.parse_args()
    rows = {}
    for name in args.only or ROWS:
        for seed in range(args.seeds):
            rows[f"{name}, seed {seed}" if seed else name] = measure(name, seed, args)
    rows["a random place"] = errors_of(None, args)
    print(table(rows, args.px))
    print(keypoints_table(rows))


def method_of(name: str, args: argparse.Namespace) -> Heads:
    """The losses of a row. Without the object head, so that a step costs all the same."""
    if name == "DON":
        return Heads(name, ("don",))
    changed = {key: float(value) for key, value in (one.split("=") for one in args.set)}
    known = with_settings(make_method("mined"), {"keypointnet": VIEWS | changed})
    return Heads(name, ("don", "keypointnet"), don=known.don, keypointnet=known.keypointnet)


def measure(name: str, seed: int, args: argparse.Namespace) -> Found:
    """Train one row and measure it."""
    folder = args.output / f"{name.replace(' ', '-')}-{seed}"
    result = folder / "found.json"
    if result.is_file():
        return {key: np.array(value) for key, value in json.loads(result.read_text()).items()}
    config = TrainConfig(
        steps=args.steps, batch=args.batch, learning_rate=2e-3, schedule="cosine", warm_up=0.05,
        ema_decay=0.99, seed=seed, pictures_every=0, validate_every=0, clip=5.0, log_every=50,
        threads=args.threads,
    )  # fmt: skip
    method = method_of(name, args)
    fabric = launch(config)
    data = make_pack(args.data, classes=args.classes)
    sampler = make_sampler([data], sampling(args), config, fabric.device, batch=args.batch)
    torch.manual_seed(seed)
    model = KeypointModel(
        ModelConfig(
            trunk=args.trunk, heads=method.heads, width=args.width, descriptor=args.descriptor,
            keypoints=args.keypoints, crop_px=args.px, classes=data.classes,
        )
    )  # fmt: skip
    begin_pretrained(model)
    print(f"{name}, seed {seed}", flush=True)
    if name == "nothing learned":
        model.to(fabric.device)
        told(model, sampler.batch(0).to(fabric.device).support)
    else:
        model = train(model, method, sampler, config, folder, fabric=fabric).model
    model.eval()
    found = errors_of(model, args, fabric.device)
    if name == "mined":
        found |= keypoints_of(model, method, args, fabric.device)
    write_atomically(result, json.dumps({key: value.tolist() for key, value in found.items()}))
    return found


def told(model: KeypointModel, pictures: Tensor) -> None:
    """Let normalisation layers of a network that has not learned count some pictures."""
    with torch.no_grad():
        model.train().features(pictures)


def sampling(args: argparse.Namespace) -> SamplerConfig:
    """Mild pictures, as in `tack_finding.py`."""
    return SamplerConfig(
        crop_px=args.px, same_share=0.5, turn_share=0.0, turn_deg=30.0, photometric=0.5,
        occluded_share=0.4, zoom=(1.15, 1.8), shift=0.1,
    )  # fmt: skip


def held_out(args: argparse.Namespace, device: torch.device) -> EpisodeSampler | DeviceSampler:
    data = make_pack(args.test, classes=args.classes)
    return make_sampler([data], sampling(args), TrainConfig(seed=12345), device, batch=32)


def errors_of(
    model: KeypointModel | None, args: argparse.Namespace, device: torch.device | None = None
) -> Found:
    """Errors in px, and the number of the pair each is of; without a model, of random guesses."""
    device = device or torch.device("cpu")
    sampler, generator = held_out(args, device), torch.Generator().manual_seed(0)
    found: dict[str, list[Tensor]] = {f"{kind}{what}": [] for kind in KINDS for what in ("", "#")}

    def find(first: Tensor, second: Tensor, clicks: Tensor) -> Tensor:
        if model is None:
            return torch.rand(clicks.shape, generator=generator).to(device) * args.px
        assert model.don is not None
        known, other = model.features(torch.cat([first, second])).chunk(2)
        codes = model.don.sample(model.don(known), clicks, model.stride)
        return to_pixels(peaks(model.don.logits(codes, model.don(other)))[0], model.stride)

    with torch.inference_mode():
        for step in tqdm(range(args.batches), "measuring", leave=False):
            e = sampler.batch(step).to(device)
            twins = twins_of(e, KeypointNetLossConfig(**VIEWS))
            places = [shown_at(e.support_points, twins, side) for side in (0, 1)]
            inside = torch.stack([(p > 0) & (p < args.px - 1) for p in places]).all(0).all(-1)
            own = find(twins.pictures[0], twins.pictures[1], places[0]) - places[1]
            other = find(e.support, e.query, e.support_points) - e.query_points
            seen = e.visible & e.known
            number = torch.arange(len(e), device=device)[:, None].expand_as(seen) + step * 32
            for kind, away, mask in zip(
                KINDS, (own, other, other),
                (inside, seen & e.same[:, None], seen & ~e.same[:, None]), strict=True,
            ):  # fmt: skip
                found[kind].append(away.norm(dim=-1)[mask].cpu())
                found[f"{kind}#"].append(number[mask].cpu())
    return {name: torch.cat(several).double().numpy() for name, several in found.items()}


def shown_at(pixels: Tensor, twins: Twins, side: int) -> Tensor:
    """(B, N, 2) px of a view where (B, N, 2) px of the picture are: what no loss is told."""
    world = (pixels - (twins.pictures.shape[-1] - 1) / 2) / twins.scale
    world = torch.cat([world, torch.ones_like(world[..., :1])], -1)
    camera = se3.apply(se3.inverse(twins.world_from_camera[side]), world)
    projected = camera @ twins.intrinsics[side].mT
    return projected[..., :2] / projected[..., 2:]


def keypoints_of(
    model: KeypointModel, method: Heads, args: argparse.Namespace, device: torch.device
) -> Found:
    """The keypoints themselves on held-out pictures: agreement, mass, separation, pose."""
    assert model.don is not None
    assert model.keypointnet is not None
    sampler = held_out(args, device)
    found: dict[str, list[Tensor]] = {
        name: [] for name in ("mvc", "flat", "mass", "separation", "depth")
    }
    with torch.inference_mode():
        for step in range(args.batches):
            twins = twins_of(sampler.batch(step).to(device), method.keypointnet)
            world, views, poster = [], [], []
            size = torch.tensor(twins.scale / args.px, device=device)
            own = intrinsics(args.px, size)
            for side in (0, 1):
                cells = model.don(model.features(twins.pictures[side]))
                one = expect(*model.keypointnet(cells), twins.masks[side], model.stride)
                lifted = lift(one.pixels, one.depth, twins.intrinsics[side])
                world.append(se3.apply(twins.world_from_camera[side], lifted))
                views.append(one)
                pose, matrix = twins.world_from_camera[side], twins.intrinsics[side]
                poster.append(on_poster(one.pixels, pose, matrix, own)[0])
            shown = (twins.masks.flatten(2).sum(2) >= 8).all(0)
            apart = (world[0] - world[1]).norm(dim=-1) * twins.scale
            found["mvc"].append(apart[shown].flatten().cpu())
            away = (poster[0] - poster[1]).norm(dim=-1)
            found["flat"].append(away[shown].flatten().cpu())
            found["depth"].append((world[0][..., 2] - 1).abs()[shown].flatten().cpu())
            found["mass"].append(views[0].mask[shown].flatten().cpu())
            pixels = views[0].pixels[shown]
            between = torch.cdist(pixels, pixels) + 1e3 * torch.eye(pixels.shape[1]).to(pixels)
            found["separation"].append(between.amin((1, 2)).cpu())
    return {name: torch.cat(several).double().numpy() for name, several in found.items()}


def table(rows: dict[str, Found], px: int) -> str:
    """Markdown: by kind of pair the share within each threshold, median, RMS, area of the curve."""
    lines, scale = [], px / 64
    for kind in KINDS:
        bounds = "".join(f" within {one * scale:g} px |" for one in THRESHOLDS)
        lines += [f"\n| {kind} |{bounds} median, px | RMS, px | AUC to {FARTHEST * scale:g} px |"]
        lines += ["|---|" + "---|" * (len(THRESHOLDS) + 3)]
        for name, found in rows.items():
            errors, drawn = found[kind], Resampler(found[f"{kind}#"])
            shares = "".join(f" {Share.of(errors <= one * scale)} |" for one in THRESHOLDS)
            # The area below the share within k, k from 0 to the end, is a mean over the trials.
            under = drawn.mean(np.clip(1 - errors / (FARTHEST * scale), 0, 1))
            lines += [
                f"| {name} |{shares} {drawn.median(errors).text(2)} | {drawn.rms(errors).text(2)} |"
                f" {under.text(3)} |"
            ]
        pairs = len(np.unique(found[f"{kind}#"]))
        lines += [f"\nTrials: {len(found[kind])} points of {pairs} pairs."]
    return "\n".join(lines)


def keypoints_table(rows: dict[str, Found]) -> str:
    """Markdown: how well the KeypointNet task itself is done on held-out pictures."""
    lines = [
        "\n| keypoints | consistency in space, median / mean px | on the poster |"
        " mass on the object, mean / median | smallest separation, median px |"
        " off the poster, median |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in rows.items():
        if "mvc" in found:
            mvc, flat, mass, separation, depth = (
                found[key] for key in ("mvc", "flat", "mass", "separation", "depth")
            )
            lines.append(
                f"| {name} | {np.median(mvc):.2f} / {mvc.mean():.2f} |"
                f" {np.median(flat):.2f} / {flat.mean():.2f} | {mass.mean():.3f} /"
                f" {np.median(mass):.3f} | {np.median(separation):.2f} | {np.median(depth):.3f} |"
                f" ({len(mvc)} keypoints of {len(separation)} pictures)"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
