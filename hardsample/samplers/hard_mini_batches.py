"""The sampler of paper B: rounds over the hardest mini-batches."""

import math
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from hardsample import arguments
from hardsample.errors import InputError
from hardsample.methods.hard_mini_batches import DELTA, HardMiniBatches
from hardsample.samplers.base import LearningSampler
from hardsample.samplers.draws import View


class HardMiniBatchSampler(LearningSampler):
    """Trains fixed mini-batches in rounds, after the first pass those of highest mean score (paper B, Algorithm 2).

    Args:
        size: number of examples.
        batch_size: n, of all processes together; each gets n / world_size.
        seed: of the shuffle.
        lag: as of :class:`BaseValuesSampler`; a mini-batch whose update is not seen yet counts as the hardest.
        delta: the share of the mini-batches that a round trains, in (0, 1].
        shuffle: does one shuffle, fixed by the seed, decide which examples form a mini-batch, or the data's own order?
        drop_last: leave out the examples that do not fill a mini-batch, or train them as a short one?
        walk: the order within a round, "loss" (highest first) or "data" (the mini-batches' own order).
        round_length: "carried", rounds of δN on average; or "truncated", every round of int(δN).
        refresh_every: updates after which :attr:`refresh_due` says so; 0 for never.
        rank, world_size, device: as of :class:`BaseValuesSampler`.

    Raises:
        InputError: an argument is out of its range, ``world_size`` does not divide ``batch_size``, or the processes
            cannot share the short last mini-batch.
    """

    _method: HardMiniBatches
    _own_only = True  # the mean score is that of the mini-batch's own examples

    def __init__(
        self,
        size: SupportsIndex,
        batch_size: SupportsIndex,
        *,
        seed: SupportsIndex = 0,
        lag: SupportsIndex = 1,
        delta: float = DELTA,
        shuffle: bool = True,
        drop_last: bool = False,
        walk: str = "loss",
        round_length: str = "carried",
        refresh_every: SupportsIndex = 0,
        rank: SupportsIndex | None = None,
        world_size: SupportsIndex | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        flags = {"shuffle": shuffle, "drop_last": drop_last}
        options = {"delta": arguments.real("delta", delta)} | {
            name: arguments.flag(name, flags[name]) for name in flags
        }
        super().__init__(
            size,
            batch_size,
            seed=seed,
            lag=lag,
            refresh_every=refresh_every,
            rank=rank,
            world_size=world_size,
            device=device,
            options=options | {"walk": walk, "round_length": round_length},
        )
        self._tail = 0 if drop_last else self.size % self.batch_size
        if self._tail % self.world_size:
            raise InputError(
                f"the last mini-batch has {self._tail} examples, which {self.world_size} processes cannot share:"
                " give drop_last=True, or a batch_size that leaves none over."
            )

    @property
    def examples(self) -> View:
        if self._tail:
            raise InputError(
                f"a short mini-batch of {self._tail} examples cannot be told from single indices: give the loader"
                " batch_sampler=sampler, or the sampler drop_last=True."
            )
        return super().examples

    def _built(self, size: int) -> HardMiniBatches:
        return HardMiniBatches(size, self.batch_size, self._seeds, 0, **self._options)

    def _learned(self) -> dict[str, Tensor]:
        return {name: tensor[0] for name, tensor in self._method.tensors.items()}

    def _bounds(self) -> dict[str, tuple[float, float]]:
        return super()._bounds() | {"losses": (0, math.inf)}

    def _restore(self, state: dict[str, Any]) -> None:
        self._method = self._built(self.size)  # the other knows where in its own round the short mini-batch is
        for name, tensor in self._learned().items():
            tensor.copy_(state[name])

    def _fill(self, scores: Tensor) -> None:
        self._method.fill(scores)
