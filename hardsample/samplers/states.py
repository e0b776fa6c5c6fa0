"""A saved state, held against the sampler that it is loaded into: of one that does not fit nothing is taken."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample.arguments import told
from hardsample.errors import InputError

Bounds = tuple[float, float]

_MOST = torch.finfo(torch.float32).max  # of a score, which is finite
_ADVICE = "give a whole state of state_dict()"


def check_identity(state: Any, identity: Mapping[str, Any], needed: Iterable[str]) -> None:
    """Raise unless a state agrees with a sampler's ``identity`` and has all that is needed besides."""
    if not isinstance(state, Mapping):
        raise InputError(f"the state is {told(state)}: {_ADVICE}.")
    for name, own in identity.items():
        if name not in state or type(state[name]) is Tensor or state[name] != own:
            other = f"has {name} {told(state[name])}" if name in state else f"has no {name}"
            raise InputError(f"the state {other}, the sampler {own!r}: load it into a sampler like the one saved.")
    missing = set(needed) - state.keys()
    if missing:
        raise InputError(f"the state has no {min(missing)}: {_ADVICE}.")


def check_numbers(state: Mapping[str, Any], counters: Iterable[str], flags: Iterable[str]) -> None:
    """Raise unless its ``counters`` are whole numbers from 0 up and its ``flags`` are true or false."""
    for name in counters:
        if type(state[name]) is not int or state[name] < 0:
            raise _fault(name, f"is {told(state[name])} and no count")
    for name in flags:
        if not isinstance(state[name], bool):
            raise _fault(name, f"is {told(state[name])}, neither True nor False")


def check_learned(state: Mapping[str, Any], learned: Mapping[str, Tensor], bounds: Mapping[str, Bounds]) -> None:
    """Raise unless its tensors are of the kind of the ``learned`` ones, with numbers within their bounds."""
    for name, own in learned.items():
        _check_tensor(name, state[name], own.dtype, tuple(own.shape), bounds.get(name))


def check_batches(state: Mapping[str, Any], size: int) -> None:
    """Raise unless the batches drawn and the updates that wait are of a sampler of so many examples."""
    for name in ("drawn", "weights", "waiting", "parts"):
        if not isinstance(state[name], Sequence):
            raise _fault(name, f"is {told(state[name])} and no list")
    drawn, weights, examples = state["drawn"], state["weights"], (0, size - 1)
    if len(weights) not in (0, len(drawn)) or state["touched"] > len(drawn):
        raise _fault("drawn", f"has {len(drawn)} batches, and {len(weights)} weights and {state['touched']} told")
    for indices in drawn:
        _check_tensor("drawn", indices, torch.int64, (None,), examples)
    for given, indices in zip(weights, drawn, strict=False):
        _check_tensor("weights", given, torch.float32, tuple(indices.shape), (0, math.inf))
    for one in state["waiting"]:
        step, indices, scores = _three("waiting", one)
        if type(step) is not int or step < -1:
            raise _fault("waiting", f"has {told(step)} for a step")
        _check_tensor("waiting", indices, torch.int64, (1, None), examples)
        rest = (None,) * (scores.dim() - 2) if isinstance(scores, Tensor) else ()
        _check_tensor("waiting", scores, torch.float32, (1, indices.shape[1] or size, *rest), None)
        _check_tensor("waiting", scores[..., 0] if rest else scores, torch.float32, (1, None), (0, _MOST))
    for one in state["parts"]:
        indices, scores, ranks = _three("parts", one)
        _check_tensor("parts", indices, torch.int64, (None,), examples)
        _check_tensor("parts", scores, torch.float32, tuple(indices.shape), (0, _MOST))
        _check_tensor("parts", ranks, torch.int64, tuple(indices.shape), (0, math.inf))
    if state.get("trained") is not None:
        _check_tensor("trained", state["trained"], torch.int64, (size,), (0, math.inf))


def _three(name: str, given: Any) -> Sequence[Any]:
    if not isinstance(given, Sequence) or len(given) != 3:
        raise _fault(name, f"has {told(given)} among its entries")
    return given


def _check_tensor(
    name: str, given: Any, dtype: torch.dtype, shape: tuple[int | None, ...], bounds: Bounds | None
) -> None:
    """Raise unless it is a tensor of this type and shape, None for any length, with numbers within the bounds."""
    if not isinstance(given, Tensor):
        raise _fault(name, f"has {told(given)} where a tensor belongs")
    fits = given.dim() == len(shape) and all(map(lambda wanted, own: wanted in (None, own), shape, given.shape))
    if not fits or given.dtype != dtype:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise _fault(name, f"is {given.dtype} {list(given.shape)} where {dtype} [{wanted}] belongs")
    if bounds is not None and given.numel():
        least, most = bounds
        bad = ~((given >= least) & (given <= most))
        if bool(bad.any()):
            raise _fault(name, f"has {given[bad][0].item()}, which is none from {least:g} to {most:g}")


def _fault(name: str, fault: str) -> InputError:
    return InputError(f"{name} in the state {fault}: {_ADVICE}.")
