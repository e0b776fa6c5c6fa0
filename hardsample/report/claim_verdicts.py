"""From curves to the verdict on a test of :mod:`hardsample.report.claim_tests`. No verdict is typed.

Everything is paired by seed: each seed gives one difference, and their mean has a 95 % t interval. A ratio is averaged
as a logarithm and shown in %. p is of the exact sign-flip test; of a standard deviation (Miller's jackknife, which
gives every seed a pseudo-value) and of a test at every evaluation it is of the t test. It is adjusted by Holm over the
tests of a statement, and a test decides only where it is below 0.05. A training that has not converged counts as one
evaluation after its last; where none has, nothing is tested, nor is a printed number unless all have. Then by what is
claimed:

- *a direction or a bound* is supported where the interval lies wholly on its side, and contradicted where it lies
  wholly on the other, or where two things that are said to differ are shown to be equal within
  :attr:`hardsample.report.claim_tests.Test.margin` by two one-sided t tests;
- *at every evaluation* is supported where each of them supports it, and contradicted where one does, its p multiplied
  by their number; the least favourable evaluation is shown;
- *similar, close* is supported where two one-sided t tests show that the mean is within the bound, and contradicted
  where the interval lies wholly beyond it;
- *a printed number* is supported where the interval meets what rounds to it and does not hold 0, and contradicted where
  it does not meet it;
- *bands* are counted: supported where they are apart in all plots, else contradicted.

Everything else is inconclusive; a test of fewer than six pairs of seeds is not made, since no difference of so few can
be significant.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments.curves import METRICS, after_pretraining
from hardsample.numerals import count, short
from hardsample.report.claim_tests import OF_DRAWS, Bands, Test

SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTED = "supported", "contradicted", "inconclusive", "not tested"
VERDICTS = (SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTED)
_LISTED = 4  # settings that are named one by one
FEWEST = statistics.seeds_needed(1)  # pairs of seeds with which anything can be significant


@dataclasses.dataclass(frozen=True)
class Found:
    """What a test found: effect and interval in its unit, p before and after Holm, and the verdict.

    ``p`` is that of the test which the verdict rests on; ``smallest`` the least effect that would be significant at the
    spread of these seeds. ``missing`` are the (panel, method) that it needs and that were not run.
    """

    verdict: str
    note: str = ""
    effect: float = np.nan
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    p: float = np.nan
    p_holm: float = np.nan
    smallest: float = np.nan
    missing: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Cell:
    """The curves of one panel and method: each metric by seed and epoch, the updates made by then, and the first epoch
    after the pre-training."""

    metrics: Mapping[str, pd.DataFrame]
    steps: np.ndarray
    tuned: float

    def of(self, seeds: Iterable[int]) -> "Cell":
        """The same of some seeds."""
        own = list(seeds)
        return dataclasses.replace(self, metrics={name: wide.reindex(own) for name, wide in self.metrics.items()})

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return list(next(iter(self.metrics.values())).index)


Cells = Mapping[tuple[str, str], Cell]
"""By panel and method."""


def cells(frame: pd.DataFrame, misplaced: Mapping[str, pd.Series] | None = None) -> Cells:
    """The curves of every panel and method in a frame of :class:`hardsample.experiments.curves.Curves`.

    With what stale base values misplace, where the runs kept it (:func:`hardsample.report.kept.misplaced`).
    """
    groups = frame.groupby(["panel", "method"], sort=False, observed=True)
    return {cell: _cell(rows, misplaced or {}) for cell, rows in groups}


def _cell(rows: pd.DataFrame, misplaced: Mapping[str, pd.Series]) -> Cell:
    wide = rows.pivot(index="seed", columns="step", values=list(METRICS)).astype(float)
    steps, epochs = wide["loss/val"].columns, rows.groupby("step").epoch.first()
    metrics = {metric: wide[metric].set_axis(epochs.loc[steps], axis=1) for metric in METRICS}
    metrics["excess"] = metrics["loss/val"] / metrics["loss/train"]
    metrics["updates"] = metrics["loss/val"] * 0 + steps.to_numpy(float)
    keys = rows.groupby("seed").run.first() if misplaced else pd.Series(dtype=str)
    if shares := {seed: misplaced[key] for seed, key in keys.items() if key in misplaced}:
        metrics["misplaced"] = pd.DataFrame(shares).T
    return Cell(metrics, steps.to_numpy(), rows[after_pretraining(rows)].epoch.min())


def judge(rows: Cells, tests: Sequence[Test | Bands]) -> list[Found]:
    """What each of one statement's tests finds; their p are one family."""
    lean = [_bands(rows, test) if isinstance(test, Bands) else _lean(rows, test) for test in tests]
    adjusted = statistics.holm([found.p for found in lean])
    family, judged = int(np.isfinite(adjusted).sum()), []
    for test, found, p in zip(tests, lean, adjusted, strict=True):
        if np.isfinite(p):
            weak = p >= statistics.LEVEL and found.verdict in (SUPPORTED, CONTRADICTED)
            note = "; ".join(filter(None, (found.note, "p is too large after Holm")))
            found = dataclasses.replace(
                found,
                p_holm=float(p),
                smallest=statistics.smallest_significant_difference(
                    statistics.Interval(found.low, found.high), found.n, family
                ),
                **{"verdict": INCONCLUSIVE, "note": note} if weak else {},
            )
        judged.append(_shown(found, test))
    return judged


