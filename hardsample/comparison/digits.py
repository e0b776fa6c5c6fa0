"""The 8x8 digits that come with scikit-learn, with wrong labels or classes of falling size: a problem of seconds."""

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]
"""Inputs and targets."""


def digits(wrong: float = 0.0, imbalance: float = 1.0) -> tuple[Pair, Pair]:
    """Training and test set, float32 [N, 64] from 0 to 1 and int64 [N]: the same ones at every call.

    Args:
        wrong: the share of the 1,200 training labels that are another digit's.
        imbalance: the training examples of the first class over those of the last; 1 leaves them as they are.
    """
    from sklearn import datasets

    x, y = datasets.load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    order = random.permutation(len(y))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    train, labels = x[:1200], y[:1200]
    flipped = random.random(1200) < wrong
    labels = np.where(flipped, (labels + random.integers(1, 10, 1200)) % 10, labels)
    most = np.bincount(labels).min()
    sizes = np.round(most * imbalance ** (-np.arange(10) / 9)).astype(int)
    if imbalance > 1:
        kept = np.sort(np.concatenate([np.flatnonzero(labels == label)[:size] for label, size in enumerate(sizes)]))
        train, labels = train[kept], labels[kept]
    return (train, labels), (x[1200:], y[1200:])
