"""What KAKURENBO and InfoBatch share: shuffled passes over a part of the examples that is chosen anew for each."""

import abc
import math

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import check_value
from hardsample.methods.base import Draw, Evaluate, FullMiniBatches
from hardsample.randomness import Stream


class Passes(FullMiniBatches, abc.ABC):
    """Shuffled passes over the examples that a rule keeps anew for each, every seed at its own pace.

    One pass follows another without a short mini-batch: the next is chosen before the mini-batch in which it begins,
    so the last examples of a pass, fewer than n, are judged by their losses in the pass before.

    Args:
        epochs: length of the run in mini-batch epochs, N/n updates each, a pre-training included.
    """

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, epochs: float | None) -> None:
        super().__init__(size, n)
        steps = (epochs or 0) * size / n
        check_value(
            "epochs", epochs, first_step < steps < math.inf, f"the run's length, above {first_step * n / size:g}"
        )
        self._size, self._n, self._seeds, self._first_step, self._steps = size, n, seeds, first_step, steps
        self._lane = torch.arange(n, device=seeds.device)
        self._queue = torch.zeros(len(seeds), size + n - 1, dtype=torch.int64, device=seeds.device)
        self._place, self._end = torch.zeros(2, len(seeds), 1, dtype=torch.int64, device=seeds.device)
        self._number = torch.full((len(seeds),), -(-first_step * n // size), device=seeds.device)  # of the next pass
        self._losses = torch.full((len(seeds), size), torch.inf, dtype=torch.float32, device=seeds.device)  # last seen

    def refresh(self, step: int, evaluate: Evaluate) -> None:
        while (ending := self._end - self._place < self._n).any():
            self._review(ending, evaluate)
            for seed in ending[:, 0].nonzero().flatten().tolist():
                self._begin(seed, step)

    def draw(self, step: int | Tensor) -> Draw:
        return Draw(self._queue.gather(1, self._place + self._lane))

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self._losses.scatter_(1, indices, losses.gather(1, self._last(indices)))
        self.skip()

    def skip(self) -> None:
        self._place += self._n

    @property
    def tensors(self) -> dict[str, Tensor]:
        counters = {"place": self._place, "end": self._end, "number": self._number}
        return counters | {"queue": self._queue, "losses": self._losses}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        places = dict.fromkeys(("place", "end"), (0, self._queue.shape[1]))
        return places | {"number": (0, math.inf), "queue": (-self._size, self._size - 1)}

    @property
    def evaluates(self) -> bool:
        return False

    @property
    def hardness(self) -> Tensor:
        return self._losses

    def _review(self, ending: Tensor, evaluate: Evaluate) -> None:  # noqa: B027
        """Evaluate what has to be before the next pass of some seeds, bool [S, 1], is chosen."""

    @abc.abstractmethod
    def _keep(self, seed: int, number: int, order: Tensor, progress: float) -> Tensor:
        """The pass of that number: what of ``order``, all N shuffled, is to be trained."""

    def _begin(self, seed: int, step: int) -> None:
        place, end, number = (int(counter[seed]) for counter in (self._place, self._end, self._number))
        order = randomness.permutations(self._seeds[seed : seed + 1], Stream.ORDER, number, self._size)[0]
        progress = (step - self._first_step) / (self._steps - self._first_step)
        queue = torch.cat([self._queue[seed, place:end], self._keep(seed, number, order, progress)])
        self._queue[seed, : len(queue)] = queue
        self._place[seed], self._end[seed], self._number[seed] = 0, len(queue), number + 1

    def _last(self, indices: Tensor) -> Tensor:
        """Where in its row each index [S, n] stands last: two passes that meet may both hold an example."""
        return ((indices.unsqueeze(1) == indices.unsqueeze(2)) * self._lane).amax(2)
