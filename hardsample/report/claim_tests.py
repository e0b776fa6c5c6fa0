"""What a paper's statement comes to, as data: which runs, which metric, at which moment, and what is claimed of it.

:mod:`hardsample.report.claim_verdicts` holds these tests to curves.
"""

import dataclasses

import numpy as np

from hardsample import statistics
from hardsample.numerals import count, short
from hardsample.report.lb_statements import SIMILAR

METRICS = {
    "acc/train": "train accuracy",
    "acc/val": "test accuracy",
    "loss/train": "train loss",
    "loss/val": "test loss",
    "excess": "ratio of test loss to train loss",
    "updates": "number of updates",
    "misplaced": "share of the drawing probability that stale base values misplace",
}
MOMENTS = {
    "end": "{metric} at the end",
    "first": "{metric} at the first evaluation after the pre-training",
    "begin": "{metric} at the first evaluation after the start",
    "throughout": "{metric} at every evaluation after the pre-training",
    "mean": "mean {metric} over the training",
    "last epoch": "change of the {metric} in the last epoch",
    "rise": "{metric} at the end above its least",
    "spread": "standard deviation over seeds of the {metric} after the pre-training",
    "converged": "epoch in which the {metric} has converged",
    "reach": "updates until the {metric} is first the final one of {target}",
}
OF_DRAWS = "% of the draws"  # the unit of what is misplaced
BY_RATIO = ("spread", "reach", "converged")  # moments that are compared as ratios, whatever the metric


@dataclasses.dataclass(frozen=True)
class Test:
    """One test of a statement: the mean over seeds of a paired difference lies between ``low`` and ``high``.

    Of ``method`` minus ``other`` (or alone), averaged over ``panels``, minus the same in the panel ``against`` (or
    alone), of a metric at a moment. Accuracies are in points; losses, standard deviations, epochs and updates in % of
    what they are compared with, unless ``absolute``; everything in % of ``method``'s own value, as paper B counts its
    changes, with ``of_new``. One infinite bound claims a direction; two claim that nothing worth mentioning differs or,
    where they are those of a ``printed`` number to its last digit, that number.
    """

    method: str
    metric: str
    panels: tuple[str, ...]
    low: float = -np.inf
    high: float = np.inf
    other: str = ""
    against: str = ""
    moment: str = "end"
    absolute: bool = False
    printed: bool = False
    of_new: bool = False

    @property
    def relative(self) -> bool:
        """Whether it is of ratios, which are averaged as logarithms."""
        of_shares = self.metric.startswith("acc") or self.metric == "misplaced"
        return self.of_new or self.moment in BY_RATIO or not (self.absolute or of_shares)

    @property
    def unit(self) -> str:
        """The unit of effect and bounds."""
        if self.relative:
            return "% of the new value" if self.of_new else "%"
        if self.metric.startswith("acc"):
            return "points"
        return {"updates": "updates", "misplaced": OF_DRAWS}.get(self.metric, "")

    @property
    def margin(self) -> float | None:
        """Where a difference of two things is claimed, the one within which they count as equal; None for no such.

        Half a point of accuracy (:data:`hardsample.statistics.MARGIN`), 5 % of a loss.
        """
        bounds = [bound for bound in (self.low, self.high) if np.isfinite(bound)]
        of_two = bool(self.other) != bool(self.against) and len(self.panels) == 1
        if bounds != [0.0] or not of_two or self.moment not in ("end", "first", "begin", "mean"):
            return None
        return SIMILAR if self.relative else None if self.absolute else 100 * statistics.MARGIN

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The (panel, method) that it needs."""
        panels = (*self.panels, *filter(None, [self.against]))
        return tuple((panel, method) for panel in panels for method in filter(None, (self.method, self.other)))

    @property
    def words(self) -> str:
        """The test for readers: "PEB - MB, test accuracy at the end, n = 4: above 0 points"."""
        where = self.panels[0] if len(self.panels) == 1 else f"mean of {count(len(self.panels), 'setting')}"
        what = f"{self.method} - {self.other}" if self.other else self.method
        said = MOMENTS[self.moment].format(metric=METRICS[self.metric], target=self.other)
        place = f"{where} against {self.against}" if self.against else where
        return f"{what}, {said}, {place}: {self._asked}"

    @property
    def _asked(self) -> str:
        if self.printed:
            return f"the paper's {self._with_unit((self.low + self.high) / 2, '+')}"
        if np.isfinite(self.low) and np.isfinite(self.high):
            return f"within {self._with_unit(self.high)} of 0"
        return f"above {self._with_unit(self.low)}" if np.isfinite(self.low) else f"below {self._with_unit(self.high)}"

    def _with_unit(self, value: float, sign: str = "") -> str:
        unit = self.unit.removesuffix("s") if abs(value) == 1 else self.unit
        return f"{short(value, sign)} {unit}".rstrip()


@dataclasses.dataclass(frozen=True)
class Bands:
    """The test that the bands of ± 2 standard deviations over seeds of two methods overlap in no plot.

    A plot is of a panel and a metric; they are compared at the last evaluation or, if ``throughout``, at every one
    after the pre-training. It is a count of plots: what the paper drew, drawn again.
    """

    method: str
    other: str
    panels: tuple[str, ...]
    metrics: tuple[str, ...]
    throughout: bool

    @property
    def unit(self) -> str:
        """The unit of the effect, a count."""
        return f"of {self._plots}"

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The (panel, method) that it needs."""
        return tuple((panel, method) for panel in self.panels for method in (self.method, self.other))

    @property
    def words(self) -> str:
        """The test for readers."""
        when = "at every evaluation after the pre-training" if self.throughout else "at the end"
        return f"{self.method} and {self.other}, bands of ± 2 standard deviations {when}: apart in all {self._plots}"

    @property
    def _plots(self) -> str:
        return count(len(self.panels) * len(self.metrics), "plot")


