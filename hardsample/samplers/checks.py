"""What a sampler is given, held against what it can use."""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample.errors import InputError
from hardsample.methods.trees import LARGEST

MOST = 2**63 - 1  # what a sampler counts with


def whole(name: str, value: Any, least: int, advice: str) -> int:
    """An integer of any kind, such as a NumPy one or a tensor of one, as an int of at least ``least``.

    Raises:
        InputError: it is another thing, such as a float or a bool, or out of range.
    """
    kind = getattr(value, "dtype", type(value))
    try:
        number = None if kind in (bool, torch.bool) else operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None:
        raise InputError(f"{name} is {value!r}, which is no whole number: give {advice}.")
    if not least <= number <= MOST:
        raise InputError(f"{name} is {number}: give {advice}{' and below 2**63' if number > MOST else ''}.")
    return number


def real(name: str, value: Any) -> float:
    """A number of any kind as a float.

    Raises:
        InputError: it is none.
    """
    try:
        if isinstance(value, str | bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(f"{name} is {value!r}, which is no number: give one such as 0.5.") from None


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


def check_state(state: Mapping[str, Any], identity: Mapping[str, Any], needed: Iterable[str]) -> None:
    """Raise unless a state agrees with a sampler's ``identity`` and has all that is needed besides."""
    for name, own in identity.items():
        if name not in state or state[name] != own:
            other = f"has {name} {state[name]!r}" if name in state else f"has no {name}"
            raise InputError(f"the state {other}, the sampler {own!r}: load it into a sampler like the one saved.")
    missing = set(needed) - state.keys()
    if missing:
        raise InputError(f"the state has no {min(missing)}: give a whole state of state_dict().")


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
