"""Rows such as a training of a run gives, made up."""

from hardsample.config import Run
from hardsample.training.results import COLUMNS

STEPS = 100  # updates in an epoch


def rows(run: Run, **values) -> tuple[tuple, ...]:
    """One for each of its evaluations, with 0.5 for every metric that is not given."""
    grid = [k / run.evaluations_per_epoch for k in range(round(run.epochs * run.evaluations_per_epoch) + 1)]
    epochs = [epoch for epoch in grid if epoch < run.epochs] + [run.epochs]
    usual = dict.fromkeys(COLUMNS, 0.5) | {"draws/distinct": None, "draws/per-class": None} | values
    made = [usual | {"step": round(epoch * STEPS), "epoch": epoch} for epoch in epochs]
    return tuple(tuple(row[name] for name in COLUMNS) for row in made)
