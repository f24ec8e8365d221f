# SPDX-License-Identifier: Apache-2.0
"""One trunk and the heads that a method needs, and how they lie on disk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from tack_perception.configuration import Configuration, setting
from tack_perception.errors import ConfigurationError, FileFormatError, InvalidInputError
from tack_perception.files import write_atomically
from tack_perception.networks.don import DonHead
from tack_perception.networks.efficientnet import EfficientNetLite0
from tack_perception.networks.keypointnet import KeypointNetHead
from tack_perception.networks.objects import ObjectHead
from tack_perception.networks.places import PlaceHead
from tack_perception.networks.poses import PoseHead
from tack_perception.networks.resnet import ResNet34
from tack_perception.networks.sparse import SparseHead
from tack_perception.networks.tack import TackHead
from tack_perception.networks.unet import UNet

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.yaml"
FORMAT = 1
HEADS = ("objects", "places", "tack", "don", "instance", "sparse", "keypointnet", "poses")
TRUNKS = ("unet", "resnet34", "lite0")

_COLOURS = {
    "lite0": ((127 / 255,) * 3, (128 / 255,) * 3),  # as its weights were trained with
    "other": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and spread of colours, that a trunk reads as 0 and 1."""


@dataclasses.dataclass(frozen=True)
class ModelConfig(Configuration):
    """What a model is made of."""

    trunk: str = setting(
        "unet", "network that describes pictures; lite0 begins with what ImageNet has taught it",
        choices=TRUNKS,
    )  # fmt: skip
    width: int = setting(32, "channels of the U-Net's finest level", low=4, high=256)
    heads: tuple[str, ...] = setting(HEADS, "what stands on the trunk", choices=HEADS)
    code: int = setting(4, "numbers in a code of TACK", low=1, high=64)
    octaves: int = setting(
        2, "doublings of the waves in which TACK writes out a code: more for a scene than for a"
        " thing, to tell its places apart", low=0, high=8,
    )  # fmt: skip
    descriptor: int = setting(16, "numbers in a dense descriptor", low=2, high=512)
    keypoints: int = setting(64, "that the KeypointNet task looks for", low=3, high=512)
    crop_px: int = setting(128, "side of the pictures it is made for", unit="px", low=32, high=512)
    focal_px: float = setting(
        0.0, "focal length of the pictures of a model that looks at frames as a whole; 0: it looks"
        " for objects, and at windows around them", unit="px", low=0, high=4000,
    )  # fmt: skip
    pose_form: int = setting(
        1, "form of the head for poses: 2 knows named points and places on the object, too", low=1,
        high=2,
    )  # fmt: skip
    classes: tuple[str, ...] = setting((), "classes that it has learned from")
    points: tuple[str, ...] = setting((), "named points of the sparse head, class/point")


