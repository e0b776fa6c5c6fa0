"""The figure of causes: a line for each paired contrast, with a mark for each learning-rate schedule."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample.experiments.curves import Curves
from hardsample.report import causes, comparisons
from hardsample.report.controls import METRICS, handles, unit
from hardsample.report.figures import caption_of, seed_columns
from hardsample.report.style import QUIET, RC, page
from hardsample.report.wording import data_statement, metric_title, seeds_in_words
from hardsample.statistics import LEVEL

_LOOKS = (("#0072b2", "o"), ("#d55e00", "s"))  # of the schedules, in their order
_APART = 0.21  # of a line's height, from its middle


def figure(curves: Curves, rows: pd.DataFrame) -> Figure:
    """Accuracy and loss side by side, a line for each contrast of :func:`hardsample.report.causes.table`.

    Marks are filled where the difference is significant. A schedule without runs has none, and what was not run under
    another is said in its line.
    """
    shown, looks = causes.contrasts(curves), dict(zip(causes.schedules(curves), _LOOKS, strict=False))
    run = rows[(rows.pairs > 0) & rows.schedule.isin(looks)]
    looks = {schedule: look for schedule, look in looks.items() if schedule in set(run.schedule)}
    significant = set(run[run.p_holm < LEVEL].set_index(["schedule", "metric", "cause"]).index)
    values = {
        metric: run[run.metric == metric].set_index(["schedule", "cause"])[
            ["difference", "low", "high", *seed_columns(run)]
        ]
        * unit(metric)
        for metric in METRICS
    }
    ends = {metric: comparisons.limits(own.to_numpy(float).ravel()) for metric, own in values.items()}
    cut = {metric: comparisons.beyond(own.to_numpy(float).ravel(), ends[metric]) for metric, own in values.items()}
    labels = [f"{one.name}\n{one.pair}" for one in shown]
    with matplotlib.rc_context(RC):
        drawn, grid = page(
            (1, len(METRICS)),
            size=(2.9, 0.1 + (0.42 if len(looks) > 1 else 0.34) * max(len(shown), 2)),
            gap=(0.3, 0.55),
            right=0.25,
            bottom=0.45,
            left=0.3 + 0.064 * max(len(line) for label in labels or [""] for line in label.split("\n")),
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=[*_legend(looks), *handles()],
            caption=caption_of(curves, _statement(run, any(map(any, cut.values()))), METRICS),
        )
        for metric, axes in zip(METRICS, grid[0], strict=True):
            comparisons.differences_axis(axes, ends[metric], labels, cut[metric])
            axes.axhline(_first_sum(shown) - 0.5, color=QUIET, linewidth=0.9, zorder=1)
            for place, one in enumerate(shown):
                for schedule, height in zip(looks, _heights(place, len(looks)), strict=True):
                    if (schedule, one.name) in values[metric].index:
                        row, (color, marker) = values[metric].loc[schedule, one.name], looks[schedule]
                        seeds, interval = row[seed_columns(run)].to_numpy(float), (row.low, row.high)
                        filled = (schedule, metric, one.name) in significant
                        look = {"color": color, "marker": marker, "filled": filled}
                        comparisons.comparison(axes, height, seeds, row.difference, interval, ends[metric], **look)
                    else:
                        _not_run(axes, height, looks[schedule][0])
            axes.tick_params(labelleft=metric == METRICS[0])
            points = ", points" if unit(metric) > 1 else ""
            axes.set_xlabel(f"difference in {metric_title(metric, curves.experiment)}{points}")
            if run.empty:
                axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", color=QUIET)
    return drawn


def _first_sum(shown: tuple[causes.Contrast, ...]) -> int:
    """The place of the first line that is of all causes together."""
    return next((place for place, one in enumerate(shown) if one.cause == causes.TOGETHER), len(shown))


def _heights(place: int, several: int) -> tuple[float, ...]:
    return (place - _APART, place + _APART) if several > 1 else (float(place),) * several


def _not_run(axes: Axes, height: float, color: str) -> None:
    look = {"va": "center_baseline", "fontsize": 7, "color": color}
    axes.text(0.02, height, "not run", transform=axes.get_yaxis_transform(), **look)


def _legend(looks: Mapping[str, tuple[str, str]]) -> list[Line2D]:
    mark = {"linestyle": "", "markersize": 4.8}
    return [
        Line2D([], [], color=color, marker=marker, label=f"{schedule} learning rate", **mark)
        for schedule, (color, marker) in looks.items()
    ]


def _statement(run: pd.DataFrame, is_cut: bool) -> str:
    if run.empty:
        return "Nothing can be compared yet."
    said = (
        "Each line: one training minus another at the end, paired by seed; the table says what differs between the two."
        " Below the rule: what the paper compares; at δ = 0.5 and 0.2 it is the sum of order, repetition and choice by"
        f" loss. Dots: seeds, {seeds_in_words(run.pairs)}; larger marks: their mean, filled if significant"
        f" (p < {LEVEL:g} after Holm over the lines of a schedule and metric); bars: its 95 % t interval."
    )
    return f"{said} {comparisons.CUT}" if is_cut else said
