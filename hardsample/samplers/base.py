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
import copy
import math
import operator
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Sampler

from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.methods.hard_mini_batches import DELTA
from hardsample.samplers.process_group import Ranks

_PLACE = ("updates", "pass_ends", "since_fill")  # in a state: where the training stands
_QUEUES = ("drawn", "weights", "waiting")  # what is drawn and not updated, and updates that no draw has seen


class _LearningSampler(Sampler[list[int]], abc.ABC):
    """The parts that the samplers share: steps and lag, passes, checks, the state, and several processes."""

    _METHOD: ClassVar[str]

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
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}: give at least 1 example.")
        if lag < 1:
            raise InputError(f"lag is {lag}: give at least 1, or num_workers * prefetch_factor + 1 for a loader.")
        if refresh_every < 0:
            raise InputError(f"refresh_every is {refresh_every}: give a number of updates, or 0 for never.")
        self._ranks = Ranks(rank, world_size, batch_size)
        self.rank, self.world_size = self._ranks.rank, self._ranks.world_size
        self.size, self.batch_size, self.seed, self.lag = map(operator.index, (size, batch_size, seed, lag))
        self.refresh_every = refresh_every
        self._options = options
        self._seeds = torch.tensor([seed], device=device)
        self.device = self._seeds.device
        self._method = self._built(size)
        self._no_logits = torch.empty(1, 0, 0, device=self.device)
        self._updates = self._since_fill = 0
        self._step = self._end = 0  # of the next draw; where the pass ends
        self._drawn: deque[tuple[Tensor, Tensor | None]] = deque()  # from step _updates on: indices [n], weights [n]
        self._waiting: deque[tuple[int, Tensor, Tensor]] = deque()  # step, indices [1, n] (of a fill [1, 0]), scores
        self._too_early: registry.Method | None = None  # makes the draws that see fewer updates than they must
        self._iteration, self._interrupted = 0, False

    def __len__(self) -> int:
        """Batches of a pass."""
        return math.ceil(self._method.updates_per_epoch)

    def __iter__(self) -> Iterator[list[int]]:
        """A pass over the next batches, this rank's share of each; nothing happens before its first batch is asked for.

        It begins where the updates ended: what was drawn and never updated is drawn again.

        Raises:
            InputError: at the end of a pass in which draws came before the updates that they had to see.
        """
        return _Batches(self, saved_with_it=True)

    @property
    def mini_batches(self) -> "_View":
        """As the sampler, but without its state: for a loader that saves what it is given, as StatefulDataLoader does.

        A loader with workers saves too early, when it draws ahead. Give it ``batch_sampler=sampler.mini_batches``, keep
        ``sampler.state_dict()`` beside the loader's own, and load both before iterating. Without workers
        ``batch_sampler=sampler`` will do, and the loader's state then holds the sampler's.
        """
        return _View(self, _Batches, 1)

    @property
    def examples(self) -> "_View":
        """As :attr:`mini_batches`, but single indices: for ``sampler=`` and ``batch_size=n / world_size``."""
        return _View(self, _Examples, self.batch_size // self.world_size)

    def draw(self) -> Tensor:
        """The next batch, for loops without a DataLoader.

        Returns:
            int64 [n / world_size], this rank's share, on the sampler's device.

        Raises:
            InputError: at the end of a pass in which draws came before the updates that they had to see.
        """
        if self._step == self._end:
            self._end_pass()
            self._end += len(self)
        return self._next().clone()

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
        batch = self._ranks.gathered(lambda: self._usable(indices, scores), self.device)
        indices, scores = self._checked(*batch)
        self._drawn.popleft()
        self._waiting.append((self._updates, indices.unsqueeze(0), scores.unsqueeze(0)))
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
        given = self._own_indices(indices, len(drawn))
        if not torch.equal(given, drawn):
            self._match(given, drawn)
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

        It holds one value of each example (or mini-batch) and the few batches that are drawn or wait. Save it after any
        update and load it into a new sampler: the batches are those of a training that never stopped.
        """
        drawn = list(self._drawn)[: self.lag]
        state = self._identity() | {
            **dict(zip(_PLACE, (self._updates, self._end, self._since_fill), strict=True)),
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
        for name, own in self._identity().items():
            if name not in state or state[name] != own:
                other = f"has {name} {state[name]!r}" if name in state else f"has no {name}"
                raise InputError(f"the state {other}, the sampler {own!r}: load it into a sampler like the one saved.")
        missing = {*_PLACE, *_QUEUES, *self._learned(), *self._flags()} - state.keys()
        if missing:
            raise InputError(f"the state has no {min(missing)}: give a whole state of state_dict().")
        self._updates, self._end, self._since_fill = (state[name] for name in _PLACE)
        weights = state["weights"] or [None] * len(state["drawn"])
        drawn = zip(state["drawn"], weights, strict=True)
        self._drawn = deque((self._here(indices), None if w is None else self._here(w)) for indices, w in drawn)
        self._waiting = deque((step, self._here(indices), self._here(s)) for step, indices, s in state["waiting"])
        self._restore(state)
        self._step, self._too_early = self._updates, None
        self._iteration += 1
        self._interrupted = True

    # What a kind of sampler says of itself.

    @abc.abstractmethod
    def _learned(self) -> dict[str, Tensor]:
        """Live tensors, by name, that hold what the method has learned."""

    def _flags(self) -> dict[str, bool]:
        return {}

    @abc.abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Take what was learned from a state that fits."""

    def _fill(self, scores: Tensor) -> None:
        """Set the scores of all examples, [1, N]."""
        self._method.fill(scores)

    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        self._method.observe(indices, self._no_logits, scores)

    # Passes and draws.

    def _built(self, size: int) -> registry.Method:
        return registry.build(self._METHOD, size, self.batch_size, self._seeds, options=self._options)

    def _begin(self) -> int:
        """Begin an iteration, and give its number."""
        self._forget()
        self._step = self._updates
        if not (self._interrupted and self._updates < self._end):
            self._end = self._updates + len(self)
        self._iteration += 1
        return self._iteration

    def _forget(self) -> None:
        """The draws made too early; the others are what would be drawn again."""
        while len(self._drawn) > self.lag:
            self._drawn.pop()
        self._too_early = None

    def _next(self) -> Tensor:
        """This rank's share of the next batch."""
        ahead = self._step - self._updates
        if ahead == len(self._drawn):
            self._drawn.append(self._draw(self._step))
        self._step += 1
        self._interrupted = False
        return self._ranks.share(self._drawn[ahead][0])

    def _draw(self, step: int) -> tuple[Tensor, Tensor | None]:
        self._apply(step)
        method = self._method
        if step - self._updates >= self.lag:
            method = self._too_early = self._too_early or copy.deepcopy(method)
        method.prepare(step)
        indices, weights = method.draw(step)
        return indices[0], None if weights is None else weights[0]

    def _apply(self, step: int) -> None:
        """The updates that the draw of a step sees."""
        while self._waiting and self._waiting[0][0] <= step - self.lag:
            _, indices, scores = self._waiting.popleft()
            if indices.numel():
                self._observe(indices, scores)
            else:
                self._fill(scores)

    def _end_pass(self) -> None:
        if len(self._drawn) > self.lag:
            raise InputError(
                f"{len(self._drawn)} batches were drawn and update was never called for them: call it after every"
                f" batch, or give the sampler lag={len(self._drawn)} where a loader's workers draw that far ahead."
            )

    # Checks.

    def _oldest(self) -> Tensor:
        """This rank's share of the batch that is to be updated next."""
        if self._step == self._updates:
            raise InputError("no batch waits for an update: draw one first, and update each once, in order.")
        return self._ranks.share(self._drawn[0][0])

    def _usable(self, indices: Tensor | Sequence[int], scores: Tensor) -> tuple[Tensor, Tensor]:
        """This rank's indices int64 [n / world_size] and scores float32 [n / world_size], of the right kind."""
        drawn = self._oldest()
        if len(self._drawn) > self.lag:
            raise InputError(
                f"lag is {self.lag}, but {len(self._drawn)} batches were drawn before the first of them was updated:"
                f" give the sampler lag={len(self._drawn)}; a loader's workers need num_workers * prefetch_factor + 1."
            )
        return self._own_indices(indices, len(drawn)), self._own_scores(scores, len(drawn))

    def _own_indices(self, indices: Tensor | Sequence[int], count: int) -> Tensor:
        indices = _as_tensor("indices", indices)
        if indices.shape != (count,):
            raise InputError(f"indices have the shape {list(indices.shape)}: give the {count} indices of the batch.")
        if indices.dtype == torch.bool or indices.is_floating_point() or indices.is_complex():
            raise InputError(f"indices are {indices.dtype}: give the integers that the sampler drew.")
        if indices.device.type == "meta":
            raise InputError(f"indices are on meta, which holds no numbers: give them on cpu or {self.device}.")
        return indices.to(self.device, torch.int64)

    def _own_scores(self, scores: Tensor, count: int) -> Tensor:
        """A float32 copy, so that what is done to the scores afterwards does not matter."""
        scores = _as_tensor("scores", scores).detach()
        if scores.shape != (count,):
            raise InputError(
                f"scores have the shape {list(scores.shape)}: give one score of each of {count} examples, [{count}],"
                ' such as a loss with reduction="none".'
            )
        if scores.dtype == torch.bool or scores.is_complex():
            raise InputError(f"scores are {scores.dtype}: give real numbers, such as losses.")
        if scores.device != self.device:
            raise InputError(f"scores are on {scores.device}: move them to {self.device}, where the sampler is.")
        return scores.to(torch.float32, copy=True)

    def _checked(self, indices: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The batch of all ranks, int64 [n] and float32 [n], if it is the oldest one and its scores are valid."""
        drawn = self._drawn[0][0]
        if torch.equal(indices, drawn):
            indices = drawn
        else:
            self._match(indices, drawn)
            indices = indices.clone()
        _check_scores(scores)
        return indices, scores

    def _match(self, given: Tensor, drawn: Tensor) -> None:
        """Raise unless both are the same examples, in any order."""
        if given.shape == drawn.shape and torch.equal(given.sort()[0], drawn.sort()[0]):
            return
        given, drawn = Counter(given.tolist()), Counter(drawn.tolist())
        bad = next(iter(given - drawn), None)
        if bad is None:
            what = "indices of a whole batch are wanted"
        elif not 0 <= bad < self.size:
            what = f"index {bad} is out of range, which is 0 to {self.size - 1}"
        elif bad not in drawn:
            what = f"index {bad} is foreign to the oldest batch that was not yet updated"
        else:
            what = f"index {bad} is repeated: {given[bad]} times, and drawn {drawn[bad]}"
        raise InputError(f"{what}: update every batch once, in the order drawn, with its own indices.")

    def _fillable(self, scores: Tensor) -> Tensor:
        values = self._own_scores(scores, self.size)
        _check_scores(values)
        if self._updates < self._end and len(self._drawn) >= self.lag:
            raise InputError(
                f"after {self._updates} updates the draw of step {self._updates + self.lag - 1} was made, which must"
                " see what is filled in: call fill after an update, before the next batch is asked for."
            )
        return values

    # The state.

    def _identity(self) -> dict[str, Any]:
        """What a state must agree with."""
        own = {"class": type(self).__name__, "size": self.size, "batch_size": self.batch_size}
        return own | {"seed": self.seed, "lag": self.lag} | self._options

    def _here(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, copy=True)


class BaseValuesSampler(_LearningSampler):
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

    _METHOD = "PLB"

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
        self.size, self._method = size, self._built(size)
        super()._fill(torch.cat([values, more]).unsqueeze(0))

    @property
    def values(self) -> Tensor:
        """The score of every example that draws go by: float32 [N], a view of the store; change it through fill."""
        return self._method.base_values.values[0]

    def _learned(self) -> dict[str, Tensor]:
        return {"values": self.values}

    def _flags(self) -> dict[str, bool]:
        return {"alike": self._alike}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._fill(self._here(state["values"]).unsqueeze(0))
        self._alike = state["alike"]

    def _fill(self, scores: Tensor) -> None:
        super()._fill(scores)
        self._alike = False

    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        if self._alike:
            self._fill(scores.max().view(1, 1))
        super()._observe(indices, scores)


class HardMiniBatchSampler(_LearningSampler):
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

    _METHOD = "HMB"

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        seed: int = 0,
        lag: int = 1,
        delta: float = DELTA,
        shuffle: bool = True,
        drop_last: bool = False,
        walk: str = "loss",
        round_length: str = "carried",
        refresh_every: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        options = {"delta": float(delta), "shuffle": shuffle, "drop_last": drop_last}
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
        self._tail = 0 if drop_last else size % batch_size
        if self._tail % self.world_size:
            raise InputError(
                f"the last mini-batch has {self._tail} examples, which {self.world_size} processes cannot share:"
                " give drop_last=True, or a batch_size that leaves none over."
            )

    @property
    def examples(self) -> "_View":
        if self._tail:
            raise InputError(
                f"a short mini-batch of {self._tail} examples cannot be told from single indices: give the loader"
                " batch_sampler=sampler, or the sampler drop_last=True."
            )
        return super().examples

    def _learned(self) -> dict[str, Tensor]:
        return {name: tensor[0] for name, tensor in self._method.tensors.items()}

    def _restore(self, state: dict[str, Any]) -> None:
        for name, tensor in self._learned().items():
            tensor.copy_(state[name])


class _Batches:
    """One iteration of a sampler. Its state is the step alone, to be held against that of the sampler when loaded."""

    def __init__(self, sampler: _LearningSampler, saved_with_it: bool = False) -> None:
        self._sampler, self._saved_with_it = sampler, saved_with_it
        self._number: int | None = None

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> list[int]:
        sampler = self._sampler
        if self._number is None:
            self._number = sampler._begin()
        elif self._number != sampler._iteration:
            raise InputError("a newer iteration of the sampler has begun: take the batches of that one.")
        if sampler._step == sampler._end:
            sampler._end_pass()
            raise StopIteration
        return sampler._next().tolist()

    def state_dict(self) -> dict[str, int]:
        step = self._sampler._updates if self._number is None else self._sampler._step
        if self._saved_with_it and step > self._sampler._updates + 1:
            raise InputError(
                "a loader with workers would save this sampler too early: give it batch_sampler=sampler.mini_batches,"
                " and save and load sampler.state_dict() beside the loader's."
            )
        return {"step": step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        if state["step"] not in (self._sampler._updates, self._sampler._updates + 1):
            raise InputError(
                f"the loader's state is of step {state['step']}, the sampler's of {self._sampler._updates}: save both"
                " after the same update, with snapshot_every_n_steps=1, and load both before iterating."
            )


class _Examples(_Batches):
    """One iteration of a sampler, index by index."""

    def __init__(self, sampler: _LearningSampler) -> None:
        super().__init__(sampler)
        self._rest: list[int] = []

    def __next__(self) -> int:
        if not self._rest:
            self._rest = super().__next__()[::-1]
        return self._rest.pop()


class _View:
    """A sampler's batches for a loader, without the sampler's state."""

    def __init__(self, sampler: _LearningSampler, iteration: type[_Batches], each: int) -> None:
        self._sampler, self._iteration, self._each = sampler, iteration, each

    def __iter__(self) -> Iterator:
        return self._iteration(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler) * self._each


def _saved(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", copy=True)


def _as_tensor(name: str, given: Any) -> Tensor:
    try:
        return torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError):
        kind = type(given).__name__
        raise InputError(f"{name} of the type {kind} make no tensor: give one, or a sequence of numbers.") from None


def _check_scores(scores: Tensor) -> None:
    """Raise unless they are finite, not negative and not all zero; a NaN is both the least and the greatest."""
    least, greatest = torch.stack(scores.aminmax()).tolist()
    if not (least >= 0 and 0 < greatest < math.inf):
        what = f"scores go from {least:g} to {greatest:g}"
        if math.isnan(least):
            what = "a score is NaN"
        elif least >= 0 and greatest == 0:
            what = "all scores are zero"
        raise InputError(f"{what}: give finite ones, none below 0 and not all of them 0.")
