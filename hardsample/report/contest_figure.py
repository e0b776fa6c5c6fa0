"""The figure of a contest: every method's difference to the baseline, for each schedule and share of flipped labels."""

from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from hardsample.experiments.rivals import BUDGETS, BY_NAME
from hardsample.numerals import number, percent, short
from hardsample.report import style, wording
from hardsample.report.contest_tables import baseline_of, figure_data, winners
from hardsample.report.contest_words import (
    COSINE,
    no_pretraining_statement,
    repeated_statement,
    significance_statement,
    timed_otherwise_statement,
    too_few_statement,
    unequal_statement,
)
from hardsample.report.stats import LEVEL

_LOOKS = dict(
    zip(
        BUDGETS,
        (style.Style("#0072b2", "-", "o"), style.Style("#d55e00", "-", "D"), style.Style("#009e73", "-", "s")),
        strict=True,
    )
)
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_WIDTH, _GAP, _LEFT = 7.5, 0.17, 1.1  # of all axes side by side, between them, and on their left, inches
_BESIDE = {"xycoords": "axes fraction", "textcoords": "offset points", "rotation": 270, "va": "center"}
_BESIDE |= {"fontsize": style.RC["axes.titlesize"], "fontweight": "bold"}
_WORDS = {"va": "center_baseline", "ha": "left", "fontsize": 7, "color": style.QUIET}


def figure(table: pd.DataFrame) -> Figure:
    """Every method's difference to the baseline: rows are learning-rate schedules, columns shares of flipped labels.

    On the half of the test set that reports. In each axes a line per method and, in it, one per budget that has runs of
    its own: a dot for every seed, the mean, filled where it is significant, and its t interval.
    """
    points, usual = figure_data(table), baseline_of(table)
    order = list(BY_NAME)
    methods = sorted(set(table.method) - {usual}, key=order.index)
    schedules, noises = list(dict.fromkeys(table.schedule)), sorted(set(table.noise))
    budgets = [budget for budget in BUDGETS if (points.budget[points.pairs > 0] == budget).any()]
    with matplotlib.rc_context(style.RC):
        page, grid = style.page(
            (len(schedules), len(noises)),
            size=(_WIDTH / len(noises) - _GAP, len(methods) * (0.14 + 0.05 * max(len(budgets), 1))),
            gap=(_GAP, 0.5),
            right=0.34,
            bottom=0.42,
            heading=wording.data_statement(table.attrs["curves"].experiment),
            notice=table.attrs["curves"].experiment.in_place,
            handles=_handles(budgets, points),
            caption=_caption(table, points),
            left=_LEFT,
        )
        limits = _limits(points)
        for schedule, row in zip(schedules, grid, strict=True):
            for noise, axes in zip(noises, row, strict=True):
                here = points[(points.schedule == schedule) & (points.noise == noise)]
                _differences(axes, here, methods, usual, limits)
                axes.set_title(f"{percent(noise)} flipped", loc="left")
                axes.tick_params(labelleft=noise == noises[0])
            row[-1].annotate(f"{schedule} learning rate", (1, 0.5), (8, 0), **_BESIDE)
        for axes in grid[-1]:
            axes.set_xlabel(f"difference to {usual}, points")
    return page


