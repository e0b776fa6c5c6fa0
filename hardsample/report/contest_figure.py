"""The figure of a contest: every method's difference to the baseline, for each schedule and training set."""

from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample.experiments.rivals import BUDGETS, BY_NAME, training_set
from hardsample.numerals import number
from hardsample.report import comparisons, style, wording
from hardsample.report.contest_tables import baseline_of, figure_data
from hardsample.statistics import LEVEL

_LOOKS = dict(
    zip(
        BUDGETS,
        (style.Style("#0072b2", "-", "o"), style.Style("#d55e00", "-", "D"), style.Style("#009e73", "-", "s")),
        strict=True,
    )
)
_WIDTH, _GAP, _LEFT = 8.2, 0.17, 1.1  # of all axes side by side, between them, and on their left, inches
_NARROWEST = 1.85  # of one of the axes, whatever the width of all is then
_BESIDE = {"xycoords": "axes fraction", "textcoords": "offset points", "rotation": 270, "va": "center"}
_BESIDE |= {"fontsize": style.RC["axes.titlesize"], "fontweight": "bold"}
_WORDS = {"va": "center_baseline", "ha": "left", "fontsize": 7, "color": style.QUIET}


def figure(table: pd.DataFrame) -> Figure:
    """Every method's difference to the baseline: rows are learning-rate schedules, columns training sets.

    On the half of the test set that reports. In each axes a line per method, the furthest above the baseline first,
    and, in it, one per budget that has runs of its own: a dot for every seed, the mean, filled where it is significant,
    and its t interval. What lies far from all else is cut, and marked with its value. The place of a setting that is
    not in the contest is empty.
    """
    points, usual = figure_data(table), baseline_of(table)
    methods = in_order(table, points)
    schedules = list(dict.fromkeys(table.schedule))
    columns = sorted(set(zip(table.imbalance, table.noise, strict=True)))
    budgets = [budget for budget in BUDGETS if (points.budget[points.pairs > 0] == budget).any()]
    limits = _limits(points)
    cut = comparisons.beyond(_drawn(points), limits)
    with matplotlib.rc_context(style.RC):
        page, grid = style.page(
            (len(schedules), len(columns)),
            size=(max(_WIDTH / len(columns) - _GAP, _NARROWEST), len(methods) * (0.2 if len(budgets) < 2 else 0.34)),
            gap=(_GAP, 0.5),
            right=0.34,
            bottom=0.42,
            heading=wording.data_statement(table.attrs["curves"].experiment),
            notice=table.attrs["curves"].experiment.in_place,
            handles=_handles(budgets, points),
            caption=_caption(table, points, cut=any(cut)),
            left=_LEFT,
        )
        for schedule, row in zip(schedules, grid, strict=True):
            for (imbalance, noise), axes in zip(columns, row, strict=True):
                if not len(_of(table, schedule, noise, imbalance)):
                    axes.set_axis_off()
                    continue
                comparisons.differences_axis(axes, limits, methods, cut)
                _differences(axes, _of(points, schedule, noise, imbalance), methods, usual, limits)
                axes.set_title(training_set(noise, imbalance), loc="left")
            shown = [axes for axes in row if axes.axison]
            for axes in shown[1:]:
                axes.tick_params(labelleft=False)
            row[-1].annotate(f"{schedule} learning rate", (1, 0.5), (8, 0), **_BESIDE)
        for column in grid.T:
            [axes for axes in column if axes.axison][-1].set_xlabel(f"difference to {usual}, points")
    return page


def _of(rows: pd.DataFrame, schedule: str, noise: float, imbalance: float) -> pd.DataFrame:
    """Those of one schedule and one training set."""
    return rows[(rows.schedule == schedule) & (rows.noise == noise) & (rows.imbalance == imbalance)]


def in_order(table: pd.DataFrame, points: pd.DataFrame) -> list[str]:
    """The methods with runs, without the baseline, by their mean difference over all settings, the highest first.

    It is that under the budget that comes first among those that a method has runs of. Without runs of any it is all.
    """
    usual = baseline_of(table)
    run = points[points.method != usual]
    place = run.budget.map(BUDGETS.index).astype(int)
    first = run[place == place.groupby(run.method).transform("min")]
    effects = first.groupby("method").report_difference.mean().fillna(-np.inf).to_dict()
    shown = effects or dict.fromkeys(set(table.method) - {usual}, 0.0)
    return sorted(shown, key=lambda method: (-shown[method], list(BY_NAME).index(method)))


