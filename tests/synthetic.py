"""Curves in the shape that the store gives them, made up: no training behind them, and every effect known."""

import numpy as np
import pandas as pd

# final validation accuracy, final loss relative to MB's, distinct share of an epoch's draws, skew of its classes
METHODS = {
    "MB": (0.900, 1.0, 1.0, 0.0),
    "SMB": (0.896, 1.02, 0.632, 0.0),
    "LB": (0.885, 10.0, 0.012, 1.4),
    "PLB": (0.912, 1.3, 0.33, 0.6),
    "PEB": (0.921, 0.8, 0.41, 0.5),
}
UPDATES, BATCH = 100, 32  # per epoch, per update


def curves(
    panels=("default",), methods=("MB", "LB", "PEB"), seeds=3, *, epochs=10, classes=26, pretrain=2.0, attrs=None
):
    """Two evaluations per epoch; each panel learns more slowly than the one before, each seed differs a little."""
    rows = []
    for position, panel in enumerate(panels):
        for method in methods:
            for seed in range(seeds):
                rows += _run(position, method, seed, np.arange(0, epochs + 0.5, 0.5), classes, pretrain)
                for row in rows[-(2 * epochs + 1) :]:
                    row["panel"] = panel
    frame = pd.DataFrame(rows)
    frame = frame[["panel", *frame.columns.drop("panel")]]
    frame.attrs = {"data": "glyphs", "profile": "quick", "note": "", "stand_in": True, "missing": 0} | (attrs or {})
    return frame


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
