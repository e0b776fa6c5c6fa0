"""Curves in the shape that the store gives them, made up: no training behind them, and every effect known."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd

from hardsample.experiments.curves import Curves
from hardsample.experiments.hard_samples import METRIC_TITLES
from hardsample.experiments.panels import Experiment

# final validation accuracy, final loss relative to MB's, distinct share of an epoch's draws, skew of its classes
METHODS = {
    "MB": (0.900, 1.0, 1.0, 0.0),
    "SMB": (0.896, 1.02, 0.632, 0.0),
    "LB": (0.885, 10.0, 0.012, 1.4),
    "PLB": (0.912, 1.3, 0.33, 0.6),
    "PEB": (0.921, 0.8, 0.41, 0.5),
}
# paper B's: final test accuracy, rate at which the train loss decays, per epoch
VARIANTS = {
    "δ = 1": (0.62, 0.25),
    "δ = 0.8": (0.61, 0.27),
    "δ = 0.5": (0.64, 0.33),
    "δ = 0.2": (0.60, 0.45),
    "random δ = 0.5": (0.62, 0.25),
    "random δ = 0.2": (0.58, 0.22),
    "reshuffled": (0.65, 0.26),
    "examples δ = 0.5": (0.59, 0.40),
    "examples δ = 0.2": (0.52, 0.15),
    "new order": (0.63, 0.26),
}
DELTAS = ("δ = 1", "δ = 0.8", "δ = 0.5", "δ = 0.2")
UPDATES, BATCH = 100, 32  # per epoch, per update
UNSAID = ("establish", "told apart", "cannot be told")  # words of no verdict: it is significant or inconclusive


@dataclasses.dataclass(frozen=True)
class MadeUp(Experiment):
    """An experiment without runs, of which everything is so as a test says it is."""

    said: dict = dataclasses.field(default_factory=dict)

    def __getattribute__(self, name):
        said = {} if name.startswith("__") else super().__getattribute__("said")
        return said[name] if name in said else super().__getattribute__(name)


def made_up(frame, **said):
    """The frame as curves; what is ``said`` are the parts of :class:`Curves` and of its experiment."""
    parts = {name: said.pop(name) for name in ("missing", "hardware", "unlike") if name in said}
    usual = {"title": "", "panels": (), "sources": {}, "own": ("emnist-letters",), "data": "glyphs"}
    usual |= {"name": "base-values/figure-1", "profile": "quick", "note": "", "stand_in": True, "baseline": "MB"}
    said = usual | said
    given = {field.name: said.get(field.name) for field in dataclasses.fields(Experiment) if field.name in said}
    return Curves(frame, MadeUp(**given, said=said), **parts)


def with_keys(frame):
    """The rows with the key of the run that each is of, made up and so one's own."""
    runs = zip(frame.panel, frame.method, frame.seed, strict=True)
    return frame.assign(run=[hashlib.sha256(repr(run).encode()).hexdigest()[:16] for run in runs])


def changed(made, frame=None, **said):
    """The curves with other rows, or of which something else is said."""
    parts = {name: getattr(made, name) for name in ("missing", "hardware", "unlike")}
    return made_up(made.frame if frame is None else frame, **made.experiment.said | parts | said)


def curves(panels=("default",), methods=("MB", "LB", "PEB"), seeds=3, *, epochs=10, classes=26, pretrain=2.0, **said):
    """Two evaluations per epoch; each panel learns more slowly than the one before, each seed differs a little."""
    rows = []
    for position, panel in enumerate(panels):
        for method in methods:
            for seed in range(seeds):
                rows += _run(position, method, seed, np.arange(0, epochs + 0.5, 0.5), classes, pretrain)
                for row in rows[-(2 * epochs + 1) :]:
                    row["panel"] = panel
    frame = with_keys(pd.DataFrame(rows))
    return made_up(frame[["panel", *frame.columns.drop("panel")]], **said)


