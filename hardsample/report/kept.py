"""What runs keep of single examples, by method and seed, and how rows over seeds are made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.config import Run
from hardsample.experiments.curves import Curves
from hardsample.report.figures import seed_columns

Detail = Mapping[str, np.ndarray]
"""The arrays of one run, by the names of :mod:`hardsample.training.details`."""
Kept = dict[str, dict[int, Detail]]
"""The details of the runs that are done, by what their curve is called and their seed."""


def by_method(curves: Curves, details: Mapping[Run, Detail]) -> Kept:
    """The details of an experiment of one panel, of those of its runs that there are ``details`` of, in its order."""
    found: Kept = {}
    for panel in curves.experiment.panels:
        for run in panel.runs:
            if run in details:
                found.setdefault(panel.variant(run), {})[run.seed] = details[run]
    return found


def misplaced(details: Mapping[Run, Detail]) -> dict[str, pd.Series]:
    """The share of the drawing probability that stored base values give to the wrong examples, by run and moment.

    By the key of each run that kept it, shares of 1 under the epochs of its moments.
    """
    stale = {run.key: own for run, own in details.items() if "stale/epoch" in own}
    return {key: pd.Series(own["stale/moved"], np.round(own["stale/epoch"], 4)) for key, own in stale.items()}


def both(kept: Kept, *methods: str) -> list[int]:
    """The seeds that all of the methods have, in their order; none where a method is not there."""
    own = [set(kept.get(method, ())) for method in methods]
    return sorted(set.intersection(*own)) if own else []


def seeds(curves: Curves) -> pd.Series:
    """How many seeds of each method are done."""
    return curves.frame.groupby("method", observed=True).seed.nunique()


def over_seeds(values: Mapping[int, float]) -> dict[str, Any]:
    """A row's ``mean`` with its t interval ``low`` to ``high``, the number ``n`` of finite values, and each seed's."""
    found = statistics.summary(list(values.values()))
    row = {"mean": found.mean, "low": found.interval.low, "high": found.interval.high, "n": found.n}
    return row | {f"seed {seed}": value for seed, value in values.items()}


def ordered(rows: Sequence[Mapping], columns: Sequence[str]) -> pd.DataFrame:
    """The rows with these columns first, then every seed's, and the keys of the runs last."""
    found = pd.DataFrame(rows, columns=None if rows else [*columns, "runs"])
    seeds = sorted(seed_columns(found), key=lambda name: int(name.split()[1]))
    return found.reindex(columns=[*columns, *seeds, "runs"])
