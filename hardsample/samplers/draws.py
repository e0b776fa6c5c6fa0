"""A sampler's draws: which updates each of them has seen, and the passes over them that a loader iterates."""

import abc
import copy
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec, Self, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Sampler

from hardsample.arguments import told
from hardsample.errors import InputError
from hardsample.methods.base import Method
from hardsample.samplers.outstanding import Outstanding
from hardsample.samplers.process_group import Ranks
from hardsample.samplers.shared_once import check_shared_once

P = ParamSpec("P")
T = TypeVar("T")


def plainly(function: Callable[P, T]) -> Callable[P, T]:
    """Decorates what makes tensors that are kept, which are to be used in any mode."""

    @functools.wraps(function)
    def plain(*args: P.args, **kwargs: P.kwargs) -> T:
        if not torch.is_inference_mode_enabled():
            return function(*args, **kwargs)
        with torch.inference_mode(False):
            return function(*args, **kwargs)

    return plain


class LaggedDraws(Outstanding, Sampler[list[int]], abc.ABC):
    """The steps of a sampler: the draw of step t sees the updates of steps up to t - lag and no others."""

    def __init__(self, method: Method, ranks: Ranks, lag: int) -> None:
        super().__init__(ranks, lag)
        self._method = method
        self._end = 0  # where the pass ends
        self._too_early: Method | None = None  # makes the draws that see fewer updates than they must
        self._iteration, self._interrupted = 0, False

    def __len__(self) -> int:
        """Batches of a pass."""
        return math.ceil(self._method.updates_per_epoch)

    def __iter__(self) -> Iterator[list[int]]:
        """A pass over the next batches, this rank's share of each; nothing happens before its first batch is asked for.

        It begins where the updates ended: what was drawn and of which nothing was told is drawn again.

        Raises:
            InputError: at the end of a pass in which draws came before the updates that they had to see.
        """
        return _Batches(self, saved_with_it=True)

    @property
    def mini_batches(self) -> "View":
        """As the sampler, but without its state: for a loader that saves what it is given, as StatefulDataLoader does.

        A loader with workers saves too early, when it draws ahead. Give it ``batch_sampler=sampler.mini_batches``, keep
        ``sampler.state_dict()`` beside the loader's own, and load both before iterating. Without workers
        ``batch_sampler=sampler`` will do, and the loader's state then holds the sampler's.
        """
        return View(self, _Batches, 1)

    @property
    def examples(self) -> "View":
        """As :attr:`mini_batches`, but single indices: for ``sampler=`` and ``batch_size=n / world_size``."""
        return View(self, _Examples, self._ranks.each)

    def draw(self) -> Tensor:
        """The next batch, for loops without a DataLoader.

        Returns:
            int64 [n / world_size], this rank's share, on the sampler's device.

        Raises:
            InputError: at the end of a pass in which draws came before the updates that they had to see.
        """
        if self._step == self._end:
            self._check_pass()
            self._end += len(self)
        return self._next().clone()

    def set_epoch(self, epoch: int) -> None:
        """Change nothing: every pass goes on from what the last one learned. For loops that call it on any sampler."""

    @abc.abstractmethod
    def _fill(self, scores: Tensor) -> None:
        """Set the scores of all examples, [1, N]."""

    @abc.abstractmethod
    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        """Learn from a batch, indices [1, n] and scores [1, n]."""

    def _begin(self) -> int:
        """Begin an iteration, and give its number."""
        self._forget()
        self._step = self._trained
        if not (self._interrupted and self._trained < self._end):
            self._end = self._trained + len(self)
        self._iteration += 1
        return self._iteration

    def _forget(self) -> None:
        """The draws made too early; the others are what would be drawn again."""
        while len(self._drawn) > self.lag:
            self._drawn.pop()
        self._too_early = None

    def _next(self) -> Tensor:
        """This rank's share of the next batch."""
        if self._step - self._updates == len(self._drawn):
            self._drawn.append(self._draw(self._step))
        indices, _ = self._drawn[self._step - self._updates]
        self._step += 1
        self._interrupted = False
        return self._ranks.share(indices)

    @plainly
    def _draw(self, step: int) -> tuple[Tensor, Tensor | None]:
        while self._touched and step - self._updates >= self.lag:
            self._close()
        self._apply(step)
        method = self._method
        if step - self._updates >= self.lag:
            method = self._too_early = self._too_early or copy.deepcopy(method)
        method.prepare(step)
        indices, weights = method.draw(step)
        return indices[0], None if weights is None else weights[0]

    def _adopt(self) -> None:
        """Make the draw that came too early for a batch which then was left out: it saw all that there was to see."""
        seen = self._updates + self.lag - 1
        if self._too_early and seen < self._updates + len(self._drawn):
            self._apply(seen)
            self._method.prepare(seen)
            self._method.draw(seen)
        if len(self._drawn) <= self.lag:
            self._too_early = None

    def _apply(self, step: int) -> None:
        """The updates that the draw of a step sees."""
        while self._waiting and self._waiting[0][0] <= step - self.lag:
            _, indices, scores = self._waiting.popleft()
            if indices.numel():
                self._observe(indices, scores)
            else:
                self._fill(scores)