def together(found: Sequence[Found], *, most: bool = False) -> Found:
    """The verdict on a statement from its tests, with the numbers of the one at :func:`deciding`.

    All must support it, and one that contradicts it suffices; of ``most`` more than half must, or contradict it. What
    was run in part is not tested, unless that part decides.
    """
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in VERDICTS}
    half = len(found) // 2 + 1
    needed = {SUPPORTED: half if most else len(found), CONTRADICTED: half if most else 1}
    decided = [verdict for verdict in (CONTRADICTED, SUPPORTED) if counts[verdict] >= needed[verdict]]
    verdict = decided[0] if decided else NOT_TESTED if counts[NOT_TESTED] else INCONCLUSIVE
    missing = tuple(dict.fromkeys(cell for one in found for cell in one.missing))
    of = ", ".join(f"{many} {words}" for words, many in counts.items() if many)
    at = deciding(found, verdict)
    one = Found(verdict) if at is None else found[at]
    others = () if missing or verdict != NOT_TESTED else dict.fromkeys(own.note for own in found if own.note)
    note = "; ".join(filter(None, (f"{count(len(found), 'test')}: {of}", one.note, *others, _not_run(missing))))
    return dataclasses.replace(one, verdict=verdict, note=note, missing=missing)


def deciding(found: Sequence[Found], verdict: str) -> int | None:
    """Which test the verdict on a statement turns on: the clearest that contradicts it, or else the weakest.

    The weakest has the largest p, and the clearest the smallest; None where the statement is not tested.
    """
    places = [at for at, one in enumerate(found) if one.verdict == verdict != NOT_TESTED]
    choose = min if verdict == CONTRADICTED else max
    return choose(places, key=lambda at: np.nan_to_num(found[at].p), default=None)


def _missing(rows: Cells, test: Test | Bands) -> Found | None:
    """That a test was not made, since some of its runs were not, or keep too little; None where all were and do."""
    missing = tuple(cell for cell in test.cells if cell not in rows)
    if missing:
        return Found(NOT_TESTED, _not_run(missing), missing=missing)
    metrics = test.metrics if isinstance(test, Bands) else (test.metric,)
    if all(set(metrics) <= set(rows[cell].metrics) for cell in test.cells):
        return None
    return Found(NOT_TESTED, "its runs keep no base values")


def _not_run(missing: Iterable[tuple[str, str]]) -> str:
    """Whose runs are missing, and in which settings: "not run: MB and LB in n = 4 and n = 1024"; "" for none."""
    panels: dict[str, list[str]] = {}
    for panel, method in missing:
        panels.setdefault(method, []).append(panel)
    methods: dict[frozenset[str], list[str]] = {}
    for method, own in panels.items():
        methods.setdefault(frozenset(own), []).append(method)
    whose = [
        f"{_and(own)} in {_and(panels[own[0]]) if len(where) <= _LISTED else count(len(where), 'setting')}"
        for where, own in methods.items()
    ]
    return f"not run: {', '.join(whose)}" if whose else ""


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _lean(rows: Cells, test: Test) -> Found:
    """What the interval alone says, before Holm."""
    if missing := _missing(rows, test):
        return missing
    seeds = sorted(set.intersection(*(set(rows[cell].seeds) for cell in test.cells)))
    differences = _differences({cell: rows[cell].of(seeds) for cell in test.cells}, test)
    finite = differences[np.isfinite(differences).all(axis=1)]
    if finite.empty or len(finite) < FEWEST:
        return Found(NOT_TESTED, _too_few(len(finite)))
    ends = _ends(rows, test, list(finite.index)) if test.moment == "converged" else ""
    if ends and (test.printed or ends.startswith("no ")):
        return Found(NOT_TESTED, ends)
    found = [_one(values.to_numpy(), test) for _, values in finite.items()]
    one = found[0] if len(found) == 1 else _every(found, test, [short(epoch, digits=3) for epoch in finite])
    lost = len(differences) - len(finite)
    notes = [one.note, ends, f"{count(lost, 'diverged seed')} left out" if lost else ""]
    return dataclasses.replace(one, note="; ".join(filter(None, notes)))


