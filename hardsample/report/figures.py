"""The kinds of figure: trajectories of the metrics, the convergence of the loss, and where a method's draws go.

Every function takes the curves of ``runs.Store.curves``.
"""

import io
import string
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from hardsample import paths
from hardsample.data import dataset
from hardsample.experiments.curves import Curves
from hardsample.experiments.panels import Experiment
from hardsample.report import markup, stats
from hardsample.report.style import (
    INK,
    QUIET,
    RC,
    accuracy_scale,
    epochs_axis,
    final_values,
    handle,
    in_order,
    linear_loss_scale,
    loss_scale,
    page,
    style,
)

METRICS = ("acc/train", "acc/val", "loss/train", "loss/val")
LOSS = "loss/train"
CONVERGED = "epoch/converged"
TITLES = {
    "acc/train": "train accuracy",
    "acc/val": "test accuracy",
    "loss/train": "train loss",
    "loss/val": "test loss",
}


def stem(experiment: Experiment) -> Path:
    """Where the experiment's outputs go, without a suffix; substitute data get a folder of their own."""
    paper, name = experiment.name.split("/")
    return paths.figures_dir() / paper / experiment.folder / name


def data_statement(experiment: Experiment) -> str:
    """The data in words: the paper's own, another set in their place, or the generated stand-in."""
    name = experiment.data
    if name in dataset.LABELS:
        return dataset.LABELS[name]
    if experiment.stand_in:
        return f"stand-in data: {name}"
    return f"{name}, not {', '.join(experiment.own)}" if experiment.substitute else name


def metric_title(metric: str, experiment: Experiment) -> str:
    """A metric as its paper calls it: paper A by our column's name, paper B in words."""
    return metric if experiment.baseline == "MB" else TITLES[metric]


def missing_statement(curves: Curves) -> str:
    """How many runs are missing, and whose: "Runs still missing: 48 (LB in every panel)."; "" for none."""
    panels, counts = curves.layout, curves.frame.groupby(["panel", "method"], observed=True).seed.nunique()
    most, gaps = int(counts.max()) if len(counts) else 0, {}
    for panel, methods in panels.items():
        for method in methods:
            if (found := counts.get((panel, method), 0)) < most:
                gaps.setdefault((method, found), []).append(panel)
    parts = [
        method
        + (f" in {'every panel' if len(where) == len(panels) else ', '.join(where)}" if len(panels) > 1 else "")
        + (f" ({found} of {most} seeds done)" if found else "")
        for (method, found), where in gaps.items()
    ]
    whose = f" ({'; '.join(parts)})" if parts else ""
    return missing_count(curves, whose)


def missing_count(curves: Curves, whose: str = "") -> str:
    """How many runs are missing, and whose if that is given; "" for none."""
    return f"Runs still missing: {curves.missing}{whose}." if curves.missing else ""


def hardware_statement(curves: Curves) -> str:
    """What the runs were made on, and what sets pairs apart beside their method; "" where nothing is known of it."""
    devices = sorted(curves.hardware.items())
    parts = [device + (f" ({runs} runs)" if len(devices) > 1 else "") for device, runs in devices]
    sentences = [f"Hardware: {', '.join(parts)}."] if parts else []
    if curves.unlike:
        made = "; ".join(f"{', '.join(methods)} from {how}" for how, methods in curves.unlike.items())
        sentences.append(f"Some pairs differ in more than the method: {made}.")
    return " ".join(sentences)


def measured_statement(experiment: Experiment) -> str:
    """On which examples the train metrics are measured, in a sentence; "" where it is not known."""
    counts = experiment.measured
    which = " or ".join("all" if count is None else f"{count:,}" for count in counts)
    return f"Train metrics are measured on {which} of the training examples." if counts else ""


def after_pretraining(frame: pd.DataFrame) -> pd.Series:
    """Which evaluations come after the pre-training; it may end a rounded update late."""
    return frame.epoch > frame.pretrain_epochs + 0.25


