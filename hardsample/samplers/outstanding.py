"""The batches that are drawn and not yet updated, oldest first: what each was told, and when it is closed.

An update may tell a part of its batch, or hold others in place of examples that were drawn. It is of the oldest batch
in which all its examples are still to be told, else of the oldest in which half of them are, else of the last that it
can be of; but a training's first update has to be half its batch's own. The last that it can be of is the oldest batch
of which nothing was told, since batches are updated in order. A batch of which a part was told is closed by an update
of a later batch, by a draw that must see it, by ``fill``, ``grow`` and ``skip``; where an update could be of a later
batch too, that one may be closed likewise.
"""

from collections import Counter, deque
from collections.abc import Sequence

import torch
from torch import Tensor

from hardsample.errors import InputError
from hardsample.samplers.process_group import Ranks, Told


class Outstanding:
    """The drawn batches of a sampler, and the updates that no draw has seen yet."""

    _own_only = False  # are examples that come in place of those drawn of no use?

    def __init__(self, ranks: Ranks, lag: int) -> None:
        self._ranks, self.lag = ranks, lag
        self._updates = self._since_fill = 0  # batches closed, in all and since the last fill
        self._step = 0  # of the next draw
        self._drawn: deque[tuple[Tensor, Tensor | None]] = deque()  # from step _updates on: indices [n], weights [n]
        self._waiting: deque[tuple[int, Tensor, Tensor]] = deque()  # step, indices [1, n] (of a fill [1, 0]), scores
        self._touched = 0  # so many of the oldest were told a part, or may have been
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []  # told of the oldest: indices, scores, ranks that told

    @property
    def _trained(self) -> int:
        """The step of the oldest batch of which nothing was told."""
        return self._updates + self._touched

    def _take(self, told: Told, size: int) -> None:
        """Keep what all ranks told of a batch.

        Raises:
            InputError: it is of no batch that can be updated; nothing is changed.
        """
        if not self._touched and torch.equal(told.indices, self._drawn[0][0]):
            return self._done(self._drawn[0][0], told.scores)
        indices = told.indices.tolist()
        check_range(indices, size)
        behind = told.updates - self._updates
        left = [self._left(place) for place in range(behind, self._touched + told.reached)]
        own, possible = self._found(indices, left, behind)
        self._touched += told.reached and possible[-1] == len(left) - 1
        self._close(behind + own)
        ranks = torch.zeros_like(told.indices) if told.ranks is None else told.ranks
        self._parts.append((told.indices.clone(), told.scores, ranks))
        if len(possible) == 1 and not left[own] - Counter(indices):
            self._close()

    def _skip(self, told: Told) -> None:
        """Close the oldest batch; it may be a later one that was meant, which counts as told in part then."""
        behind = told.updates - self._updates
        if self._touched + told.reached <= behind:
            raise none_waits()
        self._touched += self._touched > behind and told.reached
        self._close(behind + 1)

    def _close(self, count: int = 1) -> None:
        """The oldest batches count as updated, with what was told of them."""
        for _ in range(count):
            indices, scores = _joined(self._parts)
            if self._own_only and indices.numel():
                own = torch.isin(indices, self._drawn[0][0])
                indices, scores = indices[own], scores[own]
            self._parts = []
            self._done(indices, scores)

    def _done(self, indices: Tensor, scores: Tensor) -> None:
        """The oldest batch counts as updated, with these scores."""
        self._drawn.popleft()
        if indices.numel():
            self._waiting.append((self._updates, indices.unsqueeze(0), scores.unsqueeze(0)))
            self._count(indices)
        self._updates += 1
        self._since_fill += 1
        self._touched = max(0, self._touched - 1)

    def _count(self, indices: Tensor) -> None:
        """Examples were trained, int64 [m]."""

    def _owner(self, told: Tensor, size: int) -> tuple[Tensor, Tensor | None]:
        """The batch, with its weights, that an update with these indices of this rank's share would be of."""
        if not self._touched and torch.equal(told, self._ranks.share(self._drawn[0][0])):
            return self._drawn[0]
        indices = told.tolist()
        check_range(indices, size)
        left = [self._left(place) for place in range(self._touched + self._reached)]
        return self._drawn[self._found(indices, left, 0)[0]]

    def _found(self, indices: list[int], left: Sequence[Counter[int]], first: int) -> tuple[int, list[int]]:
        """Of which batch an update is and of which it may be: places among those that are left from ``first`` on."""
        told = Counter(indices)
        missing = [(told - one).total() for one in left]
        possible = [place for place, count in enumerate(missing) if 2 * count <= told.total()]
        if not possible and self._touched > first and owns(self._drawn[first][0], indices):
            possible = [0]  # told again, or by an update that could be of two batches
        if not possible:
            if not left or not self._trained or self._is_of_a_later(indices):
                raise self._foreign(indices, left)
            possible = [len(left) - 1]
        own = next((place for place in possible if not missing[place]), possible[0])
        return own, possible if not missing[own] else [*possible, len(left) - 1]

    def _left(self, place: int) -> Counter[int]:
        """What is still to be told of a batch, and how often each."""
        left = Counter(self._drawn[place][0].tolist())
        for indices, _, _ in self._parts if place == 0 else ():
            left -= Counter(indices.tolist())
        return left

    @property
    def _reached(self) -> bool:
        """Is a batch drawn of which nothing was told?"""
        return self._step > self._trained

    # What is said of an update that cannot be.

    def _check_waits(self) -> None:
        if self._step == self._updates:
            raise none_waits(several=self._ranks.world_size > 1)

    def _check_lag(self, told: Tensor) -> None:
        """Raise if a batch was drawn that must see the update to come, with indices of this rank's share."""
        if len(self._drawn) <= self.lag:
            return
        if not owns(self._ranks.share(self._drawn[0][0]), told.tolist()):
            raise InputError(f"{self._numbers()}: {_EVERY}.")
        raise InputError(
            f"lag is {self.lag}, but {len(self._drawn)} batches were drawn before the first of them was updated:"
            f" give the sampler lag={len(self._drawn)}; a loader's workers need num_workers * prefetch_factor + 1."
        )

    def _check_fill(self, end: int) -> None:
        """Raise if a batch was drawn that must see what is to be filled in."""
        trained = self._trained
        if trained < end and len(self._drawn) - self._touched >= self.lag:
            raise InputError(
                f"after {trained} updates the draw of step {trained + self.lag - 1} was made, which must see what is"
                " filled in: call fill after an update, before the next batch is asked for."
            )

    def _check_pass(self) -> None:
        if len(self._drawn) > self.lag:
            raise InputError(
                f"{self._numbers()}: {_EVERY}, and give the sampler lag = num_workers * prefetch_factor + 1 where a"
                " loader's workers draw ahead."
            )

    def _numbers(self) -> str:
        return f"{self._step} batches were drawn and {self._updates} updated"

    def _is_of_a_later(self, indices: list[int]) -> bool:
        """Are the indices those of a batch that cannot be updated before another?"""
        later = range(self._touched + 1, len(self._drawn))
        return any(sorted(indices) == self._drawn[place][0].sort()[0].tolist() for place in later)

    def _foreign(self, indices: list[int], left: Sequence[Counter[int]]) -> InputError:
        if self._is_of_a_later(indices):
            return InputError(f"{self._numbers()}, and these examples are of a later one: {_EVERY}.")
        if not left:
            return none_waits()
        told, wanted = Counter(indices), left[-1]
        bad = next(iter(told - wanted))
        what = f"index {bad} is foreign to the batch that waits for scores"
        if bad in wanted:
            what = f"index {bad} is repeated: {told[bad]} times, and drawn {wanted[bad]}"
        return InputError(
            f"{what}: update batches in the order drawn, which a loader's workers keep with in_order=True, each before"
            " the next must be drawn, with indices at least half of which are its own, or skip() it."
        )


_EVERY = (
    "call update after every batch, in the order drawn (a loader's workers keep it with in_order=True), or skip() for a"
    " batch that is left out"
)


def owns(batch: Tensor, indices: list[int]) -> bool:
    """Were at least half of the indices drawn in the batch?"""
    told = Counter(indices)
    return 2 * (told - Counter(batch.tolist())).total() <= told.total()


def check_range(indices: list[int], size: int) -> None:
    """Raise unless all are indices of examples."""
    bad = next((i for i in indices if not 0 <= i < size), None)
    if bad is not None:
        raise InputError(f"index {bad} is out of range, which is 0 to {size - 1}: give the indices that were drawn.")


def none_waits(*, several: bool = False) -> InputError:
    processes = ", in every process; a prepared loader that dispatches batches draws in one alone" if several else ""
    return InputError(f"no batch waits for an update: draw one first, and update each once, in order{processes}.")


def _joined(parts: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """All indices and scores: rank by rank, as of one update, and in the order told."""
    if not parts:
        return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.float32)
    if len(parts) == 1:
        return parts[0][:2]
    indices, scores, ranks = (torch.cat(columns) for columns in zip(*parts, strict=True))
    order = ranks.argsort(stable=True)
    return indices[order], scores[order]
