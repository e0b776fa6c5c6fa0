"""OHEM: of every mini-batch the hardest examples are trained."""

import torch
from torch import Tensor

from hardsample.errors import check_value
from hardsample.methods.base import Draw, Evaluate, FullMiniBatches
from hardsample.methods.specs import BUDGETS, Entry, MethodSpec
from hardsample.methods.uniform import MiniBatches


class OnlineHardExamples(FullMiniBatches):
    """OHEM: of every shuffled mini-batch the examples of highest loss are trained (Shrivastava et al. 2016).

    Made for the regions of an image (arXiv:1604.03540, section 4): all are passed through the network, and the hardest
    are passed backward. The same rule here takes examples for regions, and needs no suppression of overlapping ones.

    Args:
        keep: share of the n that is trained; an update is of round(keep n) examples. The paper keeps 128 regions of
            some 2,000 an image; half is our choice for examples.

    Raises:
        InputError: ``keep`` leaves no example, or is above 1.
    """

    in_turn = False

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, *, keep: float = 0.5) -> None:
        super().__init__(size, n)
        self._mini_batches = MiniBatches(size, n, seeds, first_step)
        count = round(keep * n) if 0 < keep <= 1 else 0
        check_value("keep", keep, count >= 1, f"a share that leaves an example of {n}, up to 1")
        self._hardest = torch.zeros(len(seeds), count, dtype=torch.int64, device=seeds.device)

    def refresh(self, step: int, evaluate: Evaluate) -> None:
        self._mini_batches.prepare(step)
        candidates = self._mini_batches.draw(step).indices
        _, losses = evaluate(candidates)
        order = losses.argsort(dim=1, descending=True, stable=True)
        self._hardest.copy_(candidates.gather(1, order[:, : self._hardest.shape[1]]))

    def draw(self, step: int | Tensor) -> Draw:
        return Draw(self._hardest.clone())


SPECS = (
    MethodSpec(
        "OHEM",
        OnlineHardExamples,
        entries=(
            Entry({"keep": 0.5}, control="MB 2x updates", backpropagated=0.5),
            # Its number of updates, with whole mini-batches.
            Entry(method="MB", name="MB 2x updates", budgets=BUDGETS[1:2], times=2.0),
            # The focal loss, of the same problem: hard examples count more, and none is left out.
            Entry(method="MB", name="focal", loss="focal"),
        ),
        differences="its rule was made for the regions of an image; for examples, and a half of them, it is ours",
    ),
)
