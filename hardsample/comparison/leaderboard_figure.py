"""The figure of the leaderboard: a line for each method, a panel for each setting, a dot and an interval in each."""

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample.comparison.leaderboard import BASELINE, SEEDS
from hardsample.comparison.leaderboard_rows import METRIC, Leaderboard
from hardsample.comparison.result import BETTER, WORSE
from hardsample.numerals import number
from hardsample.report import comparisons, style
from hardsample.report.style import QUIET, RC

COLUMNS = 3  # of panels
DRAWN = ["difference", "low", "high"]
_LOOKS = {BETTER: style.Style("#0072b2", "-", "o"), WORSE: style.Style("#d55e00", "-", "D")}
_QUIET = style.Style(QUIET, "-", "o")


def draw(board: Leaderboard) -> Figure:
    """Each method minus the baseline in points of test accuracy: mean and 95 % t interval, the table's order."""
    rows = board.table[board.table.metric == METRIC]
    rows = rows.assign(**{name: 100 * rows[name] for name in (*DRAWN, "baseline_mean")})
    panels = {title: rows[rows.setting == title].set_index("method") for title in board.comparisons}
    ends = {title: comparisons.limits(own[DRAWN].to_numpy(float).ravel()) for title, own in panels.items()}
    cut = {title: comparisons.beyond(own[DRAWN].to_numpy(float), ends[title]) for title, own in panels.items()}
    shape = (-(-len(panels) // COLUMNS), min(COLUMNS, len(panels)))
    caption = (
        f"Test accuracy minus {BASELINE}'s at the end of equal updates, in points: mean over {len(SEEDS)} paired"
        " seeds and its 95 % t interval. Filled: significant by an exact sign-flip test, adjusted by Holm"
        " over the methods of a setting. Each panel has its own axis."
    )
    if any(map(any, cut.values())):
        caption += f" {comparisons.CUT}"
    with matplotlib.rc_context(RC):
        page, grid = style.page(
            shape,
            size=(1.95, max(1.0, 0.17 * len(board.order))),
            gap=(0.15, 0.75),
            right=0.2,
            bottom=0.42,
            left=0.2 + 0.068 * max(map(len, board.order)),
            heading="Leaderboard of methods",
            handles=_handles(),
            caption=caption,
        )
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for (title, own), axes in zip(panels.items(), grid.flat, strict=False):
            comparisons.differences_axis(axes, ends[title], board.order, cut[title])
            for place, row in enumerate(own.loc[board.order].itertuples()):
                look = _LOOKS.get(row.verdict, _QUIET)
                marks = {"color": look.color, "marker": look.marker, "filled": row.verdict in _LOOKS}
                comparisons.comparison(axes, place, (), row.difference, (row.low, row.high), ends[title], **marks)
            axes.set_title(title, loc="left")
            axes.tick_params(labelleft=axes.get_subplotspec().is_first_col())
            axes.set_xlabel(f"points, minus {BASELINE}'s {number(own.baseline_mean.iloc[0], 1)} %")
    return page


def _handles() -> list[Line2D]:
    looks = {f"significantly {verdict}": (look, look.color) for verdict, look in _LOOKS.items()}
    looks["inconclusive"] = (_QUIET, "white")
    return [
        Line2D([], [], color=look.color, marker=look.marker, markerfacecolor=face, label=label)
        for label, (look, face) in looks.items()
    ]
