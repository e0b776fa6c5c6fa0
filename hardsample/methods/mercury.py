"""Mercury: importance sampling from a group of examples that is scored just before."""

import math

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import check_choice, check_value
from hardsample.methods.base import Draw, Evaluate, FullMiniBatches
from hardsample.methods.specs import Entry, MethodSpec
from hardsample.methods.trees import LARGEST
from hardsample.methods.uniform import MiniBatches
from hardsample.randomness import Stream


class Mercury(FullMiniBatches):
    """Mercury: importance sampling from a group of examples scored just before (Zeng et al., SenSys 2021).

    Before every update the next G examples of shuffled epochs are passed through the network (group-wise importance
    computation; doi 10.1145/3485730.3485930, section 4). Of these n are drawn with replacement, p_i in proportion to
    loss_i + alpha m with m the running mean of the groups' mean losses (0.9 of the last one is kept), and their losses
    are multiplied by 1 / (G p_i): the expected gradient is that of the group, and so of all examples. The paper's two
    other parts, resharding data between devices and fitting G to the network's bandwidth, have no place on one machine.

    G, alpha and the 0.9 are those of the authors' code (AIoT-MLSys-Lab/Mercury). Its running mean begins anew in every
    epoch, which is ``mean_over="epoch"``. It scores the group in training mode, with dropout on and statistics of batch
    normalisation moving, before the update that sends gradients meanwhile: its scores are one update older. Here they
    are of evaluation mode, and of the weights that train next.

    Args:
        group: the group's size in mini-batches, G = group n; never more than all examples.
        alpha: of the smoothing.
        mean_over: "run", one running mean for the training, or "epoch", a new one in every mini-batch epoch of N/n
            updates.

    Raises:
        InputError: an option is out of its range.
    """

    in_turn = False

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        group: int = 10,
        alpha: float = 0.5,
        mean_over: str = "run",
    ) -> None:
        check_choice("mean_over", mean_over, ("run", "epoch"))
        check_value("group", group, group >= 1, "at least 1 mini-batch")
        check_value("alpha", alpha, 0 <= alpha < math.inf, "0 for no smoothing, or a number above it")
        examples = min(group * n, size)
        super().__init__(size, n)
        self._groups = MiniBatches(size, examples, seeds, first_step)
        self.alpha, self.mean_over = alpha, mean_over
        self._size, self._n, self._seeds, self._first_step = size, n, seeds, first_step
        self._group = torch.zeros(len(seeds), examples, dtype=torch.int64, device=seeds.device)
        self._importance = torch.ones(self._group.shape, dtype=torch.float64, device=seeds.device)
        self._mean = torch.full((len(seeds), 1), torch.nan, dtype=torch.float64, device=seeds.device)

    def refresh(self, step: int, evaluate: Evaluate) -> None:
        self._groups.prepare(step)
        group = self._groups.draw(step).indices
        _, losses = evaluate(group)
        losses = losses.double().nan_to_num(nan=0.0, posinf=LARGEST).clamp(1e-8, LARGEST)
        mean = losses.mean(1, keepdim=True)
        begins = (step - self._first_step) * self._n % self._size < self._n
        if begins and self.mean_over == "epoch":
            self._mean.fill_(torch.nan)
        self._mean.copy_(mean.where(self._mean.isnan(), 0.9 * self._mean + 0.1 * mean))
        self._group.copy_(group)
        self._importance.copy_(losses + self.alpha * self._mean)

    def draw(self, step: int | Tensor) -> Draw:
        sums = self._importance.cumsum(1)
        numbers = randomness.uniforms(self._seeds, Stream.DRAW, step, self._n)
        drawn = torch.searchsorted(sums, numbers * sums[:, -1:], right=True).clamp(max=sums.shape[1] - 1)
        p = self._importance.gather(1, drawn) / sums[:, -1:]
        return Draw(self._group.gather(1, drawn), (1 / (sums.shape[1] * p)).float())

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self._mean}


SPECS = (
    MethodSpec(
        "Mercury",
        Mercury,
        entries=(Entry(),),
        differences=(
            "its moving average of the loss goes on through all epochs, where the authors' code begins anew in"
            ' each (option mean_over="epoch"); and its scores are of evaluation mode and of the present weights,'
            " where theirs are of training mode and one update older"
        ),
    ),
)