def trajectory_data(curves: Curves, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """What :func:`trajectories` draws: a row per panel, method, metric and step.

    Columns: panel, method, epoch, step, metric, mean, sd (ddof 1, NaN for one seed), n (seeds with a finite value),
    then each seed's value.
    """
    values = curves.frame.melt(["panel", "method", "seed", "step", "epoch"], metrics, "metric")
    return _over_seeds(values, curves.layout)


def convergence_data(curves: Curves) -> pd.DataFrame:
    """What :func:`convergence` draws, in the columns of :func:`trajectory_data`.

    Metric ``epoch/converged`` is each seed's :func:`hardsample.report.stats.convergence` of the train loss, in the row
    of the last epoch; NaN for a seed that has not converged.
    """
    rows = []
    for (panel, method), own in curves.frame.groupby(["panel", "method"], sort=False, observed=True):
        last = {"panel": panel, "method": method, "step": own.step.max(), "epoch": own.epoch.max(), "metric": CONVERGED}
        for seed, run in own.groupby("seed"):
            rows.append({**last, "seed": seed, "value": stats.convergence(run.epoch, run[LOSS])})
    columns = ["panel", "method", "seed", "step", "epoch"]
    losses = curves.frame.melt(columns, [LOSS], "metric")
    return _over_seeds(pd.concat([losses, pd.DataFrame(rows, columns=losses.columns)]), curves.layout)


def draws_data(curves: Curves) -> pd.DataFrame:
    """What :func:`draws` draws, in the columns of :func:`trajectory_data`.

    Metric ``draws/distinct`` is the share of distinct examples among the draws of the epoch just ended; ``draws/A``
    the share of all draws after pre-training that fell on class A, in the row of the last epoch, for runs that counted
    them.
    """
    index = ["panel", "method", "seed", "step", "epoch"]
    ends = curves.frame.dropna(subset=["draws/distinct"])
    whole = (ends.step * ends.batch_size / ends.epoch.where(ends.epoch > 0, 1)).round()  # N, where nothing is counted
    counted = ends["draws/per-class"].notna()
    per_class = np.array(ends["draws/per-class"][counted].tolist()).reshape(counted.sum(), -1 if counted.any() else 0)
    whole[counted] = per_class.sum(1)
    distinct = ends[index].assign(metric="draws/distinct", value=ends["draws/distinct"] / whole.clip(1))

    ends = ends[counted]
    own = after_pretraining(ends).to_numpy()
    classes = [f"draws/{name}" for name in class_names(per_class.shape[1])]
    counts = pd.DataFrame(per_class[own], columns=classes).assign(**ends[own][index].reset_index(drop=True))
    runs = counts.groupby(["panel", "method", "seed"], sort=False, observed=True)
    totals = runs[classes].sum()
    shares = totals.div(totals.sum(axis=1), axis=0).join(runs[["step", "epoch"]].max()).reset_index()
    return _over_seeds(pd.concat([distinct, shares.melt(index, classes, "metric")]), curves.layout)


def class_names(count: int) -> list[str]:
    """A name for each class: 26 classes are the letters, in every data set of the first paper."""
    return list(string.ascii_uppercase) if count == 26 else [str(label) for label in range(count)]


def trajectories(curves: Curves, metrics: Sequence[str] = METRICS) -> Figure:
    """Metrics (rows) over epochs for each panel (columns): mean over seeds and a band of 2 standard deviations.

    The metrics of a single panel lie in two columns. Dots at the right end are the seeds' final values, the numbers
    their means. A panel or method without runs says "not run".
    """
    panels, points = curves.layout or {"": ()}, trajectory_data(curves, metrics)
    dots = " Dots: each seed's final value; numbers: their mean."
    caption = _caption(curves, _band_statement(curves) + dots + _scale_statement(metrics), metrics)
    with matplotlib.rc_context(RC):
        end = points.epoch.max() if len(points) else 1.0
        figure, grid = _page(curves, panels, len(metrics), caption)
        for metric, row in zip(metrics, grid, strict=True):
            of_metric = points[points.metric == metric]
            set_scale = loss_scale if metric.startswith("loss") else accuracy_scale
            for panel, axes in zip(panels, row, strict=True):
                set_scale(axes, of_metric)
                trajectory(axes, of_metric[of_metric.panel == panel], panels[panel], end)
                _end_of_pretraining(axes, curves.panel(panel))
            row[0].set_ylabel(metric_title(metric, curves.experiment))
    return figure


def convergence(curves: Curves) -> Figure:
    """The train loss over epochs, on a linear and on a logarithmic axis, and the epoch e at which it has converged.

    At the foot of the linear axis each method has its mean e over the seeds that converge, and a dot for each of them.
    """
    panels, points = curves.layout or {"": ()}, convergence_data(curves)
    definition = (
        " e: the epoch of the first evaluation from which on a seed's train loss stays within 5 % of its whole fall"
        " (first minus last value) of its last value; markers and numbers: mean over the seeds that converge, dots:"
        " each of them. The paper gives no definition of its e; this one is ours."
    )
    caption = _caption(curves, f"{_band_statement(curves)} Numbers at the right: final means.{definition}", (LOSS,))
    losses, epochs = points[points.metric == LOSS], points[points.metric == CONVERGED]
    with matplotlib.rc_context(RC):
        end = points.epoch.max() if len(points) else 1.0
        figure, grid = _page(curves, panels, 2, caption)
        for row, set_scale, name in zip(grid, (linear_loss_scale, loss_scale), ("linear", "logarithmic"), strict=True):
            for panel, axes in zip(panels, row, strict=True):
                set_scale(axes, losses)
                if set_scale is linear_loss_scale:
                    convergence_epochs(axes, epochs[epochs.panel == panel], in_order(*panels.values()), end)
                trajectory(axes, losses[losses.panel == panel], panels[panel], end)
            row[0].set_ylabel(f"{metric_title(LOSS, curves.experiment)}, {name} axis")
    return figure


def draws(curves: Curves) -> Figure:
    """Where a method's draws go: distinct examples per epoch (above), the classes against the baseline's (below)."""
    panels, points = curves.layout or {"": ()}, draws_data(curves)
    longest = max((len(method) for methods in panels.values() for method in methods), default=3)
    caption = _caption(curves, _band_statement(curves) + " Classes: all draws after pre-training, mean over seeds.")
    with matplotlib.rc_context(RC):
        figure, grid = page(
            (2, len(panels)),
            size=(6.0, 2.2),
            gap=(1.6, 0.75),
            right=0.9 + 0.05 * longest,
            bottom=0.95,
            left=0.66 + 0.05 * max(longest - 7, 0),
            heading=data_statement(curves.experiment),
            handles=_handles(curves, panels),
            caption=caption,
        )
        for panel, above, below in zip(panels, *grid, strict=True):
            drawn = points[points.panel == panel]
            distinct_examples(above, drawn[drawn.metric == "draws/distinct"], panels[panel])
            above.set_xlabel(_epochs_title(curves))
            _end_of_pretraining(above, curves.panel(panel))
            above.set_title(panel, loc="left")
            ran = set(curves.panel(panel).method)
            class_shares(below, drawn[drawn.metric != "draws/distinct"], panels[panel], curves.baseline, ran)
    return figure


def trajectory(axes: Axes, points: pd.DataFrame, methods: Sequence[str], end: float) -> Axes:
    """Draw one metric of one panel up to epoch ``end``, given its rows of :func:`trajectory_data`.

    The y scale is the caller's, to be the same for all panels.
    """
    finals = {}
    for position, method in enumerate(methods):
        rows, look = points[points.method == method], style(method)
        if not rows["mean"].notna().any():
            continue
        _line(axes, rows, method, position, len(methods))
        last = rows.iloc[-1]
        seeds = last[_seeds(points)].astype(float)
        place = np.full(len(seeds), end * (1.03 + 0.03 * position))
        axes.plot(place, seeds, ".", color=look.color, markersize=3.6, markeredgewidth=0, alpha=0.6, zorder=4)
        finals[method] = last["mean"]
    epochs_axis(axes, end, room=0.03 + 0.03 * len(methods))
    _not_run(axes, methods, set(points.method))
    final_values(axes, finals)
    return axes


def convergence_epochs(axes: Axes, points: pd.DataFrame, methods: Sequence[str], end: float) -> Axes:
    """Mark each method's epoch of convergence at the foot of the axes, given its rows of :func:`convergence_data`.

    The axis is extended downwards to make room for a line per method, with runs in these axes or without.
    """
    low, high = axes.get_ylim()
    foot = 0.075 * len(methods) + 0.02
    axes.set_ylim(low - (high - low) * foot / (1 - foot), high)
    axes.axhline(low, color=RC["axes.edgecolor"], linewidth=RC["axes.linewidth"], zorder=2)
    axes.text(-0.025, foot / 2, "e", transform=axes.transAxes, ha="right", va="center", color=QUIET, style="italic")
    place = axes.get_xaxis_transform()
    for position, method in enumerate(methods):
        look, height = style(method), foot - 0.02 - 0.075 * (position + 0.5)
        seeds = points[points.method == method][_seeds(points)].to_numpy(float).ravel()
        if not len(seeds):
            continue
        found = seeds[np.isfinite(seeds)]
        text = "not converged"
        if len(found):
            axes.plot(found, np.full(len(found), height), ".", color=look.color, markersize=3.6, transform=place)
            axes.plot(found.mean(), height, look.marker, color=look.color, markersize=4.5, transform=place)
            text = f"{found.mean():.1f}" + (f" (n = {len(found)})" if len(found) < len(seeds) else "")
        left = len(found) and found.max() > 0.7 * end  # of the marks, where there is no room on their right
        axes.annotate(
            text,
            (found.min() if left else found.max() if len(found) else 0.5 * end, height),
            (-5 if left else 5, 0),
            xycoords=place,
            textcoords="offset points",
            ha="right" if left else "left",
            va="center_baseline",
            color=look.color,
            fontsize=7.5,
        )
    return axes


def distinct_examples(axes: Axes, points: pd.DataFrame, methods: Sequence[str]) -> Axes:
    """Draw the share of distinct examples among each epoch's draws, given its rows of :func:`draws_data`."""
    finals = {}
    for position, method in enumerate(methods):
        rows = points[points.method == method]
        if rows.empty:
            continue
        _line(axes, rows, method, position, len(methods))
        finals[method] = rows["mean"].iloc[-1]
    lowest = points["mean"].min() if len(points) else 0.1
    ticks = [tick for tick in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if tick > lowest / 2.5]
    axes.set_yscale("log")
    axes.set_yticks(ticks, [f"{tick:.1%}" if tick < 0.01 else f"{tick:.0%}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(min(ticks[0], lowest * 0.8), 1.15)
    epochs_axis(axes, points.epoch.max() if len(points) else 1.0, room=0.01)
    axes.set_ylabel("distinct share of an epoch's draws")
    _not_run(axes, methods, set(points.method))
    final_values(axes, finals, lambda method, value: f"{method} {value:.1%}")
    return axes


def class_shares(
    axes: Axes, points: pd.DataFrame, methods: Sequence[str], baseline: str = "MB", ran: Collection[str] = ()
) -> Axes:
    """Draw how often each class is drawn relative to the baseline (evenly, without it), from :func:`draws_data`'s rows.

    Methods that ``ran`` and have no rows did not count their classes.

    The number beside a row is its effective number of classes, exp(entropy of the shares), per seed and then averaged:
    it shows a concentration that differs from seed to seed and so leaves no trace in the mean shares.
    """
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_yticks(range(len(methods)), methods)
    done = [method for method in methods if (points.method == method).any()]
    _not_run(axes, methods, set(done))
    if not done:
        axes.set_xticks([])
        return axes
    shares = points.pivot(index="metric", columns="method", values="mean")
    usual = shares[baseline] if baseline in done else 1 / len(shares)
    relative = shares.div(usual, axis=0).sort_values(done[-1], ascending=False, kind="stable")
    limit = float(np.clip(np.nanmax(np.abs(np.log2(relative[done].clip(lower=1e-9)))), 1, 3))
    cells = relative.reindex(columns=list(methods)).T.clip(2**-limit, 2**limit)
    image = axes.pcolormesh(cells, cmap="RdBu_r", norm=LogNorm(2**-limit, 2**limit), edgecolors="white", linewidth=0.8)
    axes.set_yticks(np.arange(len(methods)) + 0.5, methods)
    axes.set_xticks(np.arange(len(cells.columns)) + 0.5, [name.removeprefix("draws/") for name in cells.columns])
    axes.set_ylim(len(methods), 0)
    axes.set_xlabel(f"class, ordered by {done[-1]}'s share", labelpad=2)

    per_seed = points[_seeds(points)]
    entropies = -(per_seed * np.log(per_seed.where(per_seed > 0, 1))).groupby(points.method).sum(min_count=1)
    axes.text(1.02, 1.02, "effective\nclasses", transform=axes.transAxes, va="bottom", color=QUIET, fontsize=7.5)
    for position, method in enumerate(methods):
        text, color = "not counted" if method in ran else "not run", QUIET
        if method in done:
            text, color = f"{np.exp(entropies.loc[method]).mean():.1f} of {len(shares)}", INK
        axes.text(1.02, 1 - (position + 0.5) / len(methods), text, transform=axes.transAxes, va="center", color=color)

    bar = axes.figure.colorbar(image, cax=axes.inset_axes((0.0, -0.31, 0.4, 0.045)), orientation="horizontal")
    ticks = [
        tick for tick in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8) if 2**-limit <= tick * 1.0001 and tick <= 2**limit * 1.0001
    ]
    bar.set_ticks(ticks, labels=[f"1/{1 / tick:g}" if tick < 1 else f"{tick:g}" for tick in ticks])
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)
    bar.ax.text(1.04, 0.5, f"times as often as under {baseline}", transform=bar.ax.transAxes, va="center", color=INK)
    return axes


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


def _page(curves: Curves, panels: Mapping[str, Sequence[str]], kinds: int, caption: str) -> tuple[Figure, np.ndarray]:
    """Axes [kinds, panels] under the panels' titles; of one panel in two columns, which a page holds better."""
    beside = len(panels) == 1 and kinds % 2 == 0
    figure, grid = page(
        (kinds // 2, 2) if beside else (kinds, len(panels)),
        size=(2.9, 2.3 if kinds == 2 else 1.9) if beside else (2.4 if len(panels) > 1 else 4.2, 1.75),
        gap=(1.15 if beside else 0.58, 0.2),
        right=0.55,
        bottom=0.45,
        heading=data_statement(curves.experiment),
        handles=_handles(curves, panels),
        caption=caption,
    )
    grid = grid.reshape(kinds, -1)
    for panel, column in zip(panels, grid.T, strict=True):
        column[0].set_title(panel, loc="left")
        for axes in column:
            labelled = axes.get_subplotspec().is_last_row()
            axes.tick_params(labelleft=column[0] is grid[0, 0], labelbottom=labelled)
            axes.set_xlabel(_epochs_title(curves) if labelled else "")
    return figure, grid


def _handles(curves: Curves, panels: Mapping[str, Sequence[str]]) -> list[Line2D]:
    handles, done = [handle(method) for method in in_order(*panels.values())], set(curves.frame.method)
    for entry in handles:
        if done and entry.get_label() not in done:
            entry.set_label(f"{entry.get_label()} (not run)")
    if (curves.frame.pretrain_epochs > 0).any():
        handles.append(Line2D([], [], color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), label="end of pre-training"))
    return handles


def _epochs_title(curves: Curves) -> str:
    return "epochs, as MB counts them" if curves.baseline == "MB" else f"updates / N (epochs of {curves.baseline})"


def _over_seeds(values: pd.DataFrame, panels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Long rows (panel, method, seed, step, epoch, metric, value) as one row for all seeds, in the figure's order."""
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
    return points[["panel", "method", "epoch", "step", "metric", *points.columns[len(index) :]]]


def _seeds(points: pd.DataFrame) -> list[str]:
    return [column for column in points.columns if column.startswith("seed ")]


def _line(axes: Axes, rows: pd.DataFrame, method: str, position: int, methods: int) -> None:
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


def _end_of_pretraining(axes: Axes, frame: pd.DataFrame) -> None:
    end = frame.pretrain_epochs.max()
    if end > 0:
        axes.axvline(end, color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)


def _not_run(axes: Axes, methods: Sequence[str], done: set[str]) -> None:
    absent = [method for method in methods if method not in done]
    if not done:
        axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", color=QUIET, fontsize=9)
    elif absent and axes.get_subplotspec().is_first_row():  # once a column: the rows below are of the same runs
        text = f"{', '.join(absent) if len(absent) <= 3 else f'{len(absent)} of {len(methods)}'} not run"
        axes.set_title(text, loc="right", color=QUIET, fontsize=7.5, fontweight="normal")


def _band_statement(curves: Curves) -> str:
    counts = curves.frame.groupby(["panel", "method"]).seed.nunique()
    if counts.empty:
        return "No run is done yet."
    low, high = counts.min(), counts.max()
    if high == 1:
        return "One seed (n = 1): no band."
    seeds = f"n = {high} seeds" if low == high else f"n = {low} to {high} seeds"
    return (
        f"Lines: mean over {seeds}; bands: ± 2 standard deviations over seeds (a spread, not an interval of the mean)."
    )


def _scale_statement(metrics: Sequence[str]) -> str:
    kinds = {metric.split("/")[0] for metric in metrics}
    if kinds == {"loss"}:
        return " Loss axes are logarithmic."
    losses = ", loss axes by that of the loss" if "loss" in kinds else ""
    return f" Accuracy axes are spaced by the logarithm of the error{losses}."


def _caption(curves: Curves, statement: str, metrics: Sequence[str] = ()) -> str:
    parts = [statement]
    if any(metric.endswith("/train") for metric in metrics):
        parts.append(measured_statement(curves.experiment))
    diverged = curves.frame[~np.isfinite(curves.frame[list(METRICS)].astype(float)).all(axis=1)]
    for (panel, method), rows in diverged.groupby(["panel", "method"], sort=False):
        seeds = rows.seed.nunique()
        parts.append(
            f"{panel}, {method}: {seeds} seed{'s' * (seeds > 1)} diverged, left out of the mean from there on."
        )
    note = curves.experiment.note or f"profile {curves.experiment.profile}"
    parts += [missing_statement(curves), f"{note[0].upper()}{note[1:]}.", hardware_statement(curves)]
    return " ".join(part for part in parts if part)