def _ends(rows: Cells, test: Test, seeds: Sequence[int]) -> str:
    """That some of a test's trainings, or all, had not converged by their end; "" where all had."""
    epochs = [_convergence(rows[cell].of(seeds), test.metric) for cell in test.cells]
    many, late = sum(map(len, epochs)), sum(int(own.isna().sum()) for own in epochs)
    if late == many:
        return "no training had converged by its end"
    return f"{late} of {count(many, 'training')} had not converged by their end" if late else ""


def _convergence(cell: Cell, metric: str) -> pd.Series:
    """Each seed's epoch of convergence, NaN where it has none."""
    found = {
        seed: statistics.convergence(values.index, values.to_numpy())
        for seed, values in cell.metrics[metric].iterrows()
    }
    return pd.Series(found, dtype=float)


def _too_few(seeds: int) -> str:
    return f"{count(seeds, 'pair')} of seeds: fewer than {FEWEST} can show nothing"


def _one(values: np.ndarray, test: Test) -> Found:
    """The verdict on one mean of values [S]."""
    low, high = _bounds(test)
    interval, mean = statistics.t_interval(values), float(values.mean())
    p = statistics.t_test_p if test.moment in ("throughout", "spread") else statistics.sign_flip_p
    one_sided = np.isinf(low) or np.isinf(high)
    nearest = min((bound for bound in (low, high) if np.isfinite(bound)), key=lambda bound: abs(mean - bound))
    within = interval.low > low and interval.high < high
    beyond = interval.high < low or interval.low > high
    verdict, note, said = INCONCLUSIVE, "", p(values - nearest)
    if beyond:
        verdict, note = CONTRADICTED, _direction(interval, test)
    elif test.printed:
        verdict, said = SUPPORTED if interval.low > 0 or interval.high < 0 else INCONCLUSIVE, p(values)
    elif one_sided and within:
        verdict = SUPPORTED
    elif not one_sided:
        said = statistics.equivalence(values, high).p
        verdict = SUPPORTED if said < statistics.LEVEL else INCONCLUSIVE
    elif test.margin:
        equal = statistics.equivalence(values, _scaled(test.margin, test))
        if equal.p < statistics.LEVEL:
            verdict, said = CONTRADICTED, equal.p
            note = f"shown to differ by less than {short(test.margin)} {test.unit}"
    return Found(verdict, note, mean, interval.low, interval.high, len(values), float(said))


def _every(found: Sequence[Found], test: Test, epochs: Sequence[str]) -> Found:
    """The verdict on all evaluations together: the worst of them."""
    sides = [one.verdict for one in found]
    against = [one for one in found if one.verdict == CONTRADICTED]
    sign = 1 if np.isfinite(test.low) else -1
    worst = min(against, key=lambda one: one.p) if against else min(found, key=lambda one: _least(one, sign))
    p = min(1.0, worst.p * len(found)) if against else max(one.p for one in found)
    other_way = f", at {len(against)} the other way" if against else ""
    note = (
        f"at {sides.count(SUPPORTED)} of {count(len(found), 'evaluation')} as claimed{other_way}; shown is epoch"
        f" {epochs[found.index(worst)]}"
    )
    verdict = CONTRADICTED if against else SUPPORTED if sides.count(SUPPORTED) == len(found) else INCONCLUSIVE
    return dataclasses.replace(worst, verdict=verdict, p=p, note=note)


def _least(found: Found, sign: int) -> float:
    """How far the interval's nearer end lies on the claimed side."""
    return found.low if sign > 0 else -found.high


def _direction(interval: statistics.Interval, test: Test) -> str:
    """Beside a number that is not met: is at least the direction the claimed one?"""
    claimed = [bound for bound in _bounds(test) if np.isfinite(bound)]
    if claimed == [0.0] or (len(claimed) == 2 and not test.printed):
        return "the other way" if len(claimed) == 1 else "further apart"
    sign = np.sign(sum(claimed))
    if interval.low <= 0 <= interval.high:
        return "no direction shown"
    if np.sign(interval.low) != sign:
        return "the other direction"
    return "same direction, " + ("smaller" if abs(interval.low + interval.high) < abs(2 * claimed[0]) else "larger")


def _bounds(test: Test) -> tuple[float, float]:
    return _scaled(test.low, test), _scaled(test.high, test)


def _scaled(bound: float, test: Test) -> float:
    """A bound on the scale on which means are taken: percents as logarithms."""
    if not test.relative or not np.isfinite(bound):
        return bound
    return float(-np.log1p(-bound / 100) if test.of_new else np.log1p(bound / 100))


