"""Selective backprop: of shuffled candidates those are trained whose loss ranks high."""

import math

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import check_value
from hardsample.methods.base import Draw, Evaluate, FullMiniBatches
from hardsample.methods.specs import Entry, MethodSpec
from hardsample.randomness import Stream


class SelectiveBackprop(FullMiniBatches):
    """SB: of shuffled candidates those are trained whose loss ranks high (Jiang et al. 2019, arXiv:1910.00762).

    A candidate of loss l is kept with probability CDF_R(l)^beta, CDF_R the distribution of the last R candidates'
    losses (section 3, Algorithm 1). Mini-batches of n candidates are passed through the network until n are kept; what
    is kept beyond n waits for the next step. CDF_R includes the candidate mini-batch itself and counts losses up to
    and equal to l, so that equal losses are all kept; a loss that is no number counts as infinite. An epoch of
    candidates is shorter in updates than one of mini-batches, and each seed goes through them at its own pace.

    The authors' code (angelajiang/SelectiveBackprop) trains the whole first epoch without a choice: here the choice
    begins at once. At the end of an epoch it trains what waits as a smaller mini-batch: here that waits for more. It
    passes the candidates through the network in evaluation mode, and so does this.

    Args:
        beta: the higher, the fewer are kept, 1 / (beta + 1) of them in the long run. 3, as in the authors' code.
        history: R, the number of losses that the distribution is of. 1,024, as in the authors' code.
        stale_every: 1 computes the loss of every candidate; k > 1 is StaleSB (section 3), which does so in every k-th
            epoch of candidates alone and between them chooses by the loss last computed, without a forward pass. The
            authors' code has k = 3. Losses seen in training, with dropout on, are not used.

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
        beta: float = 3.0,
        history: int = 1024,
        stale_every: int = 1,
    ) -> None:
        super().__init__(size, n)
        check_value("beta", beta, 0 <= beta < math.inf, "0 to keep every candidate, or a number above it to keep fewer")
        check_value("history", history, history >= 1, "at least 1 loss")
        check_value("stale_every", stale_every, stale_every >= 1, "1 for the plain method, or more epochs")
        self.beta, self.stale_every = beta, stale_every
        self._size, self._n, self._seeds = size, n, seeds
        self._lane = torch.arange(n, device=seeds.device)
        self._before = -(-first_step * n // size)  # epochs whose orders a pre-training has used
        self._epochs = [-1] * len(seeds)  # that the next two tensors are of
        shape = len(seeds), (1 - (-n // size)) * size
        self._orders = torch.zeros(shape, dtype=torch.int64, device=seeds.device)
        self._numbers = torch.zeros(shape, dtype=torch.float64, device=seeds.device)
        self._batches, self._known, self._kept = torch.zeros(3, len(seeds), 1, dtype=torch.int64, device=seeds.device)
        self._history = torch.full((len(seeds), history), torch.inf, dtype=torch.float32, device=seeds.device)
        self._queue = torch.zeros(len(seeds), 2 * n, dtype=torch.int64, device=seeds.device)  # the last is never used
        self._losses = torch.zeros(len(seeds), size if stale_every > 1 else 0, dtype=torch.float32, device=seeds.device)

    def refresh(self, step: int, evaluate: Evaluate) -> None:
        while (lacking := self._kept < self._n).any():
            candidates, _ = self._candidates()
            fresh = lacking & (self._batches * self._n // self._size % self.stale_every == 0)
            if not fresh.any():
                self._choose(self._losses.gather(1, candidates), lacking)
                continue
            _, losses = evaluate(candidates.masked_fill(~fresh, -1))
            if self.stale_every > 1:
                rows = fresh[:, 0]
                self._losses[rows] = self._losses[rows].scatter(1, candidates[rows], losses[rows])
            self._choose(losses, fresh)

    def draw(self, step: int | Tensor) -> Draw:
        return Draw(self._queue[:, : self._n].clone())

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self.skip()

    def skip(self) -> None:
        self._queue.copy_(self._queue.roll(-self._n, 1))
        self._kept -= self._n

    @property
    def tensors(self) -> dict[str, Tensor]:
        counters = {"batches": self._batches, "known": self._known, "kept": self._kept}
        return counters | {"history": self._history, "queue": self._queue, "losses": self._losses}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        counters = dict.fromkeys(("batches", "known"), (0.0, math.inf))
        return counters | {"kept": (0, 2 * self._n - 1), "queue": (0, self._size - 1)}

    def _candidates(self) -> tuple[Tensor, Tensor]:
        """Every seed's next candidates [S, n], and the random number that decides about each."""
        first = self._batches * self._n
        for seed, epoch in enumerate((first // self._size).flatten().tolist()):
            if epoch != self._epochs[seed]:
                self._epochs[seed] = epoch
                only = self._seeds[seed : seed + 1]
                parts = zip(self._orders[seed].split(self._size), self._numbers[seed].split(self._size), strict=True)
                for number, (order, numbers) in enumerate(parts, start=self._before + epoch):
                    order.copy_(randomness.permutations(only, Stream.ORDER, number, self._size)[0])
                    numbers.copy_(randomness.uniforms(only, Stream.SELECT, number, self._size)[0])
        places = first % self._size + self._lane
        return self._orders.gather(1, places), self._numbers.gather(1, places)

    def _choose(self, losses: Tensor, rows: Tensor) -> None:
        """Add the next candidates' losses [S, n] to the history and the kept ones to the queue, for some seeds."""
        candidates, numbers = self._candidates()
        losses = losses.nan_to_num(nan=torch.inf, posinf=torch.inf)
        length = self._history.shape[1]
        ring = ((self._known + self._lane) % length)[:, -length:]
        self._history.scatter_(1, ring, losses[:, -length:].where(rows, self._history.gather(1, ring)))
        self._known += self._n * rows
        filled = self._known.clamp(1, length)
        rank = torch.searchsorted(self._history.sort(dim=1)[0], losses, right=True).minimum(filled)
        keep = (numbers < (rank / filled).double().pow(self.beta)) & rows
        places = (self._kept + keep.cumsum(1) - 1).where(keep, 2 * self._n - 1)
        self._queue.scatter_(1, places, candidates.where(keep, 0))
        self._kept += keep.sum(1, keepdim=True)
        self._batches += rows.long()


SPECS = (
    MethodSpec(
        "SB",
        SelectiveBackprop,
        title=lambda options: "StaleSB" if options.get("stale_every", 1) > 1 else "SB",
        entries=(Entry(), Entry({"stale_every": 3})),
        differences=(
            "the choice begins at the first step, where the authors' code trains the first epoch whole; and what"
            " waits at an epoch's end is kept, where theirs trains it as a smaller mini-batch"
        ),
    ),
)
