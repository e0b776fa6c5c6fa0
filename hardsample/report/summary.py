"""The final accuracies of some experiments in one table for machines."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hardsample import paths
from hardsample.data import catalogue
from hardsample.experiments.curves import Curves, last_values
from hardsample.report import markup

METRIC = "acc/val"
COLUMNS = ("experiment", "data", "network", "setting", "method", "delta", "metric", "mean", "n", "chance")


def table(curves: Sequence[Curves]) -> pd.DataFrame:
    """A row per experiment, panel and method that was run.

    ``mean``: accuracy on the test set at the end, a fraction, over the ``n`` seeds that did not diverge. ``setting`` is
    the panel's title, ``delta`` paper B's δ where a method has one, ``chance`` the accuracy of a uniform guess.
    """
    rows = []
    for own in curves:
        for (panel, method), runs in own.frame.groupby(["panel", "method"], sort=False, observed=True):
            finals, first = last_values(runs, method, METRIC).dropna(), runs.iloc[0]
            about = {"experiment": own.experiment.name, "setting": panel, "method": method, "metric": METRIC}
            about |= {name: first[name] for name in ("data", "network", "delta")}
            rows.append(about | {"mean": finals.mean(), "n": len(finals), "chance": catalogue.chance(first["data"])})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def save(curves: Sequence[Curves]) -> Path:
    """Write the table as ``quick-summary.csv`` among the figures.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(paths.figures_dir() / "quick-summary", {"csv": markup.csv(table(curves))})[0]
