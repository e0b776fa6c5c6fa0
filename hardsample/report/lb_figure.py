"""The figure of the study of LB: every test of a statement, and how far each reading is from meeting it."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample.methods.loss_based import READINGS
from hardsample.report import style, wording
from hardsample.report.lb_readings import notes_in_words
from hardsample.report.lb_statements import TESTS

_MARKERS = ("o", "s")  # of the sizes, smaller first


def figure(table: pd.DataFrame) -> Figure:
    """An axes per test, a line per reading: its mean difference and interval, and in grey what the statement asks."""
    cells = list(dict.fromkeys(zip(table.statement, table.setting, table.test, strict=True)))
    cells = [cell for cell in cells if (_of(table, cell).met != "not run").any()] or cells
    sizes = sorted(table.letters.unique())
    columns = 4
    with matplotlib.rc_context(style.RC):
        page, grid = style.page(
            (-(-len(cells) // columns), columns),
            size=(1.55, 0.17 * len(READINGS) + 0.1),
            gap=(0.2, 0.62),
            right=0.12,
            bottom=0.3,
            heading=wording.data_statement(table.attrs["curves"].experiment),
            notice=table.attrs["curves"].experiment.in_place,
            handles=_handles(sizes),
            caption=notes_in_words(table),
            left=2.75,
        )
        for axes, cell in zip(grid.flat, cells, strict=False):
            _test(axes, _of(table, cell), cell, sizes)
        for axes in grid.flat[len(cells) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_yticks(range(len(READINGS)), list(READINGS), fontsize=7)
    return page


def _of(table: pd.DataFrame, cell: tuple[int, str, str]) -> pd.DataFrame:
    statement, setting, test = cell
    return table[(table.statement == statement) & (table.setting == setting) & (table.test == test)]


def _test(axes: Axes, rows: pd.DataFrame, cell: tuple[int, str, str], sizes: list[int]) -> None:
    statement, setting, test = cell
    ran = rows[rows.met != "not run"]
    ends = [*(ran.difference - ran.half_width.fillna(0)), *(ran.difference + ran.half_width.fillna(0)), 0.0]
    low, high = rows.low.iloc[0], rows.high.iloc[0]
    bounds = [bound for bound in (low, high) if np.isfinite(bound)]
    middle = np.quantile(np.abs([*ran.difference, *bounds, 1.0]), 0.8) * 2
    left, right = max(min([*ends, *bounds]), -middle), min(max([*ends, *bounds]), middle)
    room = 0.08 * (right - left) or 1.0
    axes.set_xlim(left - room, right + room)
    axes.axvspan(max(low, left - room), min(high, right + room), color="#e3ecf4", linewidth=0, zorder=0)
    axes.axvline(0, color=style.QUIET, linewidth=0.7, zorder=1)
    for row in ran.itertuples():
        size = sizes.index(row.letters)
        place = list(READINGS).index(row.reading) + 0.28 * (size - (len(sizes) - 1) / 2)
        color = "#0072b2" if row.met == "yes" else "#d55e00"
        shown = np.clip(row.difference, left, right)
        if np.isfinite(row.half_width):
            axes.plot([row.difference - row.half_width, row.difference + row.half_width], [place] * 2, color=color)
        marker = _MARKERS[size] if shown == row.difference else ">" if row.difference > right else "<"
        face = color if row.met == "yes" else "white"
        axes.plot(shown, place, marker, markersize=4, color=color, markerfacecolor=face, zorder=3)
    axes.set_ylim(len(READINGS) - 0.5, -0.5)
    axes.set_yticks(range(len(READINGS)), [])
    axes.set_title(f"{statement}  {setting}\n{TESTS[test].split(',')[0]}", loc="left", fontsize=7)
    axes.set_xlabel(rows.unit.iloc[0], fontsize=7, labelpad=1)


def _handles(sizes: list[int]) -> list[Line2D]:
    look = {"linestyle": "-", "marker": "o", "markersize": 4}
    plain = {"linestyle": "", "color": style.QUIET, "markersize": 4}
    several = zip(sizes, _MARKERS, strict=False) if len(sizes) > 1 else ()
    return [
        *(Line2D([], [], label=f"{letters:,} letters", marker=marker, **plain) for letters, marker in several),
        Line2D([], [], color="#0072b2", label="as the paper says", **look),
        Line2D([], [], color="#d55e00", markerfacecolor="white", label="not as the paper says", **look),
        Line2D([], [], color="#e3ecf4", linewidth=7, label="what the statement asks"),
    ]
