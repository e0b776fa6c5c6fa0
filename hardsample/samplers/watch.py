"""A watch over the draws: does one example take them?"""

import warnings

import torch
from torch import Tensor

WINDOW = 100  # batches looked at together, or as many as make DRAWS
DRAWS = 2000
ORDINARY = 20  # times its even share 1 / N that an example may take before anything is said


class SamplerWarning(UserWarning):
    """Something about a training that goes on, and that one may want to mend."""


class ShareWatch:
    """Warns once when one example takes more than a share of a window's draws, and more than ``ORDINARY`` / N.

    What a draw costs does not depend on N: a window's batches are kept, and counted when it is full.
    """

    def __init__(self, size: int, n: int, share: float) -> None:
        self._most = max(share, ORDINARY / size)
        self._window = max(WINDOW, -(-DRAWS // n))
        self._batches: list[Tensor] = []

    def look(self, indices: Tensor) -> None:
        """Take a batch, int64 [n], into account."""
        if self._most >= 1:
            return
        self._batches.append(indices)
        if len(self._batches) < self._window:
            return
        drawn = torch.cat(self._batches)
        self._batches = []
        examples, counts = drawn.unique(return_counts=True)
        most = counts.argmax()
        share = counts[most].item() / len(drawn)
        if share > self._most:
            self._most = 1.0
            warnings.warn(
                f"example {examples[most].item()} took {share:.1%} of the last {len(drawn)} draws: look whether it or"
                " its label is broken, or give the sampler power=0.5, clip=20 or uniform=0.1, which even draws out.",
                SamplerWarning,
                stacklevel=2,
            )