def _differences(axes: Axes, points: pd.DataFrame, methods: Sequence[str], usual: str, limits: Sequence[float]) -> None:
    """Draw one schedule and one training set, given their rows of ``figure_data``."""
    twins = points[(points.method == usual) & points.report_mean.notna()]
    if points.empty or twins.empty:
        why = "diverged" if (points.method == usual).any() else "not run"
        text = "not run" if points.empty else f"{usual} {why}: no differences"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=style.QUIET, fontsize=9)
        return
    title = f"{usual} {number(twins.report_mean.iloc[0], 1)} %"
    axes.set_title(title, loc="right", color=style.QUIET, fontsize=7.5, fontweight="normal")
    for place, method in enumerate(methods):
        rows = points[(points.method == method) & (points.pairs > 0)]
        for each, (_, row) in enumerate(rows.iterrows()):
            _comparison(axes, row, place - 0.06 + 0.84 / len(rows) * (each - (len(rows) - 1) / 2), limits)
        if rows.empty:
            axes.text(0.03, place, "not run", transform=axes.get_yaxis_transform(), **_WORDS)


def _comparison(axes: Axes, row: pd.Series, height: float, limits: Sequence[float]) -> None:
    """Draw one method under one budget: its seeds, their mean and its interval."""
    look, seeds = _LOOKS[row.budget], row[[column for column in row.index if column.startswith("seed ")]]
    comparisons.comparison(
        axes,
        height,
        seeds.to_numpy(float),
        row.report_difference,
        (row.report_difference_low, row.report_difference_high),
        limits,
        color=look.color,
        marker=look.marker,
        filled=row.report_p_holm < LEVEL,
    )
    if row.report_usable < row.pairs:
        text = f"×{number(row.pairs - row.report_usable, 0)}"
        axes.text(
            0.99, height, text, transform=axes.get_yaxis_transform(), **_WORDS | {"color": look.color, "ha": "right"}
        )


def _limits(points: pd.DataFrame) -> tuple[float, float]:
    """The ends of the figure's axis, by the seeds and means of the budget that comes first.

    They hold the intervals of all means between them too, but none that is wider than all the rest.
    """
    run = points[points.pairs > 0]
    first = run[run.budget == min(run.budget, key=BUDGETS.index, default="")]
    seeds = [column for column in points if column.startswith("seed ")]
    low, high = comparisons.limits(first[[*seeds, "report_difference"]].to_numpy(float).ravel(), fence=1.5)
    within = run[run.report_difference.between(low, high)]
    wide = comparisons.limits(within[["report_difference_low", "report_difference_high"]].to_numpy(float).ravel())
    room = high - low
    return max(min(low, wide[0]), low - room), min(max(high, wide[1]), high + room)


def _drawn(points: pd.DataFrame) -> np.ndarray:
    kept = [column for column in points if column.startswith(("seed ", "report_difference"))]
    return points[kept].to_numpy(float).ravel()


def _handles(budgets: Iterable[str], points: pd.DataFrame) -> list[Line2D]:
    looks = {f"equal {budget}": (_LOOKS[budget], _LOOKS[budget].color) for budget in budgets}
    quiet = style.Style(style.QUIET, "", "o")
    if points.report_p_holm.notna().any():
        looks |= {"significant": (quiet, style.QUIET), "inconclusive": (quiet, "white")}
    return [
        Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markerfacecolor=face, label=label)
        for label, (look, face) in looks.items()
    ]


def _caption(table: pd.DataFrame, points: pd.DataFrame, *, cut: bool) -> str:
    """What the figure shows, in three lines at most; the notes of the tables below it tell the rest."""
    usual = baseline_of(table)
    counts = points.pairs[points.pairs > 0]
    tested = points.report_p_holm.notna().any()
    filled = f"filled if significant (p < {LEVEL:g} after Holm)" if tested else "of too few seeds for a test"
    parts = [
        f"Test accuracy minus {usual}'s (its mean is above the axes) at the end of training, in points, on the half of"
        " the test set that did not choose the winner. Flipped: share of training labels made wrong.",
        "Imbalance: the first class's training examples over the last's." if (table.imbalance != 1).any() else "",
        f"Dots: seeds ({wording.seeds_in_words(counts).replace(' seeds', '').replace(' seed', '')}); markers: mean,"
        f" {filled}; bars: its 95 % interval."
        if (points.report_usable > 0).any()
        else "Nothing can be compared yet.",
    ]
    if cut:
        parts.append(comparisons.CUT)
    if (points.report_usable < points.pairs).any():
        parts.append("×k: k seeds diverged, left out.")
    if absent := [method for method in BY_NAME if method in set(table.method) - set(points.method)]:
        parts.append(f"Not run: {', '.join(absent)}.")
    parts.append(wording.sentence(wording.other_code(table.attrs["curves"])))
    return " ".join(filter(None, parts))
