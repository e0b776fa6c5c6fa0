"""What a sampler is given, held against what it can use."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample.errors import InputError


def check_numbers(batch_size: int, lag: int, refresh_every: int) -> None:
    """Raise unless a sampler can be made with these."""
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: give at least 1 example.")
    if lag < 1:
        raise InputError(f"lag is {lag}: give at least 1, or num_workers * prefetch_factor + 1 for a loader.")
    if refresh_every < 0:
        raise InputError(f"refresh_every is {refresh_every}: give a number of updates, or 0 for never.")


def own_indices(indices: Tensor | Sequence[int], count: int, device: torch.device) -> Tensor:
    """A rank's indices, int64 [count], on the device."""
    indices = _as_tensor("indices", indices)
    if indices.shape != (count,):
        raise InputError(f"indices have the shape {list(indices.shape)}: give the {count} indices of the batch.")
    if indices.dtype == torch.bool or indices.is_floating_point() or indices.is_complex():
        raise InputError(f"indices are {indices.dtype}: give the integers that the sampler drew.")
    if indices.device.type == "meta":
        raise InputError(f"indices are on meta, which holds no numbers: give them on cpu or {device}.")
    return indices.to(device, torch.int64)


def own_scores(scores: Tensor, count: int, device: torch.device) -> Tensor:
    """A float32 copy [count], so that what is done to the scores afterwards does not matter."""
    scores = _as_tensor("scores", scores).detach()
    if scores.shape != (count,):
        raise InputError(
            f"scores have the shape {list(scores.shape)}: give one score of each of {count} examples, [{count}],"
            ' such as a loss with reduction="none".'
        )
    if scores.dtype == torch.bool or scores.is_complex():
        raise InputError(f"scores are {scores.dtype}: give real numbers, such as losses.")
    if scores.device != device:
        raise InputError(f"scores are on {scores.device}: move them to {device}, where the sampler is.")
    return scores.to(torch.float32, copy=True)


def own_logits(logits: Tensor, count: int, device: torch.device) -> Tensor:
    """A float32 copy [count, K], without a gradient."""
    logits = _as_tensor("logits", logits).detach()
    if logits.dim() != 2 or len(logits) != count or not logits.shape[1]:
        raise InputError(f"logits have the shape {list(logits.shape)}: give one row of each example, [{count}, K].")
    if not logits.is_floating_point():
        raise InputError(f"logits are {logits.dtype}: give the network's floating-point ones.")
    if logits.device != device:
        raise InputError(f"logits are on {logits.device}: move them to {device}, where the sampler is.")
    return logits.to(torch.float32, copy=True)


def check_same_examples(given: Tensor, drawn: Tensor, size: int) -> None:
    """Raise unless both are the same examples, in any order."""
    if given.shape == drawn.shape and torch.equal(given.sort()[0], drawn.sort()[0]):
        return
    told, wanted = Counter(given.tolist()), Counter(drawn.tolist())
    bad = next(iter(told - wanted), None)
    if bad is None:
        what = "indices of a whole batch are wanted"
    elif not 0 <= bad < size:
        what = f"index {bad} is out of range, which is 0 to {size - 1}"
    elif bad not in wanted:
        what = f"index {bad} is foreign to the oldest batch that was not yet updated"
    else:
        what = f"index {bad} is repeated: {told[bad]} times, and drawn {wanted[bad]}"
    raise InputError(
        f"{what}: update every batch once, in the order drawn, with its own indices; a loader's workers keep that order"
        " with in_order=True."
    )


def check_scores(scores: Tensor) -> None:
    """Raise unless they are finite, not negative and not all zero; a NaN is both the least and the greatest."""
    least, greatest = torch.stack(scores.aminmax()).tolist()
    if not (least >= 0 and 0 < greatest < math.inf):
        what = f"scores go from {least:g} to {greatest:g}"
        if math.isnan(least):
            what = "a score is NaN"
        elif least >= 0 and greatest == 0:
            what = "all scores are zero"
        raise InputError(f"{what}: give finite ones, none below 0 and not all of them 0.")


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
    try:
        return torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError):
        kind = type(given).__name__
        raise InputError(f"{name} of the type {kind} make no tensor: give one, or a sequence of numbers.") from None
