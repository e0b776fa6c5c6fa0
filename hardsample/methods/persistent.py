"""Paper A's methods: every mini-batch is drawn from all examples, in proportion to persistent base values."""

import math

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import check_choice, check_value
from hardsample.methods.base import Draw, Evaluate, FullMiniBatches, of_all
from hardsample.methods.base_values import BaseValues, check_distinct, draw_distinct
from hardsample.methods.specs import Entry, Look, MethodSpec
from hardsample.methods.trees import LARGEST
from hardsample.randomness import Stream


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
        distinct: no example comes twice in a mini-batch: n are drawn one after another, each in proportion to the p_i
            of those left, which takes O(N). In the paper (equation 3) draws are independent.
        power: what is stored is the score to this power, above 0: 1 is the paper's, less evens the draws out (alpha of
            Schaul et al. 2016, equation 1).
        clip: no value is stored above ``clip`` times the mean of all, after the power, so that no example is drawn more
            than about ``clip`` times as often as on average; above 1. None for no such limit, as in the paper.

    Raises:
        InputError: an option is out of its range, or distinct examples are to be weighted, or are too few.
    """

    in_turn = False

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
        distinct: bool = False,
        power: float = 1.0,
        clip: float | None = None,
    ) -> None:
        super().__init__(size, n)
        check_choice("score", score, ("before", "after"))
        check_value("uniform", uniform, 0 <= uniform <= 1, "the share of uniform draws, 0 to 1")
        check_value("beta", beta, 0 <= beta < math.inf, "0 for equal weights, 1 for unbiased ones, or a number between")
        check_value("refresh_every", refresh_every, refresh_every >= 0, "a number of steps, or 0 for never")
        check_value("distinct", distinct, isinstance(distinct, bool), "True or False")
        if distinct:
            check_value("beta", beta, not beta, "0 where distinct is True: such a draw has no simple probability")
            check_distinct(n, size)
        check_value("power", power, 0 < power < math.inf, "1 for the score itself, or any other number above 0")
        good = clip is None or 1 < clip < math.inf
        check_value("clip", clip, good, "a number of means above 1, or None for no limit")
        self.scored = (score, score == "before" if score_dropout is None else score_dropout)
        self.base_values = BaseValues(size, seeds, floor=floor)
        self._n, self._first_step = n, first_step
        self._uniform, self._beta, self._refresh_every = uniform, beta, refresh_every
        self.distinct = distinct
        self._power, self._clip = power, clip

    def refresh(self, step: int, evaluate: Evaluate) -> None:
        if self.due(step):
            self.fill(of_all(evaluate, self.base_values.size, self.base_values.seeds, self.values))

    def fill(self, values: Tensor) -> None:
        """Set the base values of all examples by their scores: float32 [S, N], or [S, 1] for all alike."""
        self.base_values.fill(self.kept(values))

    def kept(self, scores: Tensor) -> Tensor:
        """The base values of all examples that have these scores, float [S, N]: their power, clipped."""
        values = self._powered(scores)
        return values if self._clip is None else torch.minimum(values, _cap(values.double(), self._clip).to(values))

    def prepare(self, step: int) -> None:
        if not self.distinct:
            self.base_values.prepare(step, self._n)

    def due(self, step: int) -> bool:
        """Are all base values to be computed before this step?"""
        past = step - self._first_step
        return past % self._refresh_every == 0 if self._refresh_every else past == 0

    def draw(self, step: int | Tensor) -> Draw:
        store, share = self.base_values, self._uniform
        if self.distinct:
            return Draw(draw_distinct(self._probabilities(store.values), store.seeds, step, self._n))
        indices = store.draw(step, self._n)
        if share:
            numbers = randomness.uniforms(store.seeds, Stream.MIXTURE, step, self._n)
            evenly = numbers.mul(store.size / share).long().clamp_(max=store.size - 1)
            indices = torch.where(numbers < share, evenly, indices)
        return Draw(indices, self._weights(indices) if self._beta else None)

    def _probabilities(self, values: Tensor) -> Tensor:
        """Those of examples with such base values, float [S, m]: float64 [S, m]."""
        store, share = self.base_values, self._uniform
        return values.double().div_(store.totals[:, None]).mul_(1 - share).add_(share / store.size)

    def _weights(self, indices: Tensor) -> Tensor:
        p = self._probabilities(self.base_values.values.gather(1, indices))
        return p.mul_(self.base_values.size).pow_(-self._beta).float()

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        values = self._powered(self.values(logits, losses))
        if self._clip is not None:
            most = self.base_values.totals.mul(self._clip / self.base_values.size).unsqueeze(1)
            values = torch.minimum(values, most.to(values))
        self.base_values.update(indices, values)

    def _powered(self, scores: Tensor) -> Tensor:
        return scores if self._power == 1 else scores.pow(self._power)

    @staticmethod
    def values(logits: Tensor, losses: Tensor) -> Tensor:
        """Base values [S, n] from logits [S, n, K] and losses [S, n]."""
        return losses  # eq. 5

    @property
    def tensors(self) -> dict[str, Tensor]:
        return self.base_values.tensors

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        return self.base_values.bounds

    @property
    def reads_logits(self) -> bool:
        return type(self).values is not PersistentLoss.values

    @property
    def evaluates(self) -> bool:
        return self._refresh_every > 0

    @property
    def hardness(self) -> Tensor:
        return self.base_values.values

    @property
    def probabilities(self) -> Tensor | None:
        return None if self.distinct else self._probabilities(self.base_values.values)


def _cap(values: Tensor, clip: float) -> Tensor:
    """The c [S, 1] that is ``clip`` times the mean of min(values, c): with k values above it, clip / N (k c + rest)."""
    size = values.shape[1]
    falling = values.nan_to_num(nan=0.0, posinf=LARGEST).sort(dim=1, descending=True)[0]
    above = torch.arange(min(size, math.ceil(size / clip)), device=values.device)  # k, of which more cannot be
    rest = falling.flip(1).cumsum(1).flip(1)[:, : len(above)]  # of what is not above
    caps = rest * clip / (size - clip * above)
    enough = caps >= falling[:, : len(above)]
    enough[:, -1] = True
    return caps.gather(1, enough.byte().argmax(1, keepdim=True))


class PersistentEntropy(PersistentLoss):
    """PEB: as PLB, but the base value is the entropy of the network's softmax, in nats (paper A, equation 6)."""

    @staticmethod
    def values(logits: Tensor, losses: Tensor) -> Tensor:
        log_p = logits.log_softmax(-1)
        return (log_p.exp() * log_p).sum(-1).neg_()  # eq. 6


SPECS = (
    MethodSpec("PLB", PersistentLoss, looks={"PLB": Look("#009e73", (0, (5, 1.2, 1, 1.2)), "^")}, entries=(Entry(),)),
    MethodSpec("PEB", PersistentEntropy, looks={"PEB": Look("#0072b2", "-", "v")}, entries=(Entry(),)),
)
