"""Style, palette and the two kinds of figure: trajectories of the metrics, and where a method's draws go.

Figures are plain :class:`matplotlib.figure.Figure` objects, never pyplot's, so drawing one changes no global state.
Every function takes the curves of ``runs.Store.curves``: one row per evaluation of a run.
"""

import dataclasses
import io
import string
import textwrap
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from hardsample import data, paths

METRICS = ("acc/train", "acc/val", "loss/train", "loss/val")

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#8c8c8c",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.color": "#8c8c8c",
    "ytick.color": "#8c8c8c",
    "xtick.labelcolor": "#262626",
    "ytick.labelcolor": "#262626",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.dpi": 100,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "text.usetex": False,
}
LEAST_ERROR = 5e-4  # what an accuracy of 1 is drawn as, on an axis of the error's logarithm
ACCURACY_TICKS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
LOSS_TICKS = tuple(float(f"{digit}e{power}") for power in range(-6, 7) for digit in (1, 1.5, 2, 3, 5, 7))
INK, QUIET, NOTICE = "#262626", "#6e6e6e", "#a63603"


@dataclasses.dataclass(frozen=True)
class Style:
    """How one method looks in every figure."""

    color: str
    line: str | tuple
    marker: str


# Okabe and Ito's colours, told apart by colour-blind readers; each also has its own dashes and marker for grey prints.
STYLES = {
    "MB": Style("#3b3b3b", "-", "o"),
    "SMB": Style("#cc79a7", (0, (1, 1.2)), "D"),
    "LB": Style("#d55e00", (0, (4, 1.5)), "s"),
    "PLB": Style("#009e73", (0, (5, 1.2, 1, 1.2)), "^"),
    "PEB": Style("#0072b2", "-", "v"),
}
SPARE_STYLES = (
    Style("#e69f00", (0, (3, 1, 1, 1, 1, 1)), "P"),
    Style("#56b4e9", (0, (6, 2)), "X"),
    Style("#b3a100", (0, (2, 1)), "<"),
    Style("#7b4fa3", (0, (1, 2)), ">"),
)


def style(method: str) -> Style:
    """The method's look; one that has none of its own gets a spare one, always the same."""
    return STYLES.get(method) or SPARE_STYLES[zlib.crc32(method.encode()) % len(SPARE_STYLES)]


def stem(experiment) -> Path:
    """Where the experiment's outputs go, without a suffix; substitute data get a folder of their own."""
    paper, name = experiment.name.split("/")
    substitute = experiment.data not in (data.PAPER_DATA[paper], "glyphs")
    return paths.figures_dir() / paper / (experiment.data if substitute else "") / name


def data_statement(curves: pd.DataFrame) -> str:
    """The data in words: the papers' own, another set in their place, or the generated stand-in."""
    name = curves.attrs.get("data", "unknown")
    if curves.attrs.get("stand_in"):
        return f"stand-in data: {name}"
    own = data.PAPER_DATA["base-values"]
    return name if name == own else f"{name}, not {own}"


