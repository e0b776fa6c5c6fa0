"""What a few seeds can tell: summaries, paired comparisons and their error bars. Arrays in, small records out.

A value that is not finite belongs to a diverged seed. It cannot enter a mean, so it is left out of it, but it is
counted (``diverged``) and, in a paired comparison, never counts as won.

Whatever is no row of numbers, or has another length than it should, is an :class:`hardsample.errors.InputError`.
"""

import dataclasses
import itertools
import math

import numpy as np
from numpy.typing import ArrayLike

from hardsample.arguments import flag, real, told, whole
from hardsample.errors import InputError, check_value
from hardsample.numerals import count, number, p_value

CONFIDENCE = 0.95
LEVEL = 0.05  # a difference is significant where its p, adjusted over its family of tests, is below
MARGIN = 0.005  # of an accuracy: two are equivalent that differ by less than half a point
MOST_EXACT_PAIRS = 20  # 2^20 sign patterns take a moment; beyond that the sample of them is fixed
SAMPLED_PATTERNS = 2**18


@dataclasses.dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval; NaN at both ends when one value says nothing about the spread."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Summary:
    """The finite values of ``n`` seeds, beside the number of diverged ones."""

    mean: float
    sd: float
    interval: Interval
    n: int
    diverged: int


@dataclasses.dataclass(frozen=True)
class Paired:
    """Treatment minus baseline over ``n`` seeds finite in both, ``won`` of all ``seeds``."""

    difference: float
    interval: Interval
    p: float
    won: int
    n: int
    diverged: int

    @property
    def seeds(self) -> int:
        """All pairs, those that diverged too: what ``won`` is out of."""
        return self.n + self.diverged

    def __str__(self) -> str:
        ends = (number(self.difference, 4, "+"), number(self.interval.low, 4, "+"), number(self.interval.high, 4, "+"))
        return "{} [{}, {}], p = {}".format(*ends, p_value(self.p)) + f", won {self.won} of {count(self.seeds, 'seed')}"


def summary(values: ArrayLike) -> Summary:
    """Mean, standard deviation (ddof 1) and t interval of the mean, for values [S]."""
    values = _numbers("values", values)
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if len(finite) else np.nan
    sd = float(finite.std(ddof=1)) if len(finite) > 1 else np.nan
    return Summary(mean, sd, t_interval(finite), len(finite), len(values) - len(finite))


def t_interval(values: ArrayLike) -> Interval:
    """Student's interval of the mean of finite values [S]: at 12 seeds it covers what it says, a bootstrap does not."""
    values = _numbers("values", values, finite=True)
    if len(values) < 2:
        return Interval(np.nan, np.nan)
    half = t_half_width(values.std(ddof=1), len(values))
    return Interval(float(values.mean() - half), float(values.mean() + half))


def t_half_width(sd: float, n: float) -> float:
    """Half of Student's interval of the mean of ``n`` values, two or more, by their standard deviation (ddof 1)."""
    from scipy import stats

    sd, n = real("sd", sd), real("n", n)
    check_value("n", n, not n < 1, "a number of values, two or more")
    return stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * sd / np.sqrt(n)


def difference_half_width(sd: float, n: int, confidence: float) -> float:
    """Half of the interval about 0 in which the difference of two single values lies, by Student's t.

    Args:
        sd: standard deviation (ddof 1) of ``n`` values, two or more, of the same normal distribution.
        confidence: above 0 and below 1, such as 0.99.
    """
    from scipy import stats

    sd, n, confidence = real("sd", sd), real("n", n), real("confidence", confidence)
    check_value("n", n, n >= 2, "a number of values, two or more")
    check_value("confidence", confidence, 0 < confidence < 1, "a share above 0 and below 1")
    return float(stats.t.ppf((1 + confidence) / 2, n - 1) * sd * np.sqrt(2))