class KeypointModel(nn.Module):
    """A trunk with heads; a head that the configuration does not name is None.

    Args:
        config: what it is made of.

    Attributes:
        config: the same.
        trunk: pictures → features of `stride` 2.
        objects, places, tack, don, instance, sparse, keypointnet, poses: the heads; `instance` is a
            second set of dense descriptors, for one instance where `don` is for a class;
            `keypointnet` reads the descriptors of `don`; `poses` compares both sets.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = _make_trunk(config)
        channels, heads = self.trunk.channels, config.heads
        self.objects = ObjectHead(channels, len(config.classes)) if "objects" in heads else None
        self.places = None
        if "places" in heads:
            self.places = PlaceHead(max(len(config.classes), 1), config.code, config.descriptor)
        self.tack = None
        if "tack" in heads:
            self.tack = TackHead(channels, config.code, octaves=config.octaves)
        self.don = DonHead(channels, config.descriptor) if "don" in heads else None
        self.instance = DonHead(channels, config.descriptor) if "instance" in heads else None
        self.sparse = None
        if "sparse" in heads:
            if not config.points:
                raise ConfigurationError("the sparse head needs the names of its points")
            self.sparse = SparseHead(channels, len(config.points))
        self.keypointnet = None
        if "keypointnet" in heads:
            if self.don is None:
                raise ConfigurationError("the head keypointnet reads descriptors: it needs don")
            self.keypointnet = KeypointNetHead(config.descriptor, config.keypoints)
        self.poses = None
        if "poses" in heads:
            self.poses = PoseHead(("don" in heads) + ("instance" in heads), config.pose_form)

    @property
    def stride(self) -> int:
        """Pixels in a cell of the features."""
        return int(self.trunk.stride)

    def features(self, pictures: Tensor) -> Tensor:
        """Describe pictures.

        Args:
            pictures: (B, 3, H, W) RGB, 0 to 1.

        Returns:
            (B, C, H/2, W/2).
        """
        middle, spread = _COLOURS["lite0" if self.config.trunk == "lite0" else "other"]
        shift = pictures.new_tensor(middle)[:, None, None]
        scale = pictures.new_tensor(spread)[:, None, None]
        described: Tensor = self.trunk((pictures - shift) / scale)
        return described

    def pretrained(self) -> list[nn.Parameter]:
        """Parameters that began with weights from other pictures; they are changed more gently."""
        return self.trunk.pretrained() if isinstance(self.trunk, EfficientNetLite0) else []

    def forward(self, pictures: Tensor) -> Tensor:
        """The same as `features`."""
        return self.features(pictures)

    def parameter_count(self) -> int:
        """Numbers that are learned."""
        return sum(parameter.numel() for parameter in self.parameters())


def _make_trunk(config: ModelConfig) -> UNet | ResNet34 | EfficientNetLite0:
    if config.trunk == "unet":
        return UNet(config.width)
    return EfficientNetLite0() if config.trunk == "lite0" else ResNet34()


def save_model(
    folder: Path | str, model: KeypointModel, notes: dict[str, Any], *, half: bool = False
) -> None:
    """Write a model: weights and what they are weights of.

    Args:
        folder: for it.
        model: the model.
        notes: what else a program will want to know of it (method, calibration); plain YAML.
        half: keep the weights in half precision, as far as their values lie in its range: half the
            size, and rounded to 11 bits.

    Raises:
        TackError: it cannot be written.
    """
    folder = Path(folder)
    state = {
        name: (value.half() if half and _fits_half(value) else value)
        .detach()
        .to("cpu")
        .contiguous()
        for name, value in model.state_dict().items()
    }
    config = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(model.config).items()
    }
    content = {"format": FORMAT, "model": config, **notes}
    write_atomically(folder / WEIGHTS, save(state, {"format": str(FORMAT)}))
    write_atomically(
        folder / DESCRIPTION, yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    )


def rounded(model: KeypointModel) -> KeypointModel:
    """The same model, its weights as `save_model` keeps them in half precision."""
    state = {
        name: value.half().float() if _fits_half(value) else value
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def _fits_half(value: Tensor) -> bool:
    limit = torch.finfo(torch.float16).max
    return value.is_floating_point() and bool((value.abs() <= limit).all())


def load_model(folder: Path | str) -> tuple[KeypointModel, dict[str, Any]]:
    """Read a model, ready for use (`eval`).

    Returns:
        The model on the CPU, and the notes it was written with.

    Raises:
        InvalidInputError: there is no model in the folder.
        FileFormatError: it is damaged, of a newer format, or not what its description says.
    """
    folder = Path(folder)
    notes = read_description(folder)
    try:
        config = ModelConfig.from_mapping(notes.pop("model", None) or {}, str(folder / DESCRIPTION))
        model = KeypointModel(config)
        state = load((folder / WEIGHTS).read_bytes())
        model.load_state_dict(state)
    except OSError as error:
        raise InvalidInputError(f"{folder / WEIGHTS}: cannot be read: {error}") from error
    except (SafetensorError, RuntimeError, ConfigurationError, ValueError) as error:
        raise FileFormatError(f"{folder}: not a model that can be used: {error}") from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise FileFormatError(f"{folder / WEIGHTS}: holds numbers that are not finite")
    return model.eval(), notes


def read_description(folder: Path | str) -> dict[str, Any]:
    """What a model says of itself. Errors as `load_model`."""
    path = Path(folder) / DESCRIPTION
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(
            f"{folder}: no model there ({DESCRIPTION} cannot be read: {error.strerror})"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FileFormatError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileFormatError(f"{path}: a model description of format {FORMAT} is expected")
    del content["format"]
    json.dumps(content, default=str)  # plain values only
    return content
