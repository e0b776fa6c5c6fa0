"""Metrics over epochs, a panel a column: the mean over seeds and its band, and every seed's final value."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardsample.experiments.curves import METRICS, Curves
from hardsample.report import scales
from hardsample.report.figures import (
    band_statement,
    caption_of,
    chance,
    end_of_pretraining,
    handles,
    line,
    not_run,
    over_seeds,
    panel_looks,
    seed_columns,
)
from hardsample.report.style import RC, Look, final_values, page
from hardsample.report.wording import data_statement, metric_title


def figure_data(curves: Curves, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """What :func:`figure` draws: a row per panel, method, metric and step.

    Columns: panel, method, epoch, step, metric, mean, sd (ddof 1, NaN for one seed), n (seeds with a finite value),
    then each seed's value, and last the keys of the curve's runs, in the order of the seeds.
    """
    values = curves.frame.melt(["panel", "method", "seed", "step", "epoch"], metrics, "metric")
    return over_seeds(values, curves)


def figure(curves: Curves, metrics: Sequence[str] = METRICS) -> Figure:
    """Metrics (rows) over epochs for each panel (columns): every method's mean over seeds, and its seeds around it.

    The metrics of a single panel lie in two columns. Dots at the right end are the seeds' final values, the numbers
    their means. A panel or method without runs says "not run".
    """
    panels, points = curves.layout or {"": ()}, figure_data(curves, metrics)
    wanted, apart = scales.of_rows(points, metrics, list(panels))
    statements = [
        f"{band_statement(curves)} Dots: each seed's final value; numbers: their mean.",
        _scale_statement(wanted, apart=apart),
        scales.CUT if scales.cuts(points, wanted) else "",
    ]
    caption = caption_of(curves, " ".join(filter(None, statements)), metrics)
    with matplotlib.rc_context(RC):
        end, looked = points.epoch.max() if len(points) else 1.0, panel_looks(panels)
        drawn, grid = grid_of(curves, looked, len(metrics), caption, apart=apart)
        for metric, row in zip(metrics, grid, strict=True):
            of_metric = points[points.metric == metric]
            for panel, axes in zip(panels, row, strict=True):
                wanted[metric, panel].apply(axes)
                trajectory(axes, of_metric[of_metric.panel == panel], looked[panel], end)
                end_of_pretraining(axes, curves.panel(panel))
                if metric.startswith("acc"):
                    scales.chance_line(axes, chance(curves.panel(panel)))
            row[0].set_ylabel(metric_title(metric, curves.experiment))
    return drawn


def trajectory(axes: Axes, points: pd.DataFrame, looks: Mapping[str, Look], end: float) -> Axes:
    """Draw one metric of one panel up to epoch ``end``, given its rows of :func:`figure_data` and its methods' looks.

    The y scale is the caller's, to be the same for all panels. What lies beyond it is marked at its edge.
    """
    finals = {}
    for position, (method, look) in enumerate(looks.items()):
        rows = points[points.method == method]
        if not rows["mean"].notna().any():
            continue
        line(axes, rows, look, position, len(looks))
        last = rows.iloc[-1]
        seeds = last[seed_columns(points)].astype(float)
        place = np.full(len(seeds), end * (1.03 + 0.03 * position))
        axes.plot(place, seeds, ".", color=look.color, markersize=5, markeredgewidth=0, alpha=0.6, zorder=4)
        finals[method] = last["mean"]
    scales.epochs_axis(axes, end, room=0.03 + 0.03 * len(looks))
    scales.mark_cuts(axes)
    not_run(axes, list(looks), set(points.method))
    final_values(axes, finals, looks)
    return axes


def grid_of(
    curves: Curves, looked: Mapping[str, Mapping[str, Look]], kinds: int, caption: str, *, apart: bool = False
) -> tuple[Figure, np.ndarray]:
    """Axes [kinds, panels] under the panels' titles; of one panel in two columns, which a page holds better.

    ``looked`` is what :func:`hardsample.report.figures.panel_looks` gives. Where panels stand ``apart``, each has a
    scale of its own, and numbers beside it.
    """
    count = len(looked)
    beside = count == 1 and kinds % 2 == 0
    width = 4.2 if count == 1 else 2.4 if count < 4 else 1.95
    figure, grid = page(
        (kinds // 2, 2) if beside else (kinds, count),
        size=(2.9, 2.3 if kinds == 2 else 1.9) if beside else (width, 1.75),
        gap=(1.15 if beside else 0.88 if apart else 0.58, 0.2),
        right=0.55,
        bottom=0.45,
        heading=data_statement(curves.experiment),
        notice=curves.experiment.in_place,
        handles=handles(curves, looked),
        caption=caption,
    )
    grid = grid.reshape(kinds, -1)
    for panel, column in zip(looked, grid.T, strict=True):
        column[0].set_title(panel, loc="left")
        for axes in column:
            labelled = axes.get_subplotspec().is_last_row()
            axes.tick_params(labelleft=apart or column[0] is grid[0, 0], labelbottom=labelled)
            axes.set_xlabel(curves.experiment.epochs_title if labelled else "")
    return figure, grid


def _scale_statement(wanted: Mapping[tuple[str, str], scales.Scale], *, apart: bool) -> str:
    spacings = {scale.spacing for scale in wanted.values()}
    words = []
    if "error" in spacings:
        words.append("accuracies above 0.8 are spaced by the logarithm of the error")
    if "log" in spacings:
        words.append("loss axes are logarithmic")
    if apart:
        words.append("every column has axes of its own")
    text = ", ".join(words)
    return f"{text[0].upper()}{text[1:]}." if text else ""
