"""Metrics over epochs, a panel a column: the mean over seeds and its band, and every seed's final value."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardsample.experiments.curves import METRICS, Curves
from hardsample.report.figures import (
    band_statement,
    caption_of,
    end_of_pretraining,
    handles,
    line,
    not_run,
    over_seeds,
    seed_columns,
)
from hardsample.report.style import RC, accuracy_scale, epochs_axis, final_values, loss_scale, page, style
from hardsample.report.wording import data_statement, metric_title


def figure_data(curves: Curves, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """What :func:`figure` draws: a row per panel, method, metric and step.

    Columns: panel, method, epoch, step, metric, mean, sd (ddof 1, NaN for one seed), n (seeds with a finite value),
    then each seed's value, and last the keys of the curve's runs, in the order of the seeds.
    """
    values = curves.frame.melt(["panel", "method", "seed", "step", "epoch"], metrics, "metric")
    return over_seeds(values, curves)


def figure(curves: Curves, metrics: Sequence[str] = METRICS) -> Figure:
    """Metrics (rows) over epochs for each panel (columns): mean over seeds and a band of 2 standard deviations.

    The metrics of a single panel lie in two columns. Dots at the right end are the seeds' final values, the numbers
    their means. A panel or method without runs says "not run".
    """
    panels, points = curves.layout or {"": ()}, figure_data(curves, metrics)
    dots = " Dots: each seed's final value; numbers: their mean."
    caption = caption_of(curves, band_statement(curves) + dots + _scale_statement(metrics), metrics)
    with matplotlib.rc_context(RC):
        end = points.epoch.max() if len(points) else 1.0
        drawn, grid = grid_of(curves, panels, len(metrics), caption)
        for metric, row in zip(metrics, grid, strict=True):
            of_metric = points[points.metric == metric]
            set_scale = loss_scale if metric.startswith("loss") else accuracy_scale
            for panel, axes in zip(panels, row, strict=True):
                set_scale(axes, of_metric)
                trajectory(axes, of_metric[of_metric.panel == panel], panels[panel], end)
                end_of_pretraining(axes, curves.panel(panel))
            row[0].set_ylabel(metric_title(metric, curves.experiment))
    return drawn


def trajectory(axes: Axes, points: pd.DataFrame, methods: Sequence[str], end: float) -> Axes:
    """Draw one metric of one panel up to epoch ``end``, given its rows of :func:`figure_data`.

    The y scale is the caller's, to be the same for all panels.
    """
    finals = {}
    for position, method in enumerate(methods):
        rows, look = points[points.method == method], style(method)
        if not rows["mean"].notna().any():
            continue
        line(axes, rows, method, position, len(methods))
        last = rows.iloc[-1]
        seeds = last[seed_columns(points)].astype(float)
        place = np.full(len(seeds), end * (1.03 + 0.03 * position))
        axes.plot(place, seeds, ".", color=look.color, markersize=3.6, markeredgewidth=0, alpha=0.6, zorder=4)
        finals[method] = last["mean"]
    epochs_axis(axes, end, room=0.03 + 0.03 * len(methods))
    not_run(axes, methods, set(points.method))
    final_values(axes, finals)
    return axes


def grid_of(curves: Curves, panels: Mapping[str, Sequence[str]], kinds: int, caption: str) -> tuple[Figure, np.ndarray]:
    """Axes [kinds, panels] under the panels' titles; of one panel in two columns, which a page holds better."""
    beside = len(panels) == 1 and kinds % 2 == 0
    figure, grid = page(
        (kinds // 2, 2) if beside else (kinds, len(panels)),
        size=(2.9, 2.3 if kinds == 2 else 1.9) if beside else (2.4 if len(panels) > 1 else 4.2, 1.75),
        gap=(1.15 if beside else 0.58, 0.2),
        right=0.55,
        bottom=0.45,
        heading=data_statement(curves.experiment),
        notice=curves.experiment.in_place,
        handles=handles(curves, panels),
        caption=caption,
    )
    grid = grid.reshape(kinds, -1)
    for panel, column in zip(panels, grid.T, strict=True):
        column[0].set_title(panel, loc="left")
        for axes in column:
            labelled = axes.get_subplotspec().is_last_row()
            axes.tick_params(labelleft=column[0] is grid[0, 0], labelbottom=labelled)
            axes.set_xlabel(curves.experiment.epochs_title if labelled else "")
    return figure, grid


def _scale_statement(metrics: Sequence[str]) -> str:
    kinds = {metric.split("/")[0] for metric in metrics}
    if kinds == {"loss"}:
        return " Loss axes are logarithmic."
    losses = ", loss axes by that of the loss" if "loss" in kinds else ""
    return f" Accuracy axes are spaced by the logarithm of the error{losses}."