def _run(position, method, seed, epoch, classes, pretrain):
    final, worse, distinct, skew = METHODS[method]
    random = np.random.default_rng([position, list(METHODS).index(method), seed])
    fine = np.clip(epoch - pretrain, 0, None)
    learned = 1 - np.exp(-epoch / (0.8 + 0.5 * position))
    noise = random.normal(0, 0.003, len(epoch)) * (epoch > 0)
    accuracy = 0.04 + 0.86 * learned + (final - 0.9) * (1 - np.exp(-fine)) + noise
    loss = (3.26 - 2.9 * learned) * (1 + (worse - 1) * (1 - np.exp(-fine / 2)))
    loss = loss * np.exp(random.normal(0, 0.05, len(epoch)))
    weights = np.arange(1, classes + 1) ** skew
    weights = random.permutation(weights) if method == "LB" else weights
    rows = []
    for now, right, wrong in zip(epoch, accuracy, loss, strict=True):
        own = now > pretrain
        chances = weights / weights.sum() if own else np.full(classes, 1 / classes)
        ends = now > 0 and now == int(now)
        rows.append(
            {
                "method": method,
                "seed": seed,
                "step": int(now * UPDATES),
                "epoch": now,
                "acc/train": min(right + 0.04, 1.0),
                "acc/val": right,
                "loss/train": 0.8 * wrong,
                "loss/val": wrong,
                "draws/distinct": int(UPDATES * BATCH * (distinct if own else 1)) if ends else None,
                "draws/per-class": random.multinomial(UPDATES * BATCH, chances).tolist() if ends else None,
                "batch_size": BATCH,
                "pretrain_epochs": pretrain,
                "learning_rate": 0.05,
            }
        )
    return rows


def hard_curves(panels=None, *, seeds=3, epochs=20, **said):
    """Paper B's curves, an evaluation per epoch; ``panels`` maps each title to its variants, () for one not run."""
    panels = {"ResNet-18, glyphs10-32": DELTAS} if panels is None else panels
    rows = [
        {"panel": panel, "method": variant, "seed": seed} | row
        for panel, variants in panels.items()
        for variant in variants
        for seed in range(1, seeds + 1)
        for row in _hard_run(variant, seed, np.arange(epochs + 1.0))
    ]
    frame = pd.DataFrame(rows, columns=["panel", "method", "seed", *_hard_run("δ = 1", 1, np.arange(1.0))[0]])
    frame = with_keys(frame)
    usual = {"data": "glyphs10-32", "own": ("cifar10",), "baseline": "δ = 1", "protocol": "sound", "layout": panels}
    usual |= {"metric_titles": METRIC_TITLES, "epochs_title": "updates / N (epochs of δ = 1)"}
    cells = {panel: ("resnet18", "CIFAR-10") for panel in panels}
    return made_up(frame, **{"name": "hard-samples/figure-3", "cells": cells} | usual | said)


def _hard_run(variant, seed, epoch):
    final, rate = VARIANTS[variant]
    random = np.random.default_rng([list(VARIANTS).index(variant), seed])
    learned = 1 - np.exp(-rate * epoch)
    noise = random.normal(0, 0.004, len(epoch))
    loss = 0.004 + 2.3 * np.exp(-rate * epoch) * np.exp(random.normal(0, 0.05, len(epoch)))
    delta = float(variant.split()[-1]) if "δ" in variant else np.nan
    columns = {
        "step": (epoch * UPDATES).astype(int),
        "epoch": epoch,
        "acc/train": 0.1 + 0.898 * learned,
        "acc/val": 0.1 + (final - 0.1) * learned + noise,
        "loss/train": loss,
        "loss/val": 1.2 + loss + 0.02 * epoch,
        "draws/distinct": None,
        "draws/per-class": None,
        "acc/choose": 0.1 + (final - 0.1) * learned - noise,
        "acc/report": 0.1 + (final - 0.1) * learned + noise,
        **dict.fromkeys(("acc/train-sd", "acc/val-sd", "batches/train", "batches/val"), np.nan),
        **{"batch_size": 512, "pretrain_epochs": 0.0, "learning_rate": 0.005},
        **{"data": "glyphs10-32", "network": "resnet18", "delta": delta},
    }
    return pd.DataFrame(columns, index=range(len(epoch))).to_dict("records")
