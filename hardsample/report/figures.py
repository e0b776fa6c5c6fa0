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
from hardsample.data import catalogue
from hardsample.experiments.curves import METRICS, Curves, keys
from hardsample.experiments.panels import Experiment
from hardsample.numerals import count
from hardsample.report import markup, scales
from hardsample.report.style import QUIET, RC, Look, handle, in_order, looks
from hardsample.report.wording import measured_statement, missing_statement, other_code, seeds_in_words, sentence

CHANGED = "changed"  # the folder of experiments of which something was changed from their profile


def stem(experiment: Experiment, variation: str = "") -> Path:
    """Where the experiment's outputs go, without a suffix; all data but the usual stand-ins have a folder.

    So has what a reader changed: the ``variation``, or else the experiment's own.
    """
    paper, name = experiment.name.split("/")
    folder, changed = paths.figures_dir() / paper / experiment.folder, variation or experiment.variation
    return (folder / CHANGED / changed if changed else folder) / name


def files(stem: Path) -> list[Path]:
    """What there is of a figure or table under its :func:`stem`."""
    return sorted({*stem.parent.glob(f"{stem.name}.*"), *stem.parent.glob(f"{stem.name}-*")})


def place(experiment: Experiment) -> Path:
    """Its :func:`stem` as seen from the folder of all figures."""
    return stem(experiment).relative_to(paths.figures_dir())


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


def panel_looks(panels: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Look]]:
    """Every panel's methods with their looks, which are a figure's: no two methods of any of its panels look alike."""
    found = looks(in_order(*panels.values()))
    return {panel: {method: found[method] for method in methods} for panel, methods in panels.items()}


def handles(curves: Curves, looked: Mapping[str, Mapping[str, Look]]) -> list[Line2D]:
    """The legend: every method of :func:`panel_looks` with runs, all where none has, and the end of pre-training."""
    found, done = {method: look for own in looked.values() for method, look in own.items()}, set(curves.frame.method)
    entries = [handle(method, found[method]) for method in in_order(found) if method in done or not done]
    if (curves.frame.pretrain_epochs > 0).any():
        entries.append(Line2D([], [], color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), label="end of pre-training"))
    return entries


def line(axes: Axes, rows: pd.DataFrame, look: Look, position: int, methods: int) -> None:
    """Draw a method's mean and, around it, its band of 2 standard deviations; of fewer than 6 seeds, every seed."""
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
        label=rows.method.iloc[0],
    )
    if scales.banded(rows):
        within = rows[rows.n > 1]
        low, high = scales.band(within)
        if axes.get_yscale() == "log":  # which has no place for what is not above 0
            low = low.clip(lower=axes.get_ylim()[0] / 2)
        axes.fill_between(within.epoch, low, high, color=look.color, alpha=0.16, linewidth=0)
    elif rows.n.max() > 1:
        for seed in seed_columns(rows):
            axes.plot(rows.epoch, rows[seed], color=look.color, linewidth=0.6, alpha=0.45, zorder=2)


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
        look = {"color": QUIET, "fontsize": 7.5}
        width = axes.get_position().width * axes.figure.get_figwidth()
        if 0.09 * len(axes.get_title("left")) + 0.065 * len(text) < width:
            axes.set_title(text, loc="right", fontweight="normal", **look)
        else:  # above the title, where there is room for it
            above = {"xytext": (0, 18), "textcoords": "offset points", "ha": "right", "va": "bottom"}
            axes.annotate(text, (1, 1), xycoords="axes fraction", **above, **look)


def chance(panel: pd.DataFrame) -> float | None:
    """The accuracy of a uniform guess in a panel, given its rows of the frame; None where it is not known.

    The number of classes is that of the data's name or, of data of one's own, that of the classes whose draws were
    counted.
    """
    if panel.empty or "data" not in panel:
        return None
    counted = panel["draws/per-class"].dropna()
    return catalogue.chance(panel.data.iloc[0]) or (1 / len(counted.iloc[0]) if len(counted) else None)


def band_statement(curves: Curves) -> str:
    """What lines and bands show, and of how many seeds."""
    counts = curves.frame.groupby(["panel", "method"]).seed.nunique()
    if counts.empty:
        return "No run is done yet."
    if counts.max() == 1:
        return "Lines: one seed (n = 1)."
    lines, bands, thin = (
        f"Lines: mean over {seeds_in_words(counts)}",
        "bands: ± 2 standard deviations over seeds (a spread, not an interval of the mean)",
        "thin lines: the seeds",
    )
    if counts.min() >= scales.BAND_FROM:
        return f"{lines}; {bands}."
    if counts.max() < scales.BAND_FROM:
        return f"{lines}; {thin}."
    return f"{lines}; {bands}; of fewer than {scales.BAND_FROM} seeds, {thin}."


def caption_of(curves: Curves, statement: str, metrics: Sequence[str] = ()) -> str:
    """The caption: the statement, what diverged and what is missing, the size and the hardware of the runs.

    What sets pairs apart beside their method is told in the notes of the table that stands below the figure.
    """
    parts = [statement]
    if any(metric.endswith("/train") for metric in metrics):
        parts.append(measured_statement(curves.experiment))
    diverged = curves.frame[~np.isfinite(curves.frame[list(METRICS)].astype(float)).all(axis=1)]
    for (panel, method), rows in diverged.groupby(["panel", "method"], sort=False):
        seeds = rows.seed.nunique()
        parts.append(f"{panel}, {method}: {count(seeds, 'seed')} diverged, left out of the mean from there on.")
    note = curves.experiment.note or f"profile {curves.experiment.profile}"
    parts += [missing_statement(curves), sentence(note)]
    if curves.hardware:
        parts.append(f"Hardware: {', '.join(sorted(curves.hardware))}.")
    parts.append(sentence(other_code(curves)))
    if curves.unlike:
        parts.append("Some pairs of runs differ in more than the method: see the notes of the table.")
    return " ".join(part for part in parts if part)
