"""How long runs take that are not done, told from those that are."""

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from hardsample.config import Run
from hardsample.records import seconds_of


def expected_seconds(runs: Iterable[Run], done: Mapping[Run, Mapping[str, Any]]) -> dict[Run, float]:
    """Seconds that each of ``runs`` would take where those ``done`` were made, without its pre-training.

    The mean of the finished runs that differ in the seed alone; else of those of the same network, data and sizes, by
    the epoch. A run that resembles none is left out.
    """
    known: dict[Hashable, list[float]] = defaultdict(list)
    for run, made in done.items():
        spent = seconds_of(made)
        known[dataclasses.replace(run, seed=0)].append(spent)
        known[_kind(run)].append(spent / _epochs(run))
    means = {alike: statistics.fmean(spent) for alike, spent in known.items()}
    found = {run: means.get(dataclasses.replace(run, seed=0)) for run in runs}
    by_epoch = {run: means[_kind(run)] * _epochs(run) for run in found if _kind(run) in means}
    return by_epoch | {run: spent for run, spent in found.items() if spent is not None}


def _epochs(run: Run) -> float:
    return max(run.epochs - run.pretrain_epochs, 1e-9)


def _kind(run: Run) -> Hashable:
    """What decides, beside its length, how long a run takes."""
    sizes = (run.train_examples, run.test_examples, run.evaluate_train_examples, run.evaluations_per_epoch)
    return run.data, run.class_imbalance, run.network, run.batch_size, run.image_size, run.precision, *sizes
