"""Which of several processes this is, its share of a batch, and what the processes tell each other."""

from collections.abc import Callable

import torch
from torch import Tensor, distributed

from hardsample.errors import InputError

UNUSABLE = -1  # the mark of a rank whose own arguments are of no use


class Ranks:
    """The processes among which batches of n are shared out; collectives go over torch.distributed's default group.

    Args:
        rank, world_size: of this process; those of torch.distributed where it runs, else 0 and 1.
        n: examples of a whole batch.

    Raises:
        InputError: ``world_size`` does not divide n, or ``rank`` is not below it.
    """

    def __init__(self, rank: int | None, world_size: int | None, n: int) -> None:
        running = _running()
        self._found = rank is None and world_size is None
        self.rank = running[0] if rank is None else rank
        self.world_size = running[1] if world_size is None else world_size
        if self.world_size < 1 or n % self.world_size:
            raise InputError(
                f"world_size is {self.world_size} and does not divide batch_size {n}:"
                " give a batch_size that every process gets the same share of."
            )
        if not 0 <= self.rank < self.world_size:
            raise InputError(f"rank is {self.rank}: give 0 to {self.world_size - 1}, below world_size.")
        self.each = n // self.world_size

    def share(self, batch: Tensor) -> Tensor:
        """This rank's part of a batch."""
        each = len(batch) // self.world_size
        return batch[self.rank * each : (self.rank + 1) * each]

    def gathered(self, own: Callable[[], tuple[Tensor, Tensor]], device: torch.device) -> tuple[Tensor, Tensor]:
        """Indices and scores of all ranks in their order, int64 [n] and float32 [n], given this rank's.

        Raises:
            InputError: on every rank if ``own`` raises it on one.
        """
        self._check()
        if self.world_size == 1:
            return own()
        message = torch.full((1 + 2 * self.each,), float(UNUSABLE), dtype=torch.float64, device=_exchange(device))
        problem = None
        try:
            indices, scores = own()
            message[0] = count = len(indices)
            message[1 : 1 + count], message[1 + self.each : 1 + self.each + count] = indices, scores
        except InputError as error:
            problem = error
        received = self._all(message, problem)
        count = int(received[0, 0])
        indices, scores = received[:, 1 : 1 + count], received[:, 1 + self.each : 1 + self.each + count]
        return indices.reshape(-1).to(device, torch.int64), scores.reshape(-1).to(device, torch.float32)

    def broadcast(self, own: Callable[[], Tensor], device: torch.device) -> Tensor:
        """The values of rank 0, if those of all ranks are valid.

        Raises:
            InputError: on every rank if ``own`` raises it on one.
        """
        self._check()
        if self.world_size == 1:
            return own()
        message = torch.zeros(1, dtype=torch.float64, device=_exchange(device))
        values = torch.empty(0, device=message.device)  # stays so where there is a problem, and is not sent
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
