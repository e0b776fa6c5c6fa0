"""LPS: draws in proportion to losses that are computed once an epoch."""

from torch import Tensor

from hardsample.methods.persistent import PersistentLoss
from hardsample.methods.specs import Entry, MethodSpec


class LossProportional(PersistentLoss):
    """LPS: draws with replacement in proportion to losses that are computed once an epoch. Home-made: no paper has it.

    p_i = loss_i / sum(loss), without a reweighting, by losses that a forward pass over all examples computes at the
    start of every mini-batch epoch, N/n updates, and that stay until the next. It is the plainest use of the loss as an
    importance, to hold the papers' methods against. Nearest to it are Katharopoulos and Fleuret (2017,
    arXiv:1706.00043), who also take the loss for the importance, and Schaul et al. (2016, arXiv:1511.05952, equation
    1), who draw in proportion to a power of their error; both keep it up to date as they go.

    Args:
        floor: the smallest loss that is stored, so that every example can be drawn.

    Raises:
        InputError: ``floor`` is out of its range.
    """

    evaluates = True

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, *, floor: float = 1e-8) -> None:
        super().__init__(size, n, seeds, first_step, floor=floor)

    def due(self, step: int) -> bool:
        return (step - self._first_step) * self._n % self.base_values.size < self._n

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        pass


SPECS = (
    MethodSpec(
        "LPS",
        LossProportional,
        entries=(Entry(),),
        differences="home-made, from no paper: a plain draw in proportion to the loss",
    ),
)
