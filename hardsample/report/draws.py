"""Where a method's draws go: distinct examples per epoch, and how often each class is drawn."""

import string
from collections.abc import Collection, Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hardsample.experiments.base_values import COLLAPSED
from hardsample.experiments.curves import Curves, after_pretraining
from hardsample.numerals import number
from hardsample.report import scales
from hardsample.report.figures import (
    band_statement,
    caption_of,
    end_of_pretraining,
    handles,
    line,
    not_run,
    over_seeds,
    panel_looks,
    seed_columns,
)
from hardsample.report.style import INK, QUIET, RC, Look, final_values, page
from hardsample.report.wording import data_statement


def figure_data(curves: Curves) -> pd.DataFrame:
    """What :func:`figure` draws, in the columns of :func:`hardsample.report.trajectories.figure_data`.

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
    return over_seeds(pd.concat([distinct, shares.melt(index, classes, "metric")]), curves)


def class_names(count: int) -> list[str]:
    """A name for each class: 26 classes are the letters, in every data set of the first paper."""
    return list(string.ascii_uppercase) if count == 26 else [str(label) for label in range(count)]


def figure(curves: Curves) -> Figure:
    """Where a method's draws go: distinct examples per epoch (above), the classes against the baseline's (below)."""
    panels, points = curves.layout or {"": ()}, figure_data(curves)
    longest = max((len(method) for methods in panels.values() for method in methods), default=3)
    statements = [
        f"{band_statement(curves)} Squares: all draws after pre-training, mean over seeds. Effective classes: e to the"
        " entropy of the classes' shares of a seed's draws, which is all of them if all are drawn equally often.",
        f"{COLLAPSED}: the reading that keeps drawing a few examples." if _shown(panels, COLLAPSED) else "",
    ]
    caption = caption_of(curves, " ".join(filter(None, statements)))
    looked = panel_looks(panels)
    with matplotlib.rc_context(RC):
        drawn_page, grid = page(
            (2, len(panels)),
            size=(6.0, 2.2),
            gap=(1.6, 0.75),
            right=0.9 + 0.05 * longest,
            bottom=0.95,
            left=0.66 + 0.05 * max(longest - 7, 0),
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=handles(curves, looked),
            caption=caption,
        )
        for panel, above, below in zip(panels, *grid, strict=True):
            drawn = points[points.panel == panel]
            distinct_examples(above, drawn[drawn.metric == "draws/distinct"], looked[panel])
            above.set_xlabel(curves.experiment.epochs_title)
            end_of_pretraining(above, curves.panel(panel))
            above.set_title(panel, loc="left")
            ran = set(curves.panel(panel).method)
            class_shares(below, drawn[drawn.metric != "draws/distinct"], panels[panel], curves.baseline, ran)
    return drawn_page


def _shown(panels: Mapping[str, Sequence[str]], method: str) -> bool:
    return any(method in methods for methods in panels.values())


def distinct_examples(axes: Axes, points: pd.DataFrame, looks: Mapping[str, Look]) -> Axes:
    """Draw the share of distinct examples among each epoch's draws, from :func:`figure_data`'s rows and the looks."""
    finals = {}
    for position, (method, look) in enumerate(looks.items()):
        rows = points[points.method == method]
        if rows.empty:
            continue
        line(axes, rows, look, position, len(looks))
        finals[method] = rows["mean"].iloc[-1]
    shares = scales.drawn(points).value
    lowest = shares[shares > 0].min() if (shares > 0).any() else 0.1
    ticks = [tick for tick in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if tick > lowest / 2.5]
    axes.set_yscale("log")
    axes.set_yticks(ticks, [f"{tick:.1%}" if tick < 0.01 else f"{tick:.0%}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(min(ticks[0], lowest * 0.8), 1.15)
    scales.epochs_axis(axes, points.epoch.max() if len(points) else 1.0, room=0.01)
    axes.set_ylabel("distinct share of an epoch's draws")
    scales.mark_cuts(axes)
    not_run(axes, list(looks), set(points.method))
    final_values(axes, finals, looks, lambda method, value: f"{method} {value:.1%}")
    return axes


def class_shares(
    axes: Axes, points: pd.DataFrame, methods: Sequence[str], baseline: str = "MB", ran: Collection[str] = ()
) -> Axes:
    """Draw how often each class is drawn relative to the baseline, from :func:`figure_data`'s rows.

    Without the baseline it is relative to even shares.

    Methods that ``ran`` and have no rows did not count their classes.

    The number beside a row is its effective number of classes, exp(entropy of the shares), per seed and then averaged:
    it shows a concentration that differs from seed to seed and so leaves no trace in the mean shares.
    """
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_yticks(range(len(methods)), methods)
    done = [method for method in methods if (points.method == method).any()]
    not_run(axes, methods, set(done))
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

    per_seed = points[seed_columns(points)]
    entropies = -(per_seed * np.log(per_seed.where(per_seed > 0, 1))).groupby(points.method).sum(min_count=1)
    axes.text(1.02, 1.02, "effective\nclasses", transform=axes.transAxes, va="bottom", color=QUIET, fontsize=7.5)
    for position, method in enumerate(methods):
        text, color = "not counted" if method in ran else "not run", QUIET
        if method in done:
            text, color = f"{number(np.exp(entropies.loc[method]).mean(), 1)} of {len(shares)}", INK
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
