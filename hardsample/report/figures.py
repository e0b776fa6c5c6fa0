"""What all figures of curves share: the points over seeds, lines, legend and caption, and the files that are written.

The kinds of figure are modules of their own: :mod:`hardsample.report.trajectories`,
:mod:`hardsample.report.convergence`, :mod:`hardsample.report.draws`, :mod:`hardsample.report.contest_figure`.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample import paths
from hardsample.experiments.curves import METRICS, Curves, keys
from hardsample.experiments.panels import Experiment
from hardsample.numerals import count
from hardsample.report import markup
from hardsample.report.style import QUIET, RC, handle, in_order, style
from hardsample.report.wording import hardware_statement, measured_statement, missing_statement, seeds_in_words


def stem(experiment: Experiment, variation: str = "") -> Path:
    """Where the experiment's outputs go, without a suffix; substitute data have a folder of their own.

    So has what a reader changed: the ``variation``, or else the experiment's own.
    """
    paper, name = experiment.name.split("/")
    folder, changed = paths.figures_dir() / paper / experiment.folder, variation or experiment.variation
    return (folder / "changed" / changed if changed else folder) / name


def save(figure: Figure, points: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.pdf, .png (200 dpi) and .csv (the drawn points), each whole or not at all.

    Equal figures and points give equal bytes: no dates and no versions inside.

    Raises:
        InputError: the folder cannot be written.
    """
    contents = {}
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        content = io.BytesIO()
        with matplotlib.rc_context(RC):
            figure.savefig(content, format=kind, metadata=metadata)
        contents[kind] = content.getvalue()
    return markup.write(stem, contents | {"csv": markup.csv(points)})


def over_seeds(values: pd.DataFrame, curves: Curves) -> pd.DataFrame:
    """Long rows (panel, method, seed, step, epoch, metric, value) as one row for all seeds, in the figure's order.

    ``runs``, the last column, has the :func:`hardsample.experiments.curves.keys` of the curve.
    """
    panels, runs = curves.layout, keys(curves.frame)
    orders = {
        "panel": list(panels),
        "method": in_order(*panels.values()),
        "metric": list(values.metric.unique()),
    }
    values = values.assign(value=values.value.astype(float).where(lambda value: np.isfinite(value)))
    for column, order in orders.items():
        values[column] = pd.Categorical(values[column], order, ordered=True)
    index = ["panel", "method", "metric", "step", "epoch"]
    seeds = values.pivot(index=index, columns="seed", values="value").sort_index()
    seeds.columns = [f"seed {seed}" for seed in seeds.columns]
    spread = pd.DataFrame({"mean": seeds.mean(axis=1), "sd": seeds.std(axis=1), "n": seeds.count(axis=1)})
    points = pd.concat([spread, seeds], axis=1).reset_index().astype(dict.fromkeys(orders, object))
    points = points[["panel", "method", "epoch", "step", "metric", *points.columns[len(index) :]]]
    return points.assign(runs=[runs[cell] for cell in zip(points.panel, points.method, strict=True)])


def seed_columns(points: pd.DataFrame) -> list[str]:
    """The columns that hold a seed each."""
    return [column for column in points.columns if column.startswith("seed ")]


def handles(curves: Curves, panels: Mapping[str, Sequence[str]]) -> list[Line2D]:
    """The legend: every method, run or not, and the end of pre-training."""
    handles, done = [handle(method) for method in in_order(*panels.values())], set(curves.frame.method)
    for entry in handles:
        if done and entry.get_label() not in done:
            entry.set_label(f"{entry.get_label()} (not run)")
    if (curves.frame.pretrain_epochs > 0).any():
        handles.append(Line2D([], [], color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), label="end of pre-training"))
    return handles


def line(axes: Axes, rows: pd.DataFrame, method: str, position: int, methods: int) -> None:
    """Draw a method's mean and, where there is more than one seed, its band of 2 standard deviations."""
    look = style(method)
    every = max(1, round(len(rows) / 5))
    axes.plot(
        rows.epoch,
        rows["mean"],
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markevery=(position * every // max(methods, 1), every),  # side by side, not one on the other
        markersize=3.6,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=3 + position / 10,
        label=method,
    )
    band = rows[rows.n > 1]
    low, high = band["mean"] - 2 * band.sd, band["mean"] + 2 * band.sd
    if axes.get_yscale() != "linear":  # a band may reach beyond what a logarithm can show
        bottom, top = axes.get_ylim()
        low, high = low.clip(lower=bottom / 2), high.clip(upper=2 * top if axes.get_yscale() == "log" else top)
    axes.fill_between(band.epoch, low, high, color=look.color, alpha=0.16, linewidth=0)


def end_of_pretraining(axes: Axes, frame: pd.DataFrame) -> None:
    """Mark where the pre-training ends, if there is one."""
    end = frame.pretrain_epochs.max()
    if end > 0:
        axes.axvline(end, color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)


def not_run(axes: Axes, methods: Sequence[str], done: set[str]) -> None:
    """Say which methods have no runs here."""
    absent = [method for method in methods if method not in done]
    if not done:
        axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", color=QUIET, fontsize=9)
    elif absent and axes.get_subplotspec().is_first_row():  # once a column: the rows below are of the same runs
        text = f"{', '.join(absent) if len(absent) <= 3 else f'{len(absent)} of {len(methods)}'} not run"
        axes.set_title(text, loc="right", color=QUIET, fontsize=7.5, fontweight="normal")


def band_statement(curves: Curves) -> str:
    """What lines and bands show, and of how many seeds."""
    counts = curves.frame.groupby(["panel", "method"]).seed.nunique()
    if counts.empty:
        return "No run is done yet."
    if counts.max() == 1:
        return "One seed (n = 1): no band."
    return (
        f"Lines: mean over {seeds_in_words(counts)}; bands: ± 2 standard deviations over seeds (a spread, not an"
        " interval of the mean)."
    )


def caption_of(curves: Curves, statement: str, metrics: Sequence[str] = ()) -> str:
    """The caption: the statement, what diverged and what is missing, the size and the hardware of the runs."""
    parts = [statement]
    if any(metric.endswith("/train") for metric in metrics):
        parts.append(measured_statement(curves.experiment))
    diverged = curves.frame[~np.isfinite(curves.frame[list(METRICS)].astype(float)).all(axis=1)]
    for (panel, method), rows in diverged.groupby(["panel", "method"], sort=False):
        seeds = rows.seed.nunique()
        parts.append(f"{panel}, {method}: {count(seeds, 'seed')} diverged, left out of the mean from there on.")
    note = curves.experiment.note or f"profile {curves.experiment.profile}"
    parts += [missing_statement(curves), f"{note[0].upper()}{note[1:]}.", hardware_statement(curves)]
    return " ".join(part for part in parts if part)
