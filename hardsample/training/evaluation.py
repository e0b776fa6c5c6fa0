"""Evaluations: the row of metrics that each gives."""

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor

from hardsample.methods.base import AT_ONCE
from hardsample.training.step import TrainingStep


@dataclasses.dataclass(frozen=True)
class Metrics:
    """An evaluation on one set, a value a seed; ``even`` and ``odd`` are accuracies on half of its examples."""

    accuracy: list[float]
    loss: list[float]
    even: list[float]
    odd: list[float]
    sd: list[float | None]
    batches: list[int | None]


def rows(step: TrainingStep, done: int) -> list[tuple[Any, ...]]:
    """After so many steps ``done``, a row of :data:`hardsample.training.results.COLUMNS` for each seed.

    Where an epoch ends, the counts of what was drawn begin anew.
    """
    data, most, width = step.data, step.run.evaluate_train_examples, len(step.labels)
    train = measure(step, data.x_train[:most], step.labels[:, :most])
    val = measure(step, data.x_test, data.y_test)
    distinct, per_class = [None] * width, [None] * width
    if done in step.schedule.epoch_ends:
        distinct = (step.counts > 0).sum(1).tolist()
        zeros = torch.zeros(width, data.num_classes, dtype=torch.int32, device=step.device)
        per_class = zeros.scatter_add_(1, step.labels, step.counts).tolist()
        step.counts.zero_()
    columns = {"acc/train": train.accuracy, "acc/val": val.accuracy, "loss/train": train.loss}
    columns |= {"loss/val": val.loss, "draws/distinct": distinct, "draws/per-class": per_class}
    columns |= {"acc/choose": val.even, "acc/report": val.odd, "acc/train-sd": train.sd, "acc/val-sd": val.sd}
    columns |= {"batches/train": train.batches, "batches/val": val.batches}
    columns |= {"forwards": step.forwards, "backwards": [step.backwards] * width}
    return [(done, step.schedule.epoch(done), *values) for values in zip(*columns.values(), strict=True)]


def measure(step: TrainingStep, images: Tensor, labels: Tensor) -> Metrics:
    """Metrics of the networks, as their run wants them, on images, uint8 [m, C, H, W], with labels [S, m] or [m]."""
    run, width = step.run, len(step.labels)
    at_once = run.batch_size if run.evaluation_statistics == "batch" else None
    together = at_once or step.cohort.images_at_once
    block, parts = together * max(1, AT_ONCE // together), []  # of whole mini-batches, so that no number changes
    for some, own in zip(images.split(block), labels.split(block, -1), strict=True):
        logits, losses = step.evaluate(some, own, statistics=run.evaluation_statistics, at_once=at_once)
        parts.append(((logits.argmax(2) == own).double(), losses))
    hits, losses = (torch.cat(values, 1) for values in zip(*parts, strict=True))
    hits.masked_fill_(losses.isnan().any(1, keepdim=True), torch.nan)
    even, odd = (hits[:, first::2].mean(1).tolist() for first in (0, 1))
    if run.evaluation_average == "examples":
        means = hits.mean(1), losses.double().mean(1)
        return Metrics(means[0].tolist(), means[1].tolist(), even, odd, [None] * width, [None] * width)
    parts, loss = (
        torch.stack([part.mean(1) for part in values.split(run.batch_size, 1)]) for values in (hits, losses.double())
    )
    sd = [value if math.isfinite(value) else None for value in parts.std(0).tolist()]
    return Metrics(parts.mean(0).tolist(), loss.mean(0).tolist(), even, odd, sd, [len(parts)] * width)
