"""Which of several processes this is, its share of a batch, and what the processes tell each other."""

import zlib
from collections.abc import Callable
from typing import NamedTuple, SupportsIndex

import torch
from torch import Tensor, distributed

from hardsample.arguments import whole
from hardsample.errors import InputError

UNUSABLE = -1  # the mark of a rank whose own arguments are of no use
UPDATE, SKIP = 0, 1  # what a rank does with its batch


class Told(NamedTuple):
    """What all ranks told of a batch, in their order."""

    indices: Tensor  # int64 [m]
    scores: Tensor  # float32 [m]
    ranks: Tensor | None  # int64 [m], which rank told each; None where there is one
    updates: int  # the most batches that a rank has closed, which the others have to
    reached: bool  # have all drawn the oldest batch of which nothing was told?


class Ranks:
    """The processes among which batches of n are shared out; collectives go over torch.distributed's default group.

    Args:
        rank, world_size: of this process; those of torch.distributed where it runs, else 0 and 1.
        n: examples of a whole batch.

    Raises:
        InputError: ``world_size`` does not divide n, or ``rank`` is not below it.
    """

    def __init__(self, rank: SupportsIndex | None, world_size: SupportsIndex | None, n: int) -> None:
        running = _running()
        self._found = rank is None and world_size is None
        among, number = "at least 1, a number that divides batch_size", "the number of this process, from 0 on"
        self.world_size = running[1] if world_size is None else whole("world_size", world_size, 1, among)
        self.rank = running[0] if rank is None else whole("rank", rank, 0, number)
        if n % self.world_size:
            raise InputError(
                f"world_size is {self.world_size} and does not divide batch_size {n}:"
                " give a batch_size that every process gets the same share of."
            )
        if self.rank >= self.world_size:
            raise InputError(f"rank is {self.rank}: give 0 to {self.world_size - 1}, below world_size.")
        self.each = n // self.world_size

    def share(self, batch: Tensor) -> Tensor:
        """This rank's part of a batch, which is not to be changed."""
        if self.world_size == 1:
            return batch
        each = len(batch) // self.world_size
        return batch[self.rank * each : (self.rank + 1) * each]

    def gathered(
        self,
        what: int,
        own: Callable[[], tuple[Tensor, Tensor]],
        updates: int,
        next_batch: Tensor | None,
        device: torch.device,
    ) -> Told:
        """Indices and scores of all ranks, given this rank's.

        Args:
            what: does this rank ``UPDATE`` or ``SKIP`` a batch?
            own: gives its indices int64 [m] and scores float32 [m], m <= n / world_size.
            updates: batches that it has closed.
            next_batch: the oldest of which nothing was told, int64 [n], if it is drawn.
            device: of the answer.

        Raises:
            InputError: on every rank if ``own`` raises it on one, or they do not do or draw the same.
        """
        self._check()
        reached = next_batch is not None
        if self.world_size == 1:
            return Told(*own(), None, updates, reached)
        message = torch.full((4 + 2 * self.each,), float(UNUSABLE), dtype=torch.float64, device=_exchange(device))
        problem = None
        try:
            indices, scores = own()
            drawn = 1 + zlib.crc32(next_batch.cpu().numpy().tobytes()) if next_batch is not None else 0
            message[:4] = torch.tensor([what, updates, drawn, len(indices)])
            message[4 : 4 + len(indices)] = indices
            message[4 + self.each : 4 + self.each + len(indices)] = scores
        except InputError as error:
            problem = error
        received = self._all(message, problem)
        kinds, closed, marks, counts = received[:, :4].long().unbind(1)
        if len(set(kinds.tolist())) > 1:
            skips, tells = (kinds.tolist().index(kind) for kind in (SKIP, UPDATE))
            raise InputError(
                f"rank {skips} skips the batch that rank {tells} updates: let every rank do the same, such as skip()"
                " where the loss of any of them is NaN."
            )
        if len(set(marks[marks > 0].tolist())) > 1:
            raise InputError(
                "the ranks drew different batches: make their samplers with one seed and the same options, and load"
                " the same state into all."
            )
        indices, scores = received[:, 4:].to(device).unflatten(1, (2, self.each)).unbind(1)
        sent = torch.arange(self.each, device=device) < counts.to(device).unsqueeze(1)
        ranks = torch.arange(self.world_size, device=device).repeat_interleave(counts.to(device))
        all_reached = bool((marks > 0).all())
        return Told(indices[sent].long(), scores[sent].float(), ranks, int(closed.max()), all_reached)

    def broadcast(self, own: Callable[[], Tensor], device: torch.device) -> Tensor:
        """The values of rank 0, if those of all ranks are valid.

        Raises:
            InputError: on every rank if ``own`` raises it on one.
        """
        self._check()
        if self.world_size == 1:
            return own()
        message = torch.zeros(1, dtype=torch.float64, device=_exchange(device))
        values = torch.empty(
            0, dtype=torch.float32, device=message.device
        )  # stays so where there is a problem, and is not sent
        problem = None
        try:
            values = own().to(message.device)
        except InputError as error:
            message[0], problem = UNUSABLE, error
        self._all(message, problem)
        distributed.broadcast(values, src=0)
        return values.to(device)

    def _check(self) -> None:
        """Raise unless these are the ranks of torch.distributed; a process that was told it is alone may stay so."""
        rank, world_size = _running()
        if (rank, world_size) != (self.rank, self.world_size) and (self._found or self.world_size > 1):
            raise InputError(
                f"the sampler is rank {self.rank} of {self.world_size}, and torch.distributed has rank {rank}"
                f" of {world_size}: start all processes before making the sampler, and leave rank and world_size out."
            )

    def _all(self, message: Tensor, problem: InputError | None) -> Tensor:
        """The messages of all ranks [W, length]; raises on all if one begins with the mark."""
        messages = [torch.empty_like(message) for _ in range(self.world_size)]
        distributed.all_gather(messages, message)
        if problem:
            raise problem
        received = torch.stack(messages)
        bad = (received[:, 0] == UNUSABLE).nonzero().flatten().tolist()
        if bad:
            raise InputError(
                f"rank {bad[0]} was given what it cannot use: see the error there, and mend its arguments."
            )
        return received


def _running() -> tuple[int, int]:
    """This process's rank and the number of processes that run."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _exchange(device: torch.device) -> torch.device:
    """Where tensors have to be for the processes to exchange them."""
    return {"gloo": torch.device("cpu"), "nccl": torch.device("cuda")}.get(distributed.get_backend(), device)
