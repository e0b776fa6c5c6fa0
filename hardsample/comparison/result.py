"""What a comparison found: the curves, and each method against the baseline, seed by seed."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hardsample import statistics
from hardsample.comparison.training import Trained
from hardsample.numerals import count, number, p_value, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BETTER, WORSE, INCONCLUSIVE, TOO_FEW = "better", "worse", "inconclusive", "too few seeds"
"""What the table says of a difference; the first two where it is significant after Holm."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all trainings of a comparison share, for its readers."""

    name: str
    budget: str
    train_examples: int
    test_examples: int
    batch_size: int
    updates: int
    epochs: float

    def __str__(self) -> str:
        sizes = f"{count(self.train_examples, 'training example')}, {count(self.test_examples, 'test example')}"
        length = f"{count(self.updates, 'update')} ({count(self.epochs, 'epoch')})"
        if self.budget != "updates":
            length = f"as much time as the baseline's {length} took"
        return f"{sizes}, n = {self.batch_size}, {length}"


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Finished trainings of several methods, the baseline first, with the same seeds.

    ``trained`` maps (method, seed) to what the training gave; ``lower`` are the metrics that are better the lower;
    ``other_code`` is how many of the trainings were made by other code than today's.
    """

    setting: Setting
    trained: Mapping[tuple[str, int], Trained]
    lower: frozenset[str] = frozenset({"loss"})
    other_code: int = 0

    @property
    def methods(self) -> list[str]:
        """By name, the baseline first."""
        return list(dict.fromkeys(method for method, _ in self.trained))

    @property
    def seeds(self) -> list[int]:
        """The seeds of every method."""
        return list(dict.fromkeys(seed for _, seed in self.trained))

    @property
    def baseline(self) -> str:
        """What the others are compared with."""
        return self.methods[0]

    @property
    def metrics(self) -> list[str]:
        """What was measured on the test set."""
        columns = next(iter(self.trained.values())).columns
        return [*columns[columns.index("loss") + 1 :], "loss"]

    @functools.cached_property
    def frame(self) -> "pd.DataFrame":
        """A row for each evaluation of a training: method, seed, progress (share of the budget), update, epoch,
        seconds (of training), loss and metrics; NaN where a training had diverged."""
        import pandas as pd

        parts = [
            pd.DataFrame(list(trained.rows), columns=list(trained.columns)).assign(method=method, seed=seed)
            for (method, seed), trained in self.trained.items()
        ]
        whole = pd.concat(parts, ignore_index=True)
        first = ["method", "seed"]
        return whole[[*first, *(column for column in whole.columns if column not in first)]]

    @functools.cached_property
    def final(self) -> "pd.DataFrame":
        """The last row of every training, by method and seed."""
        return self.frame.groupby(["method", "seed"], sort=False).last(skipna=False)

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """Each method minus the baseline at the end, a row for each metric and method.

        ``difference`` with its 95 % t interval (``low``, ``high``) over seeds; ``p`` of the exact sign-flip test, and
        ``p_holm``, adjusted over the methods of a metric; ``smallest``, the smallest difference that so many seeds
        would have shown to be significant at their spread; ``won`` of ``seeds``; ``diverged`` seeds; and a verdict.
        """
        import pandas as pd

        return pd.DataFrame([row for metric in self.metrics for row in self._rows(metric)])

    @functools.cached_property
    def curves(self) -> "pd.DataFrame":
        """Mean over seeds and its 95 % t interval of each metric, by method, metric and progress."""
        import pandas as pd

        rows = []
        for (method, progress), part in self.frame.groupby(["method", "progress"], sort=False):
            for metric in self.metrics:
                told = statistics.summary(part[metric])
                means = {"update": part["update"].mean(), "seconds": part.seconds.mean()}
                ends = {"mean": told.mean, "low": told.interval.low, "high": told.interval.high, "n": told.n}
                rows.append({"method": method, "metric": metric, "progress": progress, **means, **ends})
        return pd.DataFrame(rows)

    def plot(self) -> "Figure":
        """A row for each metric: its curves, and the differences at the end with a dot for every seed."""
        from hardsample.comparison.figure import draw

        return draw(self)

    def markdown(self) -> str:
        """The table as Markdown, with what it is of and how it is to be read."""
        from hardsample.report import markup

        header, *rows = self._lines()
        return f"{self.heading}\n\n{markup.markdown_table(header, rows)}\n\n{self.note}\n"

    @property
    def heading(self) -> str:
        """What was compared, in one line."""
        return f"{self.setting.name}: {self.setting}; {count(len(self.seeds), 'seed')}."

    @property
    def note(self) -> str:
        """How the table is to be read, and what the baseline reached."""
        ends = ", ".join(f"{metric} {number(mean, 4)}" for metric, mean in self._means(self.baseline).items())
        lower = ", ".join(metric for metric in self.metrics if metric in self.lower)
        return (
            f"{self.baseline}: {ends}. Lower is better: {lower}. Differences are at the end, paired by seed, with their"
            " 95 % t interval; p is of an exact sign-flip test, adjusted by Holm over the methods of a metric."
            " Smallest: the least mean difference that would be significant, at the spread of these seeds. They cover"
            " seeds, not the choice of test examples."
            + f" Made by other code than today's: {self.other_code} of {count(len(self.trained), 'training')}."
            * bool(self.other_code)
        )

    def __str__(self) -> str:
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        told = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join((self.heading, "", *told, "", self.note))

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _lines(self) -> list[list[str]]:
        """The table in words, its header first."""
        header = ["metric", "method", "mean", f"minus {self.baseline}", "p (Holm)", "smallest", "seeds won"]
        return [header, *(self._words(row) for row in self.table.itertuples())]

    def _means(self, method: str) -> dict[str, float]:
        return {metric: statistics.summary(self.final.loc[method][metric]).mean for metric in self.metrics}

    def _rows(self, metric: str) -> list[dict]:
        ends = self.final[metric].unstack("method")[self.methods]
        higher, usual = metric not in self.lower, ends[self.baseline]
        found = [statistics.paired(ends[method], usual, higher_is_better=higher) for method in self.methods[1:]]
        p, low, high, n = np.array([(one.p, *dataclasses.astuple(one.interval), one.n) for one in found]).T
        _, adjusted, smallest = statistics.family(p, low, high, n)
        return [
            {
                "metric": metric,
                "method": method,
                "mean": statistics.summary(ends[method]).mean,
                "baseline_mean": statistics.summary(usual).mean,
                "difference": one.difference,
                "low": one.interval.low,
                "high": one.interval.high,
                "p": one.p,
                "p_holm": adjusted[place],
                "smallest": smallest[place],
                "won": one.won,
                "seeds": one.seeds,
                "diverged": one.diverged,
                "verdict": _verdict(one.difference if higher else -one.difference, adjusted[place]),
            }
            for place, (method, one) in enumerate(zip(self.methods[1:], found, strict=True))
        ]

    @staticmethod
    def _words(row) -> list[str]:
        from hardsample.report.wording import with_interval

        verdict = ", ".join(filter(None, (p_value(row.p_holm), row.verdict)))
        difference = with_interval(row.difference, row.low, row.high, "+", 4)
        won = f"{row.won} of {row.seeds}" + (f" ({row.diverged} diverged)" if row.diverged else "")
        return [row.metric, row.method, number(row.mean, 4), difference, verdict, short(row.smallest, digits=2), won]


def _verdict(gain: float, p_holm: float) -> str:
    if not np.isfinite(p_holm):
        return TOO_FEW
    if p_holm >= statistics.LEVEL:
        return INCONCLUSIVE
    return BETTER if gain > 0 else WORSE
