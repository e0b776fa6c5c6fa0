"""The figure of a comparison: of each metric its curves, and the differences at the end with a dot for every seed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardsample.comparison.problem import ALIASES
from hardsample.numerals import count, number
from hardsample.report import comparisons, style
from hardsample.report.controls import handles
from hardsample.report.style import QUIET, RC, Look

if TYPE_CHECKING:
    from hardsample.comparison.result import Comparison


def draw(comparison: "Comparison") -> Figure:
    """A row for each metric: mean curves with their 95 % t interval over seeds, and each method minus the baseline.

    Curves begin at the first evaluation after the start.
    """
    metrics, rivals = comparison.metrics, comparison.methods[1:]
    looks = looks_of(comparison.methods)
    seeds = {metric: _differences(comparison, metric) for metric in metrics}
    rows = {metric: comparison.table[comparison.table.metric == metric].set_index("method") for metric in metrics}
    drawn = {metric: np.append(seeds[metric], rows[metric][["low", "high"]].to_numpy().ravel()) for metric in metrics}
    ends = {metric: comparisons.limits(drawn[metric]) for metric in metrics}
    cut = {metric: comparisons.beyond(drawn[metric], ends[metric]) for metric in metrics}
    statement = (
        f"Left: mean over {count(len(comparison.seeds), 'seed')} and its 95 % t interval, on the test set. Right:"
        f" method minus {comparison.baseline} at the end, paired by seed; dots are seeds, bars the 95 % t interval of"
        " the mean."
        f" {comparison.setting}."
    )
    if any(map(any, cut.values())):
        statement += f" {comparisons.CUT}"
    if comparison.table.diverged.any():
        statement += " Seeds that diverged are left out."
    with matplotlib.rc_context(RC):
        page, grid = style.page(
            (len(metrics), 2),
            size=(2.9, max(1.7, 0.1 + 0.22 * len(rivals))),
            gap=(0.45 + 0.07 * max(map(len, rivals)), 0.68),
            right=0.25,
            bottom=0.45,
            heading=comparison.setting.name,
            handles=[*(style.handle(method, looks[method]) for method in comparison.methods), *handles()[:1]],
            caption=statement,
        )
        for metric, (curves, differences) in zip(metrics, grid, strict=True):
            _curves(curves, comparison, metric, looks)
            comparisons.differences_axis(differences, ends[metric], rivals, cut[metric])
            for place, method in enumerate(rivals):
                row, look = rows[metric].loc[method], looks[method]
                marks = {"color": look.color, "marker": look.marker}
                comparisons.comparison(
                    *(differences, place, seeds[metric][place], row.difference, (row.low, row.high), ends[metric]),
                    **marks,
                )
            better = "lower is better" if metric in comparison.lower else "higher is better"
            differences.set_title(better, loc="right", color=QUIET, fontsize=7.5, fontweight="normal")
            differences.set_xlabel(f"{metric} minus {comparison.baseline}'s {number(row.baseline_mean, 4)}")
    return page


def looks_of(methods: Iterable[str]) -> dict[str, Look]:
    """Every method's own look; a spare one where it has none, of a colour that is not taken while there is one."""
    found = {method: style.STYLES.get(ALIASES.get(method, method)) for method in methods}
    taken = [look.color for look in found.values() if look is not None]
    for method, look in found.items():
        if look is None:
            free = (spare for spare in style.SPARE_STYLES if spare.color not in taken)
            found[method] = spare = next(free, style.style(method))
            taken.append(spare.color)
    return {method: look for method, look in found.items() if look is not None}


def _differences(comparison: "Comparison", metric: str) -> np.ndarray:
    """Method minus baseline at the end, float [methods, seeds]."""
    ends = comparison.final[metric].unstack("method")[comparison.methods]
    return (ends[comparison.methods[1:]].sub(ends[comparison.baseline], axis=0)).to_numpy(float).T


def _curves(axes: Axes, comparison: "Comparison", metric: str, looks: dict[str, Look]) -> None:
    timed = comparison.setting.budget != "updates"
    points = comparison.curves[(comparison.curves.metric == metric) & (comparison.curves.progress > 0)]
    for method in comparison.methods:
        own = points[points.method == method]
        x, look = own.seconds if timed else own["update"], looks[method]
        axes.fill_between(x, own.low, own.high, color=look.color, alpha=0.15, linewidth=0)
        axes.plot(x, own["mean"], color=look.color, linestyle=look.line, marker=look.marker, markersize=3)
    axes.set_xlabel("seconds of training" if timed else "updates")
    axes.set_title(metric, loc="left")
    axes.set_xlim(left=0)  # what comes before the first update would leave no room for what comes after
