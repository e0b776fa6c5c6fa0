"""What bf16 does to paper A's results: final metrics of twelve seeds against float32, seed by seed.

An accuracy is kept where the two are shown to be equivalent, within a stated margin: that a difference is not
significant shows nothing, since too few seeds never find one.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import Row
from hardsample import statistics
from hardsample.config import Run
from hardsample.runs.launch import launch
from hardsample.runs.store import Store
from hardsample.training.results import COLUMNS

BASE = Run(
    data="glyphs",
    method="MB",
    seed=1,
    epochs=8.0,
    learning_rate=0.3,
    train_examples=1024,
    test_examples=1000,
    evaluations_per_epoch=0.125,
)
METHODS = ("MB", "PEB")
METRICS = {"acc/val": "validation accuracy", "loss/val": "validation loss"}
SEEDS = range(1, 13)


def measure() -> list[Row]:
    """Every paired comparison; an accuracy is kept where the p of its equivalence is at most ``statistics.LEVEL``."""
    wanted = {
        (method, precision): [
            dataclasses.replace(BASE, method=method, precision=precision, seed=seed) for seed in SEEDS
        ]
        for method in METHODS
        for precision in ("float32", "bf16")
    }
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        launch([run for runs in wanted.values() for run in runs], device="cpu", store=store, quiet=True)
        found = {
            (*key, metric): np.array([store.find(run).rows[-1][COLUMNS.index(metric)] for run in runs])
            for key, runs in wanted.items()
            for metric in METRICS
        }
    return [compared(method, metric, found) for method in METHODS for metric in METRICS]


def compared(method: str, metric: str, found: dict[tuple[str, str, str], np.ndarray]) -> Row:
    """bf16 against float32: ``found`` holds final values [S] by method, precision and metric.

    An accuracy's value is the p of the two one-sided tests; a loss has no margin, and its value is the difference.
    """
    plain, bf16 = (found[method, precision, metric] for precision in ("float32", "bf16"))
    differences = bf16 - plain
    what, sides = f"final {METRICS[metric]} of {method}", f"float32 {plain.mean():.4f}, bf16 {bf16.mean():.4f}"
    if not metric.startswith("acc"):
        interval = statistics.t_interval(differences)
        sides += f" (95 % from {interval.low:+.4f} to {interval.high:+.4f})"
        return Row(what, sides, float(differences.mean()), "= difference", n=len(differences))
    equal = statistics.equivalence(differences, statistics.MARGIN)
    sides += (
        f", difference {equal.difference:+.4f} (90 % from {equal.interval.low:+.4f} to {equal.interval.high:+.4f});"
        f" two one-sided tests, margin {100 * statistics.MARGIN:g} points"
    )
    return Row(what, sides, equal.p, "= p", n=equal.n, at_most=statistics.LEVEL)
