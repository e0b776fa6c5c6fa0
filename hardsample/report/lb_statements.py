"""What paper A says of LB, as tests that a reading of LB meets or does not.

The paper ranks LB in words and figures without numbers. The bounds are ours: accuracies are close within a point;
losses are similar within 5 % of MB's, clearly worse beyond, and considerably beyond 10 %. They were set before the
study's own runs, when two readings' full-size results at the default were known, and not changed since. Losses are
compared with MB's alone, also where the paper speaks of all other methods; what statement 2 asks of the training loss
is no more than statement 5 allows.
"""

import dataclasses

import numpy as np

from hardsample.experiments.lb_study import DEFAULT, LARGE_BATCH, LARGE_RATE, SMALL_BATCH, SMALL_RATE

CLOSE = 1.0  # points of accuracy
SIMILAR, CONSIDERABLE = 5.0, 10.0  # % of the baseline's loss
OVERFIT = 2.0  # % above the own least loss
TESTS = {
    "acc/train": "train accuracy",
    "acc/val": "test accuracy",
    "loss/train": "train loss",
    "loss/val": "test loss",
    "first loss/train": "train loss at first, the first evaluation after the pre-training",
    "first loss/val": "test loss at first, the first evaluation after the pre-training",
    "excess": "test loss beyond train loss, as differences",
    "overfit": "rise of the test loss, its own last value above its least",
    "acc/train, PEB": "train accuracy against PEB",
    "acc/val, PEB": "test accuracy against PEB",
}


@dataclasses.dataclass(frozen=True)
class Test:
    """One part of a statement: the mean difference of ``test`` in a setting lies above ``low`` and up to ``high``.

    Differences are to MB unless ``test`` says otherwise: of accuracies in points, of losses in % of the other's.
    """

    setting: str
    test: str
    low: float = -np.inf
    high: float = np.inf

    @property
    def other(self) -> str:
        """The method that the reading is compared with."""
        return self.test.partition(", ")[2] or "MB"

    def compared(self, method: str) -> tuple[str, ...]:
        """The methods whose runs decide the test of ``method``: overfitting is seen in its own runs."""
        return (method,) if self.test == "overfit" else (method, self.other)


@dataclasses.dataclass(frozen=True)
class Statement:
    """What paper A says of LB in one place, in our words, and the tests that it comes to."""

    number: int
    says: str
    place: str
    tests: tuple[Test, ...]


def _alike(setting: str, *names: str, bound: float) -> tuple[Test, ...]:
    return tuple(Test(setting, name, -bound, bound) for name in names)


STATEMENTS = (
    Statement(
        1,
        "accuracy close to MB's on both sets",
        "section 4.2.2, Figure 2",
        _alike(DEFAULT, "acc/train", "acc/val", bound=CLOSE),
    ),
    Statement(
        2,
        "losses worse than MB's, clearly so on the test set, and more there than on the training set",
        "section 4.2.2, Figure 2",
        (Test(DEFAULT, "loss/train", 0.0), Test(DEFAULT, "loss/val", SIMILAR), Test(DEFAULT, "excess", 0.0)),
    ),
    Statement(
        3,
        "n = 4: losses considerably larger than MB's from the start of the fine-tuning, and no overfitting",
        "section 4.2.3, Figure 3",
        (
            *(Test(SMALL_BATCH, name, CONSIDERABLE) for name in ("first loss/train", "first loss/val")),
            *(Test(SMALL_BATCH, name, CONSIDERABLE) for name in ("loss/train", "loss/val")),
            Test(SMALL_BATCH, "overfit", high=OVERFIT),
        ),
    ),
    Statement(
        4,
        "n = 1024: the highest accuracy of all on both sets, at losses similar to MB's",
        "section 4.2.3, Figure 3",
        (
            *(Test(LARGE_BATCH, name, 0.0) for name in ("acc/train", "acc/val", "acc/train, PEB", "acc/val, PEB")),
            *_alike(LARGE_BATCH, "loss/train", "loss/val", bound=SIMILAR),
        ),
    ),
    Statement(
        5,
        "α = 0.05 and 0.1: comparable to MB on the training set, worse on the test set, above all in loss",
        "section 4.2.4, Figure 4",
        tuple(
            test
            for setting in (DEFAULT, LARGE_RATE)
            for test in (
                *_alike(setting, "acc/train", bound=CLOSE),
                *_alike(setting, "loss/train", bound=SIMILAR),
                Test(setting, "acc/val", high=0.0),
                Test(setting, "loss/val", SIMILAR),
            )
        ),
    ),
    Statement(
        6,
        "smallest learning rate: higher accuracy than MB on both sets, at comparable losses",
        "section 4.2.4, Figure 4",
        (
            *(Test(SMALL_RATE, name, 0.0) for name in ("acc/train", "acc/val")),
            *_alike(SMALL_RATE, "loss/train", "loss/val", bound=SIMILAR),
        ),
    ),
)