def _shown(found: Found, test: Test | Bands) -> Found:
    """Effect and interval in the unit of the test."""
    if isinstance(test, Bands) or not test.relative:
        return found
    sign = -1 if test.of_new else 1
    names = ("effect", "low", "high", "smallest")
    changes = {name: sign * 100 * float(np.expm1(sign * getattr(found, name))) for name in names}
    return dataclasses.replace(found, **changes)


def _differences(rows: Cells, test: Test) -> pd.DataFrame:
    """Every seed's difference, on the scale of means; a column, or of every evaluation one."""
    apart = [_in_panel(rows, test, panel) for panel in test.panels]
    mean = sum(apart[1:], start=apart[0]) / len(apart)
    return mean - _in_panel(rows, test, test.against) if test.against else mean


def _in_panel(rows: Cells, test: Test, panel: str) -> pd.DataFrame:
    own, other = rows[panel, test.method], rows.get((panel, test.other))
    if test.moment == "reach":
        targets = other.metrics[test.metric].iloc[:, -1]
        return _reached(own, test.metric, targets) - _reached(other, test.metric, targets)
    values = _moment(own, test)
    return values if other is None else values - _moment(other, test)


def _moment(cell: Cell, test: Test) -> pd.DataFrame:
    """A metric of every seed at a test's moment, on the scale of means."""
    wide = cell.metrics[test.metric]
    if test.moment == "converged":
        later = statistics.after_the_last(wide.columns)
        epochs = _convergence(cell, test.metric).fillna(later).where(np.isfinite(wide.iloc[:, -1]))
        return np.log(epochs).to_frame("value")
    if test.moment == "spread":
        return _jackknife(wide.loc[:, cell.tuned :]).to_frame("value")
    with np.errstate(divide="ignore"):  # an accuracy of 0 before the training
        logarithm = np.log(wide)
    wide = logarithm if test.relative else 100 * wide if test.unit in ("points", OF_DRAWS) else wide
    after, begun = wide.loc[:, cell.tuned :], wide.loc[:, wide.columns > 0]
    if test.moment == "throughout":
        return after
    of = {
        "end": lambda: wide.iloc[:, -1],
        "first": lambda: after.iloc[:, 0],
        "begin": lambda: begun.iloc[:, 0],
        "mean": lambda: begun.mean(axis=1, skipna=False),
        "last epoch": lambda: wide.iloc[:, -1] - wide.loc[:, : wide.columns[-1] - 0.9].iloc[:, -1],
        "rise": lambda: after.iloc[:, -1] - after.min(axis=1, skipna=False),
    }
    return of[test.moment]().to_frame("value")


def _jackknife(wide: pd.DataFrame) -> pd.Series:
    """Pseudo-values of the logarithm of the standard deviation over seeds, pooled over the evaluations. Miller 1968."""
    seeds, values = len(wide), wide.to_numpy()

    def spread(rows: np.ndarray) -> float:
        return 0.5 * float(np.log(rows.var(axis=0, ddof=1).mean()))

    left_out = [spread(np.delete(values, seed, axis=0)) for seed in range(seeds)] if seeds > 2 else [np.nan] * seeds
    whole = spread(values) if seeds > 2 else np.nan
    return pd.Series(seeds * whole - (seeds - 1) * np.array(left_out), wide.index)


def _reached(cell: Cell, metric: str, targets: pd.Series) -> pd.DataFrame:
    """The logarithm of the updates until each seed first has its target; the whole budget where it never has."""
    updates = {
        seed: statistics.updates_to_reach(cell.steps, values, targets[seed]) or cell.steps[-1]
        for seed, values in cell.metrics[metric].iterrows()
    }
    return np.log(pd.Series(updates, dtype=float)).to_frame("value")


def _bands(rows: Cells, test: Bands) -> Found:
    """In how many plots the bands are apart."""
    if missing := _missing(rows, test):
        return missing
    apart = [
        _apart(*(rows[panel, method] for method in (test.method, test.other)), metric, test.throughout)
        for panel in test.panels
        for metric in test.metrics
    ]
    verdict, seeds = SUPPORTED if all(apart) else CONTRADICTED, min(len(rows[cell].seeds) for cell in test.cells)
    if seeds < FEWEST:
        return Found(NOT_TESTED, _too_few(seeds))
    return Found(verdict, effect=sum(apart), n=seeds)


def _apart(one: Cell, other: Cell, metric: str, throughout: bool) -> bool:
    one, other = (cell.metrics[metric].loc[:, cell.tuned :] for cell in (one, other))
    apart = (one.mean() - other.mean()).abs() > 2 * (one.std() + other.std())
    return bool(apart.all() if throughout else apart.iloc[-1])
