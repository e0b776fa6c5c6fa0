"""The leaderboard of methods: what is trained for a row of it, alike for the package's methods and for one's own."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from hardsample.comparison import launch
from hardsample.comparison.digits import digits
from hardsample.comparison.problem import ALIASES, accuracy
from hardsample.comparison.result import Comparison
from hardsample.methods.registry import METHODS

BASELINE = "shuffled"
SEEDS = tuple(range(1, 13))
EPOCHS, BATCH_SIZE = 20, 32
_PLAIN = {name: plain for plain, name in ALIASES.items()}


@dataclasses.dataclass(frozen=True)
class Task:
    """The digits with one difficulty, as :func:`hardsample.comparison.digits.digits` makes them."""

    title: str
    wrong: float = 0.0
    imbalance: float = 1.0


TASKS: Mapping[str, Task] = {
    "leaderboard-clean": Task("clean labels"),
    "leaderboard-wrong-10": Task("10 % wrong labels", wrong=0.1),
    "leaderboard-wrong-40": Task("40 % wrong labels", wrong=0.4),
    "leaderboard-imbalanced-10": Task("classes imbalanced by 10", imbalance=10.0),
    "leaderboard-imbalanced-50": Task("classes imbalanced by 50", imbalance=50.0),
}
"""By the name of the comparison in the store, in the table's order."""


def network() -> nn.Module:
    """Two hidden layers of 64, from 64 pixels to 10 digits."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def balanced_accuracy(outputs: Tensor, targets: Tensor) -> float:
    """The mean over classes of the share of right answers."""
    from sklearn import metrics

    return float(metrics.balanced_accuracy_score(targets.numpy(), outputs.argmax(1).numpy()))


METRICS = {"accuracy": accuracy, "balanced accuracy": balanced_accuracy}


def methods() -> list[str]:
    """Every method of the registry with its own options, by the name that :func:`hardsample.compare` gives it."""
    return [plain_name(name) for name in METHODS]


def plain_name(method: str) -> str:
    """What a method is called here: "shuffled" and "uniform" where it is their other name."""
    return _PLAIN.get(method, method)


def train(name: str, names: Sequence[str], workers: int = 0) -> Comparison:
    """The comparison of a task by its name, with the baseline and these methods: what is not stored is trained.

    Raises:
        InputError: a method is unknown, or its options are not its own.
    """
    task = TASKS[name]
    given = {"seeds": SEEDS, "metrics": METRICS, "name": name, "workers": workers}
    return launch.compare(network, *digits(task.wrong, task.imbalance), **shared(names), **given)


def shared(names: Sequence[str]) -> dict[str, Any]:
    """What every training of these methods and the baseline shares, for :func:`hardsample.compare`."""
    methods = list(dict.fromkeys((BASELINE, *map(plain_name, names))))
    return {"methods": methods, "epochs": EPOCHS, "batch_size": BATCH_SIZE, "evaluations": 1, "device": "cpu"}