@dataclasses.dataclass(frozen=True)
class Statement:
    """What a paper says in one place, as ``published`` has it, and the tests that it comes to.

    ``aspect`` tells the parts of one sentence apart that are judged alone. Of ``most`` it is enough that more than half
    of the tests hold. Without a test, ``why`` says what is missing.
    """

    place: str
    claim: str
    tests: tuple[Test | Bands, ...] = ()
    aspect: str = ""
    most: bool = False
    why: str = ""


def better(method: str, other: str, panels: tuple[str, ...], *metrics: str, moment: str = "end") -> tuple[Test, ...]:
    """In each panel and metric: higher accuracy, or lower loss, than the other method."""
    return tuple(
        Test(method, metric, (panel,), **_improved(metric), other=other, moment=moment)
        for panel in panels
        for metric in metrics
    )


def better_in(panel: str, against: str, method: str, *metrics: str, moment: str = "end") -> tuple[Test, ...]:
    """In each metric: a method has higher accuracy, or lower loss, in one panel than in another."""
    return tuple(
        Test(method, metric, (panel,), **_improved(metric), against=against, moment=moment) for metric in metrics
    )


def alike(method: str, panels: tuple[str, ...], *metrics: str, other: str = "", against: str = "", moment: str = "end"):
    """In each panel and metric: accuracies within half a point of the other's, losses within 5 %."""
    bounds = {metric: 100 * statistics.MARGIN if metric.startswith("acc") else SIMILAR for metric in metrics}
    return tuple(
        Test(method, metric, (panel,), -bound, bound, other=other, against=against, moment=moment)
        for panel in panels
        for metric, bound in bounds.items()
    )


def steadier(method: str, panel: str, *metrics: str, other: str = "", against: str = "") -> tuple[Test, ...]:
    """In each metric: a smaller standard deviation over seeds."""
    return tuple(
        Test(method, metric, (panel,), high=0.0, other=other, against=against, moment="spread") for metric in metrics
    )


def _improved(metric: str) -> dict[str, float]:
    return {"low": 0.0} if metric.startswith("acc") else {"high": 0.0}
