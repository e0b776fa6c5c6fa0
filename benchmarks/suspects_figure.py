"""The trial of suspect labels as a table, and as a picture of the images that are suspected."""

from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.suspects import RANKINGS, Suspects, digits
from hardsample import statistics
from hardsample.numerals import count, number
from hardsample.report import markup

_INK, _QUIET, _WRONG = "#262626", "#6e6e6e", "#d55e00"
_STYLE: dict[Any, Any] = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
_LOOKS: dict[str, dict[str, Any]] = {  # as the methods have them: PLB green, shuffled mini-batches grey
    "PLB: base values": {"color": "#009e73", "marker": "^", "linestyle": "-"},
    "PLB: final losses": {"color": "#009e73", "marker": "s", "linestyle": ":"},
    "MB: final losses": {"color": "#3b3b3b", "marker": "o", "linestyle": "-"},
    "MB: mean losses": {"color": "#3b3b3b", "marker": "D", "linestyle": ":"},
}
_WIDTH, _COLUMNS = 7.6, 15
REFERENCE = "MB: final losses"
"""The ranking that the others are compared with."""


def suspect_table(trial: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``suspect_trial`` over seeds: one for each ``ranking`` and ``epochs``, in their order.

    ``precision`` is the mean of ``seeds`` of them, and ``deviation`` their standard deviation. ``difference`` is the
    mean over seeds of the precision less that of ``REFERENCE`` for the same seed, ``low`` and ``high`` its 95 %
    interval by Student's t: NaN for the reference itself, and the interval for a single seed.
    """
    rows = []
    for epochs, found in trial.groupby("epochs"):
        seeds = found.pivot(index="seed", columns="ranking", values="precision")
        for ranking in RANKINGS:
            own = statistics.summary(seeds[ranking])
            apart = statistics.summary(seeds[ranking] - seeds[REFERENCE] if ranking != REFERENCE else [])
            told = {"precision": own.mean, "deviation": own.sd, "difference": apart.mean}
            ends = {"low": apart.interval.low, "high": apart.interval.high}
            rows.append({"ranking": ranking, "epochs": epochs, "seeds": len(seeds)} | told | ends)
    table = pd.DataFrame(rows)
    return table.sort_values(
        "ranking", key=lambda names: names.map(list(RANKINGS).index), kind="stable", ignore_index=True
    )


def suspect_markdown(trial: pd.DataFrame) -> str:
    """:func:`suspect_table` for a page: a row of each ranking, its precision and difference in points by the epochs."""
    table = suspect_table(trial)
    lengths = [int(length) for length in sorted(table.epochs.unique())]
    rows = [[ranking, *map(_cell, table[table.ranking == ranking].to_dict("records"))] for ranking in RANKINGS]
    return markup.markdown_table(["ranking", *(count(length, "epoch") for length in lengths)], rows) + "\n"


def _cell(row: dict[str, Any]) -> str:
    text = f"{number(100 * row['precision'], 1)} %"
    low, high = number(100 * row["low"], 1, "+"), number(100 * row["high"], 1, "+")
    return f"{text} ({low} to {high})" if low else text


def suspect_figure(trial: pd.DataFrame, found: Suspects, epochs: int) -> Figure:
    """The suspects of one seed by PLB's base values, as many as labels are wrong, and the precision of all rankings.

    Args:
        trial: rows of ``suspect_trial``.
        found: what ``suspects`` gives for the seed that is shown.
        epochs: after how many of them the images are suspected.
    """
    images, truth = digits()
    k = int(found.wrong.sum())
    order = found.scores[epochs]["PLB: base values"].argsort(descending=True, stable=True)[:k].tolist()
    hits = int(found.wrong[order].sum())
    rows = -(-k // _COLUMNS)
    heights = 0.55 + 0.6 * rows, 2.3
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, sum(heights)))
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
        title = f"The {k} examples of highest base value after {count(epochs, 'epoch')} of PLB"
        above.text(0.02, 1 - 0.08 / heights[0], title, fontweight="bold", fontsize=9, va="top")
        words = (
            f"Highest first, below the label it was trained with. {hits} are wrong: red, the true label in brackets."
        )
        above.text(0.02, 1 - 0.26 / heights[0], words, va="top", color=_QUIET)
        grid = above.subplots(rows, _COLUMNS, squeeze=False)
        above.subplots_adjust(left=0.02, right=0.98, top=1 - 0.62 / heights[0], bottom=0.01, hspace=0.5)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, index in zip(grid.flat, order, strict=False):
            _show(axes, images[index], int(found.labels[index]), int(truth[index]))
        axes = below.subplots()
        below.subplots_adjust(left=0.09, right=0.78, top=0.85, bottom=0.2)
        _show_precisions(axes, suspect_table(trial))
    return figure


def _show(axes: Axes, pixels: Tensor, label: int, true: int) -> None:
    axes.imshow(pixels.view(8, 8).numpy(), cmap="gray_r", vmin=0, vmax=1)
    text = f"{label}" if label == true else f"{label} ({true})"
    axes.set_title(text, fontsize=8.5, pad=2, color=_INK if label == true else _WRONG)


def _show_precisions(axes: Axes, table: pd.DataFrame) -> None:
    for place, (ranking, look) in enumerate(_LOOKS.items()):
        own = table[table.ranking == ranking]
        apart = own.epochs * 1.02 ** (place - 1.5)  # so that no bar hides another
        axes.errorbar(apart, 100 * own.precision, 100 * own.deviation, label=ranking, capsize=2, markersize=4, **look)
    lengths = sorted(table.epochs.unique())
    axes.set(xscale="log", xlabel="epochs of training", ylabel="precision, %")
    axes.set_xticks(lengths, [f"{length}" for length in lengths])
    axes.minorticks_off()
    seeds = count(int(table.seeds.max()), "seed")
    title = f"Wrong labels among as many suspects: mean and standard deviation of {seeds}"
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
