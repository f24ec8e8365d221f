# SPDX-License-Identifier: Apache-2.0
"""Where a training run computes: on a CPU, on one GPU, or in many processes under `torchrun`."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import random
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed

from tack_perception.errors import ConfigurationError
from tack_perception.learning.settings import TrainConfig

_MOST_WORKERS = 8


def launch(config: TrainConfig) -> Fabric:
    """Choose devices and precision, and start or join the processes of the run.

    Under `torchrun` the processes are there already and say how many they are. Without it,
    `devices` > 1 starts the same command once more for each further process of this machine.

    Raises:
        ConfigurationError: the device is not there, or the batch does not divide.
    """
    devices, nodes = _processes(config)
    kind = _device(config)
    if kind == "cuda" and devices > torch.cuda.device_count():
        raise ConfigurationError(
            f"devices = {devices}: this machine has {torch.cuda.device_count()} GPUs"
        )
    if config.batch % (devices * nodes):
        raise ConfigurationError(
            f"batch = {config.batch}: a multiple of {devices * nodes}, the number of processes, is"
            " needed"
        )
    # Of the processes of one machine none has to be reached from outside.
    if nodes == 1 and os.path.exists("/sys/class/net/lo"):  # noqa: PTH110
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    _quiet()
    fabric = Fabric(
        accelerator=kind, devices=devices, num_nodes=nodes,
        # A batch may have nothing for one head (no second instance, say): its weights then wait.
        strategy=DDPStrategy(find_unused_parameters=True) if devices * nodes > 1 else "auto",
        precision=precision(config, kind),  # type: ignore[arg-type]
    )  # fmt: skip
    fabric.launch()
    if devices * nodes > 1:
        atexit.register(_leave)
    if config.threads:
        torch.set_num_threads(config.threads)
    return fabric


def _leave() -> None:
    """Part from the other processes: gloo's threads abort one that just ends, now and then."""
    if distributed.is_initialized() and distributed.get_backend() == "gloo":
        distributed.destroy_process_group()


def precision(config: TrainConfig, kind: str) -> str:
    """What `auto` means on a device of this kind (cpu, cuda)."""
    if config.precision != "auto":
        return config.precision
    has = kind == "cuda" and torch.cuda.get_device_capability()[0] >= 8
    return "bf16-mixed" if has else "32-true"


def worker_count(config: TrainConfig, fabric: Fabric, sampler: object = None) -> int:
    """How many processes draw data for this one; none where the sampler's own `device` does."""
    if getattr(sampler, "device", None) is not None:
        return 0
    if config.workers >= 0:
        return config.workers
    if fabric.device.type == "cpu":
        return 0  # the cores have enough to do
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = (cores or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", config.devices))
    return max(1, min(_MOST_WORKERS, share - 1))


def seed_all(seed: int, step: int, rank: int) -> None:
    """Seed every common source of random numbers, for one step of one process.

    So a step does not depend on what was drawn before it, and a run goes on as if never stopped.
    """
    words = np.random.SeedSequence([seed, step, rank]).generate_state(2, np.uint32)
    torch.manual_seed(int(words[0]) << 32 | int(words[1]))
    np.random.seed(words[0])  # noqa: NPY002 - for code that uses the global generator
    random.seed(int(words[1]))


@contextlib.contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Equal bits from equal input on a CPU; on a GPU the fastest kernels, of nearly equal results.

    Settings of torch as a whole; they are put back.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    benchmark = torch.backends.cudnn.benchmark
    try:
        if device.type == "cpu":
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        else:
            torch.backends.cudnn.benchmark = True
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = benchmark


def _processes(config: TrainConfig) -> tuple[int, int]:
    """Processes of this machine, and machines."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        return local, world // local
    if config.num_nodes > 1 and "MASTER_ADDR" not in os.environ:
        raise ConfigurationError(
            f"num_nodes = {config.num_nodes}: machines are joined by `torchrun` (docs/training.md),"
            " or by MASTER_ADDR, MASTER_PORT and NODE_RANK in the environment"
        )
    return config.devices, config.num_nodes


def _device(config: TrainConfig) -> str:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            "device = 'cuda': torch sees no GPU here (`nvidia-smi` and `tack doctor` say more);"
            " allowed are auto and cpu"
        )
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return config.device


def _quiet() -> None:
    """Nothing of Fabric's own on the screen; what matters is said by the loop."""
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