def paired(treatment: ArrayLike, baseline: ArrayLike, *, higher_is_better: bool = True) -> Paired:
    """Compare per seed: treatment [S] and baseline [S] hold the same seeds in the same order.

    A tie is not won; neither is a seed that diverged in either.

    Raises:
        InputError: the two differ in length.
    """
    treatment, baseline = _numbers("treatment", treatment), _numbers("baseline", baseline)
    flag("higher_is_better", higher_is_better)
    _check_as_many("treatment", treatment, "baseline", baseline)
    both = np.isfinite(treatment) & np.isfinite(baseline)
    differences = treatment[both] - baseline[both]
    won = int((differences > 0).sum() if higher_is_better else (differences < 0).sum())
    mean = float(differences.mean()) if len(differences) else np.nan
    interval, p = t_interval(differences), sign_flip_p(differences)
    return Paired(mean, interval, p, won, len(differences), int((~both).sum()))


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p of "each difference is as likely with the other sign", for finite differences [S].

    Exact over all 2^S patterns (4,096 at 12 seeds) up to 20 seeds; beyond, over a fixed sample of them that always
    holds the observed one. The smallest p that S seeds can reach is 2 / 2^S, and 1 for a single seed.
    """
    differences = _numbers("differences", differences, finite=True)
    seeds = len(differences)
    if seeds == 0:
        return np.nan
    if seeds <= MOST_EXACT_PAIRS:
        sums = np.zeros(1)
        for difference in np.abs(differences):
            sums = np.concatenate((sums + difference, sums - difference))
    else:
        signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(SAMPLED_PATTERNS, seeds))
        sums = np.append(signs @ differences, differences.sum())
    observed = abs(differences.sum())
    rounding = 1e-12 * np.abs(differences).sum()  # patterns equal on paper must count as equal
    return float((np.abs(sums) >= observed - rounding).mean())


def t_test_p(values: ArrayLike) -> float:
    """Two-sided p of Student's test that the mean of finite values [S] is 0; NaN from fewer than two."""
    from scipy import stats

    values = _numbers("values", values, finite=True)
    if len(values) < 2:
        return np.nan
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(2 * stats.t.sf(abs(values.mean()) / error, len(values) - 1)) if error else float(not values.mean())


def _numbers(name: str, values: ArrayLike, *, finite: bool = False) -> np.ndarray:
    """Real numbers in a row, NaN among them unless they have to be ``finite``: float64 [S].

    Raises:
        InputError: they are not, or in another shape.
    """
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "iufO" or any(one is None or isinstance(one, str | bool) for one in _loose(found)):
            raise ValueError
        found = found.astype(float)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(f"{name} are {told(values)}: give a sequence of real numbers.") from None
    if found.ndim != 1:
        raise InputError(f"{name} have the shape {list(found.shape)}: give a sequence of numbers, [S].")
    if finite and not np.isfinite(found).all():
        place = int(np.argmin(np.isfinite(found)))
        raise InputError(f"{name} have {found[place]} at place {place}: give finite numbers.")
    return found


def _loose(found: np.ndarray) -> list:
    return found.ravel().tolist() if found.dtype.kind == "O" else []


