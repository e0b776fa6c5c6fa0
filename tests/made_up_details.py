"""What runs keep of single examples, made up: no training behind it, and every gain known."""

import dataclasses

import numpy as np

from hardsample.experiments import registry
from hardsample.experiments.curves import join_runs
from hardsample.records import StoredRun
from hardsample.training.results import COLUMNS
from hardsample.training.staleness import SHAPES

TESTED, TRAINED, CLASSES, SEEDS = 520, 300, 26, 12
HARDEST = 40


def made_up(seeds=SEEDS, name="base-values/where"):
    """The curves of an experiment of MB, PLB and PEB, and the details of its runs.

    Every test letter is one of 26 classes in turn. By seed it has a difficulty of its own, and MB has the hardest half
    wrong. Of the wrong letters in the hardest tenth, 52 of them, PEB has 20 + the seed modulo 2 right, and PLB 10; and
    of the class Z PEB has all wrong.
    """
    experiment = registry.grid(name, profile="hour", data="sd19-letters", seeds=seeds)
    details = {run: _detail(run.method, run.seed) for run in experiment.runs}
    return join_runs(experiment, {run: _record(run) for run in experiment.runs}), details


def without(curves, details, *methods):
    """The same, of which the runs of some methods are not done."""
    kept = {run: detail for run, detail in details.items() if run.method not in methods}
    frame = curves.frame[~curves.frame.method.isin(methods)]
    return dataclasses.replace(curves, frame=frame, missing=len(details) - len(kept)), kept


def _record(run):
    row = dict.fromkeys(COLUMNS) | {"step": 3750, "epoch": 10.0, "acc/train": 0.9, "acc/val": 0.9}
    row |= {"loss/train": 0.3, "loss/val": 0.3}
    made = {"data": {"fingerprint": "f"}, "device": "a device", "source": "s" * 16, "versions": {"torch": "2"}}
    return StoredRun(run, made, COLUMNS, (tuple(row.values()),))


def difficulty(seed):
    """The rank of each test letter of a seed, 0 the easiest."""
    return np.random.default_rng(seed).permutation(TESTED)


def _detail(method, seed):
    rank, label = difficulty(seed), np.arange(TESTED) % CLASSES
    right = rank < TESTED // 2
    hardest = np.flatnonzero(rank >= TESTED - TESTED // 10)
    right[hardest[: {"MB": 0, "PLB": 10, "PEB": 20 + seed % 2}[method]]] = True
    if method == "PEB":
        right &= label != CLASSES - 1
    chance = np.random.default_rng(1000 * seed + len(method))
    trained = np.arange(TRAINED) % CLASSES
    loss = chance.uniform(0, 1, TRAINED)
    loss[:30] += 3 - np.arange(30) / 30  # the same letters in every run
    index = np.argsort(-loss)[:HARDEST]
    drawn = np.full(TRAINED, 8)
    drawn[:30] = {"MB": 8, "PLB": 80, "PEB": 4 + 4 * (seed % 2)}[method]
    detail = {
        "test/label": label.astype(np.uint8),
        "test/loss-before": (rank / 100).astype(np.float16),
        "test/predicted-before": label.astype(np.uint8),
        "test/loss": np.where(right, 0.1, {"MB": 3.0, "PLB": 4.0, "PEB": 2.0}[method]).astype(np.float16),
        "test/predicted": np.where(right, label, (label + 1) % CLASSES).astype(np.uint8),
        "train/label": trained.astype(np.uint8),
        "train/loss": loss.astype(np.float16),
        "train/predicted": ((trained + 2) % CLASSES).astype(np.uint8),
        "train/drawn": drawn.astype(np.uint16),
        "hardest/index": index.astype(np.uint16),
        "hardest/image": np.repeat(index, 28 * 28).reshape(-1, 1, 28, 28).astype(np.uint8),
    }
    if method == "MB":
        return detail
    return detail | {f"stale/{name}": _stale(name, method, seed) for name in SHAPES}


def _stale(name, method, seed):
    """Five moments; PEB's misplaced share rises by a tenth and a seed's own, PLB's stays and is as large at the end."""
    epochs = np.array([3.6, 5.2, 6.8, 8.4, 10.0])
    own = 0.01 * (seed % 3)
    moved = 0.3 + own + (np.linspace(-0.1, 0, 5) if method == "PEB" else 0.002 * (-1.0) ** seed * np.arange(5))
    values = {
        "epoch": epochs,
        "rank": 0.9 - 0.02 * epochs + own,
        "ratio": np.outer(epochs / 5, [0.5, 1.2, 6.0]),
        "sum": 1 + epochs / 20,
        "moved": moved,
        "age": np.outer(epochs / 10, [0.05, 0.6, 3.0, 6.0]),
        "undrawn": 0.1 / epochs,
    }
    return values[name].astype(np.float32)
