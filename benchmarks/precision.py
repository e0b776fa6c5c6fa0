"""What bf16 does to paper A's results: final metrics of twelve seeds against float32, seed by seed."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import Row
from hardsample import statistics
from hardsample.configuration import Run
from hardsample.launch import launch
from hardsample.runs import Store
from hardsample.training import COLUMNS

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
LEVEL = 0.05


def measure() -> list[Row]:
    """The p value of every paired comparison: below ``LEVEL`` the two could be told apart."""
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
    return [told_apart(method, metric, found) for method in METHODS for metric in METRICS]


def told_apart(method: str, metric: str, found: dict[tuple[str, str, str], np.ndarray]) -> Row:
    """bf16 against float32: ``found`` holds final values [S] by method, precision and metric."""
    plain, bf16 = (found[method, precision, metric] for precision in ("float32", "bf16"))
    paired = statistics.paired(bf16, plain)
    low, high = paired.interval.low, paired.interval.high
    sides = (
        f"float32 {plain.mean():.4f}, bf16 {bf16.mean():.4f}, difference {paired.difference:+.4f}"
        f" (95 % from {low:+.4f} to {high:+.4f})"
    )
    return Row(f"final {METRICS[metric]} of {method}", sides, paired.p, "= p", n=paired.n, at_least=LEVEL)
