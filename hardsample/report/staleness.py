"""How stale base values are: the stored ones against those that the network of the moment would give, by epoch."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from hardsample import statistics
from hardsample.config import Run
from hardsample.experiments.curves import Curves, keys
from hardsample.numerals import number, short
from hardsample.report import kept, markup, scales
from hardsample.report.figures import caption_of, end_of_pretraining, seed_columns
from hardsample.report.style import QUIET, RC, Look, handle, looks, page
from hardsample.report.wording import data_statement, heading, last_notes, seeds_in_words, with_interval

COLUMNS = ("method", "measure", "epoch", "mean", "low", "high", "n")
MEASURES: dict[str, tuple[str, int | None]] = {
    "rank correlation": ("rank", None),
    "stored / true, 10 %": ("ratio", 0),
    "stored / true, median": ("ratio", 1),
    "stored / true, 90 %": ("ratio", 2),
    "sum of stored / sum of true": ("sum", None),
    "probability misplaced": ("moved", None),
    "age in epochs, 10 %": ("age", 0),
    "age in epochs, median": ("age", 1),
    "age in epochs, 90 %": ("age", 2),
    "age in epochs, oldest": ("age", 3),
    "not drawn since all were set": ("undrawn", None),
}
"""By what they are called in tables, the numbers of :data:`hardsample.training.staleness.SHAPES`."""
_RANK, _RATIO, _MOVED, _AGE = "rank correlation", "stored / true", "probability misplaced", "age in epochs"
_UNDRAWN, _OLDEST = "not drawn since all were set", "age in epochs, oldest"
_SHARES = (_MOVED, _UNDRAWN)  # as percentages


def table(curves: Curves, details: Mapping[Run, kept.Detail]) -> pd.DataFrame:
    """A row for each method that stores base values, measure and moment; shares in percent.

    ``mean`` over the ``n`` seeds, with its t interval ``low`` to ``high``, then every seed's, and the keys of the runs.
    """
    runs, rows = {method: key for (_, method), key in keys(curves.frame).items()}, []
    for method, seeds in kept.by_method(curves, details).items():
        stale = {seed: own for seed, own in seeds.items() if "stale/epoch" in own}
        if not stale:
            continue
        for measure, (name, place) in MEASURES.items():
            scale = 100.0 if measure in _SHARES else 1.0
            for moment, epoch in enumerate(np.nanmean([own["stale/epoch"] for own in stale.values()], axis=0)):
                at = (moment,) if place is None else (moment, place)
                values = {seed: scale * float(own[f"stale/{name}"][at]) for seed, own in stale.items()}
                row = {"method": method, "measure": measure, "epoch": round(float(epoch), 4)}
                rows.append(row | kept.over_seeds(values) | {"runs": runs[method]})
    return kept.ordered(rows, COLUMNS)


def figure(curves: Curves, rows: pd.DataFrame) -> Figure:
    """Rank correlation, ratio, age and misplaced probability of :func:`table` over the epochs."""
    found = looks(dict.fromkeys(rows.method))
    statement = (
        f"Stored base values against true ones, which a forward pass computed at that moment. Means over"
        f" {seeds_in_words(rows.n)}, with their 95 % t interval; middle two: of the median training example, bands from"
        " the 10 % to the 90 % quantile of all. Rank correlation: Spearman's. Misplaced: the share of the drawing"
        " probability that true values would move to other examples."
        if len(rows)
        else "No run is done yet."
    )
    end = curves.frame.epoch.max() if len(curves.frame) else 1.0
    with matplotlib.rc_context(RC):
        drawn, grid = page(
            (1, 4),
            size=(1.95, 1.8),
            gap=(0.62, 0.5),
            right=0.15,
            bottom=0.45,
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=[handle(method, look) for method, look in found.items()],
            caption=caption_of(curves, statement),
        )
        titles = ("rank correlation", "stored / true", "age, epochs", "probability misplaced")
        for axes, name, title in zip(grid[0], (_RANK, _RATIO, _AGE, _MOVED), titles, strict=True):
            scales.epochs_axis(axes, end, room=0.03)
            end_of_pretraining(axes, curves.frame)
            axes.set_title(title, loc="left")
            axes.set_xlabel(curves.experiment.epochs_title)
            for place, (method, look) in enumerate(found.items()):
                _line(axes, rows[rows.method == method], name, look, 0.08 * (place - (len(found) - 1) / 2))
        _ratio_axis(grid[0][1])
        _share_axis(grid[0][3])
    return drawn


def _line(axes: Axes, rows: pd.DataFrame, name: str, look: Look, aside: float) -> None:
    """A method's mean with its interval and, where the measure has quantiles, their band; moved ``aside`` a little."""
    of = {measure: own.dropna(subset="mean") for measure, own in rows.groupby("measure")}
    own = of[name if name in of else f"{name}, median"]
    if f"{name}, 10 %" in of:
        low, high = (of[f"{name}, {share} %"] for share in (10, 90))
        axes.fill_between(low.epoch, low["mean"], high["mean"], color=look.color, alpha=0.14, linewidth=0)
    around = np.nan_to_num(np.abs(own[["low", "high"]].to_numpy(float).T - own["mean"].to_numpy(float)))
    drawn_as = {"color": look.color, "linestyle": look.line, "marker": look.marker, "markersize": 4}
    axes.errorbar(own.epoch + aside, own["mean"], around, elinewidth=1.1, capsize=2, **drawn_as)