def _check_as_many(name: str, values: np.ndarray, other: str, others: np.ndarray) -> None:
    if len(values) != len(others):
        raise InputError(f"{name} has {len(values)} values and {other} {len(others)}: give as many, in one order.")


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's step-down adjustment of p values [M]; NaN stays NaN and is no test. Holm 1979."""
    p_values = _numbers("p_values", p_values)
    adjusted = np.full(p_values.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p_values))
    order = tests[np.argsort(p_values[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted


def min_attainable_p(pairs: float) -> float:
    """The smallest p that the exact sign-flip test of so many pairs can give: all differences have one sign."""
    pairs = real("pairs", pairs)
    check_value("pairs", pairs, 0 <= pairs < math.inf, "a number of pairs")
    return 2.0 ** (1 - pairs)


def seeds_needed(tests: int) -> int:
    """The fewest pairs of seeds with which a difference can be significant among so many tests, whatever its size.

    Holm's first step multiplies the :func:`min_attainable_p` by the number of tests: 6 pairs for one test, 10 for
    thirteen.
    """
    tests = whole("tests", tests, 0, "a number of tests")
    return next(n for n in itertools.count(1) if max(tests, 1) * min_attainable_p(n) < LEVEL)


def adjusted(p_values: ArrayLike, pairs: ArrayLike) -> np.ndarray:
    """Holm's adjustment of p values [M], each from its number of ``pairs`` of seeds [M].

    NaN for a test whose pairs are fewer than :func:`seeds_needed`: it could not have been significant, so that its p
    says nothing. It still counts as a test of the family.
    """
    p_values, pairs = _numbers("p_values", p_values), _numbers("pairs", pairs)
    _check_as_many("p_values", p_values, "pairs", pairs)
    tests = int((~np.isnan(p_values)).sum())
    return np.where(pairs >= seeds_needed(tests), holm(p_values), np.nan)


def smallest_significant_difference(interval: Interval, n: int, tests: int) -> float:
    """The smallest mean difference that would be significant, at the spread of the ``n`` differences that were seen.

    It is the half-width of their t interval (``interval`` at ``CONFIDENCE``) at the level of Holm's first step,
    ``LEVEL`` / ``tests``. NaN where n pairs are fewer than :func:`seeds_needed`: there no difference would be.
    """
    from scipy import stats

    if not isinstance(interval, Interval):
        raise InputError(f"interval is {told(interval)}: give an Interval, as t_interval does.")
    if whole("n", n, 0, "the number of differences") < seeds_needed(tests):
        return np.nan
    usual, first_step = (stats.t.ppf(1 - level / 2, n - 1) for level in (1 - CONFIDENCE, LEVEL / max(tests, 1)))
    return float((interval.high - interval.low) / 2 * first_step / usual)


def family(
    p_values: ArrayLike, low: ArrayLike, high: ArrayLike, pairs: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One family of tests [M]: p where its pairs suffice, that adjusted, and the smallest significant difference.

    They are :func:`adjusted` and :func:`smallest_significant_difference`.
    ``low`` and ``high`` end the t intervals of the differences; ``pairs`` may be NaN for none. All three are NaN where
    p is, which is no test.
    """
    p_values, pairs = _numbers("p_values", p_values), np.nan_to_num(_numbers("pairs", pairs))
    low, high = _numbers("low", low), _numbers("high", high)
    for name, one in (("low", low), ("high", high), ("pairs", pairs)):
        _check_as_many("p_values", p_values, name, one)
    tests = int((~np.isnan(p_values)).sum())
    smallest = [
        np.nan if np.isnan(p) else smallest_significant_difference(Interval(*ends), int(n), tests)
        for p, *ends, n in zip(p_values, low, high, pairs, strict=True)
    ]
    found = adjusted(p_values, pairs)
    return np.where(np.isnan(found), np.nan, p_values), found, np.array(smallest)


@dataclasses.dataclass(frozen=True)
class Equivalence:
    """Are two things equal to within ``margin``? They are shown to be where ``p`` is below ``LEVEL``."""

    difference: float
    interval: Interval
    margin: float
    p: float
    n: int


def equivalence(differences: ArrayLike, margin: float) -> Equivalence:
    """Two one-sided t tests (Schuirmann 1987) of finite differences [S]: is their mean between -margin and margin?

    ``p`` is the larger of the two, and ``interval`` the 90 % interval of the mean, which lies within the margin where p
    is below 0.05. NaN from fewer than two differences.

    Raises:
        InputError: the margin is not above 0.
    """
    from scipy import stats

    margin = real("margin", margin)
    check_value("margin", margin, 0 < margin < math.inf, "a difference above 0, such as 0.005")
    differences = _numbers("differences", differences, finite=True)
    n = len(differences)
    if n < 2:
        return Equivalence(float(differences.mean()) if n else np.nan, Interval(np.nan, np.nan), margin, np.nan, n)
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(n)
    if error == 0:
        p = 0.0 if abs(mean) < margin else 1.0
    else:
        p = stats.t.sf((margin - abs(mean)) / error, n - 1)
    half = stats.t.ppf(1 - LEVEL, n - 1) * error
    return Equivalence(float(mean), Interval(float(mean - half), float(mean + half)), margin, float(p), n)


def binomial_half_width(shares: ArrayLike, trials: int) -> np.ndarray:
    """Half the 95 % normal interval of shares [M] of so many independent trials: an accuracy's over test images."""
    from scipy import stats

    shares, trials = (
        _numbers("shares", np.atleast_1d(shares)),
        whole("trials", trials, 1, "a number of trials, at least 1"),
    )
    return stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(shares * (1 - shares) / trials)


def updates_to_reach(
    steps: ArrayLike, values: ArrayLike, target: float, *, higher_is_better: bool = True
) -> int | None:
    """The first of ``steps`` [T] at which ``values`` [T] reach ``target``; None if they never do."""
    steps, values, target = _numbers("steps", steps), _numbers("values", values), real("target", target)
    _check_as_many("steps", steps, "values", values)
    reached = np.flatnonzero(values >= target if flag("higher_is_better", higher_is_better) else values <= target)
    return int(steps[reached[0]]) if len(reached) else None


def convergence(epochs: ArrayLike, losses: ArrayLike, *, tolerance: float = 0.05) -> float | None:
    """The first of ``epochs`` [T] from which on every loss [T] stays near the last one.

    Near is within ``tolerance`` times the whole fall, first loss minus last. None if the loss does not fall, is not
    finite at either end, or only the last value is near: nothing after it shows that it stays. Paper B says when a loss
    "has converged" and leaves open what that means; this definition is ours.
    """
    epochs, losses, tolerance = _numbers("epochs", epochs), _numbers("losses", losses), real("tolerance", tolerance)
    _check_as_many("epochs", epochs, "losses", losses)
    check_value("tolerance", tolerance, 0 <= tolerance < math.inf, "a share of the fall, such as 0.05")
    if len(losses) < 2 or not losses[-1] < losses[0] < np.inf:
        return None
    far = ~(np.abs(losses - losses[-1]) <= tolerance * (losses[0] - losses[-1]))  # NaN is far
    first = np.flatnonzero(far)[-1] + 1
    return float(epochs[first]) if first < len(losses) - 1 else None


def after_the_last(epochs: ArrayLike) -> float:
    """One evaluation after the last of ``epochs`` [T], which is what a training counts as that has not converged.

    As far from the last as that is from the one before; NaN where there is none.
    """
    epochs = _numbers("epochs", epochs)
    return float(2 * epochs[-1] - epochs[-2]) if len(epochs) > 1 else np.nan
