"""The forward passes that a method asks of a training loop."""

from collections.abc import Callable

import torch
from torch import Tensor

from hardsample.errors import InputError
from hardsample.methods.base import Evaluate

Answer = Tensor | tuple[Tensor, Tensor]
"""Losses [m], or logits [m, K] and losses [m]."""


def forward_pass(ask: Callable[[Tensor], Answer] | None, name: str, reads_logits: bool) -> Evaluate:
    """What a method of that name is given, by a loop's own function of indices int64 [m]."""

    @torch.no_grad()
    def evaluate(indices: Tensor) -> tuple[Tensor, Tensor]:
        if ask is None:
            raise InputError(f"{name} asks for forward passes: give evaluate=, a callable from int64 indices [m].")
        answer, count = ask(indices[0].clone()), indices.shape[1]
        logits, losses = answer if isinstance(answer, tuple | list) else (None, answer)
        _check(f"{name}'s evaluate gave losses", losses, (count,), "a tensor of one loss of each index, [m]")
        if reads_logits:
            _check(f"{name}'s evaluate gave logits", logits, (count, None), "(logits [m, K], losses [m])")
        if not reads_logits or logits is None:
            logits = losses.new_empty(count, 0)
        logits, losses = (given.to(indices.device, torch.float32) for given in (logits, losses))
        return logits.unsqueeze(0), losses.unsqueeze(0)

    return evaluate


def _check(what: str, given: Tensor | None, shape: tuple[int | None, ...], advice: str) -> None:
    if not isinstance(given, Tensor):
        raise InputError(f"{what} of the type {type(given).__name__}: give {advice}.")
    fits = given.dim() == len(shape) and all(map(lambda wanted, own: wanted in (None, own), shape, given.shape))
    if not fits or not given.is_floating_point():
        raise InputError(f"{what} {list(given.shape)} of {given.dtype}, asked for {shape[0]} indices: give {advice}.")
