"""The budget of a network's runs beside that of paper B's, and what is said where they differ."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from hardsample.experiments import hard_samples
from hardsample.experiments.curves import Curves
from hardsample.numerals import count, number, short
from hardsample.report.paper_runs import curves_of


@dataclasses.dataclass(frozen=True)
class Budget:
    """A network's runs: epochs of so many updates of so many examples, and the epochs between evaluations."""

    epochs: float
    updates: float
    examples: float
    spacing: float

    @classmethod
    def of(cls, curves: Curves, network: str) -> "Budget":
        """As the longest of its runs has it; NaN where there is none that did not diverge."""
        own = curves_of(curves, network, None)
        ends = own[(own.epoch == own.epoch.max()) & own["loss/train"].notna()]
        if ends.empty:
            return cls(*(np.nan,) * 4)
        last = ends.iloc[0]
        epochs = np.sort(own[(own.method == last.method) & (own.seed == last.seed)].epoch)
        between = float(np.median(np.diff(epochs))) if len(epochs) > 1 else np.nan
        return cls(last.epoch, round(last.step / last.epoch) if last.epoch else np.nan, last.batch_size, between)

    def is_the_papers(self, slot: str) -> bool:
        """Is it that of the paper's runs on this data set?"""
        epochs, updates, examples = _papers_budget(slot)
        return (self.epochs, self.examples) == (epochs, examples) and self.updates in updates

    def __str__(self) -> str:
        parts = zip((self.epochs, self.updates, self.examples), ("epoch", "update", "example"), strict=True)
        return " of ".join(count(how_many, thing) for how_many, thing in parts)


def _papers_budget(slot: str) -> tuple[float, tuple[int, ...], int]:
    """Epochs, updates of one (without a short last mini-batch, or with it) and examples of an update in the paper."""
    paper, size = hard_samples.PROFILES["paper"], hard_samples.EXAMPLES.get(slot, 0)
    return paper.epochs, (size // paper.batch_size, -(-size // paper.batch_size)), paper.batch_size


def budget_notes(slot: str, budgets: Sequence[Budget]) -> list[str]:
    """Why some e have no difference to the paper's."""
    others = dict.fromkeys(str(b) for b in budgets if np.isfinite(b.epochs) and not b.is_the_papers(slot))
    if not others:
        return []
    epochs, updates, examples = _papers_budget(slot)
    return [
        f"e and the paper's are of unlike budgets: the paper's is {count(epochs, 'epoch')} of"
        f" {' or '.join(map(str, dict.fromkeys(updates)))} updates of {count(examples, 'example')}, and here it is"
        f" {' and '.join(others)}."
    ]


def end_notes(rows: Sequence[Mapping]) -> list[str]:
    """Which trainings end before E N updates, as the paper's pseudo-code does."""
    whole = {row["network"]: row["updates"] for row in rows if row["delta"] == 1}
    ends = {}
    for row in rows:
        if row["updates"] < whole[row["network"]]:
            made, of = number(row["updates"], 0), number(whole[row["network"]], 0)
            ends[f"{made} of {of} at δ = {short(row['delta'])}"] = None
    if not ends:
        return []
    return [
        "Below δ = 1 a training ends as the paper's pseudo-code does, after int(ζ) rounds of int(δN) updates,"
        f" ζ = (E - 1) / δ, and so before E N updates: {', '.join(ends)}."
    ]