def layout(curves: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Every panel's methods, in order, with or without runs."""
    done = {panel: tuple(rows.method.unique()) for panel, rows in curves.groupby("panel", sort=False, observed=True)}
    return curves.attrs.get("panels") or done


def trajectory_data(curves: pd.DataFrame) -> pd.DataFrame:
    """What :func:`trajectories` draws: a row per panel, method, metric and step.

    Columns: panel, method, epoch, step, metric, mean, sd (ddof 1, NaN for one seed), n (seeds with a finite value),
    then each seed's value.
    """
    return _over_seeds(curves.melt(["panel", "method", "seed", "step", "epoch"], METRICS, "metric"), layout(curves))


def draws_data(curves: pd.DataFrame) -> pd.DataFrame:
    """What :func:`draws` draws, in the columns of :func:`trajectory_data`.

    Metric ``draws/distinct`` is the share of distinct examples among the draws of the epoch just ended; ``draws/A``
    the share of all draws after pre-training that fell on class A, in the row of the last epoch.
    """
    index = ["panel", "method", "seed", "step", "epoch"]
    ends = curves.dropna(subset=["draws/distinct"])
    per_class = np.array(ends["draws/per-class"].tolist()).reshape(len(ends), -1 if len(ends) else 0)
    distinct = ends[index].assign(metric="draws/distinct", value=ends["draws/distinct"] / per_class.sum(1).clip(1))

    own = (ends.epoch > ends.pretrain_epochs + 0.25).to_numpy()  # pre-training may end a rounded update late
    classes = [f"draws/{name}" for name in class_names(per_class.shape[1])]
    counts = pd.DataFrame(per_class[own], columns=classes).assign(**ends[own][index].reset_index(drop=True))
    runs = counts.groupby(["panel", "method", "seed"], sort=False, observed=True)
    totals = runs[classes].sum()
    shares = totals.div(totals.sum(axis=1), axis=0).join(runs[["step", "epoch"]].max()).reset_index()
    return _over_seeds(pd.concat([distinct, shares.melt(index, classes, "metric")]), layout(curves))


def class_names(count: int) -> list[str]:
    """A name for each class: 26 classes are the letters, in every data set of the first paper."""
    return list(string.ascii_uppercase) if count == 26 else [str(label) for label in range(count)]


def trajectories(curves: pd.DataFrame) -> Figure:
    """Metrics (rows) over epochs for each panel (columns): mean over seeds and a band of 2 standard deviations.

    Dots at the right end are the seeds' final values, the numbers their means. A panel or method without runs says
    "not run".
    """
    panels, points = layout(curves) or {"": ()}, trajectory_data(curves)
    dots = " Dots: each seed's final value; numbers: their mean."
    scale = " Accuracy axes are spaced by the logarithm of the error, loss axes by that of the loss."
    caption = _caption(curves, _band_statement(curves) + dots + scale)
    with matplotlib.rc_context(RC):
        end = points.epoch.max() if len(points) else 1.0
        figure, grid = _grid(
            (len(METRICS), len(panels)),
            size=(2.4 if len(panels) > 1 else 4.2, 1.75),
            gap=(0.58, 0.2),
            right=0.55,
            bottom=0.45,
            caption=caption,
        )
        for metric, row in zip(METRICS, grid, strict=True):
            of_metric = points[points.metric == metric]
            set_scale = _loss_scale if metric.startswith("loss") else _accuracy_scale
            for panel, axes in zip(panels, row, strict=True):
                set_scale(axes, of_metric)
                trajectory(axes, of_metric[of_metric.panel == panel], panels[panel], end)
                _end_of_pretraining(axes, curves[curves.panel == panel])
                axes.tick_params(labelleft=axes is row[0], labelbottom=metric == METRICS[-1])
            row[0].set_ylabel(metric)
        for panel, top, bottom in zip(panels, grid[0], grid[-1], strict=True):
            top.set_title(panel, loc="left")
            bottom.set_xlabel("epochs, as MB counts them")
        _header(figure, grid, panels, curves)
    return figure


def draws(curves: pd.DataFrame) -> Figure:
    """Where a method's draws go: distinct examples per epoch (above), and the classes against MB's (below)."""
    panels, points = layout(curves) or {"": ()}, draws_data(curves)
    caption = _caption(curves, _band_statement(curves) + " Classes: all draws after pre-training, mean over seeds.")
    with matplotlib.rc_context(RC):
        figure, grid = _grid(
            (2, len(panels)), size=(6.0, 2.2), gap=(1.6, 0.75), right=1.05, bottom=0.95, caption=caption
        )
        for panel, above, below in zip(panels, *grid, strict=True):
            drawn = points[points.panel == panel]
            distinct_examples(above, drawn[drawn.metric == "draws/distinct"], panels[panel])
            _end_of_pretraining(above, curves[curves.panel == panel])
            above.set_title(panel, loc="left")
            class_shares(below, drawn[drawn.metric != "draws/distinct"], panels[panel])
        _header(figure, grid, panels, curves)
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
    _epochs(axes, end, room=0.03 + 0.03 * len(methods))
    _not_run(axes, methods, set(points.method))
    _final_values(axes, finals)
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
    _epochs(axes, points.epoch.max() if len(points) else 1.0, room=0.01)
    axes.set_xlabel("epochs, as MB counts them")
    axes.set_ylabel("distinct share of an epoch's draws")
    _not_run(axes, methods, set(points.method))
    _final_values(axes, finals, lambda method, value: f"{method} {value:.1%}")
    return axes


def class_shares(axes: Axes, points: pd.DataFrame, methods: Sequence[str]) -> Axes:
    """Draw how often each class is drawn relative to MB (evenly, without MB), given its rows of :func:`draws_data`.

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
    baseline = shares["MB"] if "MB" in done else 1 / len(shares)
    relative = shares.div(baseline, axis=0).sort_values(done[-1], ascending=False, kind="stable")
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
        if method in done:
            text = f"{np.exp(entropies.loc[method]).mean():.1f} of {len(shares)}"
            axes.text(1.02, 1 - (position + 0.5) / len(methods), text, transform=axes.transAxes, va="center", color=INK)

    bar = axes.figure.colorbar(image, cax=axes.inset_axes((0.0, -0.31, 0.4, 0.045)), orientation="horizontal")
    ticks = [
        tick for tick in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8) if 2**-limit <= tick * 1.0001 and tick <= 2**limit * 1.0001
    ]
    bar.set_ticks(ticks, labels=[f"1/{1 / tick:g}" if tick < 1 else f"{tick:g}" for tick in ticks])
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)
    bar.ax.text(1.04, 0.5, "times as often as under MB", transform=bar.ax.transAxes, va="center", color=INK)
    return axes


def save(figure: Figure, points: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.pdf, .png (200 dpi) and .csv (the drawn points), each whole or not at all.

    Equal figures and points give equal bytes: no dates and no versions inside.

    Raises:
        InputError: the folder cannot be written.
    """
    written = []
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        content = io.BytesIO()
        with matplotlib.rc_context(RC):
            figure.savefig(content, format=kind, metadata=metadata)
        written.append((_with_suffix(stem, kind), content.getvalue()))
    written.append(
        (_with_suffix(stem, "csv"), points.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode())
    )
    for path, content in written:
        paths.write_atomically(path, content)
    return tuple(path for path, _ in written)


def _with_suffix(stem: Path, suffix: str) -> Path:
    return stem.with_name(f"{stem.name}.{suffix}")


def _over_seeds(values: pd.DataFrame, panels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Long rows (panel, method, seed, step, epoch, metric, value) as one row for all seeds, in the figure's order."""
    orders = {
        "panel": list(panels),
        "method": _methods(panels),
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


def _methods(panels: Mapping[str, Sequence[str]]) -> list[str]:
    """Every panel's methods together, in the order of the palette."""
    found = dict.fromkeys(method for methods in panels.values() for method in methods)
    return sorted(found, key=lambda method: list(STYLES).index(method) if method in STYLES else len(STYLES))


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


def _accuracy_scale(axes: Axes, points: pd.DataFrame) -> None:
    """Even steps for equal factors of the error: 0.90 to 0.95 is as far as 0.80 to 0.90, and both can be read."""
    best = points["mean"].max() if points["mean"].notna().any() else 0.9
    top = 1 - max((1 - best) / 1.25, LEAST_ERROR)
    axes.set_yscale("function", functions=(_error_scale, lambda scaled: 1 - 10**-scaled))
    axes.set_ylim(0, top)
    _set_ticks(axes, ACCURACY_TICKS, _error_scale)


def _error_scale(accuracy):
    return -np.log10(np.maximum(1 - np.asarray(accuracy), LEAST_ERROR))


def _loss_scale(axes: Axes, points: pd.DataFrame) -> None:
    """Logarithmic, so that a method with ten times the loss of the others leaves them readable."""
    means = points["mean"][points["mean"] > 0]
    low, high = (means.min() / 1.25, means.max() * 1.25) if len(means) else (0.1, 10.0)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    _set_ticks(axes, LOSS_TICKS, np.log10)


def _set_ticks(axes: Axes, candidates: Sequence[float], scale: Callable) -> None:
    """As many of the candidates as stand well apart on that scale, from the top down."""
    low, high = axes.get_ylim()
    ticks: list[float] = []
    for tick in sorted((tick for tick in candidates if low <= tick <= high), reverse=True):
        if not ticks or scale(ticks[-1]) - scale(tick) > 0.11 * (scale(high) - scale(low)):
            ticks.append(tick)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


def _epochs(axes: Axes, end: float, room: float) -> None:
    """Epochs 0 to ``end``, and ``room`` beyond as a share of them."""
    axes.set_xlim(0, end * (1 + room))
    axes.set_xticks([tick for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, end) if tick <= end * 1.001])


def _end_of_pretraining(axes: Axes, curves: pd.DataFrame) -> None:
    end = curves.pretrain_epochs.max()
    if end > 0:
        axes.axvline(end, color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)


def _not_run(axes: Axes, methods: Sequence[str], done: set[str]) -> None:
    absent = [method for method in methods if method not in done]
    if not done:
        axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", color=QUIET, fontsize=9)
    elif absent:
        text = f"{', '.join(absent)} not run"
        axes.set_title(text, loc="right", color=QUIET, fontsize=7.5, fontweight="normal")


def _final_values(axes: Axes, finals: Mapping[str, float], text=lambda method, value: f"{value:.3f}") -> None:
    """Write the final means beside the right edge, pushed apart where they would overlap."""
    finals = {method: value for method, value in finals.items() if np.isfinite(value)}
    order = sorted(finals, key=finals.get)
    heights = [
        axes.transAxes.inverted().transform(axes.transData.transform((0, finals[method])))[1] for method in order
    ]
    least = 9.5 / 72 / (axes.get_position().height * axes.figure.get_figheight())
    for method, height in zip(order, _spread(heights, least), strict=True):
        label, color = text(method, finals[method]), style(method).color
        axes.text(1.02, height, label, transform=axes.transAxes, va="center", color=color, fontsize=7.5)


def _spread(heights: Sequence[float], least: float) -> np.ndarray:
    """Ascending heights moved as little as it takes to keep ``least`` between neighbours: pool what collides."""
    groups: list[list[float]] = []  # centre, count
    for height in heights:
        groups.append([float(np.clip(height, 0.02, 0.98)), 1])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < least * (groups[-1][1] + groups[-2][1]) / 2:
            centre, count = groups.pop()
            groups[-1] = [
                (groups[-1][0] * groups[-1][1] + centre * count) / (groups[-1][1] + count),
                groups[-1][1] + count,
            ]
    return np.array([centre + least * (k - (count - 1) / 2) for centre, count in groups for k in range(count)])


def _band_statement(curves: pd.DataFrame) -> str:
    counts = curves.groupby(["panel", "method"]).seed.nunique()
    if counts.empty:
        return "No run is done yet."
    low, high = counts.min(), counts.max()
    if high == 1:
        return "One seed (n = 1): no band."
    seeds = f"n = {high} seeds" if low == high else f"n = {low} to {high} seeds"
    return (
        f"Lines: mean over {seeds}; bands: ± 2 standard deviations over seeds (a spread, not an interval of the mean)."
    )


def _caption(curves: pd.DataFrame, statement: str) -> str:
    parts = [statement]
    diverged = curves[~np.isfinite(curves[list(METRICS)].astype(float)).all(axis=1)]
    for (panel, method), rows in diverged.groupby(["panel", "method"], sort=False):
        seeds = rows.seed.nunique()
        parts.append(
            f"{panel}, {method}: {seeds} seed{'s' * (seeds > 1)} diverged, left out of the mean from there on."
        )
    if curves.attrs.get("missing"):
        parts.append(f"Runs still missing: {curves.attrs['missing']}.")
    note = curves.attrs.get("note") or f"profile {curves.attrs.get('profile', 'unknown')}"
    parts.append(f"{note[0].upper()}{note[1:]}.")
    return " ".join(parts)


def _grid(
    shape: tuple[int, int],
    *,
    size: tuple[float, float],
    gap: tuple[float, float],
    right: float,
    bottom: float,
    caption: str,
) -> tuple[Figure, np.ndarray]:
    """Axes [rows, columns] of exactly ``size`` inches, with room for the header above and the caption below."""
    (rows, columns), left, top, line = shape, 0.66, 0.74, 0.15
    width = left + columns * size[0] + (columns - 1) * gap[0] + right
    unbroken = caption.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(unbroken, int((width - 0.3) * 17.5), break_on_hyphens=False)
    bottom += 0.12 + line * len(lines)
    height = top + rows * size[1] + (rows - 1) * gap[1] + bottom
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - right / width,
            "top": 1 - top / height,
            "bottom": bottom / height,
            "wspace": gap[0] / size[0],
            "hspace": gap[1] / size[1],
        },
    )
    figure.text(0.12 / width, 0.1 / height, "\n".join(lines), color=QUIET, fontsize=7.5, va="bottom", linespacing=1.25)
    return figure, grid


def _header(figure: Figure, grid: np.ndarray, panels: Mapping[str, Sequence[str]], curves: pd.DataFrame) -> None:
    """The data in words, and one legend for all panels."""
    width, height = figure.get_size_inches()
    left = grid[0, 0].get_position().x0
    figure.text(left, 1 - 0.1 / height, data_statement(curves), va="top", color=NOTICE, fontsize=9, fontweight="bold")
    handles = []
    for method in _methods(panels):
        look = style(method)
        handles.append(
            Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markersize=4, label=method)
        )
    if (curves.pretrain_epochs > 0).any():
        handles.append(Line2D([], [], color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)), label="end of pre-training"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left - 0.07 / width, 1 - 0.25 / height),
        ncols=len(handles),
        handlelength=2.4,
        columnspacing=1.4,
        borderaxespad=0,
        borderpad=0.1,
    )
