"""What the methods are held against: shuffled epochs, and uniform draws with replacement."""

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.methods.base import Draw, FullMiniBatches
from hardsample.methods.specs import Entry, Look, MethodSpec
from hardsample.randomness import Stream


class MiniBatches(FullMiniBatches):
    """MB: shuffled epochs, without replacement; one epoch's order follows another's without a short mini-batch."""

    in_turn = False

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

    def draw(self, step: int | Tensor) -> Draw:
        return Draw(self._orders.index_select(1, self._lane + step * len(self._lane) % self.size))


class UniformStream(FullMiniBatches):
    """SMB: uniform draws with replacement, the control between MB and the methods that draw by a score."""

    in_turn = False

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int) -> None:
        super().__init__(size, n)
        self.size, self.n, self.seeds = size, n, seeds

    def draw(self, step: int | Tensor) -> Draw:
        numbers = randomness.uniforms(self.seeds, Stream.DRAW, step, self.n)
        return Draw(numbers.mul_(self.size).long().clamp_(max=self.size - 1))

    @property
    def probabilities(self) -> Tensor:
        return torch.full((len(self.seeds), self.size), 1 / self.size, dtype=torch.float64, device=self.seeds.device)


SPECS = (
    MethodSpec("MB", MiniBatches, looks={"MB": Look("#3b3b3b", "-", "o")}, entries=(Entry(),)),
    MethodSpec("SMB", UniformStream, looks={"SMB": Look("#cc79a7", (0, (1, 1.2)), "D")}, entries=(Entry(),)),
)
