"""Samplers for a training loop of one's own: make one, give it to the DataLoader, tell it every example's score.

    sampler = BaseValuesSampler(len(dataset), batch_size=32, seed=1)
    for x, y, index in DataLoader(WithIndex(dataset), batch_sampler=sampler):
        losses = cross_entropy(model(x), y, reduction="none")
        losses.mean().backward(); optimizer.step(); optimizer.zero_grad()
        sampler.update(index, losses)

They draw and learn through the papers' own methods. The draw of step t (from 0, over the sampler's whole life) sees the
updates of steps up to t - lag and no others, so that a loader's workers, which draw ahead, do not change what is drawn.

A batch may be told in parts, or only a part of it (see :meth:`LearningSampler.update`); ``skip()`` leaves one out.
"""

import abc
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from hardsample import arguments
from hardsample.methods.base import Method
from hardsample.samplers import checks, states
from hardsample.samplers.counted import CountedDraws
from hardsample.samplers.draws import plainly
from hardsample.samplers.process_group import SKIP, UPDATE, Ranks, Told

_PLACE = ("updates", "pass_ends", "since_fill")  # in a state: where the training stands
_OPEN: dict[str, Any] = {"touched": 0, "parts": []}  # in a state, but not in older ones: batches that were told in part
_QUEUES = ("drawn", "weights", "waiting")  # what is drawn and not updated, and updates that no draw has seen


