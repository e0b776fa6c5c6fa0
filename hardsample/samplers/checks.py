"""What a sampler is given, held against what it can use."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample.errors import InputError
from hardsample.methods.trees import LARGEST


def own_indices(indices: Tensor | Sequence[int], most: int, device: torch.device) -> Tensor:
    """A rank's indices, int64 [m] with m <= ``most``, on the device."""
    indices = _as_tensor("indices", indices)
    if indices.dim() != 1 or indices.numel() > most:
        raise InputError(
            f"indices have the shape {list(indices.shape)}: give the {most} indices of the batch, or a part of them."
        )
    if indices.dtype == torch.bool or (indices.numel() and indices.is_floating_point()) or indices.is_complex():
        raise InputError(f"indices are {indices.dtype}: give the integers that the sampler drew.")
    if indices.is_meta:
        raise InputError(f"indices are on meta, which holds no numbers: give them on cpu or {device}.")
    return indices.to(device, torch.int64)


def own_scores(scores: Tensor | Sequence[float], count: int, device: torch.device) -> Tensor:
    """A float32 copy [count] on the device, so that what is done to the scores afterwards does not matter."""
    scores = _as_tensor("scores", scores).detach()
    if scores.shape != (count,):
        raise InputError(
            f"scores have the shape {list(scores.shape)}: give one score of each of {count} examples, [{count}],"
            ' such as a loss with reduction="none".'
        )
    if scores.dtype == torch.bool or scores.is_complex():
        raise InputError(f"scores are {scores.dtype}: give real numbers, such as losses.")
    if scores.is_meta:
        raise InputError(f"scores are on meta, which holds no numbers: give them on cpu or {device}.")
    if scores.dtype == torch.float64:  # what is finite stays so
        scores = scores.clamp(max=LARGEST).where(scores < math.inf, scores)
    return scores.to(device, torch.float32, copy=True)


def own_logits(logits: Tensor, count: int, device: torch.device) -> Tensor:
    """A float32 copy [count, K], without a gradient."""
    logits = _as_tensor("logits", logits).detach()
    if logits.dim() != 2 or len(logits) != count or not logits.shape[1]:
        raise InputError(f"logits have the shape {list(logits.shape)}: give one row of each example, [{count}, K].")
    if not logits.is_floating_point():
        raise InputError(f"logits are {logits.dtype}: give the network's floating-point ones.")
    if logits.is_meta:
        raise InputError(f"logits are on meta, which holds no numbers: give them on cpu or {device}.")
    return logits.to(device, torch.float32, copy=True)


def check_scores(scores: Tensor, otherwise: str = "") -> None:
    """Raise unless they are finite and not negative; ``otherwise`` is what else can be done than to give such ones."""
    if not scores.numel():
        return
    least, greatest = (end.item() for end in scores.aminmax())  # a NaN is both
    if not (least >= 0 and greatest < math.inf):
        what = f"scores go from {least:g} to {greatest:g}"
        if math.isnan(least):
            what = "a score is NaN, since the loss diverged or the batch was broken"
        raise InputError(f"{what}: give finite ones, none below 0{otherwise}.")


def _as_tensor(name: str, given: Any) -> Tensor:
    if isinstance(given, Tensor):
        return given
    try:
        tensor = torch.as_tensor(given)
        if tensor.is_floating_point() and isinstance(given, Sequence):
            tensor = torch.as_tensor(given, dtype=torch.float64)  # torch's default may be half a float
        return tensor
    except (TypeError, ValueError, RuntimeError):
        kind = type(given).__name__
        raise InputError(f"{name} of the type {kind} make no tensor: give one, or a sequence of numbers.") from None
