"""Losses of single examples, by the names that the command line knows them by."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of logits [n, K] and classes int64 [n]: float [n]."""
    return F.cross_entropy(outputs, targets, reduction="none")


def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of logits [n] or [n, m] and labels 0 or 1, as many: float [n], the mean over m."""
    labels = targets.reshape(outputs.shape).to(outputs.dtype)
    return _mean(F.binary_cross_entropy_with_logits(outputs, labels, reduction="none"))


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of outputs [n] or [n, m] and targets, as many: float [n], the mean over m."""
    return _mean((outputs - targets.reshape(outputs.shape)).square())


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of outputs [n] or [n, m] and targets, as many: float [n], the mean over m."""
    return _mean((outputs - targets.reshape(outputs.shape)).abs())


def _mean(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1).mean(1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": cross_entropy,
    "binary-cross-entropy": binary_cross_entropy,
    "squared-error": squared_error,
    "absolute-error": absolute_error,
}
"""By name."""
