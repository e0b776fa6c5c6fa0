"""Class imbalance: a long tail of classes, of each next one fewer training examples.

The protocol of Cui et al. 2019 (arXiv:1901.05555, section 5.1, long-tailed CIFAR): class sizes fall geometrically in
the order of the class numbers, and the test set stays as it is.
"""

import math

import numpy as np
import torch

from hardsample import randomness
from hardsample.arguments import real
from hardsample.errors import InputError, check_value
from hardsample.numerals import count, short
from hardsample.randomness import Stream


def check_factor(factor: float) -> None:
    """Refuse what is no factor between the most and the least frequent class.

    Raises:
        InputError: it is below 1, or infinite.
    """
    factor = real("class_imbalance", factor)
    check_value("class_imbalance", factor, 1 <= factor < math.inf, "1 (the classes as they are) or a factor above it")


def shares(classes: int, factor: float) -> np.ndarray:
    """The size of each class relative to the first, which is ``factor`` times that of the last: float64 [K]."""
    return factor ** -np.linspace(0, 1, classes)


def sizes(available: np.ndarray, factor: float, wanted: int | None = None) -> np.ndarray:
    """How many examples of each class stay, the first class having the most: int64 [K].

    As many in all as every class can give, at most ``wanted``; each within one of its exact share.

    Args:
        available: how many there are of each class, int64 [K].
        factor: between the most and the least frequent class, at least 1.

    Raises:
        InputError: a class would keep none.
    """
    share = shares(len(available), factor)
    first = (available / share).min() if wanted is None else min((available / share).min(), wanted / share.sum())
    exact = first * share
    kept = np.floor(exact + 1e-9).astype(np.int64)
    left = int(exact.sum() + 1e-9) - kept.sum()
    kept[np.argsort(kept - exact, kind="stable")[:left]] += 1
    if kept.min() < 1:
        least = f"at least {count(fewest(len(available), factor), 'training example')}"
        raise InputError(
            f"class_imbalance is {short(factor)}, and the last of the {len(available)} classes would keep none of"
            f" {count(kept.sum(), 'example')}: give a smaller factor, or {least}."
        )
    return kept


def keep(labels: np.ndarray, classes: int, factor: float, wanted: int | None = None) -> np.ndarray:
    """Which examples stay, the same for every seed, in an order without pattern: int64 [N] -> places, int64 [m].

    Raises:
        InputError: as :func:`sizes`.
    """
    kept = sizes(np.bincount(labels, minlength=classes), factor, wanted)
    order = randomness.permutations(torch.tensor([0]), Stream.CLASSES, 0, len(labels))[0].numpy()
    by_class = [order[labels[order] == number][:most] for number, most in enumerate(kept)]
    return order[np.isin(order, np.concatenate(by_class))]


def fewest(classes: int, factor: float) -> int:
    """How many examples must stay for every class to keep one."""
    share = shares(classes, factor)
    return math.ceil(share.sum() / share[-1])


def enough(wanted: int, classes: int, factor: float) -> int:
    """How many examples to make, about as many of each class, for ``wanted`` to stay; a tenth more, as chance is."""
    return math.ceil(1.1 * classes * wanted / shares(classes, factor).sum())
