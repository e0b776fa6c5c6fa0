"""The sampler of paper A: examples in proportion to their scores."""

from typing import Any, SupportsIndex

import torch
from torch import Tensor

from hardsample import arguments
from hardsample.errors import InputError, check_value
from hardsample.methods.persistent import PersistentLoss
from hardsample.methods.trees import LARGEST
from hardsample.samplers.base import LearningSampler
from hardsample.samplers.draws import plainly
from hardsample.samplers.watch import ShareWatch


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
        power: what is stored is the score to this power, above 0; less than 1 evens the draws out (alpha of Schaul et
            al. 2016, equation 1).
        clip: no value is stored above ``clip`` times the mean of all, after the power, so that no example is drawn more
            than about ``clip`` times as often as on average; above 1. None for no such limit.
        distinct: no example comes twice in a batch; a draw then takes O(N) instead of O(log N), and beta has to be 0.
        beta: exponent of :meth:`weights`, (1 / (N p_i))^beta; 1 makes the gradient unbiased, 0 all weights 1.
        refresh_every: updates after which :attr:`refresh_due` says so; 0 for never.
        rank, world_size: of this process; those of torch.distributed where it runs, else 0 and 1.
        device: where the scores are kept and batches are drawn.
        warn_share: a :class:`SamplerWarning` is given, once, when one example took a larger share of the last 2,000
            draws or more than this, and than 20 / N; 1 for never.

    Raises:
        InputError: an argument is out of its range, or ``world_size`` does not divide ``batch_size``, or there are
            fewer examples than a batch of distinct ones needs.
    """

    _method: PersistentLoss
    _since: dict[str, Any] = {"power": 1.0, "clip": None, "distinct": False}

    def __init__(
        self,
        size: SupportsIndex,
        batch_size: SupportsIndex,
        *,
        seed: SupportsIndex = 0,
        lag: SupportsIndex = 1,
        batches: SupportsIndex | None = None,
        floor: float = 1e-8,
        uniform: float = 0.0,
        beta: float = 0.0,
        power: float = 1.0,
        clip: float | None = None,
        distinct: bool = False,
        refresh_every: SupportsIndex = 0,
        rank: SupportsIndex | None = None,
        world_size: SupportsIndex | None = None,
        device: str | torch.device = "cpu",
        warn_share: float = 0.05,
    ) -> None:
        numbers = {"floor": floor, "uniform": uniform, "beta": beta, "power": power}
        options = {name: arguments.real(name, value) for name, value in numbers.items()}
        warn_share = arguments.real("warn_share", warn_share)
        check_value("warn_share", warn_share, 0 < warn_share <= 1, "a share of the draws above 0, or 1 for no warning")
        if batches is not None:
            batches = arguments.whole("batches", batches, 1, "at least 1, or None for a pass of N / n")
        super().__init__(
            size,
            batch_size,
            seed=seed,
            lag=lag,
            refresh_every=refresh_every,
            rank=rank,
            world_size=world_size,
            device=device,
            options=options | {"clip": None if clip is None else arguments.real("clip", clip), "distinct": distinct},
        )
        self._batches, self._alike, self._warn_share = batches, True, warn_share
        self._watch = ShareWatch(self.size, self.batch_size, warn_share)

    def __len__(self) -> int:
        return self._batches or super().__len__()

    @plainly
    def grow(self, size: SupportsIndex) -> None:
        """Have more examples; the new ones enter with the largest value there is.

        Args:
            size: the new number of examples.

        Raises:
            InputError: within a pass, or there are more examples now; nothing is changed.
        """
        size = arguments.whole("size", size, 1, "the new number of examples")
        if size < self.size:
            raise InputError(f"grow to {size} examples: give at least the {self.size} that there are.")
        if self._trained < self._end:
            raise InputError(
                f"grow within a pass, of which {self._end - self._trained} batches are not updated: call it between"
                " passes, and make them shorter with batches= if that is too seldom."
            )
        self._close(self._touched)
        self._apply(self._updates)
        values = self.values
        more = values.max().expand(size - self.size)
        self._counts = torch.cat([self._counted(), self._counts.new_zeros(size - self.size)])
        self.size, self._method = size, self._built(size)
        self._method.base_values.fill(torch.cat([values, more]).unsqueeze(0))
        self._watch = ShareWatch(size, self.batch_size, self._warn_share)

    @property
    def values(self) -> Tensor:
        """What draws go by, every example's score to the power and clipped: float32 [N], a view; change it by fill."""
        return self._method.base_values.values[0]

    def _built(self, size: int) -> PersistentLoss:
        return PersistentLoss(size, self.batch_size, self._seeds, 0, **self._options)

    def _learned(self) -> dict[str, Tensor]:
        return {"values": self.values}

    def _bounds(self) -> dict[str, tuple[float, float]]:
        return {"values": (0, 2 * LARGEST)}

    def _flags(self) -> dict[str, bool]:
        return {"alike": self._alike}

    def _restore(self, state: dict[str, Any]) -> None:
        self._method.base_values.fill(self._here(state["values"]).unsqueeze(0))
        self._alike = state["alike"]

    def _fill(self, scores: Tensor) -> None:
        self._method.fill(scores)
        self._alike = False

    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        if self._alike and (scores > 0).any():
            known_zero = self.values < 1  # what began at 1 was told a score of 0, and is not unseen
            self._fill(scores.max().where(~known_zero, 0).unsqueeze(0))
        super()._observe(indices, scores)

    def _draw(self, step: int) -> tuple[Tensor, Tensor | None]:
        indices, weights = super()._draw(step)
        if self.rank == 0:
            self._watch.look(indices)
        return indices, weights
