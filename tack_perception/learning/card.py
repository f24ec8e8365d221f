# SPDX-License-Identifier: Apache-2.0
"""The model card: what a model is, how it was made, how good it is, and where it fails.

The same facts give the same text, so that a card tells nothing of the day it was written on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tack_perception.errors import FileFormatError
from tack_perception.files import write_atomically

CARD = "README.md"
METRICS_BEGIN = "<!-- metrics: begin -->"
METRICS_END = "<!-- metrics: end -->"
_NO_METRICS = (
    "Not measured yet. `tack evaluate` with `--card` measures the model on held-out data and puts"
    " its table here."
)


@dataclasses.dataclass(frozen=True)
class DataFacts:
    """What a model has learned from.

    Attributes:
        name: of the data set.
        classes: instances of each class.
        views: pictures.
        split: train, validation or held_out.
        command: that makes it, if it is known.
        use: what for: training, validation.
    """

    name: str
    classes: Mapping[str, int]
    views: int
    split: str
    command: str = ""
    use: str = "training"


@dataclasses.dataclass(frozen=True)
class CardFacts:
    """What a model card says.

    Attributes:
        name: of the model.
        method: by which it learned.
        heads: that it has.
        trunk: the network under them.
        parameters: numbers that are learned.
        data: that it has learned from.
        command: that makes the model from the data.
        settings: the file that the command names, if it names one.
        recipe: how it learned, by name.
        losses: at the end, by name: in training, and on validation data if there were some.
        licence: of the weights.
        limits: known ones.
    """

    name: str
    method: str
    heads: Sequence[str]
    trunk: str
    parameters: int
    data: Sequence[DataFacts]
    command: str
    recipe: Mapping[str, Any]
    losses: Mapping[str, tuple[float, float | None]]
    licence: str
    limits: Sequence[str]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def card_text(facts: CardFacts) -> str:
    """The card, as Markdown, with an empty section for metrics."""
    size = f"{facts.parameters / 1e6:.2f} million parameters"
    parts = [
        "<!-- SPDX-License-Identifier: Apache-2.0 -->",
        f"# {facts.name}",
        f"A keypoint model of tack, trained with the method `{facts.method}`: trunk {facts.trunk},"
        f" heads {', '.join(facts.heads)}, {size} ({4 * facts.parameters / 1e6:.1f} MB). The"
        " weights are a moving average over the last steps of training.",
        "## Data",
        _data_table(facts.data),
        "## Recipe",
        _table(("setting", "value"), [(f"`{k}`", _plain(v)) for k, v in facts.recipe.items()]),
        "## At the end of training",
        _loss_table(facts.losses),
        "## Metrics",
        f"{METRICS_BEGIN}\n{_NO_METRICS}\n{METRICS_END}",
        "## Made again",
        _commands(facts),
        "## Licence",
        facts.licence,
        "## Known limits",
        "\n".join(f"- {limit}" for limit in facts.limits),
    ]
    return "\n\n".join(parts) + "\n"


def with_metrics(text: str, metrics: str) -> str:
    """A card with its section of metrics filled in anew.

    Args:
        text: of the card.
        metrics: Markdown.

    Raises:
        FileFormatError: the card has no such section.
    """
    before, found, rest = text.partition(METRICS_BEGIN)
    _, ended, after = rest.partition(METRICS_END)
    if not (found and ended):
        raise FileFormatError(
            f"the card has no lines {METRICS_BEGIN} and {METRICS_END}: put them where the metrics"
            " are to be"
        )
    return f"{before}{METRICS_BEGIN}\n{metrics.strip()}\n{METRICS_END}{after}"


def fill_metrics(folder: Path, metrics: str) -> None:
    """Write metrics into a model's card.

    Args:
        folder: of the model.
        metrics: Markdown.

    Raises:
        FileFormatError: there is no card, or it has no section for them.
        TackError: it cannot be written.
    """
    path = folder / CARD
    try:
        text = path.read_text(encoding="utf-8")
        write_atomically(path, with_metrics(text, metrics))
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _data_table(data: Sequence[DataFacts]) -> str:
    rows = [
        (
            one.name,
            f"{one.use} (split `{one.split}`)",
            ", ".join(f"{name} {count}" for name, count in one.classes.items()),
            str(one.views),
        )
        for one in data
    ]
    return _table(("data set", "for", "classes and their instances", "views"), rows)


def _loss_table(losses: Mapping[str, tuple[float, float | None]]) -> str:
    rows = [
        (name, f"{own:.4g}", "" if checked is None else f"{checked:.4g}")
        for name, (own, checked) in losses.items()
    ]
    return _table(("loss, weighted", "training", "validation"), rows)


def _commands(facts: CardFacts) -> str:
    made = [one.command for one in data_once(facts.data) if one.command]
    lines = ["```sh", *made, facts.command, "```"]
    if facts.settings:
        text = yaml.safe_dump(dict(facts.settings), sort_keys=False, default_flow_style=None)
        lines += ["with this `train.yaml`:", "```yaml", text.strip(), "```"]
    lines += [
        "",
        "On a GPU the same command is faster; its last bits then differ from run to run. On one CPU"
        " and with the same number of threads the weights come out the same, bit for bit.",
    ]
    return "\n".join(lines)


def data_once(data: Sequence[DataFacts]) -> list[DataFacts]:
    """Each data set once, though it may serve for two things."""
    return list({one.name: one for one in data}.values())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
