"""How the training loss converges, on a linear and a logarithmic axis, and each method's epoch of convergence."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardsample import statistics
from hardsample.experiments.curves import Curves
from hardsample.numerals import number
from hardsample.report import scales
from hardsample.report.figures import (
    band_statement,
    caption_of,
    over_seeds,
    panel_looks,
    seed_columns,
)
from hardsample.report.style import QUIET, RC, Look, looks
from hardsample.report.trajectories import grid_of, trajectory
from hardsample.report.wording import metric_title

LOSS = "loss/train"
CONVERGED = "epoch/converged"


def figure_data(curves: Curves) -> pd.DataFrame:
    """What :func:`figure` draws, in the columns of :func:`hardsample.report.trajectories.figure_data`.

    Metric ``epoch/converged`` is each seed's :func:`hardsample.statistics.convergence` of the train loss, in the row
    of the last epoch; NaN for a seed that has not converged.
    """
    rows = []
    for (panel, method), own in curves.frame.groupby(["panel", "method"], sort=False, observed=True):
        last = {"panel": panel, "method": method, "step": own.step.max(), "epoch": own.epoch.max(), "metric": CONVERGED}
        for seed, run in own.groupby("seed"):
            rows.append({**last, "seed": seed, "value": statistics.convergence(run.epoch, run[LOSS])})
    columns = ["panel", "method", "seed", "step", "epoch"]
    losses = curves.frame.melt(columns, [LOSS], "metric")
    return over_seeds(pd.concat([losses, pd.DataFrame(rows, columns=losses.columns)]), curves)


def figure(curves: Curves) -> Figure:
    """The train loss over epochs, on a linear and on a logarithmic axis, and the epoch e at which it has converged.

    At the foot of the linear axis each method has its mean e over the seeds that converge, and a dot for each of them.
    """
    panels, points = curves.layout or {"": ()}, figure_data(curves)
    losses, epochs = points[points.metric == LOSS], points[points.metric == CONVERGED]
    wanted = scales.linear_loss_scale(losses), scales.loss_scale(losses, whole=True)
    cut = any(scales.cuts(losses, {(LOSS, panel): scale for panel in panels}) for scale in wanted)
    statements = [
        f"{band_statement(curves)} Dots at the right: each seed's final loss; numbers: their mean.",
        "e: the epoch from which on a seed's train loss stays within 5 % of its whole fall (first minus last value) of"
        " its last value, by our definition, as the paper gives none; markers: mean over the seeds that converge,"
        " dots: each of them.",
        scales.CUT if cut else "",
    ]
    caption = caption_of(curves, " ".join(filter(None, statements)), (LOSS,))
    with matplotlib.rc_context(RC):
        end, looked = points.epoch.max() if len(points) else 1.0, panel_looks(panels)
        drawn, grid = grid_of(curves, looked, 2, caption)
        for row, scale, name in zip(grid, wanted, ("linear", "logarithmic"), strict=True):
            for panel, axes in zip(panels, row, strict=True):
                scale.apply(axes)
                if scale.spacing == "linear":
                    every = looks(method for own in panels.values() for method in own)
                    convergence_epochs(axes, epochs[epochs.panel == panel], every, end)
                trajectory(axes, losses[losses.panel == panel], looked[panel], end)
            row[0].set_ylabel(f"{metric_title(LOSS, curves.experiment)}, {name} axis")
    return drawn


def convergence_epochs(axes: Axes, points: pd.DataFrame, looks: Mapping[str, Look], end: float) -> Axes:
    """Mark each method's epoch of convergence at the foot of the axes, given its rows of :func:`figure_data`.

    The axis is extended downwards to make room for a line per method of ``looks``, with runs in these axes or without.
    """
    low, high = axes.get_ylim()
    foot = 0.075 * len(looks) + 0.02
    axes.set_ylim(low - (high - low) * foot / (1 - foot), high)
    axes.axhline(low, color=RC["axes.edgecolor"], linewidth=RC["axes.linewidth"], zorder=2)
    axes.text(-0.025, foot / 2, "e", transform=axes.transAxes, ha="right", va="center", color=QUIET, style="italic")
    place = axes.get_xaxis_transform()
    for position, (method, look) in enumerate(looks.items()):
        height = foot - 0.02 - 0.075 * (position + 0.5)
        seeds = points[points.method == method][seed_columns(points)].to_numpy(float).ravel()
        if not len(seeds):
            continue
        found = seeds[np.isfinite(seeds)]
        text = "not converged"
        if len(found):
            axes.plot(found, np.full(len(found), height), ".", color=look.color, markersize=5, transform=place)
            axes.plot(found.mean(), height, look.marker, color=look.color, markersize=4.5, transform=place)
            text = number(found.mean(), 1) + (f" (n = {len(found)})" if len(found) < len(seeds) else "")
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
