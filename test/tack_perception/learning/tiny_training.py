# SPDX-License-Identifier: Apache-2.0
"""A training run of a moment, also as a program: tiny_training.py FOLDER [NAME=VALUE ...].

It learns to blur pictures. `kind=plain` leaves out what differs between processes (normalisation
over a batch, dropout), `pause=S` draws slowly, everything else is a setting of the run.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from tack_perception.learning.loop import Outcome, train
from tack_perception.learning.settings import TrainConfig


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """(B, 3, 8, 8) pictures and what is to become of them."""

    pictures: Tensor
    blurred: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def to(self, device: torch.device | str) -> Pictures:
        return Pictures(self.pictures.to(device), self.blurred.to(device))


class TinyNet(nn.Module):
    def __init__(self, kind: str = "full") -> None:
        super().__init__()
        plain = kind == "plain"
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Identity() if plain else nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Identity() if plain else nn.Dropout(0.3),
            nn.Conv2d(8, 3, 3, padding=1),
        )
        self.unused = nn.Linear(2, 2)

    def blur(self, pictures: Tensor) -> Tensor:
        blurred: Tensor = self.layers(pictures)
        return blurred


class Blurring:
    def losses(self, model: TinyNet, batch: Pictures) -> dict[str, Tensor]:
        blurred = model.blur(batch.pictures)
        error = functional.mse_loss(blurred, batch.blurred)
        return {"error": error, "size": 0.01 * blurred.abs().mean()}


class Drawer:
    """Draws pictures; slowly, if asked to."""

    def __init__(self, size: int, pause: float = 0.0) -> None:
        self.size, self.pause = size, pause

    def batch(self, number: int) -> Pictures:
        time.sleep(self.pause)
        numbers = range(number * self.size, (number + 1) * self.size)
        drawn = np.stack([np.random.default_rng([7, n]).random((3, 8, 8)) for n in numbers])
        pictures = torch.from_numpy(drawn.astype(np.float32))
        return Pictures(pictures, functional.avg_pool2d(pictures, 3, 1, 1))


def first_net(kind: str = "full") -> TinyNet:
    torch.manual_seed(3)
    return TinyNet(kind)


def run(
    folder: Path, config: TrainConfig, *, kind: str = "full", pause: float = 0.0, processes: int = 1
) -> Outcome[TinyNet]:
    drawer = Drawer(config.batch // processes, pause)
    return train(
        first_net(kind), Blurring(), drawer, config, folder, recipe={"kind": kind}, progress=False
    )


def main(folder: Path, words: list[str]) -> None:
    values = {name: yaml.safe_load(value) for name, value in (word.split("=") for word in words)}
    kind, pause = values.pop("kind", "full"), values.pop("pause", 0.0)
    processes = values.pop("processes", 1)
    config = TrainConfig.from_mapping(values)
    outcome = run(folder, config, kind=kind, pause=pause, processes=processes)
    if outcome.rows:
        save_file(outcome.model.state_dict(), folder / "final.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
