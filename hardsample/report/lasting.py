"""Does a gain last? Every method minus the baseline over the epochs, by seed, and when the baseline catches up."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hardsample import statistics
from hardsample.experiments.curves import Curves, keys
from hardsample.numerals import number, short
from hardsample.report import markup, scales, tables
from hardsample.report.figures import caption_of, end_of_pretraining, handles, not_run, panel_looks, seed_columns
from hardsample.report.style import QUIET, RC, final_values, page
from hardsample.report.tables import READABLE, Tested
from hardsample.report.wording import data_statement, metric_title, seeds_in_words, with_interval

COLUMNS = ("panel", "method", "other", "metric", "epoch", "step", "difference", "low", "high", "n")


def table(curves: Curves) -> pd.DataFrame:
    """A row per panel, method but the baseline, metric held out and evaluation of both, from the pre-training's end on.

    ``difference`` of the method minus the baseline (``other``), the mean over the ``n`` seeds finite in both, with its
    t interval ``low`` to ``high``; accuracies in percentage points. Then every seed's, and the keys of the method's
    runs.
    """
    rows, runs = [], keys(curves.frame)
    for panel, methods in curves.layout.items():
        own = curves.panel(panel)
        for metric in READABLE:
            scale = 100.0 if metric.startswith("acc") else 1.0
            values = own.pivot(index=["step", "epoch"], columns=["method", "seed"], values=metric)
            values = values[values.index.get_level_values("epoch") > own.pretrain_epochs.max() - 0.25]
            for method in methods:
                if method == curves.baseline or not {method, curves.baseline} <= {*values.columns.levels[0]}:
                    continue
                apart = scale * (values[method] - values[curves.baseline]).dropna(axis=1, how="all").dropna(how="all")
                for (step, epoch), seeds in apart.astype(float).iterrows():
                    found = statistics.summary(seeds)
                    row = {"panel": panel, "method": method, "other": curves.baseline, "metric": metric}
                    row |= {"epoch": epoch, "step": step, "difference": found.mean, "n": found.n}
                    row |= {"low": found.interval.low, "high": found.interval.high}
                    row |= {f"seed {seed}": value for seed, value in seeds.items()}
                    rows.append(row | {"runs": runs[panel, method]})
    found = pd.DataFrame(rows, columns=None if rows else [*COLUMNS, "runs"])
    return found[[*COLUMNS, *seed_columns(found), "runs"]]


def caught_up(rows: pd.DataFrame) -> float | None:
    """The first epoch from which on the baseline is never significantly behind; None if it is at the end.

    ``rows`` are those of :func:`table` of one panel, method and metric; behind is an interval that lies wholly on the
    method's better side.
    """
    ahead = rows.low > 0 if rows.metric.iloc[0].startswith("acc") else rows.high < 0
    if not ahead.any():
        return float(rows.epoch.iloc[0])
    last = np.flatnonzero(ahead)[-1]
    return float(rows.epoch.iloc[last + 1]) if last + 1 < len(rows) else None


def figure(curves: Curves, rows: pd.DataFrame) -> Figure:
    """Differences of :func:`table` (metrics in rows) over epochs for each panel (columns), with their t intervals."""
    panels = curves.layout or {"": ()}
    looked = panel_looks(panels)
    statements = (
        f"Each method minus {curves.baseline} by seed: lines, the mean over {seeds_in_words(rows.n)}; bands: its 95 % t"
        " interval, of each epoch alone. The numbers are the differences at the end."
        if len(rows)
        else "No run is done yet."
    )
    end = curves.frame.epoch.max() if len(curves.frame) else 1.0
    with matplotlib.rc_context(RC):
        drawn, grid = page(
            (len(READABLE), len(panels)),
            size=(3.3, 1.75),
            gap=(0.75, 0.2),
            right=0.55,
            bottom=0.45,
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=[own for own in handles(curves, looked) if own.get_label() != curves.baseline],
            caption=caption_of(curves, statements),
        )
        for metric, row in zip(READABLE, grid, strict=True):
            of_metric = rows[rows.metric == metric]
            ends = _ends(of_metric)
            for panel, axes in zip(panels, row, strict=True):
                axes.axhline(0, color=QUIET, linewidth=0.9, zorder=1)
                finals = {}
                for method, look in looked[panel].items():
                    own = of_metric[(of_metric.panel == panel) & (of_metric.method == method)]
                    if len(own):
                        drawn_as = {"color": look.color, "linestyle": look.line, "marker": look.marker}
                        every = max(1, len(own) // 5)
                        axes.plot(own.epoch, own.difference, markersize=3.6, markevery=every, label=method, **drawn_as)
                        axes.fill_between(own.epoch, own.low, own.high, color=look.color, alpha=0.16, linewidth=0)
                        finals[method] = own.difference.iloc[-1]
                axes.set_ylim(*ends)
                scales.epochs_axis(axes, end, room=0.03)
                end_of_pretraining(axes, curves.panel(panel))
                digits = 1 if metric.startswith("acc") else 3
                final_values(axes, finals, looked[panel], lambda _, value, digits=digits: number(value, digits, "+"))
                axes.tick_params(labelleft=panel == next(iter(panels)), labelbottom=metric == READABLE[-1])
                if metric == READABLE[0]:
                    axes.set_title(panel, loc="left")
                    not_run(axes, panels[panel], set(curves.panel(panel).method))
                if metric == READABLE[-1]:
                    axes.set_xlabel(curves.experiment.epochs_title)
            unit = ", points" if metric.startswith("acc") else ""
            row[0].set_ylabel(f"{metric_title(metric, curves.experiment)} - {curves.baseline}'s{unit}")
    return drawn


def _ends(rows: pd.DataFrame) -> tuple[float, float]:
    """The ends of an axis that holds 0 and all means and intervals."""
    values = rows[["difference", "low", "high"]].to_numpy(float)
    values = np.append(values[np.isfinite(values)], 0.0)
    room = 0.06 * (np.ptp(values) or 1.0)
    return float(values.min() - room), float(values.max() + room)


def markdown(rows: pd.DataFrame, ends: Tested) -> str:
    """When the baseline catches up, in a table, and the statistics of the end of training below it.

    ``ends`` is what :func:`hardsample.report.tables.final_metrics` gives of the same curves.
    """
    if rows.empty:
        return tables.markdown(ends)
    usual, experiment = ends.curves.baseline, ends.curves.experiment
    marks = _marks(rows)
    head = ["learning rate", "method", "metric", *(f"epoch {short(mark)}" for mark in marks), f"{usual} catches up"]
    lines, said = [], []
    for (panel, method, metric), own in rows.groupby(["panel", "method", "metric"], sort=False):
        scale = 2 if metric.startswith("acc") else 3
        shown = (own.iloc[(own.epoch - mark).abs().argmin()] for mark in marks)
        cells = [with_interval(row.difference, row.low, row.high, "+", scale) for row in shown]
        when = caught_up(own)
        last = own.epoch.iloc[-1]
        unit = ", points" if metric.startswith("acc") else ""
        title = metric_title(metric, experiment)
        lines.append([panel, method, f"{title}{unit}", *cells, _when(when, own)])
        better = "higher" if metric.startswith("acc") else "lower"
        said.append(
            f"- {panel}, {method}: {title} "
            + (
                f"is still {better} than {usual}'s at epoch {short(last)}."
                if when is None
                else f"is {better} than {usual}'s up to epoch {short(_before(own, when))}; {usual} has caught up from"
                f" epoch {short(when)} on."
                if when > own.epoch.iloc[0]
                else f"is never {better} than {usual}'s, by an interval wholly on that side."
            )
        )
    notes = (
        f"The method minus {usual} by seed, mean [95 % t interval], at some epochs of the figure. {usual} catches up:"
        " the first epoch from which on no interval lies wholly on the method's better side. These intervals are of one"
        " epoch each, unadjusted; the table below tests the end of training."
    )
    title, rest = tables.markdown(ends).split("\n\n", 1)
    return "\n\n".join((title, "\n".join(said), markup.markdown_table(head, lines), notes, rest))


def _when(epoch: float | None, rows: pd.DataFrame) -> str:
    if epoch is None:
        return "not by the end"
    return f"from epoch {short(epoch)}" if epoch > rows.epoch.iloc[0] else "never behind"


def _before(own: pd.DataFrame, epoch: float) -> float:
    return own.epoch[own.epoch < epoch].max()


def _marks(rows: pd.DataFrame) -> list[float]:
    """The end of the pre-training, thirds of the training, and its end."""
    first, last = rows.epoch.min(), rows.epoch.max()
    at = sorted(rows.epoch.unique())
    wanted = (first, last / 3, 2 * last / 3, last)
    return list(dict.fromkeys(min(at, key=lambda epoch: abs(epoch - mark)) for mark in wanted))


def save(rows: pd.DataFrame, ends: Tested, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``-statistics.csv and .md, beside the figure and its points; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    contents = {"csv": markup.csv(ends.frame), "md": markdown(rows, ends)}
    return markup.write(stem.with_name(f"{stem.name}-statistics"), contents)
