"""The figure of the study of LB: every test of a statement, and how far each reading is from meeting it."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample.methods.loss_based import READINGS
from hardsample.report import comparisons, style, wording
from hardsample.report.lb_statements import TESTS

_MARKERS = ("o", "s")  # of the sizes, smaller first
_ASKED = "#d7e6f2"


def figure(table: pd.DataFrame) -> Figure:
    """An axes per test, a line per reading: its mean difference and interval, and shaded what the statement asks."""
    cells = list(dict.fromkeys(zip(table.statement, table.setting, table.test, strict=True)))
    cells = [cell for cell in cells if (_of(table, cell).met != "not run").any()] or cells
    sizes, shown = sorted(table.letters.unique()), _shown(table)
    columns = 4
    with matplotlib.rc_context(style.RC):
        page, grid = style.page(
            (-(-len(cells) // columns), columns),
            size=(1.7, 0.19 * len(shown) + 0.1),
            gap=(0.2, 0.64),
            right=0.12,
            bottom=0.3,
            heading=wording.data_statement(table.attrs["studies"][0].experiment),
            notice=table.attrs["studies"][0].experiment.in_place,
            handles=_handles(sizes),
            caption=_caption(table),
            left=2.85,
        )
        for axes, cell in zip(grid.flat, cells, strict=False):
            _test(axes, _of(table, cell), cell, sizes, shown)
        for axes in grid.flat[len(cells) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_yticks(range(len(shown)), shown, fontsize=7.5)
    return page


def _of(table: pd.DataFrame, cell: tuple[int, str, str]) -> pd.DataFrame:
    statement, setting, test = cell
    return table[(table.statement == statement) & (table.setting == setting) & (table.test == test)]


def _shown(table: pd.DataFrame) -> list[str]:
    """The readings of which anything was run, in their order; all, where nothing was."""
    ran = set(table.reading[table.met != "not run"])
    return [reading for reading in READINGS if reading in ran or not ran]


def _test(axes: Axes, rows: pd.DataFrame, cell: tuple[int, str, str], sizes: list[int], shown: Sequence[str]) -> None:
    statement, setting, test = cell
    ran = rows[rows.met != "not run"]
    ends, cut = _ends(rows)
    low, high = rows.low.iloc[0], rows.high.iloc[0]
    comparisons.differences_axis(axes, ends, [""] * len(shown), cut)
    axes.axvspan(max(low, axes.get_xlim()[0]), min(high, axes.get_xlim()[1]), color=_ASKED, linewidth=0, zorder=0.5)
    for row in ran.itertuples():
        size, met = sizes.index(row.letters), row.met == "yes"
        comparisons.comparison(
            axes,
            shown.index(row.reading) + 0.3 * (size - (len(sizes) - 1) / 2),
            (),
            row.difference,
            (row.difference - row.half_width, row.difference + row.half_width),
            ends,
            color="#0072b2" if met else "#d55e00",
            marker=_MARKERS[size],
            filled=met,
        )
    axes.set_title(f"{statement}  {setting}\n{TESTS[test].split(',')[0]}", loc="left", fontsize=7.5)
    axes.set_xlabel(rows.unit.iloc[0], fontsize=7.5, labelpad=1)


def _ends(rows: pd.DataFrame) -> tuple[tuple[float, float], tuple[bool, bool]]:
    """The ends of a test's axis, with the bounds of what is asked, and at which of them something is cut."""
    bounds = [bound for bound in (rows.low.iloc[0], rows.high.iloc[0]) if np.isfinite(bound)]
    half = rows.half_width.fillna(0)
    drawn = np.concatenate([rows.difference - half, rows.difference, rows.difference + half])
    drawn = drawn[np.isfinite(drawn)]
    low, high = comparisons.limits(np.append(drawn, bounds), fence=2)
    ends = min(low, *(1.1 * bound for bound in (*bounds, 0))), max(high, *(1.1 * bound for bound in (*bounds, 0)))
    return ends, comparisons.beyond(drawn, ends)


def _caption(table: pd.DataFrame) -> str:
    """What the figure shows, in three lines; the notes of the study tell the rest."""
    cells = table.groupby(["statement", "setting", "test"])
    cut = any(any(_ends(rows)[1]) for _, rows in cells)
    return " ".join(
        (
            "Numbers 1 to 6: the paper's statements of LB, one test an axis, listed in the notebook; default, n, α: the"
            " setting. Lines: readings of LB.",
            f"Markers: mean difference to MB, over {wording.seeds_in_words(table.n)}, unless the test says otherwise;"
            " bars: its 95 % t interval. A line without a marker was not run.",
            *([comparisons.CUT] * cut),
            wording.sentence(wording.other_code(*table.attrs["studies"])),
        )
    )


def _handles(sizes: list[int]) -> list[Line2D]:
    look = {"linestyle": "-", "marker": "o", "markersize": 4}
    plain = {"linestyle": "", "color": style.QUIET, "markersize": 4}
    several = zip(sizes, _MARKERS, strict=False) if len(sizes) > 1 else ()
    return [
        *(Line2D([], [], label=f"{letters:,} letters", marker=marker, **plain) for letters, marker in several),
        Line2D([], [], color="#0072b2", label="as the paper says", **look),
        Line2D([], [], color="#d55e00", markerfacecolor="white", label="not as the paper says", **look),
        Line2D([], [], color=_ASKED, linewidth=7, label="what the statement asks"),
    ]