def _differences(axes: Axes, points: pd.DataFrame, methods: Sequence[str], usual: str, limits: Sequence[float]) -> None:
    """Draw one schedule and one share of flipped labels, given their rows of ``figure_data``."""
    axes.set_xscale("function", functions=(_scale, _unscale))
    axes.set_xlim(*limits)
    ticks = _ticks(limits, 0.26 / (axes.get_position().width * axes.figure.get_figwidth()))
    axes.set_xticks(ticks, [short(tick, "+").replace("-", "\N{MINUS SIGN}") for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_yticks(range(len(methods)), methods)
    axes.tick_params(axis="y", length=0, pad=2, labelsize=7.5)
    axes.grid(axis="y", visible=False)
    for place in range(0, len(methods), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    twins = points[(points.method == usual) & points.report_mean.notna()]
    if points.empty or twins.empty:
        text = "not run" if points.empty else f"{usual} not run: no differences"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=style.QUIET, fontsize=9)
        return
    axes.axvline(0, color=style.QUIET, linewidth=0.9, zorder=1)
    title = f"{usual} {number(twins.report_mean.iloc[0], 1)} %"
    axes.set_title(title, loc="right", color=style.QUIET, fontsize=7.5, fontweight="normal")
    for place, method in enumerate(methods):
        rows = points[(points.method == method) & (points.pairs > 0)]
        for each, (_, row) in enumerate(rows.iterrows()):
            _comparison(axes, row, place + 0.27 * (each - (len(rows) - 1) / 2))
        if rows.empty:
            axes.text(0.03, place, "not run", transform=axes.get_yaxis_transform(), **_WORDS)


def _comparison(axes: Axes, row: pd.Series, height: float) -> None:
    """Draw one method under one budget: its seeds, their mean and its interval."""
    look = _LOOKS[row.budget]
    seeds = row[[column for column in row.index if column.startswith("seed ")]].astype(float)
    if np.isfinite(row.report_difference_low):
        ends = (row.report_difference_low, row.report_difference_high)
        axes.plot(ends, (height, height), color=look.color, linewidth=3.2, alpha=0.3, solid_capstyle="butt")
    axes.plot(seeds, np.full(len(seeds), height), ".", color=look.color, markersize=4, markeredgewidth=0, alpha=0.8)
    filled = look.color if row.report_p_holm < LEVEL else "white"
    axes.plot(
        row.report_difference,
        height,
        look.marker,
        color=look.color,
        markerfacecolor=filled,
        markersize=4.2,
        markeredgewidth=1,
        zorder=4,
    )
    if row.report_usable < row.pairs:
        text = f"×{number(row.pairs - row.report_usable, 0)}"
        axes.text(0.01, height, text, transform=axes.get_yaxis_transform(), **_WORDS | {"color": look.color})


def _limits(points: pd.DataFrame) -> tuple[float, float]:
    """The ends of the figure's axis: all seeds, all intervals, and 0 lie within."""
    drawn = points[[column for column in points if column.startswith(("seed ", "report_difference"))]].to_numpy(float)
    low, high = (_scale(bound(drawn[np.isfinite(drawn)], initial=0.0)) for bound in (np.min, np.max))
    room = max(high - low, 0.2)
    left = 0.14 if (points.report_usable < points.pairs).any() else 0.05
    return float(_unscale(low - left * room)), float(_unscale(high + 0.05 * room))


def _scale(points):
    """Linear to one point, logarithmic beyond, with no bend between."""
    size = np.abs(points)
    return np.sign(points) * np.where(size <= 1, size, 1 + np.log(np.maximum(size, 1)))


def _unscale(scaled):
    size = np.abs(scaled)
    return np.sign(scaled) * np.where(size <= 1, size, np.exp(np.maximum(size, 1) - 1))


def _ticks(limits: Sequence[float], apart: float) -> list[float]:
    """0, and what stands apart on both of its sides by that share of the axis."""
    apart *= _scale(limits[1]) - _scale(limits[0])
    ticks = [0.0]
    for sign in (-1, 1):
        last = 0.0
        for size in _TICKS:
            if limits[0] <= sign * size <= limits[1] and _scale(size) - _scale(last) >= apart:
                ticks.append(sign * size)
                last = size
    return sorted(ticks)


def _handles(budgets: Iterable[str], points: pd.DataFrame) -> list[Line2D]:
    looks = {f"equal {budget}": (_LOOKS[budget], _LOOKS[budget].color) for budget in budgets}
    quiet = style.Style(style.QUIET, "", "o")
    if points.report_p_holm.notna().any():
        looks |= {"significant": (quiet, style.QUIET), "inconclusive": (quiet, "white")}
    return [
        Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markerfacecolor=face, label=label)
        for label, (look, face) in looks.items()
    ]


def _caption(found: pd.DataFrame, points: pd.DataFrame) -> str:
    usual = baseline_of(found)
    verdicts = winners(found)
    parts = [
        f"Test accuracy at the end of the budget minus {usual}'s (whose mean stands above the axes), on the half of the"
        " test set that did not choose the highest, in percentage points, paired by seed.",
        f"Dots: seeds, {wording.seeds_in_words(points.pairs)}; markers: their mean, filled where significant; bars:"
        " 95 % t interval of the mean."
        if (points.report_usable > 0).any()
        else "Nothing can be compared yet.",
        significance_statement(verdicts),
        too_few_statement(verdicts),
    ]
    parts.append(
        "Flipped: the share of training labels changed to another class; test labels are right. The axes are linear"
        " to ±1 point, logarithmic beyond."
    )
    parts += [repeated_statement(found, budget) for budget in BUDGETS]
    parts += [unequal_statement(found), no_pretraining_statement(found), timed_otherwise_statement(found)]
    if "cosine" in set(found.schedule):
        parts.append(COSINE)
    if (points.report_usable < points.pairs).any():
        parts.append("×k: k seeds diverged, left out of mean and interval.")
    return " ".join(part for part in (*parts, *wording.last_notes(found.attrs["curves"])) if part)
