"""The sampler of paper A: examples in proportion to their scores."""

from typing import Any

import torch
from torch import Tensor

from hardsample.errors import InputError
from hardsample.methods.persistent import PersistentLoss
from hardsample.samplers.base import LearningSampler


class BaseValuesSampler(LearningSampler):
    """Draws each example in proportion to its score when last seen, with replacement (paper A, Algorithm 1).

    Until :meth:`fill` is called all examples are alike; with the first update that counts, every example not in it gets
    the largest of its scores, so that unseen examples come before seen ones.

    Args:
        size: number of examples N.
        batch_size: n, of all processes together; each gets n / world_size.
        seed: of the draws.
        lag: a draw sees the updates of steps up to its own less ``lag``. 1 is all of them; a DataLoader with workers
            draws ahead and needs num_workers * prefetch_factor + 1.
        batches: of a pass; N / n, rounded up, if not given.
        floor: the smallest score kept, above 0, so that no example is lost for good.
        uniform: share u of the draws that are uniform: p_i = (1 - u) b_i / sum(b) + u / N.
        beta: exponent of :meth:`weights`, (1 / (N p_i))^beta; 1 makes the gradient unbiased, 0 all weights 1.
        refresh_every: updates after which :attr:`refresh_due` says so; 0 for never.
        rank, world_size: of this process; those of torch.distributed where it runs, else 0 and 1.
        device: where the scores are kept and batches are drawn.

    Raises:
        InputError: an argument is out of its range, or ``world_size`` does not divide ``batch_size``.
    """

    _method: PersistentLoss

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int = 0,
        lag: int = 1,
        batches: int | None = None,
        floor: float = 1e-8,
        uniform: float = 0.0,
        beta: float = 0.0,
        refresh_every: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        if batches is not None and batches < 1:
            raise InputError(f"batches is {batches}: give at least 1, or None for a pass of N / n.")
        super().__init__(
            size,
            batch_size,
            seed=seed,
            lag=lag,
            refresh_every=refresh_every,
            rank=rank,
            world_size=world_size,
            device=device,
            options={"floor": float(floor), "uniform": float(uniform), "beta": float(beta)},
        )
        self._batches, self._alike = batches, True

    def __len__(self) -> int:
        return self._batches or super().__len__()

    def grow(self, size: int) -> None:
        """Have more examples; the new ones enter with the largest score there is.

        Args:
            size: the new number of examples.

        Raises:
            InputError: within a pass, or there are more examples now; nothing is changed.
        """
        if size < self.size:
            raise InputError(f"grow to {size} examples: give at least the {self.size} that there are.")
        if self._updates < self._end:
            raise InputError(
                f"grow within a pass, of which {self._end - self._updates} batches are not updated: call it between"
                " passes, and make them shorter with batches= if that is too seldom."
            )
        self._apply(self._updates)
        values = self.values
        more = values.max().expand(size - self.size)
        self._trained = torch.cat([self._trained, self._trained.new_zeros(size - self.size)])
        self.size, self._method = size, self._built(size)
        self._method.fill(torch.cat([values, more]).unsqueeze(0))

    @property
    def values(self) -> Tensor:
        """The score of every example that draws go by: float32 [N], a view of the store; change it through fill."""
        return self._method.base_values.values[0]

    def _built(self, size: int) -> PersistentLoss:
        return PersistentLoss(size, self.batch_size, self._seeds, 0, **self._options)

    def _learned(self) -> dict[str, Tensor]:
        return {"values": self.values}

    def _flags(self) -> dict[str, bool]:
        return {"alike": self._alike}

    def _restore(self, state: dict[str, Any]) -> None:
        self._method.fill(self._here(state["values"]).unsqueeze(0))
        self._alike = state["alike"]

    def _fill(self, scores: Tensor) -> None:
        self._method.fill(scores)
        self._alike = False

    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        if self._alike:
            self._fill(scores.max().view(1, 1))
        super()._observe(indices, scores)
