"""What each method of a panel gains over the baseline, as paired differences: for controls, which overlap as curves."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample import statistics
from hardsample.experiments.curves import Curves, keys, last_values
from hardsample.numerals import number
from hardsample.report import comparisons
from hardsample.report.figures import caption_of, panel_looks
from hardsample.report.style import QUIET, RC, Look, page
from hardsample.report.wording import data_statement, metric_title, seeds_in_words

METRICS = ("acc/val", "loss/train")


def figure_data(curves: Curves, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """What :func:`figure` draws: a row per panel, metric and method but the baseline, with or without runs.

    Columns: panel, metric, method, difference (the mean over seeds of method minus baseline at the end of training;
    accuracies in percentage points) with its t interval low to high, n (seeds finite under both), pairs (seeds run
    under both), each seed's difference, and last the keys of the method's runs.
    """
    rows, runs = [], keys(curves.frame)
    for panel, methods in curves.layout.items():
        own = curves.panel(panel)
        for metric in metrics:
            usual = last_values(own, curves.baseline, metric)
            for method in methods:
                if method == curves.baseline:
                    continue
                seeds = (last_values(own, method, metric) - usual).reindex(usual.index) * unit(metric)
                twins = own[own.method == method].seed.unique()
                seeds = seeds[seeds.index.isin(twins)]
                finite = seeds[np.isfinite(seeds)]
                interval = statistics.t_interval(finite)
                row = {"panel": panel, "metric": metric, "method": method, "difference": finite.mean()}
                row |= {"low": interval.low, "high": interval.high, "n": len(finite), "pairs": len(seeds)}
                row |= {f"seed {seed}": value for seed, value in seeds.items()}
                rows.append(row | {"runs": runs.get((panel, method), "")})
    columns = ["panel", "metric", "method", "difference", "low", "high", "n", "pairs"]
    points = pd.DataFrame(rows, columns=None if rows else [*columns, "runs"])
    return points[[*columns, *points.columns.drop([*columns, "runs"]), "runs"]]


def figure(curves: Curves, metrics: Sequence[str] = METRICS) -> Figure:
    """Panels (rows) by metrics (columns): a line per method, with its paired difference to the baseline.

    In each line a dot for every seed, their mean and its 95 % t interval. The baseline's own mean stands above.
    """
    panels, points = curves.layout or {"": ()}, figure_data(curves, metrics)
    usual = curves.baseline
    rivals = {panel: [method for method in methods if method != usual] for panel, methods in panels.items()}
    longest = max((len(method) for methods in rivals.values() for method in methods), default=8)
    wanted = {metric: comparisons.limits(_drawn(points[points.metric == metric])) for metric in metrics}
    cut = {metric: comparisons.beyond(_drawn(points[points.metric == metric]), wanted[metric]) for metric in metrics}
    statements = [
        f"Method minus {usual} at the end of training, paired by seed. Dots: seeds, {seeds_in_words(points.pairs)};"
        " markers: their mean; bars: its 95 % t interval."
        if len(points) and points.n.any()
        else "Nothing can be compared yet.",
        comparisons.CUT if any(map(any, cut.values())) else "",
    ]
    looked = panel_looks(panels)
    with matplotlib.rc_context(RC):
        drawn, grid = page(
            (len(panels), len(metrics)),
            size=(3.0, 0.1 + 0.25 * max(1, *map(len, rivals.values()))),
            gap=(0.3, 0.55),
            right=0.25,
            bottom=0.45,
            left=0.3 + 0.075 * longest,
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=handles(),
            caption=caption_of(curves, " ".join(filter(None, statements)), metrics),
        )
        for panel, row in zip(panels, grid, strict=True):
            for metric, axes in zip(metrics, row, strict=True):
                here = points[(points.panel == panel) & (points.metric == metric)]
                comparisons.differences_axis(axes, wanted[metric], rivals[panel], cut[metric])
                if here.n.any() or (curves.panel(panel).method == usual).any():
                    _differences(axes, here.set_index("method"), looked[panel], wanted[metric])
                else:
                    text = f"{usual} not run: no differences" if len(curves.panel(panel)) else "not run"
                    middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
                    axes.text(0.5, 0.5, text, color=QUIET, fontsize=9, **middle)
                axes.tick_params(labelleft=metric == metrics[0])
                mean = last_values(curves.panel(panel), usual, metric).mean()
                about = f"{usual}: {number(mean, 3)}" if np.isfinite(mean) else ""
                axes.set_title(about, loc="right", color=QUIET, fontsize=7.5, fontweight="normal")
                if panel == list(panels)[-1]:
                    points_of = ", points" if unit(metric) > 1 else ""
                    axes.set_xlabel(f"{metric_title(metric, curves.experiment)} minus {usual}'s{points_of}")
            row[0].set_title(panel, loc="left")
    return drawn


def _differences(axes: Axes, rows: pd.DataFrame, looks: dict[str, Look], ends: Sequence[float]) -> None:
    for place, (method, row) in enumerate(rows.iterrows()):
        if not row.pairs:
            beside = {"va": "center_baseline", "fontsize": 7.5, "color": QUIET}
            axes.text(0.03, place, "not run", transform=axes.get_yaxis_transform(), **beside)
            continue
        seeds = row[[column for column in row.index if column.startswith("seed ")]].to_numpy(float)
        look = {"color": looks[method].color, "marker": looks[method].marker}
        comparisons.comparison(axes, place, seeds, row.difference, (row.low, row.high), ends, **look)


def unit(metric: str) -> float:
    """What a difference is multiplied by: those of accuracies are told in points."""
    return 100.0 if metric.startswith("acc") else 1.0


def _drawn(points: pd.DataFrame) -> np.ndarray:
    kept = [column for column in points if column.startswith("seed ") or column in ("difference", "low", "high")]
    return points[kept].to_numpy(float).ravel()


def handles() -> list[Line2D]:
    """The legend of paired differences: a seed, the mean and its interval."""
    quiet = {"color": QUIET, "linestyle": ""}
    return [
        Line2D([], [], marker=".", markersize=5.5, markeredgewidth=0, alpha=0.75, label="a seed", **quiet),
        Line2D([], [], marker="o", markersize=4.8, label="mean", **quiet),
        Line2D([], [], color=QUIET, linewidth=3.6, alpha=0.3, label="95 % interval of the mean"),
    ]
