"""How far stored base values are from those that the network of this moment would give, in a few numbers."""

import warnings
from collections.abc import Callable

import numpy as np

QUANTILES = (0.1, 0.5, 0.9)
SHAPES = {"epoch": (), "rank": (), "ratio": (3,), "sum": (), "moved": (), "age": (4,), "undrawn": ()}
"""The numbers of a moment and their shapes.

``epoch`` is the moment; ``rank`` Spearman's correlation of stored and true values; ``ratio`` the 10, 50 and 90 %
quantiles of stored / true; ``sum`` that of the sums; ``moved`` the total variation distance between the distributions
in proportion to either, the share of the mass that is at the wrong examples; ``age`` the 10, 50, 90 and 100 % quantiles
of the mini-batch epochs since the values were set; ``undrawn`` the share of examples not drawn since all values were.
"""


def compare(stored: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray | float]:
    """``rank``, ``ratio``, ``sum`` and ``moved`` of values above 0, float64 [N] each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of values that are all alike, which have no correlation
        rank = np.corrcoef(_ranks(stored), _ranks(true))[0, 1]
    sums = stored.sum(), true.sum()
    moved = np.abs(stored / sums[0] - true / sums[1]).sum() / 2
    return {"rank": rank, "ratio": np.quantile(stored / true, QUANTILES), "sum": sums[0] / sums[1], "moved": moved}


def ages(last: np.ndarray, all_set: int, done: int, epoch: Callable[[int], float]) -> dict[str, np.ndarray | float]:
    """``age`` and ``undrawn`` after ``done`` steps, from the step of each example's last draw, int [N], -1 for none.

    ``all_set`` is the step before which all values were last set; ``epoch`` gives the epochs of a number of steps.
    """
    age = np.quantile(done - np.maximum(last, all_set), (*QUANTILES, 1.0))
    return {"age": age * epoch(1), "undrawn": (last < all_set).mean()}


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place]
