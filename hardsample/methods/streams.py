"""Paper A's methods: streams of examples, each mini-batch drawn from all of them."""

import math
from fractions import Fraction

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import check_choice, check_value
from hardsample.methods.base_values import BaseValues
from hardsample.randomness import Stream


class FullMiniBatches:
    """What streams of examples share: every mini-batch is full, and one that learns nothing says no more than this."""

    capturable = True
    scored = ("before", True)
    short = False
    weights: Tensor | None = None
    learning_rate_factor = 1.0
    end = None

    def __init__(self, size: int, n: int) -> None:
        self.updates_per_epoch = Fraction(size, n)
        self._asked: int | None = None

    def first_ask(self, step: int) -> bool:
        """Is it the first time that a forward pass is to be asked for before this step?"""
        first, self._asked = step != self._asked, step
        return first

    def examined(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        pass

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        pass

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {}


class MiniBatches(FullMiniBatches):
    """MB: shuffled epochs, without replacement; one epoch's order follows another's without a short mini-batch."""

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int) -> None:
        super().__init__(size, n)
        self.size, self.seeds = size, seeds
        self._lane = torch.arange(n, device=seeds.device)
        self._epoch = -1
        spare = -(-n // size)  # a mini-batch may reach into the epochs after its own
        self._orders = torch.empty(seeds.numel(), (1 + spare) * size, dtype=torch.int64, device=seeds.device)

    def prepare(self, step: int) -> None:
        epoch = step * len(self._lane) // self.size
        if epoch != self._epoch:
            self._epoch = epoch
            for place, order in enumerate(self._orders.split(self.size, dim=1)):
                order.copy_(randomness.permutations(self.seeds, Stream.ORDER, epoch + place, self.size))

    def draw(self, step: int | Tensor) -> Tensor:
        return self._orders.index_select(1, self._lane + step * len(self._lane) % self.size)


class UniformStream(FullMiniBatches):
    """SMB: uniform draws with replacement, the control between MB and the methods that draw by a score."""

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int) -> None:
        super().__init__(size, n)
        self.size, self.n, self.seeds = size, n, seeds

    def prepare(self, step: int) -> None:
        pass

    def draw(self, step: int | Tensor) -> Tensor:
        return randomness.uniforms(self.seeds, Stream.DRAW, step, self.n).mul_(self.size).long()


class PersistentLoss(FullMiniBatches):
    """PLB: a base value per example, its loss when last seen (paper A, Algorithm 1 and equation 5).

    Args:
        floor: the smallest base value, so that no example is lost for good.
        score: "before", from the logits of the step itself; or "after", from one more forward pass after the update.
        score_dropout: score with dropout on? None: as the step's own logits have it, on for "before", off for "after".
        uniform: share u of the draws that are uniform: p_i = (1 - u) b_i / sum(b) + u / N. 0 in the paper.
        beta: losses are multiplied by (1 / (N p_i))^beta: 1 makes the gradient of all examples' mean loss unbiased, 0
            is the paper's (the exponent of Schaul et al. 2016, section 3.4).
        refresh_every: steps after which all base values are computed anew, by a forward pass; 0 for never, as in the
            paper.

    Raises:
        InputError: an option is out of its range.
    """

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        floor: float = 1e-8,
        score: str = "before",
        score_dropout: bool | None = None,
        uniform: float = 0.0,
        beta: float = 0.0,
        refresh_every: int = 0,
    ) -> None:
        super().__init__(size, n)
        check_choice("score", score, ("before", "after"))
        check_value("uniform", uniform, 0 <= uniform <= 1, "the share of uniform draws, 0 to 1")
        check_value("beta", beta, 0 <= beta < math.inf, "0 for equal weights, 1 for unbiased ones, or a number between")
        check_value("refresh_every", refresh_every, refresh_every >= 0, "a number of steps, or 0 for never")
        self.scored = (score, score == "before" if score_dropout is None else score_dropout)
        self.base_values = BaseValues(size, seeds, floor=floor)
        self._n, self._first_step = n, first_step
        self._uniform, self._beta, self._refresh_every = uniform, beta, refresh_every

    def prepare(self, step: int) -> Tensor | None:
        self.base_values.prepare(step, self._n)
        if self.due(step) and self.first_ask(step):
            seeds = self.base_values.seeds
            return torch.arange(self.base_values.size, device=seeds.device).expand(seeds.numel(), -1)
        return None

    def due(self, step: int) -> bool:
        """Are all base values to be computed before this step?"""
        past = step - self._first_step
        return past % self._refresh_every == 0 if self._refresh_every else past == 0

    def examined(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self.base_values.fill(self.values(logits, losses))

    def draw(self, step: int | Tensor) -> Tensor:
        store, share = self.base_values, self._uniform
        indices = store.draw(step, self._n)
        if share:
            numbers = randomness.uniforms(store.seeds, Stream.MIXTURE, step, self._n)
            evenly = numbers.mul(store.size / share).long().clamp_(max=store.size - 1)
            indices = torch.where(numbers < share, evenly, indices)
        if self._beta:
            p = store.values.gather(1, indices).double().div_(store.totals[:, None])
            p = p.mul_(1 - share).add_(share / store.size)
            self.weights = p.mul_(store.size).pow_(-self._beta).float()
        return indices

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self.base_values.update(indices, self.values(logits, losses))

    @staticmethod
    def values(logits: Tensor, losses: Tensor) -> Tensor:
        """Base values [S, n] from logits [S, n, K] and losses [S, n]."""
        return losses  # eq. 5

    @property
    def tensors(self) -> dict[str, Tensor]:
        return self.base_values.tensors


class PersistentEntropy(PersistentLoss):
    """PEB: as PLB, but the base value is the entropy of the network's softmax, in nats (paper A, equation 6)."""

    @staticmethod
    def values(logits: Tensor, losses: Tensor) -> Tensor:
        log_p = logits.log_softmax(-1)
        return (log_p.exp() * log_p).sum(-1).neg_()  # eq. 6
