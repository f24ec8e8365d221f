# SPDX-License-Identifier: Apache-2.0
"""The one training loop, for every method and every kind of data.

It knows a network, an objective that gives losses, and a sampler that draws batches by number. On
one CPU a run is exact: the same command gives the same weights, also if it is killed at any time
and given again. docs/training.md is for those who use it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from tack_perception.errors import InvalidInputError, TackError
from tack_perception.files import write_atomically
from tack_perception.learning.average import MovingAverage
from tack_perception.learning.checkpoint import (
    CHECKPOINT,
    Checkpoint,
    check_recipe,
    pack,
    unpack,
)
from tack_perception.learning.hardware import exact, launch, seed_all, worker_count
from tack_perception.learning.interruption import Interruption
from tack_perception.learning.log import LOSS, RATE, STEP, VALIDATION, Row, TrainingLog
from tack_perception.learning.meter import Meter
from tack_perception.learning.prefetch import Prefetcher
from tack_perception.learning.schedule import learning_rate
from tack_perception.learning.settings import TrainConfig

SAMPLES = "samples.png"


class Batch(Protocol):
    """Examples to learn from, as tensors."""

    def __len__(self) -> int:
        """How many examples."""

    def to(self: _Self, device: torch.device | str) -> _Self:
        """The same on another device."""


_Self = TypeVar("_Self")
M = TypeVar("M", bound=nn.Module)
B = TypeVar("B", bound=Batch)
_M_in = TypeVar("_M_in", bound=nn.Module, contravariant=True)
_B_in = TypeVar("_B_in", bound=Batch, contravariant=True)
_B_out = TypeVar("_B_out", bound=Batch, covariant=True)


class Objective(Protocol[_M_in, _B_in]):
    """What is to be learned."""

    def losses(self, model: _M_in, batch: _B_in, /) -> dict[str, Tensor]:
        """Weighted scalars by name; their sum is to be made small."""


class Sampler(Protocol[_B_out]):
    """Where the data come from."""

    def batch(self, number: int, /) -> _B_out:
        """The batch of a number: always the same one."""


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome(Generic[M]):
    """What a run has led to.

    Attributes:
        model: the network with averaged weights, in evaluation mode.
        step: how many steps were made, in all parts of the run.
        seconds: that they took.
        rows: of the log; the last one has the losses at the end.
    """

    model: M
    step: int
    seconds: float
    rows: list[Row]


def train(
    model: M,
    objective: Objective[M, B],
    sampler: Sampler[B],
    config: TrainConfig,
    folder: Path,
    *,
    recipe: Mapping[str, Any] | None = None,
    validation: Sampler[B] | None = None,
    pictures: Callable[[M, B], NDArray[np.uint8] | None] | None = None,
    fabric: Fabric | None = None,
    finish: bool = False,
    progress: bool = True,
) -> Outcome[M]:
    """Train a network, or go on where the folder's checkpoint is.

    Process r of R takes batch `step * R + r`, so that together they take each batch once.

    Args:
        model: with its first weights; holds the last ones afterwards.
        objective: gives the losses.
        sampler: draws batches of `config.batch` / R examples.
        config: settings.
        folder: for checkpoint.safetensors, log.csv, loss.png and samples.png.
        recipe: what else makes this run what it is (data, method, network), in JSON's types.
        validation: draws batches to look at now and then, and not to learn from.
        pictures: draws some examples of a batch and what the network says, (H, W, 3) uint8 RGB.
        fabric: the processes, from `launch`; None launches them.
        finish: make no more steps: what has come out is what the folder's checkpoint holds.
        progress: show a progress bar.

    Raises:
        ConfigurationError: the folder holds another run, or the hardware is not there.
        InvalidInputError: there is no run to finish.
        TackError: a loss or a gradient is not finite (names step and terms), or a file cannot be
            written. The last good checkpoint stays.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the step is done and saved.
    """
    fabric = fabric or launch(config)
    if finish and not (folder / CHECKPOINT).is_file():
        raise InvalidInputError(f"{folder}: no run was begun there that could be finished")
    with exact(fabric.device):
        run = _Run(model, objective, config, folder, recipe or {}, fabric)
        run.validation, run.pictures = validation, pictures
        return run.go(sampler, finish=finish, progress=progress)


class _Run(Generic[M, B]):
    """A run that is going on."""

    validation: Sampler[B] | None
    pictures: Callable[[M, B], NDArray[np.uint8] | None] | None

    def __init__(
        self,
        model: M,
        objective: Objective[M, B],
        config: TrainConfig,
        folder: Path,
        recipe: Mapping[str, Any],
        fabric: Fabric,
    ) -> None:
        self._config, self._folder, self._fabric = config, folder, fabric
        self._recipe = {"training": config.recipe(), **recipe}
        if config.channels_last:
            _laid_out(model, torch.channels_last)
        optimizer = _optimizer(model, config)
        self._losses, self._optimizer = fabric.setup(_Losses(model, objective), optimizer)
        self._model, self._objective = model, objective
        self._average = MovingAverage(model, config.ema_decay)
        self._step, self._seconds = 0, 0.0
        self._resume()
        self._log = TrainingLog(folder, self._step) if fabric.is_global_zero else None
        self._meter, self._interruption = Meter(), Interruption()
        self._began = self._saved = self._reported = time.monotonic()

    def go(self, sampler: Sampler[B], *, finish: bool, progress: bool) -> Outcome[M]:
        """Make the steps that are left, if they are wanted."""
        fabric, config = self._fabric, self._config
        if self._step < config.steps and not finish:
            rank, count = fabric.global_rank, fabric.world_size
            numbers = range(self._step * count + rank, config.steps * count, count)
            bar = tqdm(
                total=config.steps, initial=self._step, unit="step", dynamic_ncols=True,
                disable=not (progress and fabric.is_global_zero),
            )  # fmt: skip
            batches = Prefetcher(
                sampler.batch, numbers, workers=worker_count(config, fabric, sampler),
                place=lambda batch: batch.to(fabric.device),
            )  # fmt: skip
            # Several processes would stop at different steps, and wait for each other.
            watched = self._interruption.watch(active=count == 1)
            with bar, contextlib.closing(batches), watched:
                self._began = self._reported = time.monotonic()
                for batch in batches:
                    self._advance(batch)
                    self._look(batch, batches, bar)
            self._seconds = self._time()
        fabric.barrier()
        rows: list[Row] = []
        if self._log is not None:
            self._log.plot(now=True)
            rows = self._log.rows
        averaged = _laid_out(self._average.model, torch.contiguous_format)
        return Outcome(averaged, self._step, self._seconds, rows)

    def _advance(self, batch: B) -> None:
        """Make one step."""
        config, fabric = self._config, self._fabric
        if len(batch) * fabric.world_size != config.batch:
            raise InvalidInputError(
                f"the sampler draws {len(batch)} examples: {config.batch // fabric.world_size} are"
                f" needed (batch {config.batch} over {fabric.world_size} processes)"
            )
        seed_all(config.seed, self._step, fabric.global_rank)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(config, self._step) * group["share"]
        losses = self._losses(_Sealed(batch))
        fabric.backward(sum(losses.values()))
        norm = fabric.clip_gradients(
            self._losses, self._optimizer, max_norm=config.clip or math.inf,
            error_if_nonfinite=False,
        )  # fmt: skip
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._average.update(self._step)
        self._step += 1
        self._meter.add(self._step, losses, norm)

    def _look(self, batch: B, batches: Prefetcher[B], bar: Any) -> None:
        """What is to be done between steps: numbers, pictures, checkpoints."""
        step, config = self._step, self._config
        last, stop = step == config.steps, self._interruption.asked
        checks = self.validation is not None and self._every(config.validate_every)
        logs = last or checks or step % config.log_every == 0
        saves = last or stop or time.monotonic() - self._saved >= config.checkpoint_every_s
        # To ask a GPU for a number is to wait for it.
        if self._fabric.device.type == "cpu" or logs or saves:
            self._settle()
            bar.set_postfix_str(f"loss {self._meter.means()[LOSS]:.4g}", refresh=False)
        bar.update()
        if logs:
            self._report(batches, checks=checks)
        if self.pictures is not None and (step == 1 or self._every(config.pictures_every)):
            self._draw(batch)
        if saves:
            self._save()
        if stop and not last:
            raise KeyboardInterrupt

    def _every(self, steps: int) -> bool:
        return steps > 0 and (self._step % steps == 0 or self._step == self._config.steps)

    def _settle(self) -> None:
        try:
            self._meter.settle()
        except TackError as error:
            raise TackError(
                f"{error}. The checkpoint in {self._folder} is from before; try a lower learning"
                " rate, or precision 32-true, in another folder"
            ) from error

    def _report(self, batches: Prefetcher[B], *, checks: bool) -> None:
        """A row of the log about the steps since the last one."""
        means = self._meter.means()
        if self._fabric.world_size > 1:
            told = torch.tensor([*means.values()], device=self._fabric.device)
            shared = cast(Tensor, self._fabric.all_reduce(told)).tolist()
            means = dict(zip(means, shared, strict=True))
        now = time.monotonic()
        elapsed = max(now - self._reported, 1e-9)
        row: Row = {STEP: self._step, **means}
        row[RATE] = learning_rate(self._config, self._step - 1)
        row["examples_per_s"] = self._meter.steps * self._config.batch / elapsed
        row["waiting"] = batches.waited_s / elapsed
        row["seconds"] = self._time()
        if checks and self._log is not None:
            row |= {VALIDATION + name: value for name, value in self._validate().items()}
        if self._log is not None:
            self._log.add(row)
            self._log.plot()
        self._meter.clear()
        batches.waited_s = 0.0
        self._reported = time.monotonic()

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Mean losses of the averaged weights on batches that are always the same."""
        assert self.validation is not None
        sums: dict[str, float] = {}
        count = self._config.validation_batches
        for number in range(count):
            seed_all(self._config.seed, number, 0)
            batch = self.validation.batch(number).to(self._fabric.device)
            with self._fabric.autocast():
                losses = self._objective.losses(self._average.model, batch)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value) / count
        return {LOSS: sum(sums.values()), **sums}

    def _draw(self, batch: B) -> None:
        if self._log is None or self.pictures is None:
            return
        with torch.no_grad(), self._fabric.autocast():
            sheet = self.pictures(self._average.model, batch)
        if sheet is not None:
            _, content = cv2.imencode(".png", np.ascontiguousarray(sheet[..., ::-1]))
            write_atomically(self._folder / SAMPLES, content.tobytes())

    def _resume(self) -> None:
        found = Checkpoint.read(self._folder)
        if found is not None:
            check_recipe(self._folder, found, self._recipe)
            unpack(found.tensors, self._model, self._average.model, self._raw_optimizer())
            self._step, self._seconds = found.step, found.seconds
        if self._fabric.world_size > 1:
            own = torch.tensor(self._step, device=self._fabric.device)
            steps = cast(Tensor, self._fabric.all_gather(own))
            if len(set(steps.flatten().tolist())) > 1:
                raise InvalidInputError(
                    f"{self._folder}: not all processes see the same checkpoint there; a folder"
                    " that all machines share is needed"
                )
        self._began = time.monotonic()
        if found is None:
            self._save()  # so that a wrong folder is found out at once, and not at the end

    def _raw_optimizer(self) -> torch.optim.Optimizer:
        raw: torch.optim.Optimizer = self._optimizer.optimizer
        return raw

    def _save(self) -> None:
        """Write a checkpoint of steps whose numbers are known to be finite."""
        if self._fabric.is_global_zero:
            tensors = pack(self._model, self._average.model, self._raw_optimizer())
            Checkpoint(self._step, self._time(), self._recipe, tensors).write(self._folder)
        self._saved = time.monotonic()

    def _time(self) -> float:
        return self._seconds + time.monotonic() - self._began


class _Sealed:
    """A batch that Fabric does not look into: it would copy a frozen dataclass, and refuse to."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch


class _Losses(nn.Module):
    """Network and objective as one module: its one call is what gradients are averaged for."""

    def __init__(self, model: M, objective: Objective[M, Any]) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, sealed: _Sealed) -> dict[str, Tensor]:
        return self.objective.losses(self.model, sealed.batch)


def _laid_out(model: M, order: torch.memory_format) -> M:
    """The same network, its weights in another order in memory."""
    model.to(memory_format=order)  # type: ignore[call-overload]
    return model


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, 2019); without weight decay it is Adam.

    A network may say which of its parameters are `pretrained()`: their rate is a share of the rate.
    """
    gentle = {id(one) for one in getattr(model, "pretrained", list)()}
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = []
    for share, own in (
        (1.0, [p for p in learned if id(p) not in gentle]),
        (config.pretrained_rate, [p for p in learned if id(p) in gentle]),
    ):
        decayed = [p for p in own if p.ndim > 1]
        others = [p for p in own if p.ndim <= 1]
        groups.append({"params": decayed, "weight_decay": config.weight_decay, "share": share})
        groups.append({"params": others, "weight_decay": 0.0, "share": share})
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.learning_rate, fused=True
    )
