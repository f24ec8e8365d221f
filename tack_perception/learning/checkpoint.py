# SPDX-License-Identifier: Apache-2.0
"""What a training run needs to go on, as one safetensors file that is replaced in one step.

Tensors are named by where they belong: `model/…`, `average/…`, `optimizer/PARAMETER/…`. All else is
JSON in the file's header. Random numbers need no state: each step seeds them anew (`loop.py`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from tack_perception.errors import ConfigurationError, FileFormatError
from tack_perception.files import write_atomically

CHECKPOINT = "checkpoint.safetensors"
_KEY = "tack"
_FORMAT = "tack-training"
_VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training run after some steps.

    Attributes:
        step: how many steps are done.
        seconds: that they took.
        recipe: what the run is, in JSON's types; another one must not go on from here.
        tensors: by name.
    """

    step: int
    seconds: float
    recipe: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def write(self, folder: Path) -> None:
        """Write it in one step.

        Raises:
            TackError: it cannot be written; the one before is still there.
        """
        header = {
            "format": _FORMAT, "version": _VERSION, "step": self.step,
            "seconds": round(self.seconds, 3), "recipe": self.recipe,
        }  # fmt: skip
        text = json.dumps(header, sort_keys=True)
        write_atomically(folder / CHECKPOINT, save(dict(self.tensors), {_KEY: text}))

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """The checkpoint in a folder, on the CPU; None where there is none.

        Raises:
            FileFormatError: it is damaged, or of a newer version.
        """
        path = folder / CHECKPOINT
        if not path.exists():
            return None
        try:
            with safe_open(str(path), framework="pt") as file:
                header = json.loads((file.metadata() or {})[_KEY])
                if header["format"] != _FORMAT or header["version"] > _VERSION:
                    raise FileFormatError(
                        f"{path}: {header['format']} of version {header['version']}; this tack"
                        f" reads {_FORMAT} up to version {_VERSION}"
                    )
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(header["step"], header["seconds"], header["recipe"], tensors)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{path}: cannot be read ({error}); remove it to begin anew"
            ) from error


def check_recipe(folder: Path, checkpoint: Checkpoint, recipe: Mapping[str, Any]) -> None:
    """Refuse to go on with another run's checkpoint.

    Args:
        folder: of the run, for the message.
        checkpoint: found there.
        recipe: of the run that is asked for.

    Raises:
        ConfigurationError: they differ; names in what.
    """
    wanted = _flat(json.loads(json.dumps(recipe)))
    found = _flat(checkpoint.recipe)
    different = sorted(k for k in {**wanted, **found} if wanted.get(k) != found.get(k))
    if different:
        told = "; ".join(
            f"{name} is {_short(found.get(name))} there, {_short(wanted.get(name))} here"
            for name in different[:3]
        )
        more = f"; and {len(different) - 3} more" if len(different) > 3 else ""
        raise ConfigurationError(
            f"{folder} holds another run, {checkpoint.step} steps old: {told}{more}. Give the same"
            " settings to go on with it, or another folder"
        )


def pack(model: nn.Module, average: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Copies of all that changes in training, by name, on the CPU."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in average.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{key}"] = torch.as_tensor(value)
    return {
        name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()
    }


def unpack(
    tensors: Mapping[str, Tensor], model: nn.Module, average: nn.Module, optimizer: Optimizer
) -> None:
    """Put back what `pack` took.

    Raises:
        FileFormatError: names or shapes do not fit the model.
    """
    try:
        model.load_state_dict(_below("model/", tensors))
        average.load_state_dict(_below("average/", tensors))
    except RuntimeError as error:
        raise FileFormatError(f"the checkpoint is of another network: {error}") from error
    numbers = {parameter: i for i, parameter in enumerate(_parameters(optimizer))}
    state: dict[int, dict[str, Tensor]] = {}
    for name, parameter in model.named_parameters():
        own = _below(f"optimizer/{name}/", tensors)
        if own and parameter in numbers:
            state[numbers[parameter]] = {
                key: _laid_out(value, parameter) for key, value in own.items()
            }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)
    }


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """A value in its parameter's order in memory: sums in another order have other last bits."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device="cpu").copy_(value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 60 else text[:57] + "…"