class _Iteration:
    """One iteration of a sampler. Its state is the step alone, to be held against that of the sampler when loaded."""

    def __init__(self, sampler: LaggedDraws, saved_with_it: bool = False) -> None:
        self._sampler, self._saved_with_it = sampler, saved_with_it
        self._number: int | None = None

    def __iter__(self) -> Self:
        return self

    def _batch(self) -> list[int]:
        sampler = self._sampler
        if self._number is None:
            if sampler._ranks.world_size > 1:
                check_shared_once()
            self._number = sampler._begin()
        elif self._number != sampler._iteration:
            raise InputError("a newer iteration of the sampler has begun: take the batches of that one.")
        if sampler._step == sampler._end:
            sampler._check_pass()
            raise StopIteration
        return sampler._next().tolist()

    def state_dict(self) -> dict[str, int]:
        step = self._sampler._trained if self._number is None else self._sampler._step
        if self._saved_with_it and step > self._sampler._trained + 1:
            raise InputError(
                "a loader with workers would save this sampler too early: give it batch_sampler=sampler.mini_batches,"
                " and save and load sampler.state_dict() beside the loader's."
            )
        return {"step": step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        if not isinstance(state, Mapping) or type(state.get("step")) is not int:
            raise InputError(f"the loader's state is {told(state)}: give the one that it saved.")
        if state["step"] not in (self._sampler._trained, self._sampler._trained + 1):
            raise InputError(
                f"the loader's state is of step {state['step']}, the sampler's of {self._sampler._trained}: save both"
                " after the same update, with snapshot_every_n_steps=1, and load both before iterating."
            )


class _Batches(_Iteration):
    """One iteration of a sampler, batch by batch."""

    def __next__(self) -> list[int]:
        return self._batch()


class _Examples(_Iteration):
    """One iteration of a sampler, index by index."""

    def __init__(self, sampler: LaggedDraws) -> None:
        super().__init__(sampler)
        self._rest: list[int] = []

    def __next__(self) -> int:
        if not self._rest:
            self._rest = self._batch()[::-1]
        return self._rest.pop()


class View:
    """A sampler's batches for a loader, without the sampler's state."""

    def __init__(self, sampler: LaggedDraws, iteration: type[_Batches] | type[_Examples], each: int) -> None:
        self._sampler, self._iteration, self._each = sampler, iteration, each

    def __iter__(self) -> Iterator[list[int]] | Iterator[int]:
        return self._iteration(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler) * self._each

    def set_epoch(self, epoch: int) -> None:
        """As of the sampler."""
