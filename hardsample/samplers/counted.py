"""A sampler's draws, counted, and the report that it makes of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample.methods.base import Method
from hardsample.samplers.draws import LaggedDraws
from hardsample.samplers.process_group import Ranks
from hardsample.samplers.report import SamplerReport, make_report

AT_ONCE = 100  # batches


class CountedDraws(LaggedDraws):
    """Draws that are counted when they were trained: one scattered addition every ``AT_ONCE`` updates."""

    size: int
    _options: dict[str, Any]

    def __init__(self, method: Method, ranks: Ranks, lag: int, device: torch.device) -> None:
        super().__init__(method, ranks, lag)
        self._counts = torch.zeros(self.size, dtype=torch.int64, device=device)  # how often, each example
        self._uncounted: list[Tensor] = []  # batches that are not yet among them, int64 [n] each

    def report(self, labels: Tensor | Sequence[Any] | None = None, *, top: int = 20) -> SamplerReport:
        """What is known of the examples: the hardest, how often each was trained, classes, and suspect labels.

        No draw is changed by it. Values are those that the next draw sees: those of the last ``lag`` - 1 updates are
        not yet among them.

        Args:
            labels: [N], integers or strings, for the classes' shares.
            top: how many of the hardest examples to name.

        Raises:
            InputError: there are not N labels, or ``top`` is below 1.
        """
        if self.lag == 1:
            self._apply(self._updates)  # as the next draw does
        name = self._options.get("method", type(self).__name__)
        return make_report(name, self._method, self._counted(), self._updates, labels, top)

    def _count(self, drawn: Tensor) -> None:
        """A batch was trained, int64 [n]."""
        self._uncounted.append(drawn)
        if len(self._uncounted) == AT_ONCE:
            self._counted()

    def _counted(self) -> Tensor:
        """How often each example was trained, int64 [N]."""
        if self._uncounted:
            drawn = torch.cat(self._uncounted)
            self._counts.index_add_(0, drawn, torch.ones_like(drawn))
            self._uncounted = []
        return self._counts

    def _restore_counts(self, state: Mapping[str, Any]) -> None:
        """Those of a state; older ones have none, and the count begins anew."""
        counts, self._uncounted = state.get("trained"), []
        self._counts = torch.zeros_like(self._counts) if counts is None else counts.to(self._counts, copy=True)
