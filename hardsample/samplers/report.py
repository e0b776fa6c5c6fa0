"""What a sampler knows of its examples: which are hard, how often each was trained, which labels may be wrong."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from hardsample.arguments import whole
from hardsample.errors import InputError
from hardsample.extras import explained
from hardsample.methods.base import Method
from hardsample.numerals import count, number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_TOLD = 10  # examples, and classes, that the text names


class ClassShare(NamedTuple):
    """A class among the labels, and its shares, from 0 to 1, of the examples and of the draws."""

    label: Any
    data: float
    draws: float


@dataclasses.dataclass(frozen=True, eq=False)
class SamplerReport:
    """What a sampler knew when ``sampler.report()`` was called; ``print`` it, or take :meth:`frame` or :meth:`plot`.

    Attributes:
        name: of the method or sampler.
        updates: batches that were trained.
        draws: how often each example was trained, int64 [N]; with several processes, in all of them.
        values: what the method keeps of each example, as last seen, float64 [N], NaN where it was not seen: a base
            value for PLB, in nats for losses; the loss of its mini-batch for HMB. None where the method keeps nothing.
        size_of_draw: effective sample size 1 / sum(p^2) of the next draw's p; None where draws are not independent.
        labels: of the examples, [N], or None.
        top: how many examples :attr:`hardest` has.
    """

    name: str
    updates: int
    draws: np.ndarray
    values: np.ndarray | None
    size_of_draw: float | None
    labels: np.ndarray | None
    top: int

    @property
    def size_of_draws(self) -> float:
        """Effective sample size of all draws so far, (sum c)^2 / sum(c^2) of their counts c: 0 to N examples."""
        drawn = self.draws.astype(float)
        return float(drawn.sum() ** 2 / max((drawn**2).sum(), 1.0))

    @property
    def order(self) -> np.ndarray:
        """The examples that were seen, hardest first: int64 [at most N]; equal ones in the data's own order."""
        if self.values is None:
            return np.empty(0, np.int64)
        order = np.argsort(-self.values, kind="stable")  # NaN comes last
        return order[: np.isfinite(self.values).sum()]

    @property
    def hardest(self) -> list[tuple[int, float]]:
        """The ``top`` hardest examples of those that were trained, each with its value."""
        return [(int(index), float(self.values[index])) for index in self.suspects] if self.values is not None else []

    @property
    def suspects(self) -> np.ndarray:
        """The same as candidates for a wrong label, int64 [at most ``top``]; none is proven to have one.

        docs/when-it-helps.md has how many of them are wrong where wrong labels are planted.
        Values that look at no label, such as PEB's entropies, tell of ambiguous examples rather than of wrong labels.
        """
        return self.order[: self.top]

    @property
    def classes(self) -> list[ClassShare]:
        """Every label's shares, in the order of the labels; empty where no labels were given."""
        if self.labels is None:
            return []
        names, which = np.unique(self.labels, return_inverse=True)
        data, draws = np.bincount(which), np.bincount(which, weights=self.draws)
        shares = zip(names.tolist(), data / data.sum(), draws / max(draws.sum(), 1.0), strict=True)
        return [ClassShare(name, float(of_data), float(of_draws)) for name, of_data, of_draws in shares]

    def __str__(self) -> str:
        draws, examples = count(self.draws.sum(), "draw"), count(len(self.draws), "example")
        lines = [f"{self.name}: {count(self.updates, 'update')}, {draws} of {examples}."]
        if self.updates:
            low, middle, high = np.percentile(self.draws, [5, 50, 95])
            lines.append(
                f"Nine of ten examples were drawn {low:,.0f} to {high:,.0f} times, the median {middle:,.0f};"
                f" {count((self.draws == 0).sum(), 'example')} never."
            )
            lines.append(f"Effective sample size: {count(round(self.size_of_draws), 'example')} of all draws so far")
            if self.size_of_draw is not None:
                lines[-1] += f", {round(self.size_of_draw):,} of the next draw"
            lines[-1] += "."
        if self.hardest:
            told = ", ".join(f"{index} ({number(value, 2)})" for index, value in self.hardest[:_TOLD])
            lines.append(f"Hardest when last seen, with their values: {told}.")
            lines.append("They are candidates for a wrong or ambiguous label; none is proven to have one.")
        if self.classes and self.updates:
            apart = sorted(self.classes, key=lambda one: -abs(one.draws - one.data))[:_TOLD]
            told = ", ".join(f"{one.label} {_percent(one.draws)} ({_percent(one.data)})" for one in apart)
            lines.append(f"Classes by their share of the draws (of the data), the furthest apart first: {told}.")
        return "\n".join(lines)

    @explained()
    def frame(self) -> "pd.DataFrame":
        """A row of each example, hardest first and unseen ones last: ``example``, ``value``, ``draws``, ``label``.

        Raises:
            InputError: pandas is not installed.
        """
        import pandas as pd

        unseen = np.setdiff1d(np.arange(len(self.draws)), self.order)
        values = np.full(len(self.draws), np.nan) if self.values is None else self.values
        columns = {"example": np.arange(len(self.draws)), "value": values, "draws": self.draws}
        columns |= {} if self.labels is None else {"label": self.labels}
        return pd.DataFrame(columns).iloc[np.concatenate([self.order, unseen])].reset_index(drop=True)

    @explained()
    def plot(self) -> "Figure":
        """How often examples were drawn, how their values are spread, and the classes' shares of the draws.

        Raises:
            InputError: matplotlib is not installed.
        """
        from hardsample.samplers.report_figure import draw

        return draw(self)


def make_report(
    name: str, method: Method, draws: Tensor, updates: int, labels: Tensor | Sequence[Any] | None, top: int
) -> SamplerReport:
    """The report of a sampler's method, and of how often each example was trained, int64 [N].

    Raises:
        InputError: ``top`` is no number of examples, or there are not N labels.
    """
    top = whole("top", top, 1, "how many of the hardest examples to name, at least 1")
    counts = draws.cpu().numpy().copy()
    values = None
    if method.hardness is not None:
        values = method.hardness[0].detach().cpu().double().numpy().copy()
        values[~np.isfinite(values) | (counts == 0)] = np.nan
    p = method.probabilities
    effective = None if p is None else 1 / p[0].square().sum().item()
    return SamplerReport(name, updates, counts, values, effective, _labels(labels, len(counts)), top)


def _labels(labels: Tensor | Sequence[Any] | None, size: int) -> np.ndarray | None:
    if labels is None:
        return None
    found = labels.detach().cpu().numpy().copy() if isinstance(labels, Tensor) else np.array(labels)
    if found.shape != (size,):
        raise InputError(
            f"labels have the shape {list(found.shape)}: give one of each of the {size} examples, [{size}]."
        )
    return found


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)} %"
