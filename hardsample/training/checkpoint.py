"""Tensors and what else continues a training, as arrays by name and back."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.training.results import State, TrainingResult

REST = "rest"  # the name of what is no tensor, as JSON
OF = "of"  # the name, within that, of what :func:`identity` gives


class StateMismatchError(InputError):
    """A saved state does not fit the run: other code, or another network, method or data set, wrote it."""


def save(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> State:
    """Copies of the tensors, and plain values beside them."""
    return arrays(tensors) | {REST: np.frombuffer(json.dumps(rest).encode(), np.uint8)}


def load(state: State, tensors: Mapping[str, Tensor], expected: Mapping[str, Any]) -> dict[str, Any]:
    """Copy into the tensors what :func:`save` gave; the plain values beside them.

    ``expected`` are such values as :func:`save` would be given now.

    Raises:
        StateMismatchError: the state is of other tensors, of other runs or starts, of another version, or damaged.
    """
    try:
        rest = json.loads(state[REST].tobytes())
        fits = rest.keys() == expected.keys() and rest[OF] == expected[OF]
    except (KeyError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise StateMismatchError("the saved state is of another run, start or version: remove it and train anew.")
    copy_into(tensors, {name: array for name, array in state.items() if name != REST})
    return rest


def arrays(tensors: Mapping[str, Tensor]) -> State:
    """Copies of the tensors, by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def copy_into(tensors: Mapping[str, Tensor], state: State) -> None:
    """Copy the arrays into the tensors of the same names.

    Raises:
        StateMismatchError: names or shapes differ.
    """
    if state.keys() != tensors.keys() or any(state[name].shape != tensors[name].shape for name in state):
        raise StateMismatchError(
            "the saved state belongs to another network, method or data set: remove it and train anew."
        )
    with torch.no_grad():
        for name, array in state.items():
            tensors[name].copy_(torch.from_numpy(array))


def identity(runs: Sequence[Run], starts: Sequence[TrainingResult] | None) -> str:
    """What a saved state has to be of: the runs, and the very starts that they go on from; hexadecimal digits."""
    digest = hashlib.sha256("-".join(run.key for run in runs).encode())
    for start in starts or ():
        for name, array in sorted((start.state or {}).items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]


def of_seed(tensors: Mapping[str, Tensor], place: int, *, stacked: bool) -> State:
    """Network and optimiser of the seed at a place in the cohort; ``stacked``: have its tensors a leading [S]?"""
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith(("network/", "optimizer/"))}
    return arrays({name: tensor[place] for name, tensor in kept.items()} if stacked else kept)


def load_seeds(states: Sequence[State], tensors: Mapping[str, Tensor], *, stacked: bool, with_optimizer: bool) -> None:
    """Copy what :func:`of_seed` gave, one state for each seed, into the cohort's tensors.

    Raises:
        StateMismatchError: the states are of other networks.
    """
    parts = ("network/", "optimizer/") if with_optimizer else ("network/",)
    kept = [{name: array for name, array in state.items() if name.startswith(parts)} for state in states]
    if len({tuple(sorted((name, array.shape) for name, array in state.items())) for state in kept}) != 1:
        raise StateMismatchError("the pre-trainings of a cohort are of different networks: train them anew.")
    whole = {name: np.stack([state[name] for state in kept]) for name in kept[0]} if stacked else kept[0]
    copy_into({name: tensor for name, tensor in tensors.items() if name.startswith(parts)}, whole)
