"""How often each example was drawn, and when last: counted where a run keeps details of single examples."""

import torch
from torch import Tensor


class Drawn:
    """Counts of a cohort's draws since its pre-training; the state is in :attr:`tensors`.

    Args:
        counts: of its shape, int32 [S, N], and on its device.
    """

    def __init__(self, counts: Tensor) -> None:
        self.times = torch.zeros_like(counts)
        self.last = torch.full_like(counts, -1)  # the step of an example's last draw; -1 for none

    def count(self, indices: Tensor, ones: Tensor, step: int | Tensor) -> None:
        """Take in the examples that a step trained, int64 [S, n]; ``ones`` int32 [S, n], the step as it is drawn by."""
        self.times.scatter_add_(1, indices, ones)
        self.last.scatter_(1, indices, ones * step)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The state, by name: live tensors."""
        return {"times": self.times, "last": self.last}