# Long, since half of it is documentation: it is all that a training loop calls.
class LearningSampler(CountedDraws):
    """What the samplers share beside their draws: what they are told, and the state."""

    _since: dict[str, Any] = {}  # options that states of older versions do not have, and what they did

    @plainly
    def __init__(
        self,
        size: SupportsIndex,
        batch_size: SupportsIndex,
        *,
        seed: SupportsIndex,
        lag: SupportsIndex,
        refresh_every: SupportsIndex,
        rank: SupportsIndex | None,
        world_size: SupportsIndex | None,
        device: str | torch.device,
        options: dict[str, Any],
    ) -> None:
        self.size = arguments.whole("size", size, 1, "at least 1 example")
        self.batch_size = arguments.whole("batch_size", batch_size, 1, "at least 1 example")
        self.seed = arguments.whole("seed", seed, -arguments.MOST - 1, "a whole number")
        lag = arguments.whole("lag", lag, 1, "at least 1, or num_workers * prefetch_factor + 1 for a loader")
        self.refresh_every = arguments.whole("refresh_every", refresh_every, 0, "a number of updates, or 0 for never")
        ranks = Ranks(rank, world_size, self.batch_size)
        self.rank, self.world_size = ranks.rank, ranks.world_size
        self._options = options
        self._seeds = torch.tensor([self.seed], device=arguments.device(device))
        self.device = self._seeds.device
        self._no_logits = torch.empty(1, 0, 0, device=self.device)
        super().__init__(self._built(self.size), ranks, lag, self.device)

    @plainly
    def update(self, indices: Tensor | Sequence[int], scores: Tensor | Sequence[float]) -> None:
        """Tell the scores of the oldest batch that was drawn and not yet updated: batch by batch, in the order drawn.

        A batch may be told in parts, such as micro-batches. It is done when all was told, and otherwise when the first
        draw that must see it is made, ``lag`` batches later, or with an update that can only be of a later batch: so a
        collate function may drop examples. It may put others in their place, whose scores are kept too (but not by
        HardMiniBatchSampler, which asks how hard a batch is); of a training's first update at least half must have been
        drawn. An update that could be of two batches is of the older one, if all its examples are still to be told.

        Several processes all call it, as often, each with what it has, [0] if nothing.

        Args:
            indices: int [m], m <= n / world_size, of this rank's batch in any order; of an example that comes twice the
                last score is kept.
            scores: float [m], one of each example, such as its loss; finite and not negative. A gradient is left out.

        Raises:
            InputError: bad indices or scores, on every rank if on one; or ``lag`` is too small for the loader. Nothing
                is changed.
        """
        told = self._told(UPDATE, lambda: self._usable(indices, scores))
        checks.check_scores(told.scores, ", or call skip() instead of update for this batch")
        self._take(told, self.size)

    @plainly
    def skip(self) -> None:
        """Leave out the oldest batch that was drawn and not yet updated, or what is left of it: it counts as updated.

        What is known of its examples stays. Call it instead of :meth:`update`, where the loss is NaN for example.
        Several processes all call it: let them agree first, as by an all_reduce of whether every loss is finite.

        Raises:
            InputError: no batch waits; or one rank skips and another updates, on every rank. Nothing is changed.
        """
        self._skip(self._told(SKIP, self._nothing))
        self._adopt()

    @plainly
    def weights(self, indices: Tensor | Sequence[int]) -> Tensor:
        """Weights of the losses of the batch in training: (1 / (N p_i))^beta, p as it was when the batch was drawn.

        Args:
            indices: int [m], as for :meth:`update`, before it.

        Returns:
            float32 [m]; 1 for an example that came in place of one that was drawn.

        Raises:
            InputError: the indices are not those of the batch, or of a part of it.
        """
        self._check_waits()
        given = checks.own_indices(indices, self._ranks.each, self.device)
        drawn, weights = self._owner(given, self.size)
        if weights is None:
            return torch.ones(len(given), dtype=torch.float32, device=self.device)
        drawn, order = drawn.sort()
        places = torch.searchsorted(drawn, given).clamp_(max=len(drawn) - 1)
        return weights[order[places]].where(drawn[places] == given, 1.0)

    @plainly
    def fill(self, scores: Tensor | Sequence[float]) -> None:
        """Set what is known of every example at once, before training or to refresh what is stale.

        Between passes it acts at once. Within a pass, after u updates, it acts from the draw of step u + lag - 1 on;
        call it after an update, before the next batch is asked for. A batch that was told in part is done by it.
        Several processes all call it; rank 0's scores count.

        Args:
            scores: float [N], as for :meth:`update`.

        Raises:
            InputError: bad scores, or a draw that must see them was made; on every rank if on one. Nothing is changed.
        """
        values = self._ranks.broadcast(lambda: self._fillable(scores), self.device).unsqueeze(0)
        self._close(self._touched)
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

    @plainly
    def state_dict(self) -> dict[str, Any]:
        """All that decides the batches to come: numbers, strings, None, and tensors of its own on the CPU, in lists.

        It holds one value of each example (or mini-batch), how often each was trained, and the few batches that are
        drawn or wait. Save it after any update and load it into a new sampler: the batches are those of a training that
        never stopped. After a part of a batch was told the rest of it can be told, and the next batch is the following
        one.
        """
        drawn = list(self._drawn)[: self.lag]
        state = self._identity() | {
            **dict(zip(_PLACE, (self._updates, self._end, self._since_fill), strict=True)),
            "trained": _saved(self._counted()),
            "touched": self._touched,
            "parts": [[_saved(tensor) for tensor in part] for part in self._parts],
            "drawn": [_saved(indices) for indices, _ in drawn],
            "weights": [_saved(weights) for _, weights in drawn if weights is not None],
            "waiting": [[step, _saved(indices), _saved(scores)] for step, indices, scores in self._waiting],
        }
        return state | {name: _saved(tensor) for name, tensor in self._learned().items()} | self._flags()

    @plainly
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of :meth:`state_dict`; the first iteration finishes the pass that was interrupted.

        A pass is over when its last batch was updated. The number of processes may be another.

        Raises:
            InputError: the state is of another class, size, batch_size, seed, lag or option, or holds what no sampler
                saves, such as NaN or an index beyond the size; nothing is changed.
        """
        learned, flags = self._learned(), self._flags()
        if isinstance(state, Mapping):
            state = {**_OPEN, **self._since, **state}
        states.check_identity(state, self._identity(), {*_PLACE, *_QUEUES, *learned, *flags})
        states.check_numbers(state, (*_PLACE, "touched"), flags)
        states.check_learned(state, learned, self._bounds())
        states.check_batches(state, self.size)
        self._updates, self._end, self._since_fill = (state[name] for name in _PLACE)
        weights = state["weights"] or [None] * len(state["drawn"])
        drawn = zip(state["drawn"], weights, strict=True)
        self._drawn = deque((self._here(indices), None if w is None else self._here(w)) for indices, w in drawn)
        self._waiting = deque((step, self._here(indices), self._here(s)) for step, indices, s in state["waiting"])
        self._touched = state["touched"]
        self._parts = [(self._here(i), self._here(s), self._here(r)) for i, s, r in state["parts"]]
        self._restore(state)
        self._restore_counts(state)
        self._step, self._too_early = self._trained, None
        self._iteration += 1
        self._interrupted = True

    # What a kind of sampler says of itself.

    @abc.abstractmethod
    def _built(self, size: int) -> Method:
        """The method, for so many examples."""

    @abc.abstractmethod
    def _learned(self) -> dict[str, Tensor]:
        """Live tensors, by name, that hold what the method has learned."""

    def _bounds(self) -> dict[str, tuple[float, float]]:
        """The least and the greatest number that those may hold, where not any will do."""
        return self._method.bounds

    def _flags(self) -> dict[str, bool]:
        return {}

    @abc.abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Take what was learned from a state that fits."""

    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        self._method.observe(indices, self._no_logits, scores)

    # Checks, and the state.

    def _told(self, what: int, own: Callable[[], tuple[Tensor, Tensor]]) -> Told:
        """What all ranks told, given this one's; ``what`` is ``UPDATE`` or ``SKIP``."""
        following = self._drawn[self._touched][0] if self._reached else None
        return self._ranks.gathered(what, own, self._updates, following, self.device)

    def _usable(self, indices: Tensor | Sequence[int], scores: Tensor | Sequence[float]) -> tuple[Tensor, Tensor]:
        """This rank's indices int64 [m] and scores float32 [m], of the right kind."""
        self._check_waits()
        told = checks.own_indices(indices, self._ranks.each, self.device)
        self._check_lag(told)
        return told, checks.own_scores(scores, told.numel(), self.device)

    def _nothing(self) -> tuple[Tensor, Tensor]:
        self._check_waits()
        return checks.own_indices([], 0, self.device), checks.own_scores([], 0, self.device)

    def _fillable(self, scores: Tensor | Sequence[float]) -> Tensor:
        values = checks.own_scores(scores, self.size, self.device)
        checks.check_scores(values)
        self._check_fill(self._end)
        return values

    def _identity(self) -> dict[str, Any]:
        """What a state must agree with."""
        own = {"class": type(self).__name__, "size": self.size, "batch_size": self.batch_size}
        return own | {"seed": self.seed, "lag": self.lag} | self._options

    def _here(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, copy=True)


def _saved(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", copy=True)
