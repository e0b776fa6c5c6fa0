"""The figure of where a gain is: each method minus the baseline by tenth of difficulty, above, and by class, below."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardsample import statistics
from hardsample.experiments.curves import Curves
from hardsample.numerals import percent
from hardsample.report import where
from hardsample.report.comparisons import signed
from hardsample.report.figures import caption_of
from hardsample.report.style import QUIET, RC, Look, handle, looks, page
from hardsample.report.wording import data_statement, seeds_in_words

MINUS = "\N{MINUS SIGN}"


def figure(curves: Curves, rows: pd.DataFrame) -> Figure:
    """Differences in accuracy of :func:`hardsample.report.where.table`, with their t intervals.

    Under a tenth stands the share of the last method's gain that is in it; classes are sorted by its difference.
    """
    gains = rows[rows.part.isin((where.DIFFICULTY, where.CLASS))]
    found = looks(dict.fromkeys(gains.method))
    last = gains.method.iloc[-1] if len(gains) else ""
    statement = (
        f"Each method minus {curves.baseline} in test accuracy at the end of training by seed: mean over"
        f" {seeds_in_words(gains.n)} and its 95 % t interval, of each alone; filled: significant by Holm over the"
        " tenths, or the classes. Above: tenths of the test examples by their loss at the end of the seed's"
        f" pre-training; the percentages are each one's share of {last}'s whole gain. Below: classes, sorted by"
        f" {last}'s difference."
        if len(gains)
        else "No run is done yet."
    )
    with matplotlib.rc_context(RC):
        drawn, grid = page(
            (2, 1),
            size=(7.0, 1.9),
            gap=(0.5, 0.75),
            right=0.15,
            bottom=0.45,
            left=0.6,
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=[handle(method, look) for method, look in found.items()],
            caption=caption_of(curves, statement),
        )
        above, below = grid[:, 0]
        of_tenths, of_classes = (gains[gains.part == part] for part in (where.DIFFICULTY, where.CLASS))
        _groups(above, of_tenths, [*dict.fromkeys(of_tenths.group)], found)
        _name_tenths(above, of_tenths[of_tenths.method == last])
        own = of_classes[of_classes.method == last].sort_values("difference", ascending=False, kind="stable")
        _groups(below, of_classes, [*own.group], found)
        below.set_xlabel(f"class, by {last}'s difference" if last else "class")
        for axes in (above, below):
            axes.set_ylabel(f"accuracy minus {curves.baseline}'s, points")
    return drawn


def _groups(axes: Axes, rows: pd.DataFrame, groups: list[str], found: dict[str, Look]) -> None:
    """A marker with its interval for each group and method, side by side."""
    axes.axhline(0, color=QUIET, linewidth=0.9, zorder=1)
    axes.grid(axis="x", visible=False)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlim(-0.6, max(len(groups), 1) - 0.4)
    for place in range(0, len(groups), 2):
        axes.axvspan(place - 0.5, place + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    for place, (method, look) in enumerate(found.items()):
        own = rows[rows.method == method].set_index("group").reindex(groups)
        across = np.arange(len(groups)) + 0.26 * (place - (len(found) - 1) / 2)
        axes.vlines(across, own.low, own.high, color=look.color, linewidth=1.6, alpha=0.6)
        told = (own.p_holm < statistics.LEVEL).to_numpy()
        for mask, face in ((told, look.color), (~told, "white")):
            plain = {"color": look.color, "markerfacecolor": face, "linestyle": "", "markersize": 4.8}
            axes.plot(across[mask], own.difference[mask], marker=look.marker, **plain)
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    axes.set_yticks(ticks, [signed(tick) for tick in ticks])


def _name_tenths(axes: Axes, rows: pd.DataFrame) -> None:
    """Under each tenth its number and, where there is a gain to share, the share of it."""
    names = [*rows.group]
    if not names:
        return
    names[0], names[-1] = f"{names[0]}, easiest", f"{names[-1]}, hardest"
    shares = [percent(round(share, 2)).replace("-", MINUS) if np.isfinite(share) else "" for share in rows.share]
    axes.set_xticks(range(len(names)), [f"{name}\n{share}" for name, share in zip(names, shares, strict=True)])
    axes.set_xlabel("tenth of the test examples, by difficulty")
