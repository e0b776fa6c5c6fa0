"""What a training gives: rows of metrics, and how they were computed."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from hardsample.numerals import count, number

COLUMNS = (
    *("step", "epoch", "acc/train", "acc/val", "loss/train", "loss/val", "draws/distinct", "draws/per-class"),
    *("acc/choose", "acc/report", "acc/train-sd", "acc/val-sd", "batches/train", "batches/val"),
    *("forwards", "backwards"),
)

State = dict[str, np.ndarray]
"""All that continues a training, by name; fit for an .npz without pickle."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What one run gives: rows under ``columns``, seconds spent, and of a pre-training the state to go on from.

    Accuracies are shares in [0, 1], losses nats; both are NaN for a diverged network. ``draws/distinct`` (distinct
    examples drawn) and ``draws/per-class`` (draws by class) count the epoch that a row ends, else they are None.
    ``acc/choose`` and ``acc/report`` are ``acc/val`` on the test set's examples of even and of odd index: choose a
    hyper-parameter by the one, report what it gives by the other. Where an evaluation averages over mini-batches,
    ``acc/train-sd`` is the standard deviation over its ``batches/train`` of them; else both are None.
    ``forwards`` and ``backwards`` count the examples passed through the network so far, to choose and to train, the
    pre-training's included and those evaluated left out. Train metrics are of the labels trained on.
    ``computed`` says how: ``way`` of the steps ("fused" or "plain"), ``captured`` in a CUDA graph or not, the
    ``arithmetic`` of products; where it applies ``backward``, "sparse" where a backward pass skipped zeros,
    ``convolutions``, "small maps as products" where those to a few pixels are matrix products, ``check``, how the fused
    way agreed with the plain one, and ``reason``, why a faster way was not taken. ``detail`` are the arrays of
    :mod:`hardsample.training.details`, where the run keeps them.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple, ...]
    seconds: dict[str, float]
    state: State | None = None
    computed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    detail: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        last = dict(zip(self.columns, self.rows[-1], strict=True)) if self.rows else {}
        accuracy = number(last.get("acc/val"), 3)
        ended = f", the last with acc/val {accuracy}" if accuracy else ""
        return f"TrainingResult({count(len(self.rows), 'evaluation')}{ended})"


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a training stands after an evaluation: steps done and in all, and the first seed's newest row."""

    step: int
    steps: int
    row: tuple


class DeadlineError(Exception):
    """The deadline passed; what was trained is in the checkpoint."""
