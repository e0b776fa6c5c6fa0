"""Samplers for a training loop of one's own: make one, give it to the DataLoader, tell it every example's score.

    sampler = BaseValuesSampler(len(dataset), batch_size=32, seed=1)
    for x, y, index in DataLoader(WithIndex(dataset), batch_sampler=sampler):
        losses = cross_entropy(model(x), y, reduction="none")
        losses.mean().backward(); optimizer.step(); optimizer.zero_grad()
        sampler.update(index, losses)

They draw and learn through the papers' own methods. The draw of step t (from 0, over the sampler's whole life) sees the
updates of steps up to t - lag and no others, so that a loader's workers, which draw ahead, do not change what is drawn.
"""

import abc
import operator
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample.methods.base import Method
from hardsample.samplers import checks
from hardsample.samplers.counted import CountedDraws
from hardsample.samplers.process_group import Ranks

_PLACE = ("updates", "pass_ends", "since_fill")  # in a state: where the training stands
_QUEUES = ("drawn", "weights", "waiting")  # what is drawn and not updated, and updates that no draw has seen


class LearningSampler(CountedDraws):
    """What the samplers share beside their draws: what they are told, and the state."""

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int,
        lag: int,
        refresh_every: int,
        rank: int | None,
        world_size: int | None,
        device: str | torch.device,
        options: dict[str, Any],
    ) -> None:
        checks.check_numbers(batch_size, lag, refresh_every)
        ranks = Ranks(rank, world_size, batch_size)
        self.rank, self.world_size = ranks.rank, ranks.world_size
        self.size, self.batch_size, self.seed = map(operator.index, (size, batch_size, seed))
        self.refresh_every = refresh_every
        self._options = options
        self._seeds = torch.tensor([seed], device=device)
        self.device = self._seeds.device
        self._no_logits = torch.empty(1, 0, 0, device=self.device)
        self._since_fill = 0
        super().__init__(self._built(size), ranks, operator.index(lag), self.device)

    def update(self, indices: Tensor | Sequence[int], scores: Tensor) -> None:
        """Tell the scores of the oldest batch that was drawn and not yet updated: once for every batch, in order.

        Args:
            indices: int [n / world_size], the batch of this rank in any order; of an example drawn twice the last
                score is kept.
            scores: float [n / world_size] on the sampler's device, one of each example, such as its loss; finite,
                not negative, not all zero. A gradient is left out.

        Raises:
            InputError: bad indices or scores, on every rank if on one; or ``lag`` is too small for the loader. Nothing
                is changed.
        """
        told, scores = self._ranks.gathered(lambda: self._usable(indices, scores), self.device)
        drawn = self._drawn[0][0]
        if not torch.equal(told, drawn):
            checks.check_same_examples(told, drawn, self.size)
            drawn = told.clone()
        checks.check_scores(scores)
        self._drawn.popleft()
        self._count(drawn)
        self._waiting.append((self._updates, drawn.unsqueeze(0), scores.unsqueeze(0)))
        self._updates += 1
        self._since_fill += 1

    def weights(self, indices: Tensor | Sequence[int]) -> Tensor:
        """Weights of the losses of the batch in training: (1 / (N p_i))^beta, p as it was when the batch was drawn.

        Args:
            indices: int [n / world_size], as for :meth:`update`, before it.

        Returns:
            float32 [n / world_size].

        Raises:
            InputError: the indices are not those of the batch.
        """
        drawn = self._oldest()
        given = checks.own_indices(indices, len(drawn), self.device)
        if not torch.equal(given, drawn):
            checks.check_same_examples(given, drawn, self.size)
        weights = self._drawn[0][1]
        if weights is None:
            return torch.ones(len(drawn), device=self.device)
        return torch.empty(len(drawn), device=self.device).scatter_(
            0, given.argsort(stable=True), self._ranks.share(weights)[drawn.argsort(stable=True)]
        )

    def fill(self, scores: Tensor) -> None:
        """Set what is known of every example at once, before training or to refresh what is stale.

        Between passes it acts at once. Within a pass, after u updates, it acts from the draw of step u + lag - 1 on;
        call it after an update, before the next batch is asked for. Several processes all call it; rank 0's scores
        count.

        Args:
            scores: float [N] on the sampler's device, as for :meth:`update`.

        Raises:
            InputError: bad scores, or a draw that must see them was made; on every rank if on one. Nothing is changed.
        """
        values = self._ranks.broadcast(lambda: self._fillable(scores), self.device).unsqueeze(0)
        if self._updates == self._end:
            self._waiting.clear()
            self._fill(values)
        else:
            nothing = torch.empty(1, 0, dtype=torch.int64, device=self.device)
            self._waiting.append((self._updates - 1, nothing, values))
        self._since_fill = 0

    @property
    def refresh_due(self) -> bool:
        """Were ``refresh_every`` updates made since the last :meth:`fill`, or since the start?"""
        return 0 < self.refresh_every <= self._since_fill

    def state_dict(self) -> dict[str, Any]:
        """All that decides the batches to come: numbers, strings, and tensors of its own on the CPU, in lists.

        It holds one value of each example (or mini-batch), how often each was trained, and the few batches that are
        drawn or wait. Save it after any update and load it into a new sampler: the batches are those of a training that
        never stopped.
        """
        drawn = list(self._drawn)[: self.lag]
        state = self._identity() | {
            **dict(zip(_PLACE, (self._updates, self._end, self._since_fill), strict=True)),
            "trained": _saved(self._trained),
            "drawn": [_saved(indices) for indices, _ in drawn],
            "weights": [_saved(weights) for _, weights in drawn if weights is not None],
            "waiting": [[step, _saved(indices), _saved(scores)] for step, indices, scores in self._waiting],
        }
        return state | {name: _saved(tensor) for name, tensor in self._learned().items()} | self._flags()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of :meth:`state_dict`; the first iteration finishes the pass that was interrupted.

        A pass is over when its last batch was updated. The number of processes may be another.

        Raises:
            InputError: the state is of another class, size, batch_size, seed, lag or option; nothing is changed.
        """
        needed = {*_PLACE, *_QUEUES, *self._learned(), *self._flags()}
        checks.check_state(state, self._identity(), needed)
        self._updates, self._end, self._since_fill = (state[name] for name in _PLACE)
        weights = state["weights"] or [None] * len(state["drawn"])
        drawn = zip(state["drawn"], weights, strict=True)
        self._drawn = deque((self._here(indices), None if w is None else self._here(w)) for indices, w in drawn)
        self._waiting = deque((step, self._here(indices), self._here(s)) for step, indices, s in state["waiting"])
        self._restore(state)
        self._restore_counts(state)
        self._step, self._too_early = self._updates, None
        self._iteration += 1
        self._interrupted = True

    # What a kind of sampler says of itself.

    @abc.abstractmethod
    def _built(self, size: int) -> Method:
        """The method, for so many examples."""

    @abc.abstractmethod
    def _learned(self) -> dict[str, Tensor]:
        """Live tensors, by name, that hold what the method has learned."""

    def _flags(self) -> dict[str, bool]:
        return {}

    @abc.abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Take what was learned from a state that fits."""

    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        self._method.observe(indices, self._no_logits, scores)

    # Checks, and the state.

    def _usable(self, indices: Tensor | Sequence[int], scores: Tensor) -> tuple[Tensor, Tensor]:
        """This rank's indices int64 [n / world_size] and scores float32 [n / world_size], of the right kind."""
        count = len(self._oldest())
        self._check_lag()
        return checks.own_indices(indices, count, self.device), checks.own_scores(scores, count, self.device)

    def _fillable(self, scores: Tensor) -> Tensor:
        values = checks.own_scores(scores, self.size, self.device)
        checks.check_scores(values)
        self._check_fill()
        return values

    def _identity(self) -> dict[str, Any]:
        """What a state must agree with."""
        own = {"class": type(self).__name__, "size": self.size, "batch_size": self.batch_size}
        return own | {"seed": self.seed, "lag": self.lag} | self._options

    def _here(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, copy=True)


def _saved(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", copy=True)
