"""When has a training converged? Paper B's e by the rules that people use."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments.curves import Curves

Find = Callable[[np.ndarray, np.ndarray, np.ndarray], float | None]
"""A run's e, of its epochs [T], its values [T], and the values [U] of the baseline's run of the same seed."""
_IMPROVED, _PATIENCE = 0.01, 2  # of a plateau
_POINT = 0.01 + 1e-9  # of an accuracy, rounding included


@dataclasses.dataclass(frozen=True)
class Rule:
    """What e is, in words and found in the curve of ``metric``; ``of_twin``: beside the baseline's of the seed."""

    name: str
    meaning: str
    find: Find
    metric: str = "loss/train"
    of_twin: bool = False


def epochs_of_convergence(curves: Curves, rule: Rule) -> pd.DataFrame:
    """Every run's e by the rule, a row per method of the only panel, and a column per seed.

    Infinite for a run that does not converge, as one with a value that is not finite; NaN where the run, or the
    baseline's that the rule needs, is not there.
    """
    [(panel, methods)] = curves.layout.items()
    rows = curves.panel(panel).sort_values("step")
    runs = {cell: own for cell, own in rows.groupby(["method", "seed"], observed=True)}
    found = pd.DataFrame(np.nan, index=list(methods), columns=sorted(rows.seed.unique()))
    for (method, seed), own in runs.items():
        twin = runs.get((curves.baseline, seed)) if rule.of_twin else own
        if twin is not None:
            values, others = (run[rule.metric].to_numpy(float) for run in (own, twin))
            sound = np.isfinite(values).all() and np.isfinite(others[-1])
            epoch = rule.find(own.epoch.to_numpy(float), values, others) if sound else None
            found.loc[method, seed] = np.inf if epoch is None else epoch
    return found


def _within(tolerance: float) -> Find:
    return lambda epochs, values, twin: statistics.convergence(epochs, values, tolerance=tolerance)


def _half(epochs: np.ndarray, values: np.ndarray, twin: np.ndarray) -> float | None:
    return _first(epochs, values <= values[0] / 2)


def _plateau(epochs: np.ndarray, values: np.ndarray, twin: np.ndarray) -> float | None:
    best = 0
    for place, value in enumerate(values):
        if value < (1 - _IMPROVED) * values[best]:
            best = place
        elif place - best >= _PATIENCE:
            return float(epochs[best])
    return None


def _down_to_twin(epochs: np.ndarray, values: np.ndarray, twin: np.ndarray) -> float | None:
    return _first(epochs, values <= twin[-1])


def _near_own_best(epochs: np.ndarray, values: np.ndarray, twin: np.ndarray) -> float | None:
    return _first(epochs, values >= values.max() - _POINT)


def _up_to_twin(epochs: np.ndarray, values: np.ndarray, twin: np.ndarray) -> float | None:
    return _first(epochs, values >= twin[-1])


def _first(epochs: np.ndarray, reached: np.ndarray) -> float | None:
    return float(epochs[reached.argmax()]) if reached.any() else None


RULES = (
    Rule(
        "2 % of the fall",
        "the first evaluation from which on the train loss stays within 2 % of its whole fall (first minus last value)"
        " of its last value",
        _within(0.02),
    ),
    Rule("5 % of the fall", "the same with 5 %, as in Figure 1 and Tables 3 to 5", _within(0.05)),
    Rule("10 % of the fall", "the same with 10 %", _within(0.1)),
    Rule("half of the start", "train loss at most half of its value before training, for the first time", _half),
    Rule(
        "plateau",
        "the last evaluation that lowered the train loss by more than 1 %, once two in a row did not, as in early"
        " stopping",
        _plateau,
    ),
    Rule(
        "δ = 1's last loss",
        "train loss down to the last value of δ = 1 of the same seed, for the first time",
        _down_to_twin,
        of_twin=True,
    ),
    Rule(
        "own best accuracy",
        "test accuracy within 1 point of the run's own best, for the first time",
        _near_own_best,
        "acc/val",
    ),
    Rule(
        "δ = 1's last accuracy",
        "test accuracy up to the last value of δ = 1 of the same seed, for the first time",
        _up_to_twin,
        "acc/val",
        of_twin=True,
    ),
)
"""Of the train loss, and of the test accuracy: the paper speaks of both, of convergence and of generalization."""