def _ratio_axis(axes: Axes) -> None:
    """Ratios, which are spaced by their logarithm."""
    axes.axhline(1, color=QUIET, linewidth=0.9, zorder=1)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    low, high = min(low, 0.8), max(high, 1.25)
    axes.set_ylim(low, high)
    wide = high / low > 50
    ticks = [tick for power in range(-8, 9) for tick in (10.0**power * np.array([1] if wide else [1, 2, 5]))]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_yticks(ticks, [short(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


def _share_axis(axes: Axes) -> None:
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{short(value)} %"))


def markdown(curves: Curves, rows: pd.DataFrame) -> str:
    """What was found, then every measure at every moment, and how to read it."""
    blocks = [heading(curves.experiment, kept.seeds(curves)), "\n".join(findings(rows))]
    epochs = sorted(rows.epoch.unique())
    lines = []
    for (method, measure), own in rows.groupby(["method", "measure"], sort=False):
        cells = [_cell(measure, row) for _, row in own.set_index("epoch").reindex(epochs).iterrows()]
        lines.append([method, f"{measure}, %" if measure == _MOVED or measure == _UNDRAWN else measure, *cells])
    if lines:
        header = ("method", "measure", *(f"epoch {short(epoch, digits=3)}" for epoch in epochs))
        blocks.append(markup.markdown_table(header, lines))
    return "\n\n".join(filter(None, (*blocks, " ".join(_notes(curves))))) + "\n"


def findings(rows: pd.DataFrame) -> Iterator[str]:
    """How stale each method's values are at the last moment, how that changed, and whose are staler."""
    for method, own in rows.groupby("method", sort=False):
        last = own[own.epoch == own.epoch.max()].set_index("measure")
        said = {measure: _cell(measure, row) for measure, row in last.iterrows()}
        yield (
            f"- **{method}, epoch {short(own.epoch.max(), digits=3)}: {said[_MOVED]} % of the drawing probability lies"
            f" on other examples than true values would put it on**; rank correlation {said[_RANK]}, stored / true in"
            f" the median {said['stored / true, median']}. Half of the values are at most"
            f" {said['age in epochs, median']} epochs old, the oldest {said[_OLDEST]}; {said[_UNDRAWN]} % of the"
            " examples were never drawn since all values were set."
        )
        for measure in (_RANK, _MOVED):
            yield f"  {_change(method, measure, own[own.measure == measure])}"
    yield from _compared(rows)


def _change(method: str, measure: str, own: pd.DataFrame) -> str:
    """How a measure of a method changed from the first moment to the last, by seed."""
    first, last = (own.loc[own.epoch == end] for end in (own.epoch.min(), own.epoch.max()))
    found = statistics.summary((last[seed_columns(own)].to_numpy(float) - first[seed_columns(own)].to_numpy(float))[0])
    ends = found.interval
    text = with_interval(found.mean, ends.low, ends.high, "+", _digits(measure))
    unit = " points" if measure in _SHARES else ""
    word = _direction(ends, "rises", "falls")
    since = f"from epoch {short(own.epoch.min(), digits=3)} on"
    title = "The misplaced probability" if measure == _MOVED else "The rank correlation"
    return f"{title} {word or 'does not clearly change'} {since}: {text}{unit}."


def _compared(rows: pd.DataFrame) -> Iterator[str]:
    """Every two methods at the end of training, by seed."""
    methods, end = list(dict.fromkeys(rows.method)), rows.epoch.max()
    for one, other in [(one, other) for place, other in enumerate(methods) for one in methods[place + 1 :]]:
        own = rows[(rows.measure == _MOVED) & (rows.epoch == end)].set_index("method")[seed_columns(rows)]
        found = statistics.paired(own.loc[one], own.loc[other])
        ends = found.interval
        word = _direction(ends, "staler than", "fresher than") or "not clearly staler or fresher than"
        text = with_interval(found.difference, ends.low, ends.high, "+", _digits(_MOVED))
        yield f"- {one}'s values are {word} {other}'s at the end: misplaced probability {text} points, by seed."


def _direction(ends: statistics.Interval, up: str, down: str) -> str:
    """The word for a difference whose interval leaves no doubt of its sign; "" for another."""
    return up if ends.low > 0 else down if ends.high < 0 else ""


def _digits(measure: str) -> int:
    return 1 if measure in _SHARES else 3 if measure == _RANK else 2


def _cell(measure: str, row: pd.Series) -> str:
    return with_interval(row["mean"], row.low, row.high, digits=_digits(measure)) or number(row["mean"], 2)


def _notes(curves: Curves) -> Iterator[str]:
    yield (
        "Mean over seeds [95 % t interval]. True values: a forward pass over all training examples in evaluation mode"
        " at that moment; stored ones are from the steps themselves, with dropout. Probability misplaced: the total"
        " variation distance between the distributions in proportion to stored and to true values. Age: mini-batch"
        " epochs since an example was last drawn, or since all values were set."
    )
    yield from last_notes(curves)


def save(curves: Curves, rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, beside the figure and its table in .csv; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(curves, rows)})
